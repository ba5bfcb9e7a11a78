// The out-of-order core: one pass over the micro-operations in program order, a constant number of steps for each.
//
// For every micro-operation the model finds the cycle in which each of gem5's stages handles it (src/cpu/o3): fetch, decode,
// rename (where room in the reorder buffer, queues and register files is taken), issue (the first cycle with operands and
// a port), write-back, commit, and for a store its turn to leave, one at a time where stores are totally ordered. Integers
// only, so that every host gets the same cycles.
// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <vector>

#include "caches.h"
#include "decode.h"
#include "machine.h"
#include "predictor.h"

/// One access of one instruction to memory, in the order in which the instruction made them.
struct Access {
    uint64_t address;
    uint16_t instruction;  // index in its block
    uint8_t bytes;
    bool store;
};

/// The accesses of some instructions: their loads and stores, each in turn.
struct Accesses {
    const Access *load, *store, *end;
    Accesses(const Access* begin, const Access* end) : load(begin), store(begin), end(end) {}
    const Access* next_load(unsigned instruction) { return next<false>(load, instruction); }
    const Access* next_store(unsigned instruction) { return next<true>(store, instruction); }
    const Access* next(const MicroOp& op, unsigned instruction) {
        return op.flags & MicroOp::LOAD    ? next_load(instruction)
               : op.flags & MicroOp::STORE ? next_store(instruction)
                                           : nullptr;
    }

  private:
    template <bool STORE> const Access* next(const Access*& at, unsigned instruction) const {
        for (; at < end && at->instruction <= instruction; ++at)
            if (at->store == STORE && at->instruction == instruction) return at++;
        return nullptr;
    }
};

struct Counts {
    uint64_t instructions = 0, ops = 0, branches = 0, mispredicted_conditional = 0, mispredicted_indirect = 0;
    uint64_t missed_targets = 0, page_faults = 0, order_violations = 0, squashed = 0, forwarded = 0, loads = 0, stores = 0;
    // cycles in which nothing committed, by what the next micro-operation waited for
    uint64_t stall_mispredict = 0, stall_fetch = 0, stall_memory = 0, stall_stores = 0, stall_window = 0, stall_execute = 0,
             stall_trap = 0;
};

class Core {
    const Machine m_;

  public:
    explicit Core(const Machine&);

    /// Times one instruction that made `n` accesses and was followed by the one at `next`. `ops` are its
    /// micro-operations; `quotient` is the result of a division.
    void execute(const Instruction&, const MicroOp* ops, const Access* accesses, unsigned n, uint64_t next,
                 uint64_t quotient);

    /// The part of an instruction that `execute_straight` needs: where it begins, the block of code that it is in (or
    /// TWO_BLOCKS), where its micro-operations end, and its size.
    struct Straight { uint64_t address, block; const MicroOp* end; uint32_t size; };
    Straight straight(const Instruction&, const MicroOp* ops) const;
    /// Does it execute each of its micro-operations once, without branches in between?
    static bool is_straight(const Instruction& in) { return in.loop == Loop::None && !in.inner_branch; }
    static bool leads_elsewhere(const Instruction& in) { return in.system_call || in.branch != BranchKind::None; }
    /// Times `n` instructions that follow each other in memory: all of `ops`, the first of which is number `index` to the
    /// accesses.
    void execute_straight(const Straight*, unsigned n, const MicroOp* ops, Accesses, unsigned index);
    /// Where the last instruction has led: to the one at `next`.
    void leave(const Instruction&, uint64_t next);

    /// Up to the last commit, and what each instruction is fitted to take longer.
    uint64_t cycles() const { return last_commit() + counts.instructions * cycles_per_1000_ / 1000; }
    void kernel_wrote(uint64_t address, uint64_t bytes);
    void unmapped(uint64_t address, uint64_t bytes);

    Counts counts;
    Memory memory;
    Pages pages;

  private:
    enum Why : uint8_t { FETCH, MISPREDICT, TRAP };
    struct Store {
        uint64_t begin = 0, end = 0, done = 0, sent = 0, complete = 0;
        uint64_t pc = 0;
    };
    struct Set { uint64_t issued = 0, done = 0; };

    void fetch_blocks(uint64_t pc, unsigned size);
    void fetch_block(uint64_t block, uint64_t request);
    void inside(const Instruction&, const MicroOp*, Accesses, unsigned n, unsigned index, uint64_t quotient);
    void redirect(uint64_t request, Why);
    void fetch_wrong_path(uint64_t pc, uint64_t until);
    template <unsigned WAY> void step(const MicroOp&, uint64_t pc, const Access*);
    void any(const MicroOp&, uint64_t pc, const Access*);
    uint64_t fetch();
    template <unsigned WAY> uint64_t operands(const MicroOp&, uint64_t from) const;
    template <unsigned WAY> void write_back(const MicroOp&, uint64_t done);
    template <class Stall> void commit(const MicroOp&, uint64_t done, Stall);
    uint64_t& stall_of_front();
    struct Units;
    static uint64_t taken(Units&, uint64_t cycle, uint64_t free);
    uint64_t issue(Units&, uint64_t from);
    uint64_t issue_slowly(Units&, uint64_t from);
    void fault(uint64_t pc, uint64_t begin, uint64_t end, uint64_t executes);
    // The frame of what an instruction accesses, or ~0 if a page of it has never been touched.
    uint64_t frame_of(uint64_t begin, uint64_t end) {
        const uint64_t frame = pages.find(begin >> 12);
        return (end - 1) >> 12 == begin >> 12 || pages.find((end - 1) >> 12) != ~0ull ? frame : ~0ull;
    }
    static uint64_t physical(uint64_t frame, uint64_t address) { return frame << 12 | (address & 4095); }
    uint64_t load(const MicroOp&, uint64_t pc, const Access&, uint64_t dispatch, uint64_t executes);
    uint64_t load_after(const Store&, uint64_t pc, const Access&, uint64_t executes);
    uint64_t store(uint64_t pc, const Access&, uint64_t done, uint64_t sent);
    Set* store_set(uint64_t pc) {
        if (__builtin_expect(--set_clock_ == 0, 0)) clear_store_sets();
        const int32_t number = sets_[set_index(pc)];
        return __builtin_expect(number >= 0, 0) ? &last_store_[size_t(number)] : nullptr;
    }
    static uint32_t set_index(uint64_t pc) { return uint32_t(pc >> 2) & (Machine::SSITSize - 1); }
    void clear_store_sets();

    // The issue queue: how many leave it in each cycle, added up when it may be full.
    void free_iq(uint64_t cycle, uint64_t now) {
        if (__builtin_expect(cycle >= iq_end_, 0)) free_iq_late(cycle, now);
        else ++iq_frees_[cycle & (IQ_RING - 1)];
    }
    void free_iq_late(uint64_t cycle, uint64_t now);
    void advance_iq(uint64_t cycle) {
        for (; iq_end_ < cycle + IQ_RING; ++iq_end_) {
            uint16_t& frees = iq_frees_[(iq_end_ + 1) & (IQ_RING - 1)];
            iq_used_ -= frees;
            frees = 0;
        }
    }
    uint64_t wait_for_iq(uint64_t place);
    uint64_t room_in_window(const MicroOp&) const;

    uint64_t translate(uint64_t address) {
        uint64_t page = address >> 12, frame = pages.find(page);
        if (frame == ~0ull) frame = pages.add(page);
        return physical(frame, address);
    }
    void branch(const Instruction&, uint64_t pc, bool taken, uint64_t target, BranchKind, uint64_t fall_through);

    Predictor predictor_;

    uint64_t ready_[REGISTERS] = {};

    // Places in the stages that take micro-operations in order are in eighths of a cycle: a stage that is four wide takes
    // two for each. `..._next_` is a stage's next free one.
    static constexpr unsigned EIGHTHS = 3;
    static constexpr uint64_t CYCLE = 1 << EIGHTHS, WHOLE = ~(CYCLE - 1);
    uint64_t fetch_next_ = 0, decode_next_ = 0, rename_next_ = 0, commit_next_ = 0;
    uint64_t fetch_step_, decode_step_, rename_step_, commit_step_;

    // front end
    static constexpr uint64_t NEVER = ~0ull, TWO_BLOCKS = NEVER - 1;
    uint64_t fetched_ = 0;  // where the last micro-operation was
    uint64_t fetch_block_ = NEVER, request_ = 0, decode_cycle_ = 0, fetch_page_ = NEVER, fetch_frame_ = 0;
    uint64_t fetch_line_ = NEVER, fetch_line_there_ = 0;  // the last line of code that was asked for, and when it was there
    uint64_t fetch_cycle() const { return fetched_ >> EIGHTHS; }
    void fetch_at(uint64_t cycle) { fetched_ = fetch_next_ = cycle << EIGHTHS; }
    // Where the next micro-operation is fetched: when the stage has width left and the queue behind it room.
    uint64_t next_fetch() const {
        const uint64_t room = renamed_[front_];
        return room > fetch_next_ ? room : fetch_next_;
    }
    void end_fetch_cycle() { fetch_next_ = (fetched_ & WHOLE) + CYCLE; }
    // A decode at least as wide as fetch takes what has been fetched in the same cycle, unless a squash has held it up and
    // it is still behind.
    bool decode_behind_ = true;
    uint64_t decode_late(uint64_t fetched);
    uint64_t decode_cycle() const { return decode_behind_ ? decode_cycle_ : fetch_cycle(); }
    bool redirected_ = false;
    Why why_ = FETCH;
    unsigned block_shift_ = 0, line_shift_;
    uint64_t front_delay_;

    // Window: when the last so many micro-operations were renamed and committed, loads committed, stores left, and
    // registers were freed, in eighths. A new one needs the room of the one that is a queue's length before it. Indices
    // wrap at 256.
    static constexpr uint64_t WINDOW = 256;
    using Ring = uint64_t[WINDOW];
    Ring renamed_ = {}, committed_ = {}, loads_left_ = {}, stores_left_ = {}, integers_ = {}, floats_ = {};
    uint8_t commits_ = 0, integers_made_ = 0, floats_made_ = 0;
    uint8_t front_ = 0;    // the micro-operation that is as far back as there is room for between fetch and rename
    uint8_t perhaps_ = 0;  // the one that is `near_` back, or `far_`
    uint32_t free_integers_, free_floats_;
    // The reorder buffer and the register files have room for certain when the micro-operation that is as far back as the
    // shortest of them has committed (`registers_`), and the issue queue likewise (`far_`, the shorter of both): while each
    // takes one register. When many have taken more, room is looked for from the shortest queue of all on (`near_`).
    uint32_t near_, far_, registers_;
    uint64_t crowded_until_ = ~0ull;  // the micro-operation from which on that is over
    // Registers that were taken beyond one each since the micro-operation `since_`, as long before it, and at most.
    uint64_t since_ = 0;
    uint32_t more_registers_ = 0, more_before_ = 0, most_more_;
    void takes_more(const MicroOp&);
    void crowded(bool);
    bool is_crowded() const { return crowded_until_ != ~0ull; }
    static constexpr uint64_t IQ_RING = 1 << 12;
    uint16_t iq_frees_[IQ_RING] = {};
    uint64_t iq_end_ = IQ_RING;  // the first cycle without a place in the ring, which begins behind what is added up
    uint32_t iq_used_ = 0;

    // Ports. A word for each cycle: the cycle, a bit for each port that is free, and how many may still be issued; none of
    // them is free when none may. Micro-operations that need no port have ports of their own, as many as can be issued.
    static constexpr uint64_t PORT_RING = 1 << 11;
    static constexpr unsigned FIRST_PORT = 32, PORTS = 16, LEFT = 59;  // one less than are left: below zero in the end
    static constexpr uint64_t ALL_PORTS = (1ull << LEFT) - (1ull << FIRST_PORT);
    static constexpr uint64_t NO_PORT = (1ull << LEFT) - (1ull << (FIRST_PORT + PORTS));  // of those that need none
    uint64_t ports_[PORT_RING];
    struct Units {
        uint64_t ports = 0;      // of pipelined units
        uint64_t ahead = ~0ull;  // ports of a class take turns: those whose turn is next
        uint64_t latency = 1;
        uint64_t unpipelined = 0, free = 0;  // ports of other units, and when they can take the next
    };
    Units units_[OP_CLASSES];
    uint64_t fresh_;  // a cycle in which nothing has been issued

    // commit and stores
    uint64_t last_commit_ = 0;  // in eighths
    uint64_t last_commit() const { return last_commit_ >> EIGHTHS; }
    uint64_t done_ = 0;  // the last write-back
    uint64_t store_complete_ = 0, barrier_ = 0;
    static constexpr unsigned STORES = 1024;
    Store stores_[STORES];
    uint32_t store_words_[STORES] = {};  // which eight bytes each is of: most loads need to look no further

    // memory dependence (src/cpu/o3/store_set.cc)
    int32_t sets_[Machine::SSITSize];  // by address of the instruction; -1 for none
    Set last_store_[Machine::SSITSize];
    uint32_t set_clock_;

    // The wrong path. After a mispredicted branch gem5 goes on fetching and executing the other way until the branch is
    // resolved. Where both ways soon meet again (a short forward jump) the loads and blocks of code of the right path are
    // asked for there already. So while `shadow_` lasts each micro-operation is also timed as if the branch had been
    // predicted, and what it would touch in memory before the squash is touched then.
    uint64_t shadow_end_ = 0;    // the squash
    uint64_t shadow_shift_ = 0;  // by how much the right path comes later
    uint64_t shadow_until_ = 0;  // the micro-operation that does not fit into the window any more
    bool shadow() const { return counts.ops < shadow_until_; }
    uint64_t shadow_ready_[REGISTERS] = {};
    void begin_shadow(uint64_t resolved);
    void squash(uint64_t heard);
    uint64_t sent_before_ = ~0ull;  // by fetch, to a decode that is blocked
    uint64_t asked_in_shadow(const MicroOp&, uint64_t dispatch, uint64_t executes) const;

    uint64_t cycles_per_1000_;
    uint64_t dispatch_delay_, commit_delay_, mispredict_delay_, fault_delay_;
    // Where what serialises is renamed: when the reorder buffer is empty and all stores have left.
    uint64_t all_left() const {
        const uint64_t committed = last_commit();
        return ((committed > store_complete_ ? committed : store_complete_) + Machine::commitToRenameDelay + 1) << EIGHTHS;
    }
};
