// SPDX-License-Identifier: GPL-2.0-or-later
#include "profile.h"

#include <map>
#include <sstream>
#include <vector>

#include "qemu.h"
#include "report.h"

namespace profile {

bool wanted = false;

namespace {

std::map<uint64_t, uint64_t> own;  // begin → end
std::map<uint64_t, uint64_t> called;  // cycles by the address of the own instruction that led there
std::map<uint64_t, uint64_t> at_startup;  // cycles of own instructions until then
uint64_t call = 0;  // that instruction; 0 for none
uint64_t before = 0;  // cycles at the beginning of the block under way
const model::Block* last = nullptr;

// Own functions that were called from other code (`main`, a comparison that std::sort calls): where the stack was then, and
// what had led there.
struct Entered {
    uint64_t stack_pointer, call;
};
std::vector<Entered> entered;

bool is_own(uint64_t address) {
    uint64_t place = address - qemu_plugin_start_code();
    auto after = own.upper_bound(place);
    return after != own.begin() && place < std::prev(after)->second;
}

const Instruction& end_of(const model::Block* block) { return model::instruction(block, model::size(block) - 1); }

bool is_call(BranchKind kind) { return kind == BranchKind::Call || kind == BranchKind::IndirectCall; }

}  // namespace

void start(const std::string& text) {
    wanted = true;
    std::istringstream lines(text);
    for (uint64_t begin, end; lines >> begin >> end;) own[begin] = end;
}

void enter(const model::Block* block, uint64_t stack_pointer) {
    uint64_t now = model::cycles();
    if (last != nullptr) {
        bool was_own = is_own(end_of(last).address), will_be_own = is_own(model::instruction(block, 0).address);
        if (!was_own && call != 0) called[call] += now - before;
        if (was_own != will_be_own) {
            while (!entered.empty() && stack_pointer > entered.back().stack_pointer) {
                call = entered.back().call;
                entered.pop_back();
            }
            const Instruction& end = end_of(last);
            if (was_own && end.branch != BranchKind::Return) call = end.address;
            if (will_be_own && is_call(end.branch)) entered.push_back({stack_pointer, call});
        }
    }
    last = block;
    before = now;
}

void end_startup() {
    if (!wanted) return;
    called.clear();
    for (const model::Line& line : model::profile()) at_startup[line.address] = line.cycles;
}

void finish() {
    if (!wanted) return;
    uint64_t begin = qemu_plugin_start_code(), elsewhere = 0;
    if (last != nullptr && !is_own(end_of(last).address) && call != 0) called[call] += model::cycles() - before;
    for (const model::Line& line : model::profile()) {
        uint64_t cycles = is_own(line.address) ? line.cycles - at_startup[line.address] : 0;
        if (cycles > 0) report::add("line " + std::to_string(line.address - begin) + " " + std::to_string(cycles));
        elsewhere += line.cycles - cycles;
    }
    for (const auto& [address, cycles] : called) {
        report::add("called " + std::to_string(address - begin) + " " + std::to_string(cycles));
        elsewhere -= cycles < elsewhere ? cycles : elsewhere;
    }
    if (elsewhere > 0) report::add("line elsewhere " + std::to_string(elsewhere));
}

}  // namespace profile
