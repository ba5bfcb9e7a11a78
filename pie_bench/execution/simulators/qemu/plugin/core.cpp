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
      free_floats_(m.numPhysFloatRegs - ARCHITECTURAL_FLOATS) {
    if (m.numROBEntries >= WINDOW || m.LQEntries >= WINDOW || m.SQEntries >= WINDOW || free_integers_ >= WINDOW ||
        free_floats_ >= WINDOW || m.fetchQueueSize + 16 * m.decodeWidth >= WINDOW)
        throw BadMachine("machine: a queue of the core is too long for this model");
    if (m.issueWidth > LEFT - FIRST_PORT - PORTS) throw BadMachine("machine: issueWidth is too large for this model");
    for (uint32_t ports : m.ports)
        if (ports >> PORTS) throw BadMachine("machine: more ports than this model has");
    while ((1u << block_shift_) < m.fetchBufferSize) ++block_shift_;
    if (block_shift_ > LINE_SHIFT) throw BadMachine("machine: fetchBufferSize is longer than a line of the cache");
    line_shift_ = LINE_SHIFT - block_shift_;
    // Between fetch and rename there is room for the fetch queue and what is on its way in latches and skid buffers.
    front_ = uint8_t(0 - (m.fetchQueueSize + m.decodeWidth * (m.fetchToDecodeDelay + m.decodeToRenameDelay + 2)));
    for (unsigned c = 0; c < OP_CLASSES; ++c) {
        units_[c].latency = m.latency[c] ? m.latency[c] : 1;
        const uint64_t ports = m.ports[c] ? uint64_t(m.ports[c]) << FIRST_PORT : NO_PORT;
        (m.unpipelined[c] ? units_[c].unpipelined : units_[c].ports) = ports;
    }
    fresh_ = ALL_PORTS | uint64_t(m.issueWidth - 1) << LEFT;
    for (uint64_t& word : ports_) word = fresh_ | ~0u;
    clear_store_sets();
    auto step_of = [](uint32_t width) {
        if (width == 0 || (1u << EIGHTHS) % width) throw BadMachine("machine: a stage must be 1, 2, 4 or 8 wide");
        return (1u << EIGHTHS) / width;
    };
    fetch_step_ = step_of(m.fetchWidth);
    decode_step_ = step_of(m.decodeWidth);
    rename_step_ = step_of(m.renameWidth);
    commit_step_ = step_of(m.commitWidth);
    front_delay_ = (m.fetchToDecodeDelay + m.decodeToRenameDelay) << EIGHTHS;
    registers_ = m.numROBEntries;
    for (uint32_t entries : {free_integers_, free_floats_})
        if (entries < registers_) registers_ = entries;
    far_ = registers_ < m.numIQEntries ? registers_ : m.numIQEntries;
    near_ = far_ < m.LQEntries ? far_ : m.LQEntries;
    most_more_ = free_integers_ - registers_;
    perhaps_ = uint8_t(0 - far_);
    commit_delay_ = m.iewToCommitDelay + 1;
    // commit hears of a wrong branch iewToCommitDelay later, fetch a cycle after it, and asks for code in the next one
    mispredict_delay_ = m.iewToCommitDelay + m.commitToFetchDelay + 1;
    fault_delay_ = m.trapLatency + m.commitToFetchDelay + 1;
    dispatch_delay_ = m.renameToIEWDelay;
    cycles_per_1000_ = uint64_t(m.fit("cycles_per_1000_instructions", 0));
}

void Core::redirect(uint64_t request, Why why) {
    redirected_ = true;
    request_ = request;
    why_ = why;
    fetch_block_ = fetch_line_ = NEVER;
}

// Brings the fetch buffer to the blocks of an instruction. A new block is asked for as soon as an instruction ends. One that
// goes on in the next block is looked at first, in the next cycle if this one's width is used up.
void Core::fetch_blocks(uint64_t pc, unsigned size) {
    const uint64_t first = pc >> block_shift_, last = (pc + size - 1) >> block_shift_;
    if (first != fetch_block_) fetch_block(first, redirected_ ? request_ : fetch_cycle());
    if (last != first) fetch_block(last, next_fetch() >> EIGHTHS);
}

void Core::fetch_block(uint64_t block, uint64_t request) {
    const uint64_t address = block << block_shift_;
    redirected_ = false;
    if (__builtin_expect(address >> 12 != fetch_page_, 0)) {
        fetch_page_ = address >> 12;
        fetch_frame_ = pages.find(fetch_page_);
        if (fetch_frame_ == ~0ull) {
            // The fault travels down the pipeline with an empty instruction and is taken at commit.
            ++counts.page_faults;
            fetch_frame_ = pages.add(fetch_page_);
            uint64_t head = request + m_.fetchToDecodeDelay + m_.decodeToRenameDelay + m_.renameToIEWDelay +
                            m_.issueToExecuteDelay + commit_delay_;
            head = later(later(head, last_commit() + 1), store_complete_);
            request = head + fault_delay_;
            why_ = TRAP;
        }
    }
    uint64_t asked = request;
    if (__builtin_expect(shadow(), 0) && request >= shadow_shift_ && request - shadow_shift_ < shadow_end_)
        asked -= shadow_shift_;
    fetch_at(memory.fetch(physical(fetch_frame_, address), request, asked));
    fetch_block_ = block;
    fetch_line_ = block >> line_shift_;
    fetch_line_there_ = fetch_next_ >> EIGHTHS;
}

// Until fetch hears of a misprediction it goes on the other way, and the lines of code that it asks for stay in the cache:
// straight on from `pc`, four bytes an instruction, as far as there is room for what it fetches.
void Core::fetch_wrong_path(uint64_t pc, uint64_t until) {
    const uint64_t last = (pc >> LINE_SHIFT) + WRONG_PATH_LINES;
    fetch_line_ = NEVER;
    uint64_t cycle = fetch_cycle() + 1;
    for (uint64_t line = pc >> LINE_SHIFT; line <= last && cycle < until; ++line) {
        const uint64_t address = line << LINE_SHIFT, frame = pages.find(address >> 12);
        if (frame == ~0ull) return;
        cycle = memory.fetch(physical(frame, address), cycle, cycle) + 4;
    }
}

void Core::free_iq_late(uint64_t cycle, uint64_t now) {
    advance_iq(now);
    ++iq_frees_[(cycle < iq_end_ ? cycle : iq_end_ - 1) & (IQ_RING - 1)];
}

// The place from `place` on at which the issue queue has room.
uint64_t Core::wait_for_iq(uint64_t place) {
    uint64_t cycle = place >> EIGHTHS;
    advance_iq(cycle);
    while (iq_used_ >= m_.numIQEntries) {
        advance_iq(++cycle);
        place = cycle << EIGHTHS;
    }
    return place;
}

// Where reorder buffer and register files have room.
inline uint64_t Core::room_in_window(const MicroOp& op) const {
    const uint64_t entry = committed_[uint8_t(commits_ - m_.numROBEntries)];
    const uint64_t integers = integers_[uint8_t(integers_made_ - free_integers_ + op.integers - 1)];
    const uint64_t floats = floats_[uint8_t(floats_made_ - free_floats_ + op.floats - 1)];
    return later(entry, later(integers, floats) + CYCLE) + m_.commitToRenameDelay * CYCLE;
}

// Counts the registers of a micro-operation that takes several.
void Core::takes_more(const MicroOp& op) {
    if (counts.ops - since_ >= registers_) {
        more_before_ = counts.ops - since_ < 2 * registers_ ? more_registers_ : 0;
        more_registers_ = 0;
        since_ = counts.ops;
    }
    if (op.integers > 1) more_registers_ += op.integers - 1;
    if (op.floats > 1 || more_registers_ + more_before_ > most_more_) crowded(true);
}

void Core::crowded(bool now) {
    if (now != is_crowded()) perhaps_ = uint8_t(now ? perhaps_ + far_ - near_ : perhaps_ + near_ - far_);
    crowded_until_ = now ? counts.ops + 2 * WINDOW : ~0ull;
}

// What is left of a cycle when the next one of these free ports has been taken; ports of a class take turns.
inline uint64_t Core::taken(Units& units, uint64_t cycle, uint64_t free) {
    const uint64_t ahead = free & units.ahead, some = ahead ? ahead : free, port = some & (0 - some);
    units.ahead = 0 - 2 * port;
    cycle -= port;
    cycle -= 1ull << LEFT;
    return int64_t(cycle) < 0 ? uint32_t(cycle) : cycle;
}

// The first cycle from `from` on in which a port for the class is free.
inline uint64_t Core::issue(Units& units, uint64_t from) {
    uint64_t& cycle = ports_[from & (PORT_RING - 1)];
    const uint64_t unused = fresh_ | uint32_t(from);
    const uint64_t word = uint32_t(cycle) == uint32_t(from) ? cycle : unused;
    const uint64_t free = word & units.ports;
    if (__builtin_expect(!free, 0)) return issue_slowly(units, from);
    cycle = taken(units, word, free);
    return from;
}

// The same where the first cycle is full, or the units are not pipelined.
uint64_t Core::issue_slowly(Units& units, uint64_t from) {
    if (units.unpipelined) from = later(from, units.free);
    const uint64_t ports = units.ports | units.unpipelined;
    for (;; ++from) {
        uint64_t& cycle = ports_[from & (PORT_RING - 1)];
        if (uint32_t(cycle) != uint32_t(from)) cycle = fresh_ | uint32_t(from);
        const uint64_t free = cycle & ports;
        if (!free) continue;
        cycle = taken(units, cycle, free);
        if (units.unpipelined) units.free = from + units.latency;
        return from;
    }
}

// The first touch of a page is a fault, taken when everything before has committed and left. Then the micro-operation is
// done again.
void Core::fault(uint64_t pc, uint64_t begin, uint64_t end, uint64_t executes) {
    ++counts.page_faults;
    translate(begin);
    translate(end - 1);
    uint64_t head = later(later(executes + commit_delay_, last_commit() + 1), store_complete_);
    redirect(head + fault_delay_, TRAP);
    fetch_blocks(pc, 1);
}

void Core::clear_store_sets() {
    set_clock_ = m_.store_set_clear_period + 1;
    for (int32_t& set : sets_) set = -1;
    for (Set& set : last_store_) set = Set();
}

namespace { constexpr uint64_t AGAIN = ~0ull; }

// When a load that executes in `executes` has its data; AGAIN if it touched a page first or ran ahead of a store to its own
// address.
inline uint64_t Core::load(const MicroOp& op, uint64_t pc, const Access& access, uint64_t dispatch, uint64_t executes) {
    const uint64_t begin = access.address, end = begin + access.bytes, first = begin >> 3, last = (end - 1) >> 3;
    const uint64_t frame = frame_of(begin, end);
    if (__builtin_expect(frame == ~0ull, 0)) {
        fault(pc, begin, end, executes);
        return AGAIN;
    }
    // stores before it that it overlaps
    const Store* hit = nullptr;
    if (store_words_[first & (STORES - 1)] == uint32_t(first)) {
        const Store& s = stores_[first & (STORES - 1)];
        if (s.begin < end && begin < s.end) hit = &s;
    }
    if (last != first && store_words_[last & (STORES - 1)] == uint32_t(last)) {
        const Store& s = stores_[last & (STORES - 1)];
        if (s.begin < end && begin < s.end && (!hit || s.complete > hit->complete)) hit = &s;
    }
    if (hit && hit->sent > executes) return load_after(*hit, pc, access, executes);
    const uint64_t asked = __builtin_expect(shadow(), 0) ? asked_in_shadow(op, dispatch, executes) : executes;
    uint64_t done = memory.load(physical(frame, begin), executes, asked);
    if (__builtin_expect((end - 1) >> LINE_SHIFT != begin >> LINE_SHIFT, 0))
        done = later(done, memory.load(translate(end - 1), executes, asked));
    return done;
}

// The same for one that overlaps a store that has not left yet.
uint64_t Core::load_after(const Store& hit, uint64_t pc, const Access& access, uint64_t executes) {
    if (hit.done > executes) {
        // all from here on is done again
        ++counts.order_violations;
        int32_t &by_load = sets_[set_index(pc)], &by_store = sets_[set_index(hit.pc)];
        if (by_load < 0 && by_store < 0)
            by_load = by_store = int32_t(set_index(pc));
        else if (by_store < 0)
            by_store = by_load;
        else if (by_load < 0)
            by_load = by_store;
        else
            by_load = by_store = by_load < by_store ? by_load : by_store;
        redirect(hit.done + mispredict_delay_, MISPREDICT);
        fetch_blocks(pc, 1);
        return AGAIN;
    }
    if (hit.begin <= access.address && access.address + access.bytes <= hit.end) {
        ++counts.forwarded;
        return executes + 1;
    }
    // it has part of it only: wait until the store has left, then try again
    const uint64_t again = hit.complete + 2;
    return later(memory.load(translate(access.address), again, again), again);
}

// When a store that is sent in `sent` is complete.
inline uint64_t Core::store(uint64_t pc, const Access& access, uint64_t done, uint64_t sent) {
    const uint64_t begin = access.address, end = begin + access.bytes, first = begin >> 3, last = (end - 1) >> 3;
    uint64_t complete = memory.store(translate(begin), sent);
    if ((end - 1) >> LINE_SHIFT != begin >> LINE_SHIFT) complete = later(complete, memory.store(translate(end - 1), sent));
    const Store made{begin, end, done, sent, complete, pc};
    store_words_[first & (STORES - 1)] = uint32_t(first);
    stores_[first & (STORES - 1)] = made;
    if (last != first) {
        store_words_[last & (STORES - 1)] = uint32_t(last);
        stores_[last & (STORES - 1)] = made;
    }
    return complete;
}

// When decode has taken what was fetched at `fetched`, while it may be behind; a whole cycle, in eighths.
uint64_t Core::decode_late(uint64_t fetched) {
    if (fetched >> EIGHTHS > sent_before_) {
        decode_next_ = later(decode_next_, (decode_cycle_ + m_.fetchToDecodeDelay + m_.decodeToFetchDelay) << EIGHTHS);
        sent_before_ = NEVER;
    }
    const uint64_t place = later(decode_next_, fetched & WHOLE);
    decode_next_ = place + decode_step_;
    decode_cycle_ = place >> EIGHTHS;
    decode_behind_ = place > fetched || decode_step_ > fetch_step_ || sent_before_ != NEVER;
    return place & WHOLE;
}

// The place at which the next micro-operation is fetched.
inline uint64_t Core::fetch() {
    const uint64_t place = next_fetch();
    ++front_;
    fetched_ = place;
    fetch_next_ = place + fetch_step_;
    return place;
}

namespace {
constexpr unsigned sources_of(unsigned way) {
    return way == MicroOp::NO_SOURCES                              ? 0
           : way == MicroOp::SIMPLE_LOAD                           ? 2
           : way == MicroOp::MORE_SOURCES || way == MicroOp::OTHER ? 6
                                                                   : 3;
}
constexpr unsigned destinations_of(unsigned way) {
    return way == MicroOp::SIMPLE_STORE                                 ? 0
           : way == MicroOp::NO_SOURCES || way == MicroOp::SIMPLE_LOAD ? 1
           : way == MicroOp::OTHER                                     ? 4
                                                                       : 3;
}
}  // namespace

template <unsigned WAY> inline uint64_t Core::operands(const MicroOp& op, uint64_t from) const {
    for (unsigned k = 0; k < sources_of(WAY); ++k) from = later(from, ready_[op.source[k]]);
    return from;
}

template <unsigned WAY> inline void Core::write_back(const MicroOp& op, uint64_t done) {
    for (unsigned k = 0; k < destinations_of(WAY); ++k) ready_[op.destination[k]] = done;
}

// Commit, in order; `stall` gives the counter of what a micro-operation has waited for if nothing committed for a while.
template <class Stall>
inline __attribute__((always_inline)) void Core::commit(const MicroOp& op, uint64_t done, Stall stall) {
    const uint64_t place = later(commit_next_, (done + commit_delay_) << EIGHTHS), at = place & WHOLE;
    commit_next_ = place + commit_step_;
    if (at > last_commit_ + CYCLE) {
        stall() += (at - last_commit_ - CYCLE) >> EIGHTHS;
        why_ = FETCH;
    }
    last_commit_ = at;
    committed_[commits_++] = at;
    ++perhaps_;
    integers_[integers_made_] = floats_[floats_made_] = at;
    integers_made_ = uint8_t(integers_made_ + op.integers);
    floats_made_ = uint8_t(floats_made_ + op.floats);
}

uint64_t& Core::stall_of_front() {
    return why_ == MISPREDICT ? counts.stall_mispredict : why_ == TRAP ? counts.stall_trap : counts.stall_fetch;
}

// One micro-operation through the pipeline.
template <unsigned WAY>
inline __attribute__((always_inline)) void Core::step(const MicroOp& op, uint64_t pc, const Access* access) {
    constexpr bool other = WAY == MicroOp::OTHER;
    const bool is_load = other ? op.flags & MicroOp::LOAD : WAY == MicroOp::SIMPLE_LOAD;
    const bool is_store = other ? op.flags & MicroOp::STORE : WAY == MicroOp::SIMPLE_STORE;
    for (;;) {
        // fetch, decode
        uint64_t place = fetch();
        const uint64_t arrives = (__builtin_expect(decode_behind_, 0) ? decode_late(place) : place & WHOLE) + front_delay_;
        // rename
        place = later(rename_next_, arrives);
        if (other && op.flags & MicroOp::SERIALIZE_BEFORE) place = later(place, all_left());
        const bool full = committed_[perhaps_] + 2 * CYCLE > arrives;  // perhaps
        if (full) {
            if (committed_[uint8_t(commits_ - registers_)] + 2 * CYCLE > place || is_crowded())
                place = later(place, room_in_window(op));
            if (counts.ops >= crowded_until_) crowded(false);
        }
        if (is_load) {
            constexpr uint64_t heard = m_.commitToIEWDelay + m_.iewToRenameDelay;
            place = later(place, loads_left_[uint8_t(counts.loads - m_.LQEntries)] + heard * CYCLE);
        }
        uint64_t room = 0;
        if (is_store) {
            room = stores_left_[uint8_t(counts.stores - m_.SQEntries)] + m_.iewToRenameDelay * CYCLE;
            place = later(place, room);
        }
        if (full && iq_used_ >= m_.numIQEntries) place = wait_for_iq(place);
        ++iq_used_;
        rename_next_ = place + rename_step_;
        renamed_[uint8_t(counts.ops)] = place & WHOLE;
        const uint64_t rename = place >> EIGHTHS;
        // dispatch, operands, issue
        const uint64_t dispatch = rename + dispatch_delay_;
        uint64_t from = operands<WAY>(op, dispatch);
        Set* set = nullptr;
        if (is_load | is_store) {
            from = later(from, barrier_);
            set = store_set(pc);
            if (set && set->issued > dispatch) from = later(from, set->done);
        }
        if (other && op.flags & (MicroOp::NON_SPECULATIVE | MicroOp::BARRIER)) {
            from = later(from, later(last_commit() + 2, store_complete_ + 1));
        }
        Units& units = units_[op.op_class];
        const uint64_t issued = issue(units, from);
        const uint64_t executes = issued + m_.issueToExecuteDelay;
        uint64_t done;
        bool waits_for_memory = false;
        if (is_load) {
            done = executes + 1;
            if (access) {
                const uint64_t found = load(op, pc, *access, dispatch, executes);
                if (__builtin_expect(found == AGAIN, 0)) {
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
            if (access && __builtin_expect(frame_of(access->address, access->address + access->bytes) == ~0ull, 0)) {
                fault(pc, access->address, access->address + access->bytes, executes);
                ++counts.ops;
                continue;
            }
            if (set) *set = Set{issued, done};
        } else {
            done = issued + units.latency;
            free_iq(issued + m_.iewToRenameDelay, rename);
            if (other && op.flags & MicroOp::BARRIER) barrier_ = done;
        }
        ++counts.ops;
        done_ = done;
        write_back<WAY>(op, done);
        commit(op, done, [&]() -> uint64_t& {
            return waits_for_memory                                          ? counts.stall_memory
                   : from > dispatch                                         ? counts.stall_execute
                   : is_store && room > arrives && room > room_in_window(op) ? counts.stall_stores
                   : rename << EIGHTHS > arrives                             ? counts.stall_window
                                                                             : stall_of_front();
        });
        if (other && (op.integers > 1 || op.floats > 1)) {
            for (unsigned k = 1; k < op.integers; ++k) integers_[uint8_t(integers_made_ - k)] = last_commit_;
            for (unsigned k = 1; k < op.floats; ++k) floats_[uint8_t(floats_made_ - k)] = last_commit_;
            takes_more(op);
        }
        if (is_load) loads_left_[uint8_t(counts.loads++)] = last_commit_;
        if (is_store) {
            // the load-store unit hears of the commit a cycle later and sends in the next one; in total store order when
            // the last one is done
            uint64_t sent = last_commit() + m_.commitToIEWDelay + 1;
            if (TOTAL_STORE_ORDER) sent = later(sent, store_complete_);
            // they leave the queue in the order of the program all the same
            store_complete_ = later(store_complete_, access ? store(pc, *access, done, sent) : sent);
            stores_left_[uint8_t(counts.stores++)] = store_complete_ << EIGHTHS;
        }
        if (other && op.flags & MicroOp::SERIALIZE_AFTER) rename_next_ = later(rename_next_, all_left());
        return;
    }
}

void Core::any(const MicroOp& op, uint64_t pc, const Access* access) { step<MicroOp::OTHER>(op, pc, access); }

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
    const uint64_t renamed = renamed_[uint8_t(counts.ops - 1)] >> EIGHTHS;
    if (heard < renamed) return;
    uint64_t older = 0, registers = 0;
    while (older < m_.numROBEntries && committed_[uint8_t(commits_ - 1 - older)] >> EIGHTHS > heard) ++older;
    while (registers < free_integers_ && integers_[uint8_t(integers_made_ - 1 - registers)] >> EIGHTHS > heard) ++registers;
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
    decode_behind_ = true;
}

void Core::begin_shadow(uint64_t resolved) {
    if (shadow() && shadow_end_ > fetch_cycle()) return;  // inside another one's
    uint64_t restart = resolved + mispredict_delay_ + 1;
    if (restart < fetch_cycle() + WRONG_PATH_LEAST) return;
    shadow_end_ = resolved + mispredict_delay_ - 1;
    shadow_shift_ = restart - fetch_cycle();
    shadow_until_ = counts.ops + m_.numROBEntries;
    for (unsigned r = 0; r < REGISTERS; ++r) shadow_ready_[r] = ready_[r];
}

void Core::branch(const Instruction& in, uint64_t pc, bool taken, uint64_t target, BranchKind kind, uint64_t fall_through) {
    ++counts.branches;
    predictor_.learn_until(fetch_cycle());
    bool right = predictor_.predict(pc, kind, taken, target, fall_through);
    predictor_.commit_at(last_commit() + m_.commitToFetchDelay);
    if (!right) {
        if (predictor_.missed_target()) ++counts.missed_targets;
        bool direct = kind == BranchKind::Direct || kind == BranchKind::Call;
        if (direct) {
            // decode finds out: it knows the target of a direct jump
            redirect(decode_cycle() + m_.fetchToDecodeDelay + m_.decodeToFetchDelay + 1, MISPREDICT);
            fetch_wrong_path(predictor_.guess(), request_ - 1);
        } else {
            if (kind == BranchKind::Conditional) ++counts.mispredicted_conditional;
            else ++counts.mispredicted_indirect;
            redirect(done_ + mispredict_delay_, MISPREDICT);
            fetch_wrong_path(predictor_.guess(), request_ - 1);
            squash(done_ + commit_delay_);
            if (kind == BranchKind::Conditional && in.target > pc && in.target - pc <= WRONG_PATH_REACH) begin_shadow(done_);
        }
    } else if (taken) {
        // fetch stops at a branch that is predicted taken; the next block is asked for in the same cycle
        if (target >> block_shift_ == fetch_block_) end_fetch_cycle();
    }
}

Core::Straight Core::straight(const Instruction& in, const MicroOp* ops) const {
    const uint64_t first = in.address >> block_shift_, last = (in.address + in.size - 1) >> block_shift_;
    return Straight{in.address, first == last ? first : TWO_BLOCKS, ops + in.count, in.size};
}

void Core::execute_straight(const Straight* in, unsigned n, const MicroOp* op, Accesses left, unsigned index) {
    counts.instructions += n;
    for (const Straight* end = in + n; in < end; ++in, ++index) {
        if (in->block != fetch_block_) {
            const uint64_t there = fetch_cycle() + memory.l1i.tag_latency;
            if (in->block >> line_shift_ == fetch_line_ && there >= fetch_line_there_) {
                fetch_at(there);
                fetch_block_ = in->block;
            } else {
                fetch_blocks(in->address, in->size);
            }
        }
        for (const MicroOp* at = op; at < in->end; ++at) {
            const uint64_t pc = in->address;
            const uint8_t way = at->way;  // the most frequent ones first
            if (way == MicroOp::SIMPLE) step<MicroOp::SIMPLE>(*at, pc, nullptr);
            else if (way == MicroOp::NO_SOURCES) step<MicroOp::NO_SOURCES>(*at, pc, nullptr);
            else if (way == MicroOp::SIMPLE_LOAD) step<MicroOp::SIMPLE_LOAD>(*at, pc, left.next_load(index));
            else if (way == MicroOp::SIMPLE_STORE) step<MicroOp::SIMPLE_STORE>(*at, pc, left.next_store(index));
            else if (way == MicroOp::MORE_SOURCES) step<MicroOp::MORE_SOURCES>(*at, pc, nullptr);
            else any(*at, pc, left.next(*at, index));
        }
        op = in->end;
    }
}

void Core::execute(const Instruction& in, const MicroOp* ops, const Access* accesses, unsigned n, uint64_t next,
                   uint64_t quotient) {
    const unsigned index = n ? accesses->instruction : 0;
    const Accesses all(accesses, accesses + n);
    if (is_straight(in)) {
        const Straight one = straight(in, ops);
        execute_straight(&one, 1, ops, all, index);
    } else {
        ++counts.instructions;
        fetch_blocks(in.address, in.size);
        inside(in, ops, all, n, index, quotient);
    }
    leave(in, next);
}

void Core::leave(const Instruction& in, uint64_t next) {
    if (in.system_call) redirect(later(last_commit(), store_complete_) + fault_delay_, TRAP);  // a fault that is always taken
    if (in.branch != BranchKind::None) {
        const uint64_t after = in.address + in.size;
        const bool taken = in.branch != BranchKind::Conditional || next != after || in.target == after;
        branch(in, in.address, taken, next, in.branch, after);
    }
}

// An instruction with branches inside: a loop of micro-operations, or one that micro-code may jump over.
void Core::inside(const Instruction& in, const MicroOp* ops, Accesses left, unsigned n, unsigned index, uint64_t quotient) {
    const unsigned count = in.count;
    const uint64_t after = in.address + in.size;
    auto run = [&](const MicroOp& op) { any(op, in.address, left.next(op, index)); };
    if (in.loop == Loop::None) {
        for (unsigned k = 0; k < count; ++k) {
            run(ops[k]);
            // it never leaves the instruction here
            if (ops[k].flags & MicroOp::BRANCH && k + 1 < count)
                branch(in, in.address, false, 0, BranchKind::Conditional, after);
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
            branch(in, in.address, iterations == 0, in.address | 1ull << 63, BranchKind::Conditional, after);
    }
    for (unsigned turn = 0; turn < iterations; ++turn)
        for (unsigned k = in.loop_begin; k < in.loop_end; ++k) {
            run(ops[k]);
            if (!(ops[k].flags & MicroOp::BRANCH)) continue;
            bool again = turn + 1 < iterations;
            // the loop's target is inside the same instruction: its block stays in the fetch buffer
            branch(in, in.address, again, in.address, BranchKind::Conditional, after);
            if (redirected_) fetch_blocks(in.address, 1);
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
    fetch_page_ = fetch_line_ = NEVER;
}
