// SPDX-License-Identifier: GPL-2.0-or-later
#pragma GCC optimize("O3")
#include "core.h"

namespace {
// x86's architectural and micro-code registers, which hold physical ones for good (src/arch/x86/regs/int.hh, float.hh)
constexpr uint32_t ARCHITECTURAL_INTEGERS = 38, ARCHITECTURAL_FLOATS = 56;
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
    }
    auto log_of = [](uint32_t width) {
        unsigned log = 0;
        while ((1u << log) < width) ++log;
        if ((1u << log) != width) throw BadMachine("machine: widths of stages must be powers of two");
        return log;
    };
    fetch_log_ = log_of(m.fetchWidth);
    decode_log_ = log_of(m.decodeWidth);
    rename_log_ = log_of(m.renameWidth);
    commit_log_ = log_of(m.commitWidth);
    commit_delay_ = m.iewToCommitDelay + 1;
    // commit hears of a wrong branch iewToCommitDelay later, fetch a cycle after it, and asks for code in the next one
    mispredict_delay_ = m.iewToCommitDelay + m.commitToFetchDelay + 1 + uint32_t(m.fit("mispredict_cycles", 0));
    fault_delay_ = m.trapLatency + m.commitToFetchDelay + 1 + uint32_t(m.fit("trap_cycles", 0));
    serialize_delay_ = m.commitToRenameDelay + 1;
    wrong_path_reach_ = uint32_t(m.fit("wrong_path_bytes", 256));
    wrong_path_least_ = uint32_t(m.fit("wrong_path_least_cycles", 12));
    startup_ = uint64_t(m.fit("startup_cycles_less", 0));
    decode_resolves_ = uint32_t(m.fit("decode_resolves", 1));
}

void Core::redirect(uint64_t request, Why why) {
    redirected_ = true;
    request_ = request;
    why_ = why;
    fetch_block_ = ~0ull;
}

// Brings the fetch buffer to the blocks of an instruction.
void Core::fetch_from(uint64_t pc, unsigned size) {
    uint64_t first = pc >> block_shift_, last = (pc + size - 1) >> block_shift_;
    for (uint64_t block = first; block <= last; ++block) {
        if (block == fetch_block_) continue;
        uint64_t address = block << block_shift_, request = redirected_ ? request_ : fetch_cycle_;
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
        if (shadow_left_ && request >= shadow_shift_ && request - shadow_shift_ < shadow_end_) asked -= shadow_shift_;
        uint64_t there = memory.fetch(frame << 12 | (address & 4095), request, asked);
        fetch_at(there);
        fetch_block_ = block;
    }
}

void Core::take_iq(uint64_t& cycle) {
    while (iq_clock_ < cycle) {
        uint16_t& frees = iq_frees_[++iq_clock_ & (IQ_RING - 1)];
        iq_used_ -= frees;
        frees = 0;
    }
    while (iq_used_ >= m_.numIQEntries) {
        uint16_t& frees = iq_frees_[++iq_clock_ & (IQ_RING - 1)];
        iq_used_ -= frees;
        frees = 0;
        cycle = iq_clock_;
    }
    ++iq_used_;
}

// The first cycle from `from` on in which a port for the class is free; ports of a class take turns.
uint64_t Core::issue(unsigned op_class, uint64_t from) {
    Units& units = units_[op_class];
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
        return from;
    }
}

// One micro-operation through the pipeline; returns its write-back. `pieces` accesses make up its one access to memory.
uint64_t Core::step(const MicroOp& op, uint64_t pc, const Access* access, unsigned pieces, uint64_t& committed) {
    const bool is_load = op.flags & MicroOp::LOAD, is_store = op.flags & MicroOp::STORE;
    for (;;) {
        ++counts.ops;
        // fetch
        uint64_t place = later(fetch_next_, renamed_.before(front_room_) << fetch_log_);
        fetch_next_ = place + 1;
        fetch_cycle_ = place >> fetch_log_;
        // decode
        place = later(decode_next_, fetch_cycle_ << decode_log_);
        decode_next_ = place + 1;
        decode_cycle_ = place >> decode_log_;
        // rename
        uint64_t arrives = decode_cycle_ + m_.fetchToDecodeDelay + m_.decodeToRenameDelay, rename = arrives;
        if (serialize_ || op.flags & MicroOp::SERIALIZE_BEFORE) {
            rename = later(rename, last_commit_ + serialize_delay_);
            serialize_ = false;
        }
        rename = later(rename, committed_.before(m_.numROBEntries) + m_.commitToRenameDelay);
        rename = later(rename, integers_.before(free_integers_ - op.integers + 1) + m_.commitToRenameDelay + 1);
        rename = later(rename, floats_.before(free_floats_ - op.floats + 1) + m_.commitToRenameDelay + 1);
        if (is_load)
            rename = later(rename, loads_left_.before(m_.LQEntries) + m_.commitToIEWDelay + m_.iewToRenameDelay);
        bool waits_for_stores = false;
        if (is_store) {
            uint64_t room = stores_left_.before(m_.SQEntries) + m_.iewToRenameDelay;
            if (room > rename) rename = room, waits_for_stores = true;
        }
        place = later(rename_next_, rename << rename_log_);
        rename = place >> rename_log_;
        take_iq(rename);
        rename_next_ = later(place, rename << rename_log_) + 1;
        renamed_.add(rename);
        // dispatch, operands, issue
        uint64_t dispatch = rename + m_.renameToIEWDelay, from = dispatch;
        for (uint8_t source : op.source) from = later(from, ready_[source]);
        Set* set = nullptr;
        if (is_load | is_store) {
            from = later(from, barrier_);
            if (++set_clock_ > m_.store_set_clear_period) {
                set_clock_ = 0;
                sets_.assign(sets_.size(), -1);
                last_store_.assign(last_store_.size(), Set());
            }
            int32_t number = sets_[(pc >> 2) & (sets_.size() - 1)];
            if (number >= 0) {
                set = &last_store_[size_t(number)];
                if (set->issued > dispatch) from = later(from, set->done);
            }
        }
        if (op.flags & (MicroOp::NON_SPECULATIVE | MicroOp::BARRIER)) from = later(from, last_commit_ + 2);
        if (op.flags & MicroOp::BARRIER) from = later(from, store_complete_ + 1);
        if (shadow_left_) --shadow_left_;
        uint64_t issued = issue(op.op_class, from);
        uint64_t executes = issued + m_.issueToExecuteDelay, done;
        bool waits_for_memory = false;

        if (is_load) {
            done = executes + 1;
            if (access) {
                uint64_t begin = access->address, end = begin + access->bytes;
                for (unsigned k = 1; k < pieces; ++k) end += access[k].bytes;
                // the first touch of a page is a fault, taken when everything before has committed and left
                if (pages.find(begin >> 12) == ~0ull || pages.find((end - 1) >> 12) == ~0ull) {
                    ++counts.page_faults;
                    translate(begin);
                    translate(end - 1);
                    uint64_t head = later(later(executes + commit_delay_, last_commit_ + 1), store_complete_);
                    free_iq(executes + m_.iewToRenameDelay);
                    redirect(head + fault_delay_, TRAP);
                    fetch_from(pc, 1);
                    continue;
                }
                // stores before it that it overlaps
                const Store* hit = nullptr;
                for (uint64_t word = begin >> 3; word <= (end - 1) >> 3; ++word) {
                    const Store& s = stores_[word & (STORES - 1)];
                    if (s.begin < end && begin < s.end && (!hit || s.complete > hit->complete)) hit = &s;
                }
                if (hit && hit->done > executes) {
                    // it ran ahead of a store to its own address: all from here on is done again
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
                    free_iq(hit->done + m_.iewToRenameDelay);
                    redirect(hit->done + mispredict_delay_, MISPREDICT);
                    fetch_from(pc, 1);
                    continue;
                }
                if (hit && hit->sent > executes) {
                    if (hit->begin <= begin && end <= hit->end) {
                        ++counts.forwarded;
                    } else {
                        done = hit->complete + 2;  // has part of it only: wait until the store has left, then try again
                        done = later(memory.load(translate(begin), done, done), done);
                    }
                } else {
                    uint64_t asked = shadow_left_ ? asked_in_shadow(op, dispatch, executes) : executes;
                    done = memory.load(translate(begin), executes, asked);
                    if ((end - 1) >> 6 != begin >> 6) done = later(done, memory.load(translate(end - 1), executes, asked));
                    waits_for_memory = done > executes + 1;
                }
            }
            ++counts.loads;
            free_iq(done + m_.iewToRenameDelay);
        } else if (is_store) {
            done = executes;
            if (access) {
                uint64_t begin = access->address, end = begin + access->bytes;
                for (unsigned k = 1; k < pieces; ++k) end += access[k].bytes;
                if (pages.find(begin >> 12) == ~0ull || pages.find((end - 1) >> 12) == ~0ull) {
                    ++counts.page_faults;
                    translate(begin);
                    translate(end - 1);
                    uint64_t head = later(later(executes + commit_delay_, last_commit_ + 1), store_complete_);
                    free_iq(executes + m_.iewToRenameDelay);
                    redirect(head + fault_delay_, TRAP);
                    fetch_from(pc, 1);
                    continue;
                }
            }
            free_iq(done + m_.iewToRenameDelay);
            if (set) *set = Set{issued, done};
        } else {
            done = issued + units_[op.op_class].latency;
            free_iq(issued + m_.iewToRenameDelay);
            if (op.flags & MicroOp::BARRIER) barrier_ = done;
        }
        for (uint8_t destination : op.destination) ready_[destination] = done;
        ready_[NOWHERE] = 0;

        // commit
        place = later(commit_next_, (done + commit_delay_) << commit_log_);
        commit_next_ = place + 1;
        const uint64_t commit = place >> commit_log_;
        const uint64_t waited = commit > last_commit_ + 1 ? commit - last_commit_ - 1 : 0;
        if (waited) {
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
        committed = commit;
        committed_.add(commit);
        integers_.add(commit, op.integers);
        floats_.add(commit, op.floats);
        loads_left_.add(commit, is_load);
        if (is_store) {
            ++counts.stores;
            // the load-store unit hears of the commit a cycle later and sends in the next one, when the last one is done
            uint64_t sent = later(commit + m_.commitToIEWDelay + 1, store_complete_);
            uint64_t complete = sent;
            if (access) {
                uint64_t begin = access->address, end = begin + access->bytes;
                for (unsigned k = 1; k < pieces; ++k) end += access[k].bytes;
                complete = memory.store(translate(begin), sent);
                if ((end - 1) >> 6 != begin >> 6) complete = later(complete, memory.store(translate(end - 1), sent));
                Store made{begin, end, done, sent, complete, pc};
                stores_[(begin >> 3) & (STORES - 1)] = made;
                if ((end - 1) >> 3 != begin >> 3) stores_[((end - 1) >> 3) & (STORES - 1)] = made;
            }
            store_complete_ = complete;
            stores_left_.add(complete);
        }
        if (op.flags & MicroOp::SERIALIZE_AFTER) serialize_ = true;
        return done;
    }
}

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

void Core::begin_shadow(uint64_t resolved) {
    if (shadow_left_ && shadow_end_ > fetch_cycle_) return;  // inside another one's
    uint64_t restart = resolved + mispredict_delay_ + 1;
    if (restart < fetch_cycle_ + wrong_path_least_) return;
    shadow_end_ = resolved + mispredict_delay_ - 1;
    shadow_shift_ = restart - fetch_cycle_;
    shadow_left_ = m_.numROBEntries;
    for (unsigned r = 0; r < REGISTERS; ++r) shadow_ready_[r] = ready_[r];
}

void Core::branch(const Instruction& in, uint64_t pc, bool taken, uint64_t target, uint64_t done, BranchKind kind,
                  uint64_t fall_through) {
    (void)in;
    ++counts.branches;
    predictor_.learn_until(fetch_cycle_);
    bool right = predictor_.predict(pc, kind, taken, target, fall_through);
    predictor_.commit_at(last_commit_ + m_.commitToFetchDelay);
    if (!right) {
        if (predictor_.missed_target()) ++counts.missed_targets;
        bool direct = kind == BranchKind::Direct || kind == BranchKind::Call;
        if (direct && decode_resolves_) {
            // decode finds out: it knows the target of a direct jump
            redirect(decode_cycle_ + m_.fetchToDecodeDelay + m_.decodeToFetchDelay + 1, MISPREDICT);
        } else {
            if (kind == BranchKind::Conditional) ++counts.mispredicted_conditional;
            else ++counts.mispredicted_indirect;
            redirect(done + mispredict_delay_, MISPREDICT);
            if (kind == BranchKind::Conditional && in.target > pc && in.target - pc <= wrong_path_reach_) begin_shadow(done);
        }
    } else if (taken) {
        // fetch stops at a branch that is predicted taken; the next block is asked for in the same cycle
        if (target >> block_shift_ == fetch_block_) end_fetch_cycle();
    }
}

void Core::execute(const Instruction& in, const MicroOp* ops, const Access* accesses, unsigned n, uint64_t next,
                   uint64_t quotient) {
    ++counts.instructions;
    fetch_from(in.address, in.size);
    const unsigned count = unsigned(in.ops.size());
    const Access *load = accesses, *store = accesses, *end = accesses + n;
    uint64_t done = 0, committed = 0;
    auto run = [&](const MicroOp& op) {
        const Access* access = nullptr;
        if (op.flags & MicroOp::LOAD) {
            while (load < end && load->store) ++load;
            if (load < end) access = load++;
        } else if (op.flags & MicroOp::STORE) {
            while (store < end && !store->store) ++store;
            if (store < end) access = store++;
        }
        done = step(op, in.address, access, 1, committed);
    };
    const uint64_t after = in.address + in.size;
    if (in.loop == Loop::None) {
        for (unsigned k = 0; k + 1 < count; ++k) {
            run(ops[k]);
            // a branch of micro-code, inside the instruction: it never leaves it here
            if (ops[k].flags & MicroOp::BRANCH) branch(in, in.address, false, 0, done, BranchKind::Conditional, after);
        }
        run(ops[count - 1]);
        if (in.branch != BranchKind::None) {
            bool taken = in.branch != BranchKind::Conditional || next != after || in.target == after;
            branch(in, in.address, taken, next, done, in.branch, after);
        }
        return;
    }
    unsigned iterations;
    if (in.loop == Loop::String) {
        unsigned each = 0;
        for (unsigned k = in.loop_begin; k < in.loop_end; ++k)
            each += (ops[k].flags & (MicroOp::LOAD | MicroOp::STORE)) != 0;
        iterations = each ? n / each : 0;
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
