// SPDX-License-Identifier: GPL-2.0-or-later
#include "arch.h"

#include <Zydis/Zydis.h>

#include <cstring>
#include <string>

#include "isa.h"
#include "model.h"
#include "qemu.h"
#include "server.h"

extern "C" void cpu_x86_cpuid(CPUArchState*, uint32_t leaf, uint32_t count, uint32_t* eax, uint32_t* ebx, uint32_t* ecx,
                              uint32_t* edx);

namespace {

constexpr uint8_t EVEX = 0x62;  // what instructions of AVX-512 begin with
constexpr uint8_t RDTSCP_END = 0xf9;

// What gem5 24 (src/arch/x86/X86ISA.py) answers to cpuid, as eax, ebx, ecx, edx, by leaf: the C library then chooses the
// routines that it chooses there.
struct Leaf {
    uint32_t leaf, registers[4];
};
const Leaf CPUID[] = {
    {0x00000000, {0x0000000d, 0x6f677948, 0x656e6975, 0x6e65476e}},
    {0x00000001, {0x00020f51, 0x00000805, 0x00000209, 0xefdbfbff}},
    {0x00000004, {0, 0, 0, 0}},
    {0x00000007, {0, 0x01800000, 0, 0}},
    {0x0000000d, {0, 0, 0, 0}},
    {0x80000000, {0x80000008, 0x6f677948, 0x656e6975, 0x6e65476e}},
    {0x80000001, {0x00020f51, 0x00000405, 0x00020001, 0xebd3fbff}},
    {0x80000005, {0xff08ff08, 0xff20ff20, 0x40020140, 0x40020140}},
    {0x80000006, {0, 0x42004200, 0x04008140, 0}},
    {0x80000007, {0x80000018, 0x68747541, 0x444d4163, 0x69746e65}},
    {0x80000008, {0x00003030, 0, 0, 0}},
};
// Instructions whose answer is the host's, and what else the guest must not execute.
enum class Asks { Nothing, Cpuid, Clock, Call32, Random, Place };

// What an instruction asks, whatever prefixes it has.
Asks asks(const uint8_t* bytes, size_t size) {
    static const uint8_t PREFIXES[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3};
    bool repeats = false;
    while (size > 2 && (std::memchr(PREFIXES, bytes[0], sizeof PREFIXES) != nullptr || (bytes[0] & 0xf0) == 0x40)) {
        repeats |= bytes[0] == 0xf3;
        ++bytes, --size;
    }
    if (size == 2 && bytes[0] == 0xcd && bytes[1] == 0x80) return Asks::Call32;
    if (size < 2 || bytes[0] != 0x0f) return Asks::Nothing;
    if (size == 2 && bytes[1] == 0xa2) return Asks::Cpuid;
    if (size == 2 && bytes[1] == 0x31) return Asks::Clock;
    if (size == 3 && bytes[1] == 0x01 && bytes[2] == 0xf9) return Asks::Clock;
    if (size == 3 && bytes[1] == 0xc7 && bytes[2] >= 0xf8) return repeats ? Asks::Place : Asks::Random;
    if (size == 3 && bytes[1] == 0xc7 && bytes[2] >= 0xf0) return Asks::Random;
    return Asks::Nothing;
}

// At an instruction at the beginning of a block, whose address is `here`: what the one asked that was executed before
// it, if it stands right before it.
Asks asked_before(uint64_t here) {
    uint64_t size = here - model::last_instruction();
    if (size < 2 || size > LONGEST_INSTRUCTION) return Asks::Nothing;
    return asks(reinterpret_cast<const uint8_t*>(here + guest_base - size), size);
}

// After cpuid: which leaf was asked for shows in QEMU's answer.
void answer_cpuid(CPUArchState* guest) {
    uint64_t* has = registers(guest);
    auto set = [has](const uint32_t r[4]) { has[RAX] = r[0], has[RBX] = r[1], has[RCX] = r[2], has[RDX] = r[3]; };
    for (const Leaf& known : CPUID)
        for (uint32_t count = 0; count < 2; ++count) {
            uint32_t r[4];
            cpu_x86_cpuid(guest, known.leaf, count, &r[0], &r[1], &r[2], &r[3]);
            if (has[RAX] == r[0] && has[RBX] == r[1] && has[RCX] == r[2] && has[RDX] == r[3])
                return set(known.registers);
        }
    const uint32_t nothing[4] = {};
    set(nothing);
}

// After rdtsc and rdtscp: cycles of the simulated clock, on processor 0.
void answer_clock(CPUArchState* guest, bool with_processor) {
    registers(guest)[RAX] = model::cycles() & 0xffffffff;
    registers(guest)[RDX] = model::cycles() >> 32;
    if (with_processor) registers(guest)[RCX] = 0;
}

// After an instruction in a block that asked; `data` is its last byte, which tells rdtscp from rdtsc.
extern "C" void ruler_after_cpuid_with_registers(unsigned, void*, CPUArchState* guest) { answer_cpuid(guest); }
QEMU_CALLBACK_WITH_REGISTERS(ruler_after_cpuid)
extern "C" void ruler_after_clock_with_registers(unsigned, void* last, CPUArchState* guest) {
    answer_clock(guest, reinterpret_cast<uintptr_t>(last) == RDTSCP_END);
}
QEMU_CALLBACK_WITH_REGISTERS(ruler_after_clock)

// At the beginning of a block before which the bytes of such an instruction stand: they may be part of another one, and
// the guest may have come from elsewhere.
extern "C" void ruler_after_block_with_registers(unsigned, void* here, CPUArchState* guest) {
    auto address = reinterpret_cast<uintptr_t>(here);
    Asks asked = asked_before(address);
    if (asked == Asks::Cpuid) answer_cpuid(guest);
    if (asked == Asks::Clock)
        answer_clock(guest, *reinterpret_cast<const uint8_t*>(address + guest_base - 1) == RDTSCP_END);
}
QEMU_CALLBACK_WITH_REGISTERS(ruler_after_block)

void on_call32(unsigned, void*) { server::end_forbidden("int 0x80, a system call of 32 bits"); }
void on_random(unsigned, void*) { server::end_unsupported("random numbers of the processor: rdrand or rdseed"); }
void on_place(unsigned, void*) { server::end_unsupported("the number of the processor: rdpid"); }

// Before an instruction of AVX-512, which QEMU lacks.
void on_avx512(unsigned, void* address) {
    ZydisDecoder decoder;
    ZydisDecodedInstruction instruction;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    bool known = ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, nullptr, address, 15, &instruction));
    server::end_unsupported(known ? std::string("AVX-512: ") + ZydisMnemonicGetString(instruction.mnemonic) : "AVX-512");
}

// The instruction before this one, if it is the last two bytes before it.
bool follows(uint64_t address, uint8_t first, uint8_t second) {
    if (!(page_get_flags(address - 2) & PAGE_READ) || !(page_get_flags(address - 1) & PAGE_READ)) return false;
    auto before = reinterpret_cast<const uint8_t*>(address + guest_base - 2);
    return before[0] == first && before[1] == second;
}

}  // namespace

void isa::translated(qemu_plugin_tb* block) {
    uint64_t begin = qemu_plugin_tb_vaddr(block);
    Asks before = Asks::Nothing;  // what the instruction before it in this block asked
    uint8_t last_byte = 0;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); ++i) {
        qemu_plugin_insn* instruction = qemu_plugin_tb_get_insn(block, i);
        size_t size = qemu_plugin_insn_size(instruction);
        auto bytes = static_cast<const uint8_t*>(qemu_plugin_insn_data(instruction));
        auto on = [instruction](qemu_plugin_vcpu_udata_cb_t callback, qemu_plugin_cb_flags flags, uint64_t data) {
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, callback, flags, reinterpret_cast<void*>(data));
        };
        if (i == 0 && (follows(begin, 0x0f, 0xa2) || follows(begin, 0x0f, 0x31) || follows(begin, 0x01, RDTSCP_END)))
            on(ruler_after_block, QEMU_PLUGIN_CB_RW_REGS, begin);
        if (before == Asks::Cpuid) on(ruler_after_cpuid, QEMU_PLUGIN_CB_RW_REGS, 0);
        if (before == Asks::Clock) on(ruler_after_clock, QEMU_PLUGIN_CB_RW_REGS, last_byte);
        if (bytes[0] == EVEX) on(on_avx512, QEMU_PLUGIN_CB_NO_REGS, qemu_plugin_insn_vaddr(instruction) + guest_base);
        before = asks(bytes, size);
        if (before == Asks::Call32) on(on_call32, QEMU_PLUGIN_CB_NO_REGS, 0);
        if (before == Asks::Random) on(on_random, QEMU_PLUGIN_CB_NO_REGS, 0);
        if (before == Asks::Place) on(on_place, QEMU_PLUGIN_CB_NO_REGS, 0);
        last_byte = bytes[size - 1];
    }
}
