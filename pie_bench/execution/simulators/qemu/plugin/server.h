// The run: what QEMU calls, where counting ends, and the forks at `main`.
//
// With `serve` the process waits at `main` (its standard input is a sequenced-packet socket; the protocol is the
// sandbox's) and forks for each input: guest, translations and the model's state are inherited, so a child counts what a
// process of its own would have counted.
// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <string>

#include "qemu.h"

namespace server {

// Reads its options (report, key, main, serve, max_instructions, memory, period_ps) and registers callbacks on system
// calls. To be called before anything else.
void install(qemu_plugin_id_t, int argc, char** argv);

// To be called first with each translated block.
void translated(qemu_plugin_tb*);

// The instruction at which the program has used up what it may execute.
uint64_t max_instructions();

// Simulated time since the start.
uint64_t nanoseconds();

// The ends of a run that are not the program's own. None returns.
[[noreturn]] void end_instruction_limit();
[[noreturn]] void end_memory_limit(const std::string& what);
[[noreturn]] void end_unsupported(const std::string& what);
[[noreturn]] void end_forbidden(const std::string& evidence);

}  // namespace server
