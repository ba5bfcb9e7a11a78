// SPDX-License-Identifier: GPL-2.0-or-later
#include "arch.h"

#include <cstring>

#include "guest.h"
#include "isa.h"
#include "model.h"
#include "qemu.h"
#include "server.h"

extern "C" uint64_t qemu_plugin_end_code();  // the end of the program's executable segment

namespace {

constexpr unsigned ZEROED_BYTES = 64;  // by dc zva, on a Neoverse N1

bool is_zeroing(uint32_t word) { return (word & 0xffffffe0) == 0xd50b7420; }
// mrs of cntvct_el0, cntpct_el0 and their like of later architectures
bool reads_clock(uint32_t word) { return (word & 0xffffff00) == 0xd53be000; }

// After dc zva, of which QEMU tells nothing: what it wrote. The register's number and the index are in the data.
extern "C" void ruler_after_zeroing_with_registers(unsigned, void* data, CPUArchState* guest) {
    auto packed = reinterpret_cast<uintptr_t>(data);
    unsigned number = packed & 31;
    if (number == 31) return;
    uint64_t address = registers(guest)[number] & ~uint64_t(ZEROED_BYTES - 1);
    guest::access(address, ZEROED_BYTES, true);
    model::note(uint16_t(packed >> 5), address, ZEROED_BYTES, true);
}
QEMU_CALLBACK_WITH_REGISTERS(ruler_after_zeroing)

void on_clock(unsigned, void*) { server::end_unsupported("the clock of the processor: cntvct_el0"); }

}  // namespace

void isa::translated(qemu_plugin_tb* block) {
    const size_t count = qemu_plugin_tb_n_insns(block);
    for (size_t k = 0; k < count; ++k) {
        qemu_plugin_insn* instruction = qemu_plugin_tb_get_insn(block, k);
        uint32_t word;
        std::memcpy(&word, qemu_plugin_insn_data(instruction), sizeof word);
        if (is_zeroing(word) && k + 1 < count)
            qemu_plugin_register_vcpu_insn_exec_cb(qemu_plugin_tb_get_insn(block, k + 1), ruler_after_zeroing,
                                                   QEMU_PLUGIN_CB_RW_REGS,
                                                   reinterpret_cast<void*>(uintptr_t(k << 5 | (word & 31))));
        // The loader reads it for its statistics, which nobody asks for. A program would learn the host's time.
        uint64_t address = qemu_plugin_insn_vaddr(instruction);
        if (reads_clock(word) && address >= qemu_plugin_start_code() && address < qemu_plugin_end_code())
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, on_clock, QEMU_PLUGIN_CB_NO_REGS, nullptr);
    }
}
