// QEMU's side of the model: what is called when code is translated and when it runs.
// For development: g++ -std=c++17 -O2 -fPIC -shared -fvisibility=hidden -Ix86_64 -o ruler.so *.cpp x86_64/*.cpp -lZydis
// SPDX-License-Identifier: GPL-2.0-or-later
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

#include "guest.h"
#include "isa.h"
#include "model.h"
#include "profile.h"
#include "qemu.h"
#include "server.h"
#include "threads.h"

extern "C" {
__attribute__((visibility("default"))) int qemu_plugin_version = 1;
__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t, const qemu_info_t*, int, char**);
}

QEMU_CALLBACK_WITH_REGISTERS(ruler_on_block)
QEMU_CALLBACK_WITH_REGISTERS(ruler_after_division)

namespace {

bool started = false;

// The guest's mapping around an address, as far as it goes: [begin, end).
void present_around(uint64_t address) {
    if (!page_get_flags(address)) return;
    uint64_t begin = address & ~4095ull, end = begin + 4096;
    while (page_get_flags(begin - 4096)) begin -= 4096;
    while (page_get_flags(end)) end += 4096;
    model::pages_written_by_kernel(begin, end - begin);
}

// gem5 reads the program and the dynamic loader into memory and writes the stack's first pages before it starts, so
// that touching them is no fault; all other pages come when they are touched.
void present_at_start(uint64_t first_instruction, uint64_t stack_pointer) {
    started = true;
    present_around(qemu_plugin_start_code());
    present_around(first_instruction);
    guest::stack_at(stack_pointer);
    uint64_t end = stack_pointer & ~4095ull;
    while (page_get_flags(end)) end += 4096;
    model::pages_written_by_kernel(stack_pointer, end - stack_pointer);
}

}  // namespace

extern "C" void ruler_on_block_with_registers(unsigned vcpu, void* data, CPUArchState* guest_state) {
    threads::turn(vcpu, __builtin_return_address(0));
    auto* block = static_cast<model::Block*>(data);
    const uint64_t* has = registers(guest_state);
    if (!started) present_at_start(model::instruction(block, 0).address, has[STACK_POINTER]);
    model::enter(block, has);
    if (profile::wanted) profile::enter(block, has[STACK_POINTER]);
}

extern "C" void ruler_after_division_with_registers(unsigned, void* data, CPUArchState* guest_state) {
    model::note_division(uint16_t(reinterpret_cast<uintptr_t>(data)), registers(guest_state));
}

namespace {

void on_access(unsigned, qemu_plugin_meminfo_t info, uint64_t address, void* data) {
    unsigned bytes = 1u << qemu_plugin_mem_size_shift(info);
    bool store = qemu_plugin_mem_is_store(info);
    guest::access(address, bytes, store);
    model::note(uint16_t(reinterpret_cast<uintptr_t>(data)), address, bytes, store);
}

void on_translation(qemu_plugin_id_t, qemu_plugin_tb* tb) {
    server::translated(tb);
    size_t n = qemu_plugin_tb_n_insns(tb);
    std::vector<model::RawInstruction> raw(n);
    for (size_t k = 0; k < n; ++k) {
        const qemu_plugin_insn* in = qemu_plugin_tb_get_insn(tb, k);
        raw[k] = {qemu_plugin_insn_vaddr(in), qemu_plugin_insn_data(in), qemu_plugin_insn_size(in)};
    }
    model::Block* block = model::translate(raw.data(), n);
    n = model::size(block);
    qemu_plugin_register_vcpu_tb_exec_cb(tb, ruler_on_block, QEMU_PLUGIN_CB_NO_REGS, block);
    for (size_t k = 0; k < n; ++k) {
        qemu_plugin_insn* in = qemu_plugin_tb_get_insn(tb, k);
        void* index = reinterpret_cast<void*>(uintptr_t(k));
        qemu_plugin_register_vcpu_mem_cb(in, on_access, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, index);
        Loop loop = model::instruction(block, k).loop;
        if (k + 1 < n && (loop == Loop::Division || loop == Loop::SignedDivision))
            qemu_plugin_register_vcpu_insn_exec_cb(qemu_plugin_tb_get_insn(tb, k + 1), ruler_after_division,
                                                   QEMU_PLUGIN_CB_NO_REGS, index);
    }
}

std::string text_of(const char* path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

}  // namespace

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t*, int argc, char** argv) {
    server::install(id, argc, argv);
    std::string machine;
    for (int k = 0; k < argc; ++k) {
        if (!std::strncmp(argv[k], "machine=", 8)) machine = text_of(argv[k] + 8);
        if (!std::strncmp(argv[k], "profile=", 8)) profile::start(text_of(argv[k] + 8));
    }
    try {
        model::start(Machine::parse(machine), profile::wanted);
    } catch (const BadMachine& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    model::set_limit(server::max_instructions(), [] { server::end_instruction_limit(); });
    model::set_unsupported([](const std::string& name) { server::end_unsupported(name); });
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    return 0;
}
