// What the simulated instruction set decides; each has a folder of its own beside these files:
//
// - `arch.h`: registers as the renamer sees them, memory order, where QEMU keeps registers, how a system call looks, its
//   numbers and structures;
// - `decode.cpp`: its instructions as micro-operations (decode.h);
// - `arch.cpp`: what else there is to do when code is translated.
// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "arch.h"
#include "qemu.h"

namespace isa {

// To be called with each translated block: asks QEMU to call the plugin at instructions whose answers are the host's, and
// at those that the guest must not execute.
void translated(qemu_plugin_tb*);

}  // namespace isa

inline uint64_t* registers(CPUArchState* state) { return reinterpret_cast<uint64_t*>(state) + STATE_REGISTERS; }
