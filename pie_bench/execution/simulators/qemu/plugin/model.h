// The timing model as the plugin sees it: blocks of decoded instructions in, cycles and counters out.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "decode.h"
#include "machine.h"

namespace model {

/// One access of one instruction to memory, in the order in which the instruction made them.
struct Access {
  uint64_t address;
  uint16_t instruction;  ///< index in its block
  uint8_t bytes;
  bool store;
};

/// Makes the machine; call once, before anything is translated.
void start(const Machine& machine);

/// The decoded form of `n` instructions that QEMU translates as one block; lives as long as the process.
struct Block;
struct RawInstruction {
  uint64_t address;
  const void* bytes;
  size_t size;
};
Block* translate(const RawInstruction* instructions, size_t n);

/// A block begins: the block before it has been executed, so it is timed now, with the accesses noted since.
void enter(Block* block, const uint64_t* registers);

/// Notes an access of instruction `index` of the block that is being executed.
void note(uint16_t index, uint64_t address, unsigned bytes, bool store);

/// Notes the registers (rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 … r15) just after a division.
void note_division(uint16_t index, const uint64_t* registers);

/// Times what has been executed up to now: the current block if its last instruction is a system call, else nothing
/// (the blocks before it have been timed when it was entered).
void settle();

/// At the end of the process: times whatever is left.
void finish();

/// What a system call did to memory: pages it wrote are present now; pages it unmapped are gone.
void pages_written_by_kernel(uint64_t address, uint64_t bytes);
void pages_unmapped(uint64_t address, uint64_t bytes);

uint64_t cycles();
uint64_t instructions();

/// Calls `each` with the name and value of every counter, always in the same order.
void read(const std::function<void(const char* name, uint64_t value)>& each);

/// Cycles by instruction address (only if the machine asks for it): cycles by which commit moved on.
void read_profile(const std::function<void(uint64_t address, uint64_t cycles, uint64_t executions)>& each);

/// Called when exactly `instructions` have been retired (0: never); must not return.
void set_limit(uint64_t instructions, void (*reached)());

/// Called at translation for an instruction that the machine does not have; it must end the program when executed.
bool known(const Block* block, size_t index);
const char* name_of(const Block* block, size_t index);

}  // namespace model
