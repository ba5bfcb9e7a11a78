// SPDX-License-Identifier: GPL-2.0-or-later
#pragma GCC optimize("O3")
#include "core.h"

namespace {
// The wrong path is not executed here; what it does is estimated, alike for all programs. Values picked by gem5 24's runs of
// small programs and of mini's and PIE's (docs/ruler.md):
// micro-operations renamed a cycle, and the share of the free registers that they take, both in eighths;
constexpr uint64_t WRONG_PATH_RATE = 24, WRONG_PATH_ROOM = 6;
// lines of code that it asks for after the first one;
constexpr uint64_t WRONG_PATH_LINES = 1;
// up to how many bytes ahead both ways meet again soon, and from how many cycles on that is worth a look.
constexpr uint64_t WRONG_PATH_REACH = 256, WRONG_PATH_LEAST = 12;

inline uint64_t later(uint64_t a, uint64_t b) { return a > b ? a : b; }
}  // namespace

Core::Core(const Machine& m)
    : m_(m), memory(m_), predictor_(m), free_integers_(m.numPhysIntRegs - ARCHITECTURAL_INTEGERS),
      free_floats_(m.numPhysFloatRegs - ARCHITECTURAL_FLOATS), sets_(m.SSITSize, -1), last_store_(m.SSITSize) {
    if (m.numROBEntries >= WINDOW || m.LQEntries >= WINDOW || m.SQEntries >= WINDOW || free_integers_ >= WINDOW ||
        free_floats_ >= WINDOW || m.fetchQueueSize + 16 * m.decodeWidth >= WINDOW || (m.SSITSize & (m.SSITSize - 1)))
        throw BadMachine("machine: a queue of the core is too long for this model");
    while ((1u << block_shift_) < m.fetchBufferSize) ++block_shift_;
    // Between fetch and rename there is room for the fetch queue and what is on its way in latches and skid buffers.
    front_room_ = m.fetchQueueSize + m.decodeWidth * (m.fetchToDecodeDelay + m.decodeToRenameDelay + 2);
    for (unsigned c = 0; c < OP_CLASSES; ++c) {
        units_[c].latency = m.latency[c] ? m.latency[c] : 1;
        units_[c].ports = m.ports[c];
        units_[c].pipelined = !m.unpipelined[c];
    }
    auto step_of = [](uint32_t width) {
        if (width == 0 || (1u << EIGHTHS) % width) throw BadMachine("machine: a stage must be 1, 2, 4 or 8 wide");
        return (1u << EIGHTHS) / width;
    };
    fetch_step_ = step_of(m.fetchWidth);
    decode_step_ = step_of(m.decodeWidth);
    rename_step_ = step_of(m.renameWidth);
    commit_step_ = step_of(m.commitWidth);
    front_delay_ = m.fetchToDecodeDelay + m.decodeToRenameDelay;
    shortest_ = m.numROBEntries;
    for (uint32_t entries : {free_integers_, free_floats_, m.LQEntries, m.numIQEntries})
        if (entries < shortest_) shortest_ = entries;
    commit_delay_ = m.iewToCommitDelay + 1;
    // commit hears of a wrong branch iewToCommitDelay later, fetch a cycle after it, and asks for code in the next one
    mispredict_delay_ = m.iewToCommitDelay + m.commitToFetchDelay + 1 ;
    fault_delay_ = m.trapLatency + m.commitToFetchDelay + 1;
    serialize_delay_ = m.commitToRenameDelay + 1;
    cycles_per_1000_ = uint64_t(m.fit("cycles_per_1000_instructions", 0));
}

void Core::redirect(uint64_t request, Why why) {
    redirected_ = true;
    request_ = request;
    why_ = why;
    fetch_block_ = ~0ull;
}

// Brings the fetch buffer to the blocks of an instruction.
void Core::fetch_blocks(uint64_t pc, unsigned size) {
    uint64_t first = pc >> block_shift_, last = (pc + size - 1) >> block_shift_;
    for (uint64_t block = first; block <= last; ++block) {
        if (block == fetch_block_) continue;
        // A new block is asked for as soon as an instruction ends. One that goes on in the next block is looked at first, in
        // the next cycle if this one's width is used up.
        uint64_t address = block << block_shift_, request = fetch_cycle_;
        if (redirected_) request = request_;
        else if (block > first) request = next_fetch() >> EIGHTHS;
        redirected_ = false;
        if (address >> 12 != fetch_page_) {
            fetch_page_ = address >> 12;
            if (pages.find(fetch_page_) == ~0ull) {
                // The fault travels down the pipeline with an empty instruction and is taken at commit.
                ++counts.page_faults;
                pages.add(fetch_page_);
                uint64_t head = request + m_.fetchToDecodeDelay + m_.decodeToRenameDelay + m_.renameToIEWDelay +
                                m_.issueToExecuteDelay + commit_delay_;
                head = later(later(head, last_commit_ + 1), store_complete_);
                request = head + fault_delay_;
                why_ = TRAP;
            }
        }
        uint64_t frame = pages.find(fetch_page_);
        uint64_t asked = request;
        if (shadow() && request >= shadow_shift_ && request - shadow_shift_ < shadow_end_) asked -= shadow_shift_;
        uint64_t there = memory.fetch(frame << 12 | (address & 4095), request, asked);
        fetch_at(there);
        fetch_block_ = block;
    }
}

// Until fetch hears of a misprediction it goes on the other way, and the lines of code that it asks for stay in the cache:
// straight on from `pc`, four bytes an instruction, as far as there is room for what it fetches.
void Core::fetch_wrong_path(uint64_t pc, uint64_t until) {
    constexpr unsigned LINE = 6;
    const uint64_t last = (pc >> LINE) + WRONG_PATH_LINES;
    uint64_t cycle = fetch_cycle_ + 1;
    for (uint64_t line = pc >> LINE; line <= last && cycle < until; ++line) {
        const uint64_t frame = pages.find(line >> (12 - LINE));
        if (frame == ~0ull) return;
        cycle = memory.fetch(frame << 12 | (line << LINE & 4095), cycle, cycle) + 4;
    }
}

void Core::free_iq_late(uint64_t cycle, uint64_t now) {
    advance_iq(now);
    const uint64_t limit = iq_clock_ + IQ_RING - 1;
    ++iq_frees_[(cycle < limit ? cycle : limit) & (IQ_RING - 1)];
}

// The cycle from `cycle` on in which the issue queue has room.
uint64_t Core::wait_for_iq(uint64_t cycle) {
    advance_iq(cycle);
    while (iq_used_ >= m_.numIQEntries) {
        advance_iq(iq_clock_ + 1);
        cycle = iq_clock_;
    }
    return cycle;
}

// The cycle from `rename` on in which all queues but the stores' and the issue queue have room.
uint64_t Core::room_in_window(const MicroOp& op, uint64_t rename) const {
    rename = later(rename, committed_[uint8_t(commits_ - m_.numROBEntries)] + m_.commitToRenameDelay);
    rename = later(rename, integers_[uint8_t(integers_made_ - free_integers_ + op.integers - 1)] + m_.commitToRenameDelay + 1);
    rename = later(rename, floats_[uint8_t(floats_made_ - free_floats_ + op.floats - 1)] + m_.commitToRenameDelay + 1);
    if (op.flags & MicroOp::LOAD)
        rename = later(rename, loads_left_[uint8_t(counts.loads - m_.LQEntries)] + m_.commitToIEWDelay + m_.iewToRenameDelay);
    return rename;
}

// The first cycle from `from` on in which a port for the class is free; ports of a class take turns.
inline uint64_t Core::issue(unsigned op_class, uint64_t from) {
    Units& units = units_[op_class];
    if (!units.pipelined) from = later(from, units.free);
    for (;; ++from) {
        Cycle& cycle = ports_[from & (PORT_RING - 1)];
        if (cycle.cycle != uint32_t(from)) cycle = Cycle{uint32_t(from), 0, 0};
        if (cycle.issued >= m_.issueWidth) continue;
        if (units.ports == 0) {
            ++cycle.issued;
            return from;
        }
        uint32_t free = units.ports & ~uint32_t(cycle.ports);
        if (!free) continue;
        uint32_t ahead = free & (~0u << units.next);
        unsigned port = unsigned(__builtin_ctz(ahead ? ahead : free));
        units.next = port + 1;
        cycle.ports = uint16_t(cycle.ports | 1u << port);
        ++cycle.issued;
        if (!units.pipelined) units.free = from + units.latency;
        return from;
    }
}

// The first touch of a page is a fault, taken when everything before has committed and left. True if there was one: then
// the micro-operation is done again.
inline bool Core::fault(uint64_t pc, uint64_t begin, uint64_t end, uint64_t executes) {
    const uint64_t first = begin >> 12, last = (end - 1) >> 12;
    if (pages.find(first) != ~0ull && (first == last || pages.find(last) != ~0ull)) return false;
    ++counts.page_faults;
    translate(begin);
    translate(end - 1);
    uint64_t head = later(later(executes + commit_delay_, last_commit_ + 1), store_complete_);
    redirect(head + fault_delay_, TRAP);
    fetch_from(pc, 1);
    return true;
}

Core::Set* Core::store_set(uint64_t pc) {
    if (++set_clock_ > m_.store_set_clear_period) {
        set_clock_ = 0;
        sets_.assign(sets_.size(), -1);
        last_store_.assign(last_store_.size(), Set());
    }
    int32_t number = sets_[(pc >> 2) & (sets_.size() - 1)];
    return number >= 0 ? &last_store_[size_t(number)] : nullptr;
}

namespace { constexpr uint64_t AGAIN = ~0ull; }

// When a load that executes in `executes` has its data; AGAIN if it ran ahead of a store to its own address.
inline uint64_t Core::load(const MicroOp& op, uint64_t pc, const Access& access, uint64_t dispatch, uint64_t executes) {
    const uint64_t begin = access.address, end = begin + access.bytes;
    // stores before it that it overlaps
    const Store* hit = nullptr;
    for (uint64_t word = begin >> 3; word <= (end - 1) >> 3; ++word) {
        if (store_words_[word & (STORES - 1)] != uint32_t(word)) continue;
        const Store& s = stores_[word & (STORES - 1)];
        if (s.begin < end && begin < s.end && (!hit || s.complete > hit->complete)) hit = &s;
    }
    if (hit && hit->sent > executes) {
        if (hit->done > executes) {
            // all from here on is done again
            ++counts.order_violations;
            int32_t &by_load = sets_[(pc >> 2) & (sets_.size() - 1)],
                    &by_store = sets_[(hit->pc >> 2) & (sets_.size() - 1)];
            if (by_load < 0 && by_store < 0)
                by_load = by_store = int32_t((pc >> 2) & (sets_.size() - 1));
            else if (by_store < 0)
                by_store = by_load;
            else if (by_load < 0)
                by_load = by_store;
            else
                by_load = by_store = by_load < by_store ? by_load : by_store;
            redirect(hit->done + mispredict_delay_, MISPREDICT);
            fetch_from(pc, 1);
            return AGAIN;
        }
        if (hit->begin <= begin && end <= hit->end) {
            ++counts.forwarded;
            return executes + 1;
        }
        // it has part of it only: wait until the store has left, then try again
        const uint64_t again = hit->complete + 2;
        return later(memory.load(translate(begin), again, again), again);
    }
    const uint64_t asked = shadow() ? asked_in_shadow(op, dispatch, executes) : executes;
    uint64_t done = memory.load(translate(begin), executes, asked);
    if ((end - 1) >> 6 != begin >> 6) done = later(done, memory.load(translate(end - 1), executes, asked));
    return done;
}

// When a store that is sent in `sent` is complete.
inline uint64_t Core::store(uint64_t pc, const Access& access, uint64_t done, uint64_t sent) {
    const uint64_t begin = access.address, end = begin + access.bytes, first = begin >> 3, last = (end - 1) >> 3;
    uint64_t complete = memory.store(translate(begin), sent);
    if ((end - 1) >> 6 != begin >> 6) complete = later(complete, memory.store(translate(end - 1), sent));
    const Store made{begin, end, done, sent, complete, pc};
    store_words_[first & (STORES - 1)] = uint32_t(first);
    stores_[first & (STORES - 1)] = made;
    if (last != first) {
        store_words_[last & (STORES - 1)] = uint32_t(last);
        stores_[last & (STORES - 1)] = made;
    }
    return complete;
}

// One micro-operation through the pipeline; returns its write-back.
template <unsigned WAY>
inline __attribute__((always_inline)) uint64_t Core::step(const MicroOp& op, uint64_t pc, const Access* access) {
    constexpr bool other = WAY == MicroOp::OTHER;
    const bool is_load = other ? op.flags & MicroOp::LOAD : WAY == MicroOp::SIMPLE_LOAD;
    const bool is_store = other ? op.flags & MicroOp::STORE : WAY == MicroOp::SIMPLE_STORE;
    for (;;) {
        // fetch
        uint64_t place = next_fetch();
        fetch_next_ = place + fetch_step_;
        fetch_cycle_ = place >> EIGHTHS;
        // decode
        if (__builtin_expect(fetch_cycle_ > sent_before_, 0)) {
            decode_next_ = later(decode_next_, (decode_cycle_ + m_.fetchToDecodeDelay + m_.decodeToFetchDelay) << EIGHTHS);
            sent_before_ = ~0ull;
        }
        place = later(decode_next_, fetch_cycle_ << EIGHTHS);
        decode_next_ = place + decode_step_;
        decode_cycle_ = place >> EIGHTHS;
        // rename
        const uint64_t arrives = decode_cycle_ + front_delay_;
        uint64_t rename = arrives;
        if (other && (serialize_ || op.flags & MicroOp::SERIALIZE_BEFORE)) {
            // until the reorder buffer is empty and all stores have left
            rename = later(rename, later(last_commit_, store_complete_) + serialize_delay_);
            serialize_ = false;
        }
        const bool full = committed_[uint8_t(commits_ - shortest_)] + 2 > rename;  // perhaps
        if (__builtin_expect(full, 0)) rename = room_in_window(op, rename);
        bool waits_for_stores = false;
        if (is_store) {
            const uint64_t room = stores_left_[uint8_t(counts.stores - m_.SQEntries)] + m_.iewToRenameDelay;
            if (room > rename) rename = room, waits_for_stores = true;
        }
        place = later(rename_next_, rename << EIGHTHS);
        rename = place >> EIGHTHS;
        if (__builtin_expect(full, 0)) {
            rename = wait_for_iq(rename);
            place = later(place, rename << EIGHTHS);
        }
        ++iq_used_;
        rename_next_ = place + rename_step_;
        renamed_[uint8_t(counts.ops)] = rename;
        // dispatch, operands, issue
        const uint64_t dispatch = rename + m_.renameToIEWDelay;
        uint64_t from = later(later(dispatch, ready_[op.source[0]]), later(ready_[op.source[1]], ready_[op.source[2]]));
        if (other) from = later(from, later(ready_[op.source[3]], later(ready_[op.source[4]], ready_[op.source[5]])));
        Set* set = nullptr;
        if (is_load | is_store) {
            from = later(from, barrier_);
            set = store_set(pc);
            if (set && set->issued > dispatch) from = later(from, set->done);
        }
        if (other && op.flags & (MicroOp::NON_SPECULATIVE | MicroOp::BARRIER)) {
            from = later(from, later(last_commit_ + 2, store_complete_ + 1));
        }
        const uint64_t issued = issue(op.op_class, from);
        const uint64_t executes = issued + m_.issueToExecuteDelay;
        uint64_t done;
        bool waits_for_memory = false;
        if (is_load) {
            done = executes + 1;
            if (access) {
                const bool faulted = fault(pc, access->address, access->address + access->bytes, executes);
                const uint64_t found = faulted ? AGAIN : load(op, pc, *access, dispatch, executes);
                if (found == AGAIN) {
                    free_iq(executes + m_.iewToRenameDelay, rename);
                    ++counts.ops;
                    continue;
                }
                waits_for_memory = found > done;
                done = found;
            }
            free_iq(done + m_.iewToRenameDelay, rename);
        } else if (is_store) {
            done = executes;
            free_iq(done + m_.iewToRenameDelay, rename);
            if (access && fault(pc, access->address, access->address + access->bytes, executes)) {
                ++counts.ops;
                continue;
            }
            if (set) *set = Set{issued, done};
        } else {
            done = issued + units_[op.op_class].latency;
            free_iq(issued + m_.iewToRenameDelay, rename);
            if (other && op.flags & MicroOp::BARRIER) barrier_ = done;
        }
        ++counts.ops;
        for (uint8_t destination : op.destination) ready_[destination] = done;

        // commit
        place = later(commit_next_, (done + commit_delay_) << EIGHTHS);
        commit_next_ = place + commit_step_;
        const uint64_t commit = place >> EIGHTHS;
        if (commit > last_commit_ + 1) {
            const uint64_t waited = commit - last_commit_ - 1;
            if (waits_for_memory) counts.stall_memory += waited;
            else if (from > dispatch) counts.stall_execute += waited;
            else if (waits_for_stores) counts.stall_stores += waited;
            else if (rename > arrives) counts.stall_window += waited;
            else if (why_ == MISPREDICT) counts.stall_mispredict += waited;
            else if (why_ == TRAP) counts.stall_trap += waited;
            else counts.stall_fetch += waited;
            why_ = FETCH;
        }
        last_commit_ = commit;
        committed_[commits_++] = commit;
        integers_[integers_made_] = floats_[floats_made_] = commit;
        if (other) {  // at most four
            for (unsigned k = 1; k < 4; ++k)
                integers_[uint8_t(integers_made_ + k)] = floats_[uint8_t(floats_made_ + k)] = commit;
        }
        integers_made_ = uint8_t(integers_made_ + op.integers);
        floats_made_ = uint8_t(floats_made_ + op.floats);
        if (is_load) loads_left_[uint8_t(counts.loads++)] = commit;
        if (is_store) {
            // the load-store unit hears of the commit a cycle later and sends in the next one; in total store order when
            // the last one is done
            uint64_t sent = commit + m_.commitToIEWDelay + 1;
            if (TOTAL_STORE_ORDER) sent = later(sent, store_complete_);
            // they leave the queue in the order of the program all the same
            store_complete_ = later(store_complete_, access ? store(pc, *access, done, sent) : sent);
            stores_left_[uint8_t(counts.stores++)] = store_complete_;
        }
        if (other && op.flags & MicroOp::SERIALIZE_AFTER) serialize_ = true;
        return done;
    }
}

uint64_t Core::any(const MicroOp& op, uint64_t pc, const Access* access) { return step<MicroOp::OTHER>(op, pc, access); }

// When the wrong path asked for what a load of the right path wants, if that was before `executes`.
uint64_t Core::asked_in_shadow(const MicroOp& op, uint64_t dispatch, uint64_t executes) const {
    uint64_t from = dispatch > shadow_shift_ ? dispatch - shadow_shift_ : 0;
    for (uint8_t source : op.source) {
        uint64_t ready = ready_[source];
        if (ready != shadow_ready_[source]) ready = ready > shadow_shift_ ? ready - shadow_shift_ : 0;  // written since
        from = later(from, ready);
    }
    return from + 1 < shadow_end_ && from + 1 < executes ? from + 1 : executes;
}

// After a misprediction or a fault, which commit hears of in `heard`, the reorder buffer is squashed a few micro-operations a
// cycle (src/cpu/o3/rob.cc). Meanwhile dispatch blocks rename, rename blocks decode and decode blocks fetch, each a cycle
// later, and they unblock one after the other in the same way. What fetch had sent before it heard waits in front of decode;
// what it sends afterwards is on its way again for a few cycles, in which decode has nothing to do.
// How many there are to squash: what was renamed behind the last one until rename heard of it, as far as the window had room.
void Core::squash(uint64_t heard) {
    const uint64_t renamed = renamed_[uint8_t(counts.ops - 1)];
    if (heard < renamed) return;
    uint64_t older = 0, registers = 0;
    while (older < m_.numROBEntries && committed_[uint8_t(commits_ - 1 - older)] > heard) ++older;
    while (registers < free_integers_ && integers_[uint8_t(integers_made_ - 1 - registers)] > heard) ++registers;
    uint64_t entries = (heard + m_.commitToRenameDelay - renamed) * WRONG_PATH_RATE >> EIGHTHS;
    if (entries > m_.numROBEntries - older) entries = m_.numROBEntries - older;
    const uint64_t room = (free_integers_ - registers) * WRONG_PATH_ROOM >> EIGHTHS;
    if (entries > room) entries = room;
    counts.squashed += entries;
    const uint64_t cycles = (entries + m_.squashWidth - 1) / m_.squashWidth;
    if (cycles < 2) return;
    // commit to dispatch to rename to decode: blocked from `sent_before_` on
    sent_before_ = heard + m_.commitToIEWDelay + m_.iewToRenameDelay + 2;
    decode_cycle_ = heard + cycles + m_.commitToIEWDelay + m_.iewToRenameDelay + 1 - m_.fetchToDecodeDelay;
    decode_next_ = later(decode_next_, decode_cycle_ << EIGHTHS);
}

void Core::begin_shadow(uint64_t resolved) {
    if (shadow() && shadow_end_ > fetch_cycle_) return;  // inside another one's
    uint64_t restart = resolved + mispredict_delay_ + 1;
    if (restart < fetch_cycle_ + WRONG_PATH_LEAST) return;
    shadow_end_ = resolved + mispredict_delay_ - 1;
    shadow_shift_ = restart - fetch_cycle_;
    shadow_until_ = counts.ops + m_.numROBEntries;
    for (unsigned r = 0; r < REGISTERS; ++r) shadow_ready_[r] = ready_[r];
}

void Core::branch(const Instruction& in, uint64_t pc, bool taken, uint64_t target, uint64_t done, BranchKind kind,
                  uint64_t fall_through) {
    ++counts.branches;
    predictor_.learn_until(fetch_cycle_);
    bool right = predictor_.predict(pc, kind, taken, target, fall_through);
    predictor_.commit_at(last_commit_ + m_.commitToFetchDelay);
    if (!right) {
        if (predictor_.missed_target()) ++counts.missed_targets;
        bool direct = kind == BranchKind::Direct || kind == BranchKind::Call;
        if (direct) {
            // decode finds out: it knows the target of a direct jump
            redirect(decode_cycle_ + m_.fetchToDecodeDelay + m_.decodeToFetchDelay + 1, MISPREDICT);
            fetch_wrong_path(predictor_.guess(), request_ - 1);
        } else {
            if (kind == BranchKind::Conditional) ++counts.mispredicted_conditional;
            else ++counts.mispredicted_indirect;
            redirect(done + mispredict_delay_, MISPREDICT);
            fetch_wrong_path(predictor_.guess(), request_ - 1);
            squash(done + commit_delay_);
            if (kind == BranchKind::Conditional && in.target > pc && in.target - pc <= WRONG_PATH_REACH) begin_shadow(done);
        }
    } else if (taken) {
        // fetch stops at a branch that is predicted taken; the next block is asked for in the same cycle
        if (target >> block_shift_ == fetch_block_) end_fetch_cycle();
    }
}

namespace {
// The accesses of one instruction: its loads and stores, each in turn.
struct Accesses {
    const Access *load, *store, *end;
    const Access* next_load() {
        while (load < end && load->store) ++load;
        return load < end ? load++ : nullptr;
    }
    const Access* next_store() {
        while (store < end && !store->store) ++store;
        return store < end ? store++ : nullptr;
    }
    const Access* next(const MicroOp& op) {
        return op.flags & MicroOp::LOAD ? next_load() : op.flags & MicroOp::STORE ? next_store() : nullptr;
    }
};
}  // namespace

void Core::execute(const Instruction& in, const MicroOp* ops, const Access* accesses, unsigned n, uint64_t next,
                   uint64_t quotient) {
    ++counts.instructions;
    fetch_from(in.address, in.size);
    const uint64_t pc = in.address;
    Accesses left{accesses, accesses, accesses + n};
    uint64_t done = 0;
    if (__builtin_expect(in.loop != Loop::None || in.inner_branch, 0))
        done = inside(in, ops, accesses, accesses + n, quotient);
    else for (const MicroOp *op = ops, *last = ops + in.count; op < last; ++op) {
        switch (serialize_ ? uint8_t(MicroOp::OTHER) : op->way) {
        case MicroOp::SIMPLE: done = step<MicroOp::SIMPLE>(*op, pc, nullptr); break;
        case MicroOp::SIMPLE_LOAD: done = step<MicroOp::SIMPLE_LOAD>(*op, pc, left.next_load()); break;
        case MicroOp::SIMPLE_STORE: done = step<MicroOp::SIMPLE_STORE>(*op, pc, left.next_store()); break;
        default: done = any(*op, pc, left.next(*op));
        }
    }
    if (in.system_call) redirect(later(last_commit_, store_complete_) + fault_delay_, TRAP);  // a fault that is always taken
    if (in.branch != BranchKind::None) {
        const uint64_t after = pc + in.size;
        bool taken = in.branch != BranchKind::Conditional || next != after || in.target == after;
        branch(in, pc, taken, next, done, in.branch, after);
    }
}

// An instruction with branches inside: a loop of micro-operations, or one that micro-code may jump over.
uint64_t Core::inside(const Instruction& in, const MicroOp* ops, const Access* accesses, const Access* end, uint64_t quotient) {
    Accesses left{accesses, accesses, end};
    const unsigned count = in.count;
    const uint64_t after = in.address + in.size;
    uint64_t done = 0;
    auto run = [&](const MicroOp& op) { done = any(op, in.address, left.next(op)); };
    if (in.loop == Loop::None) {
        for (unsigned k = 0; k < count; ++k) {
            run(ops[k]);
            // it never leaves the instruction here
            if (ops[k].flags & MicroOp::BRANCH && k + 1 < count)
                branch(in, in.address, false, 0, done, BranchKind::Conditional, after);
        }
        return done;
    }
    unsigned iterations;
    if (in.loop == Loop::String) {
        unsigned each = 0;
        for (unsigned k = in.loop_begin; k < in.loop_end; ++k)
            each += (ops[k].flags & (MicroOp::LOAD | MicroOp::STORE)) != 0;
        iterations = each ? unsigned(end - accesses) / each : 0;
    } else {
        // a step for each bit of the quotient that is set, and one for zeros at its end; two steps before the loop
        uint64_t q = quotient;
        unsigned bits = 8u * in.operand_bytes;
        if (bits < 64) q &= (1ull << bits) - 1;
        if (in.loop == Loop::SignedDivision && q >> (bits - 1) & 1) {
            q = 0 - q;
            if (bits < 64) q &= (1ull << bits) - 1;
        }
        unsigned steps = unsigned(__builtin_popcountll(q)) + !(q & 1), a_turn = in.operand_bytes == 1 ? 2 : 4;
        iterations = steps > 2 ? (steps - 2 + a_turn - 1) / a_turn : 1;
    }
    for (unsigned k = 0; k < in.loop_begin; ++k) {
        run(ops[k]);
        if (ops[k].flags & MicroOp::BRANCH)
            branch(in, in.address, iterations == 0, in.address | 1ull << 63, done, BranchKind::Conditional, after);
    }
    for (unsigned turn = 0; turn < iterations; ++turn)
        for (unsigned k = in.loop_begin; k < in.loop_end; ++k) {
            run(ops[k]);
            if (!(ops[k].flags & MicroOp::BRANCH)) continue;
            bool again = turn + 1 < iterations;
            // the loop's target is inside the same instruction: its block stays in the fetch buffer
            branch(in, in.address, again, in.address, done, BranchKind::Conditional, after);
            if (redirected_) fetch_from(in.address, 1);
            else if (again) end_fetch_cycle();
        }
    for (unsigned k = in.loop_end; k < count; ++k) run(ops[k]);
    return done;
}

void Core::kernel_wrote(uint64_t address, uint64_t bytes) {
    if (!bytes) return;
    for (uint64_t page = address >> 12; page <= (address + bytes - 1) >> 12; ++page)
        if (pages.find(page) == ~0ull) pages.add(page);
}

void Core::unmapped(uint64_t address, uint64_t bytes) {
    for (uint64_t page = address >> 12; page < (address + bytes + 4095) >> 12; ++page) pages.remove(page);
    fetch_page_ = ~0ull;
}
