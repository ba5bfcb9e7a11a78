// AArch64: registers, memory order, the processor's state in QEMU, Linux's system calls.
// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>

#include "linux.h"

/// Registers as the renamer sees them: x0 to x30, the stack pointer, the flags, one of micro-code's, v0 to v31.
enum Register : uint8_t {
    X0 = 0, LINK = 30, SP = 31, FLAGS = 32, MICRO = 33,
    V0 = 40,
    NO_REGISTER = 126,  // as a source: always ready
    NOWHERE = 127,      // as a destination: never read
    REGISTERS = 128
};
// Architectural registers, which hold physical ones for good: x0 to x30, four stack pointers and micro-code's three; the
// vectors and micro-code's eight (gem5's src/arch/arm/regs).
constexpr uint32_t ARCHITECTURAL_INTEGERS = 38, ARCHITECTURAL_FLOATS = 40;
// Stores need not wait for each other (gem5's needsTSO is false).
constexpr bool TOTAL_STORE_ORDER = false;

// QEMU's state of a processor begins with sixteen registers of 32 bits; then come x0 to x30 and the stack pointer.
constexpr unsigned STATE_REGISTERS = 8, STACK_POINTER = SP, CALL_RESULT = X0;
// The instruction that makes a system call: svc #0.
constexpr uint8_t CALL_BYTES[] = {0x01, 0x00, 0x00, 0xd4};
constexpr unsigned LONGEST_INSTRUCTION = 4;

constexpr uint64_t ACTION_BYTES = 32;  // struct sigaction, as the kernel has it
