// Where cycles go, if asked for: by instruction of the program's own code.
//
// "Own" is what the harness says it is: functions of the program's source text. What else runs (libraries, templates of
// headers that were not inlined) goes by the own call that led there; what no own call led to, and start-up, is elsewhere.
// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <string>

#include "model.h"

namespace profile {

extern bool wanted;

// To be called once, with the own code: a line "begin end" each, from the beginning of the program's code.
void start(const std::string& own);

// A block begins, to be called after `model::enter`, with the program's stack pointer.
void enter(const model::Block*, uint64_t stack_pointer);

// Start-up ends: what was until now counts as elsewhere.
void end_startup();

// The end: adds it to the report, `line PLACE CYCLES` and `called PLACE CYCLES`.
void finish();

}  // namespace profile
