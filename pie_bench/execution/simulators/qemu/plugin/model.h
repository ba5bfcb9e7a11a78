// The timing model as the plugin sees it: blocks of instructions in, cycles and counters out.
// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core.h"
#include "machine.h"

namespace model {

using Counters = std::vector<std::pair<std::string, uint64_t>>;

struct Block;
struct RawInstruction {
    uint64_t address;
    const void* bytes;
    size_t size;
};

/// Makes the machine; once, before anything is translated. `profile`: cycles by instruction are kept.
void start(const Machine&, bool profile);

/// The decoded form of instructions that follow each other in memory; it lives as long as the process. QEMU leaves the
/// beginning of an instruction that crosses a page at the end of a block and starts the next block with it: not decoded.
Block* translate(const RawInstruction*, size_t n);
size_t size(const Block*);
const Instruction& instruction(const Block*, size_t index);

/// A block begins: the one before it has been executed, so that one is timed now, with the accesses noted since.
/// `registers` are the program's at this point (rax first).
void enter(Block*, const uint64_t* registers);

/// Where the next access is noted, and where room ends.
struct Noted {
    Access *next = nullptr, *end = nullptr;
};
extern Noted noted;
void make_room();
/// Notes an access of instruction `index` of the block that is being executed.
inline void note(uint16_t index, uint64_t address, unsigned bytes, bool store) {
    if (noted.next == noted.end) make_room();
    *noted.next++ = Access{address, index, uint8_t(bytes), store};
}
/// Notes the registers right after the division that is instruction `index`.
void note_division(uint16_t index, const uint64_t* registers);

/// Times all that was executed before now. Safe at the first instruction of a block and after a system call.
void settle();
/// The end: times what is left.
void finish();

/// What a system call did: pages that it wrote to are present; pages that it unmapped are gone.
void pages_written_by_kernel(uint64_t address, uint64_t bytes);
void pages_unmapped(uint64_t address, uint64_t bytes);

/// `reached` is called once exactly `instructions` have been retired; it must not return.
void set_limit(uint64_t instructions, void (*reached)());
/// Called when an instruction that the machine does not have is about to be timed; it must not return.
void set_unsupported(void (*met)(const std::string& name));

uint64_t cycles();
uint64_t instructions();
/// The address of the instruction executed last before the current block.
uint64_t last_instruction();
void read(Counters&);

/// Executions and cycles by address of the instruction; empty without `profile`.
struct Line {
    uint64_t address, executions, cycles;
};
std::vector<Line> profile();

}  // namespace model
