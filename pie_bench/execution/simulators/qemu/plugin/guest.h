// The guest's reach: which memory, code and system calls are its own. Anything else ends the run as `forbidden`.
//
// Guest and QEMU share an address space. QEMU keeps a table of the guest's pages; here every access and every block of
// code is held against it, so a guest that finds a page of QEMU's ends at that access. System calls are those of a
// contest program; paths and descriptors that lead to the simulator are refused.
// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <string>

struct qemu_plugin_tb;

namespace guest {

struct Limits {
    uint64_t memory_bytes = ~0ull;  // mapped at once; beyond it system calls fail as natively
};

void start(const Limits&);

// A block of code that is about to be translated: it must be the program's or a library's, not made at run time.
void code(uint64_t address, uint64_t size);

// Before and after a system call. `result` may be replaced: see `replaced_result`.
void called(unsigned vcpu, int64_t number, const uint64_t arguments[6]);
void returned(unsigned vcpu, int64_t number, int64_t result);

// What the guest is to see as the last call's result, if it is not what QEMU gives.
bool replaced_result(uint64_t& result);

// Why the guest, up to now, may have seen which run it is: its input, the clock, its process. Empty if it has not.
const std::string& has_seen();

// A descriptor of the plugin's own while it serves; -1 for none.
void set_control(int descriptor);

uint64_t pages_touched();          // at most, at once
bool is_mapped(uint64_t address);  // the guest's
bool handles_faults();             // it has a handler for SIGSEGV or SIGBUS

// What it may run out of. The stack's place is told at the start, by an address in it; where a stack that has overflowed
// would go on is as much again below it.
bool lacked_memory();  // a system call was refused for the limit on memory
void stack_at(uint64_t address);
bool is_below_stack(uint64_t address);

struct Page {
    uint64_t number = ~0ull;
    bool writable = false;
};
constexpr unsigned RECENT = 1024;
extern Page recent[RECENT];

void access_slowly(uint64_t address, unsigned size, bool store);

// An access of `size` bytes that the guest's code has made.
inline void access(uint64_t address, unsigned size, bool store) {
    uint64_t page = address >> 12;
    const Page& known = recent[page % RECENT];
    if (known.number == page && (known.writable || !store) && (address + size - 1) >> 12 == page) return;
    access_slowly(address, size, store);
}

}  // namespace guest
