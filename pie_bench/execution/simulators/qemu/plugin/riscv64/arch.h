// RISC-V, RV64GC: registers, memory order, the processor's state in QEMU, Linux's system calls.
// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>

#include "linux.h"

/// Registers as the renamer sees them: x0 to x31, f0 to f31. x0 is none.
enum Register : uint8_t {
    ZERO = 0, RA = 1, SP = 2, T0 = 5,
    F0 = 32,
    NO_REGISTER = 126,  // as a source: always ready
    NOWHERE = 127,      // as a destination: never read
    REGISTERS = 128
};
// Architectural registers, and micro-code's one, which hold physical ones for good (gem5's src/arch/riscv/regs).
constexpr uint32_t ARCHITECTURAL_INTEGERS = 33, ARCHITECTURAL_FLOATS = 32;
// Stores need not wait for each other (gem5's needsTSO is false).
constexpr bool TOTAL_STORE_ORDER = false;

// QEMU's state of a processor begins with x0 to x31.
constexpr unsigned STATE_REGISTERS = 0, STACK_POINTER = SP, CALL_RESULT = 10;
// The instruction that makes a system call: ecall.
constexpr uint8_t CALL_BYTES[] = {0x73, 0x00, 0x00, 0x00};
constexpr unsigned LONGEST_INSTRUCTION = 4;

constexpr uint64_t ACTION_BYTES = 24;  // struct sigaction, as the kernel has it
