// SPDX-License-Identifier: GPL-2.0-or-later
#include "arch.h"

#include <cstring>

#include "isa.h"
#include "model.h"
#include "qemu.h"
#include "server.h"

namespace {

// The counters that user code can read, by number; others trap, as natively.
enum Counter : uint32_t { CYCLE = 0xc00, TIME = 0xc01, INSTRET = 0xc02 };

uint32_t word_at(uint64_t address) {
    uint32_t word;
    std::memcpy(&word, reinterpret_cast<const void*>(address + guest_base), sizeof word);
    return word;
}

// csrrs and its like, with a counter.
bool reads_counter(uint32_t word) {
    return (word & 0x7f) == 0x73 && (word >> 12 & 3) != 0 && word >> 20 >= CYCLE && word >> 20 <= INSTRET;
}

// After a counter was read, which ends a block: what it is in the simulated machine.
extern "C" void ruler_after_counter_with_registers(unsigned, void* here, CPUArchState* guest) {
    auto address = reinterpret_cast<uintptr_t>(here);
    if (model::last_instruction() != address - 4) return;  // the guest came from elsewhere
    uint32_t word = word_at(address - 4), to = word >> 7 & 31;
    if (to == ZERO) return;
    registers(guest)[to] = word >> 20 == CYCLE     ? model::cycles()
                           : word >> 20 == INSTRET ? model::instructions()
                                                   : server::nanoseconds();
}
QEMU_CALLBACK_WITH_REGISTERS(ruler_after_counter)

}  // namespace

void isa::translated(qemu_plugin_tb* block) {
    uint64_t begin = qemu_plugin_tb_vaddr(block);
    if (!(page_get_flags(begin - 4) & PAGE_READ) || !(page_get_flags(begin - 1) & PAGE_READ)) return;
    if (reads_counter(word_at(begin - 4)))
        qemu_plugin_register_vcpu_insn_exec_cb(qemu_plugin_tb_get_insn(block, 0), ruler_after_counter,
                                               QEMU_PLUGIN_CB_RW_REGS, reinterpret_cast<void*>(begin));
}
