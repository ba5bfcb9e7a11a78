// Threads take turns: one runs at a time, until it waits, ends, yields or has had its turn. Who is next depends on the
// program alone, so a program with threads counts the same in every run. It has one core, as it would in gem5.
//
// A thread that waits on a futex waits here, not in the kernel; who wakes it is seen here too.
// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>

#include "qemu.h"

namespace threads {

void install(qemu_plugin_id_t);

// The thread's number while it is the only one.
extern unsigned only;

void turn_slowly(unsigned vcpu, const void* block);

// Before each block of the guest's code, with the callback's return address, which is in that block's translation. It
// may not return: then the block begins again.
inline void turn(unsigned vcpu, const void* block) {
    if (vcpu != only) turn_slowly(vcpu, block);
}

// Whether there are others: then `exit` ends a thread, not the program.
bool are_several();

// Before and after futex and sched_yield, which the thread that runs has called. `after_futex` gives the result that
// the guest is to see, if it is not the kernel's.
void before_futex(unsigned vcpu, const uint64_t arguments[6]);
bool after_futex(unsigned vcpu, uint64_t& result);
void yield(unsigned vcpu);

// A new thread whose number in memory is set to 0 when it ends.
void created(uint64_t cleared_at_its_end);

}  // namespace threads
