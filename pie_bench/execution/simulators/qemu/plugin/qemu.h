// What the plugin uses of QEMU 7.2's user-mode emulation: its plugin interface (include/qemu/qemu-plugin.h), and some of
// its own functions, which Debian's binary exports by name.
// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

using qemu_plugin_id_t = uint64_t;
using qemu_plugin_meminfo_t = uint32_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info_t;

enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_CB_R_REGS, QEMU_PLUGIN_CB_RW_REGS };
enum qemu_plugin_mem_rw { QEMU_PLUGIN_MEM_R = 1, QEMU_PLUGIN_MEM_W = 2, QEMU_PLUGIN_MEM_RW = 3 };

using qemu_plugin_udata_cb_t = void (*)(qemu_plugin_id_t, void*);
using qemu_plugin_vcpu_simple_cb_t = void (*)(qemu_plugin_id_t, unsigned vcpu);
using qemu_plugin_vcpu_udata_cb_t = void (*)(unsigned vcpu, void*);
using qemu_plugin_vcpu_tb_trans_cb_t = void (*)(qemu_plugin_id_t, qemu_plugin_tb*);
using qemu_plugin_vcpu_mem_cb_t = void (*)(unsigned vcpu, qemu_plugin_meminfo_t, uint64_t address, void*);
using qemu_plugin_vcpu_syscall_cb_t = void (*)(qemu_plugin_id_t, unsigned vcpu, int64_t number, uint64_t, uint64_t,
                                               uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
using qemu_plugin_vcpu_syscall_ret_cb_t = void (*)(qemu_plugin_id_t, unsigned vcpu, int64_t number, int64_t result);

void qemu_plugin_register_vcpu_init_cb(qemu_plugin_id_t, qemu_plugin_vcpu_simple_cb_t);
void qemu_plugin_register_vcpu_exit_cb(qemu_plugin_id_t, qemu_plugin_vcpu_simple_cb_t);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, qemu_plugin_vcpu_tb_trans_cb_t);
void qemu_plugin_register_vcpu_tb_exec_cb(qemu_plugin_tb*, qemu_plugin_vcpu_udata_cb_t, qemu_plugin_cb_flags, void*);
void qemu_plugin_register_vcpu_insn_exec_cb(qemu_plugin_insn*, qemu_plugin_vcpu_udata_cb_t, qemu_plugin_cb_flags,
                                            void*);
void qemu_plugin_register_vcpu_mem_cb(qemu_plugin_insn*, qemu_plugin_vcpu_mem_cb_t, qemu_plugin_cb_flags,
                                      qemu_plugin_mem_rw, void*);
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t, qemu_plugin_vcpu_syscall_cb_t);
void qemu_plugin_register_vcpu_syscall_ret_cb(qemu_plugin_id_t, qemu_plugin_vcpu_syscall_ret_cb_t);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, qemu_plugin_udata_cb_t, void*);

size_t qemu_plugin_tb_n_insns(const qemu_plugin_tb*);
uint64_t qemu_plugin_tb_vaddr(const qemu_plugin_tb*);
qemu_plugin_insn* qemu_plugin_tb_get_insn(const qemu_plugin_tb*, size_t);
const void* qemu_plugin_insn_data(const qemu_plugin_insn*);
size_t qemu_plugin_insn_size(const qemu_plugin_insn*);
uint64_t qemu_plugin_insn_vaddr(const qemu_plugin_insn*);
unsigned qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t);
uint64_t qemu_plugin_start_code();  // of the program: its lowest executable segment

// QEMU's own (accel/tcg, linux-user/mmap.c): not an interface, but as fixed as the binary, which is pinned.
struct CPUState;
struct CPUArchState;  // of the simulated processor
struct TranslationBlock {
    uint64_t pc, cs_base;  // the first fields
    uint32_t flags, cflags;
};
int page_get_flags(uint64_t address);  // the guest's mappings; 0 for what is not the guest's
void mmap_lock();
void mmap_unlock();
TranslationBlock* tb_gen_code(CPUState*, uint64_t pc, uint64_t cs_base, uint32_t flags, int cflags);
TranslationBlock* tcg_tb_lookup(uintptr_t host_pc);
void cpu_exec_start(CPUState*);
void cpu_exec_end(CPUState*);
bool cpu_restore_state(CPUState*, uintptr_t host_pc, bool will_exit);
[[noreturn]] void cpu_loop_exit_noexc(CPUState*);
extern __thread CPUState* thread_cpu;
extern uint64_t guest_base;

constexpr int PAGE_READ = 1, PAGE_WRITE = 2, PAGE_EXEC = 4, PAGE_VALID = 8, PAGE_WRITE_ORG = 16, PAGE_ANON = 128;
}

// The guest's registers, in a callback on execution: QEMU's code generator keeps their place in rbp (x19 on arm64).
#if defined(__x86_64__)
#define QEMU_CALLBACK_WITH_REGISTERS(name)                                                                            \
    extern "C" void name##_with_registers(unsigned vcpu, void* data, CPUArchState* guest);                             \
    extern "C" void name(unsigned vcpu, void* data);                                                                  \
    asm(".text\n.type " #name ", @function\n" #name ":\n\tmov %rbp, %rdx\n\tjmp " #name "_with_registers\n");
#elif defined(__aarch64__)
// Global, because the global offset table has one entry for all of a file's local labels here: the first's address.
#define QEMU_CALLBACK_WITH_REGISTERS(name)                                                                            \
    extern "C" void name##_with_registers(unsigned vcpu, void* data, CPUArchState* guest);                             \
    extern "C" void name(unsigned vcpu, void* data);                                                                  \
    asm(".text\n.global " #name "\n.hidden " #name "\n.type " #name ", %function\n" #name                             \
        ":\n\tmov x2, x19\n\tb " #name "_with_registers\n");
#endif
