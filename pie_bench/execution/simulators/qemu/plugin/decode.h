// Instructions as gem5 cracks them into micro-operations (src/arch/*/isa): how many, of which class, and what each reads and
// writes. `decode` and the registers are the instruction set's: in its own folder.
// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "arch.h"
#include "machine.h"
#include "predictor.h"

/// One micro-operation: 16 bytes, so that a block's lie in few cache lines.
struct MicroOp {
    enum : uint8_t { LOAD = 1, STORE = 2, BRANCH = 4, NON_SPECULATIVE = 8, SERIALIZE_BEFORE = 16, SERIALIZE_AFTER = 32,
                     BARRIER = 64, CLASSLESS = 128 };
    uint8_t op_class = 0, flags = 0, integers = 0, floats = 0;  // integer and floating registers that it renames
    uint8_t source[6] = {NO_REGISTER, NO_REGISTER, NO_REGISTER, NO_REGISTER, NO_REGISTER, NO_REGISTER};
    uint8_t destination[4] = {NOWHERE, NOWHERE, NOWHERE, NOWHERE};
    // Its way through the core. The first ones take at most one register of each kind and three destinations:
    enum : uint8_t {
        SIMPLE,        // three sources
        NO_SOURCES,    // and one destination
        MORE_SOURCES,  // six
        SIMPLE_LOAD,   // two, and one destination
        SIMPLE_STORE,  // three, and no destination
        OTHER
    };
    uint8_t way = OTHER;
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

inline uint8_t way_of(const MicroOp& op) {
    constexpr uint8_t PLAIN = MicroOp::LOAD | MicroOp::STORE | MicroOp::BRANCH | MicroOp::CLASSLESS;
    auto sources = [&](unsigned most) { return op.source[most] == NO_REGISTER; };
    auto destinations = [&](unsigned most) { return op.destination[most] == NOWHERE; };
    if (op.flags & ~PLAIN || op.integers > 1 || op.floats > 1 || !destinations(3)) return MicroOp::OTHER;
    if (op.flags & MicroOp::LOAD) return sources(2) && destinations(1) ? MicroOp::SIMPLE_LOAD : MicroOp::OTHER;
    if (op.flags & MicroOp::STORE) return sources(3) && destinations(0) ? MicroOp::SIMPLE_STORE : MicroOp::OTHER;
    if (sources(0) && destinations(1)) return MicroOp::NO_SOURCES;
    return sources(3) ? MicroOp::SIMPLE : MicroOp::MORE_SOURCES;
}

/// Completes an instruction whose micro-operations are all there: the core takes them as they are then.
inline void settle(Instruction& in) {
    if (in.ops.empty()) in.ops.push_back(MicroOp());
    in.count = uint16_t(in.ops.size());
    for (MicroOp& op : in.ops) {
        op.way = way_of(op);
        in.inner_branch |= (op.flags & MicroOp::BRANCH) && &op != &in.ops.back();
    }
}

/// Decodes one instruction; bytes that are none become an instruction that is `unsupported`.
Instruction decode(uint64_t address, const void* bytes, size_t size);
