// SPDX-License-Identifier: GPL-2.0-or-later
#include "model.h"

#include <algorithm>
#include <map>
#include <memory>

namespace model {

Noted noted;

struct Block {
    std::vector<Instruction> instructions;
    std::vector<MicroOp> ops;        // of all of them, one after the other
    std::vector<uint32_t> first_op;  // of each instruction
    std::vector<Line> lines;         // with `profile`
    std::vector<Core::Straight> straight;  // all of them, if only the last one leads elsewhere
    bool ends_in_system_call = false;
};

namespace {

std::unique_ptr<Core> core;
bool profiled = false;
Block* current = nullptr;
uint64_t last_address = 0;
std::vector<Access> accesses;  // room for those of the current block; `noted` are there
uint64_t quotient = 0;
uint64_t quotients[64];
uint16_t quotient_at[64];
unsigned n_quotients = 0;
uint64_t limit = ~0ull;
void (*limit_reached)() = nullptr;
void (*unsupported_met)(const std::string&) = nullptr;
std::vector<std::unique_ptr<Block>> blocks;

// A string instruction under way: QEMU enters its block again for each iteration, gem5 fetches it once.
struct {
    const Instruction* instruction = nullptr;
    const MicroOp* ops = nullptr;
    std::vector<Access> accesses;
    Line* line = nullptr;
} repeated;

void time(const Instruction& in, const MicroOp* ops, const Access* from, size_t n, uint64_t next, Line* line) {
    if (!in.unsupported.empty() && unsupported_met) unsupported_met(in.unsupported);
    uint64_t before = profiled ? core->cycles() : 0;
    core->execute(in, ops, from, unsigned(n), next, quotient);
    if (line) ++line->executions, line->cycles += core->cycles() - before;
    if (core->counts.instructions >= limit) limit_reached();
}

void end_repeated(uint64_t next) {
    if (!repeated.instruction) return;
    const Instruction* in = repeated.instruction;
    repeated.instruction = nullptr;
    time(*in, repeated.ops, repeated.accesses.data(), repeated.accesses.size(), next, repeated.line);
    repeated.accesses.clear();
}

// Times the current block up to its end; what follows it is at `next`.
void retire(uint64_t next, const uint64_t* registers) {
    Block* block = current;
    current = nullptr;
    if (!block) return;
    const size_t n = block->instructions.size();
    last_address = block->instructions.back().address;
    if (!block->straight.empty() && !profiled && !repeated.instruction && core->counts.instructions + n < limit) {
        core->execute_straight(block->straight.data(), unsigned(n), block->ops.data(), Accesses(accesses.data(), noted.next), 0);
        core->leave(block->instructions.back(), next);
        noted.next = accesses.data();
        return;
    }
    const size_t n_accesses = size_t(noted.next - accesses.data());
    size_t at = 0;
    unsigned q = 0;
    for (size_t k = 0; k < n; ++k) {
        const Instruction& in = block->instructions[k];
        if (repeated.instruction && repeated.instruction->address != in.address) end_repeated(in.address);
        size_t first = at;
        while (at < n_accesses && accesses[at].instruction == k) ++at;
        uint64_t after = k + 1 < n ? block->instructions[k + 1].address : next;
        const MicroOp* ops = &block->ops[block->first_op[k]];
        Line* line = profiled ? &block->lines[k] : nullptr;
        if (in.loop == Loop::String) {
            if (!repeated.instruction) repeated.instruction = &in, repeated.ops = ops, repeated.line = line;
            for (; first < at; ++first) repeated.accesses.push_back(accesses[first]), repeated.accesses.back().instruction = 0;
            if (after != in.address) end_repeated(after);
            continue;
        }
        if (in.loop != Loop::None) {
            if (q < n_quotients && quotient_at[q] == k) quotient = quotients[q++];
            else quotient = registers ? registers[0] : ~0ull;
        }
        time(in, ops, &accesses[first], at - first, after, line);
    }
    noted.next = accesses.data();
    n_quotients = 0;
}

}  // namespace

void start(const Machine& machine, bool with_profile) {
    core.reset(new Core(machine));
    profiled = with_profile;
    make_room();
}

Block* translate(const RawInstruction* raw, size_t n) {
    auto block = std::make_unique<Block>();
    for (size_t k = 0; k < n; ++k) {
        Instruction made = decode(raw[k].address, raw[k].bytes, raw[k].size);
        if (!made.unsupported.empty() && k && k + 1 == n && (raw[k].address & 4095) + LONGEST_INSTRUCTION > 4096)
            break;
        block->instructions.push_back(std::move(made));
        const Instruction& in = block->instructions.back();
        block->first_op.push_back(uint32_t(block->ops.size()));
        block->ops.insert(block->ops.end(), in.ops.begin(), in.ops.end());
        if (profiled) block->lines.push_back(Line{in.address, 0, 0});
    }
    const Instruction& last = block->instructions.back();
    const bool straight = std::all_of(block->instructions.begin(), block->instructions.end(), [&](const Instruction& in) {
        return Core::is_straight(in) && in.unsupported.empty() && (&in == &last || !Core::leads_elsewhere(in));
    });
    const MicroOp* ops = block->ops.data();
    if (straight) for (const Instruction& in : block->instructions) {
        block->straight.push_back(core->straight(in, ops));
        ops = block->straight.back().end;
    }
    block->ends_in_system_call = last.system_call;
    blocks.push_back(std::move(block));
    return blocks.back().get();
}

size_t size(const Block* block) { return block->instructions.size(); }
const Instruction& instruction(const Block* block, size_t index) { return block->instructions[index]; }

void enter(Block* block, const uint64_t* registers) {
    retire(block->instructions[0].address, registers);
    current = block;
}

void make_room() {
    const size_t n = accesses.size();
    accesses.resize(n ? 2 * n : 4096);
    noted = Noted{accesses.data() + n, accesses.data() + accesses.size()};
}

void note_division(uint16_t index, const uint64_t* registers) {
    if (n_quotients < 64) quotients[n_quotients] = registers[0], quotient_at[n_quotients++] = index;
}

void settle() {
    if (current && current->ends_in_system_call) {
        const Instruction& last = current->instructions.back();
        retire(last.address + last.size, nullptr);
    }
}

void finish() {
    if (current) {
        const Instruction& last = current->instructions.back();
        retire(last.address + last.size, nullptr);
    }
    end_repeated(0);
}

void pages_written_by_kernel(uint64_t address, uint64_t bytes) { core->kernel_wrote(address, bytes); }
void pages_unmapped(uint64_t address, uint64_t bytes) { core->unmapped(address, bytes); }

void set_limit(uint64_t instructions, void (*reached)()) {
    limit = instructions ? instructions : ~0ull;
    limit_reached = reached;
}
void set_unsupported(void (*met)(const std::string&)) { unsupported_met = met; }

uint64_t cycles() { return core->cycles(); }
uint64_t instructions() { return core->counts.instructions; }
uint64_t last_instruction() { return last_address; }

void read(Counters& counters) {
    const Counts& c = core->counts;
    const Memory& m = core->memory;
    auto add = [&](const char* name, uint64_t value) { counters.emplace_back(name, value); };
    add("cycles", core->cycles());
    add("instructions", c.instructions);
    add("uops", c.ops);
    add("branches", c.branches);
    add("mispredicted_conditional", c.mispredicted_conditional);
    add("mispredicted_indirect", c.mispredicted_indirect);
    add("missed_targets", c.missed_targets);
    add("loads", c.loads);
    add("stores", c.stores);
    add("forwarded_loads", c.forwarded);
    add("order_violations", c.order_violations);
    add("page_faults", c.page_faults);
    add("l1i_misses", m.l1i.misses);
    add("l1d_misses", m.l1d.misses);
    add("l2_misses", m.l2.misses);
    add("l3_misses", m.l3.misses);
    add("dram_row_hits", m.dram.row_hits);
    add("dram_row_conflicts", m.dram.row_conflicts);
    add("stall_mispredict", c.stall_mispredict);
    add("stall_fetch", c.stall_fetch);
    add("stall_memory", c.stall_memory);
    add("stall_stores", c.stall_stores);
    add("stall_window", c.stall_window);
    add("stall_execute", c.stall_execute);
    add("stall_trap", c.stall_trap);
}

std::vector<Line> profile() {
    std::map<uint64_t, Line> by_address;
    for (const auto& block : blocks)
        for (const Line& line : block->lines) {
            if (!line.executions) continue;
            Line& sum = by_address.emplace(line.address, Line{line.address, 0, 0}).first->second;
            sum.executions += line.executions;
            sum.cycles += line.cycles;
        }
    std::vector<Line> lines;
    for (const auto& pair : by_address) lines.push_back(pair.second);
    return lines;
}

}  // namespace model
