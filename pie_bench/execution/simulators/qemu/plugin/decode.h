// x86-64 instructions as gem5 cracks them into micro-operations (src/arch/x86/isa/insts): how many, of which class, and
// what each reads and writes.
// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "machine.h"
#include "predictor.h"

/// Registers as the renamer sees them. Micro-code's t0 is the zero register: nothing depends on it.
enum Register : uint8_t {
    RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI,  // … R8–R15 up to 15
    T0 = 16, T1, T2, T3, T4, T5, T6, T7,
    PROD_LOW = 32, PROD_HIGH, QUOTIENT, REMAINDER, DIVISOR, DOUBLE_BITS,
    ZAPS = 40, CFOF, DF, ECF, EZF,  // gem5's five condition code registers
    XMM = 48,                       // low and high halves alternate: 48 … 79
    UFP = 80,                       // micro-code's own: ufp1 is UFP + 1
    ST = 90,                        // x87
    MISC = 100,                     // MXCSR, FCW and the like, as sources
    NO_REGISTER = 126,              // as a source: always ready
    NOWHERE = 127,                  // as a destination: never read
    REGISTERS = 128
};

/// One micro-operation: 16 bytes, so that a block's lie in few cache lines.
struct MicroOp {
    enum : uint8_t { LOAD = 1, STORE = 2, BRANCH = 4, NON_SPECULATIVE = 8, SERIALIZE_BEFORE = 16, SERIALIZE_AFTER = 32,
                     BARRIER = 64, CLASSLESS = 128 };
    uint8_t op_class = 0, flags = 0, integers = 0, floats = 0;  // integer and floating registers that it renames
    uint8_t source[6] = {NO_REGISTER, NO_REGISTER, NO_REGISTER, NO_REGISTER, NO_REGISTER, NO_REGISTER};
    uint8_t destination[4] = {NOWHERE, NOWHERE, NOWHERE, NOWHERE};
    enum : uint8_t { SIMPLE, SIMPLE_LOAD, SIMPLE_STORE, OTHER };
    uint8_t way = OTHER;  // through the core: the first three are at most three sources and one register of each kind
    uint8_t spare = 0;
};
static_assert(sizeof(MicroOp) == 16, "a micro-operation is 16 bytes");

/// Loops of micro-operations inside an instruction.
enum class Loop : uint8_t { None, Division, SignedDivision, String };

struct Instruction {
    uint64_t address = 0, target = 0;  // target of a direct branch
    uint8_t size = 0, operand_bytes = 0;
    BranchKind branch = BranchKind::None;
    Loop loop = Loop::None;
    bool system_call = false;
    uint16_t count = 0;         // of micro-operations
    bool inner_branch = false;  // a micro-operation before the last one is a branch
    uint16_t loop_begin = 0, loop_end = 0;  // indices of micro-operations; the last one of the loop is its branch
    std::vector<MicroOp> ops;
    std::string unsupported;  // name, if the machine does not have it
};

/// Decodes one instruction; bytes that are none become an instruction that is `unsupported`.
Instruction decode(uint64_t address, const void* bytes, size_t size);
