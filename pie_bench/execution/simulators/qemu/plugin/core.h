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

    /// Up to the last commit, and what each instruction is fitted to take longer.
    uint64_t cycles() const { return last_commit_ + counts.instructions * cycles_per_1000_ / 1000; }
    void kernel_wrote(uint64_t address, uint64_t bytes);
    void unmapped(uint64_t address, uint64_t bytes);

    Counts counts;
    Memory memory;
    Pages pages;

  private:
    enum Why : uint8_t { FETCH, MISPREDICT, TRAP };
    struct Cycle { uint32_t cycle = ~0u; uint16_t ports = 0, issued = 0; };
    struct Store {
        uint64_t begin = 0, end = 0, done = 0, sent = 0, complete = 0;
        uint64_t pc = 0;
    };
    struct Set { uint64_t issued = 0, done = 0; };

    void fetch_from(uint64_t pc, unsigned size) {
        if (pc >> block_shift_ != fetch_block_ || (pc + size - 1) >> block_shift_ != fetch_block_) fetch_blocks(pc, size);
    }
    void fetch_blocks(uint64_t pc, unsigned size);
    uint64_t inside(const Instruction&, const MicroOp*, const Access*, const Access*, uint64_t quotient);
    void redirect(uint64_t request, Why);
    void fetch_wrong_path(uint64_t pc, uint64_t until);
    template <unsigned WAY> uint64_t step(const MicroOp&, uint64_t pc, const Access*);
    uint64_t any(const MicroOp&, uint64_t pc, const Access*);
    uint64_t issue(unsigned op_class, uint64_t from);
    bool fault(uint64_t pc, uint64_t begin, uint64_t end, uint64_t executes);
    uint64_t load(const MicroOp&, uint64_t pc, const Access&, uint64_t dispatch, uint64_t executes);
    uint64_t store(uint64_t pc, const Access&, uint64_t done, uint64_t sent);
    Set* store_set(uint64_t pc);

    // The issue queue: how many leave it in each cycle, added up when the window may be full.
    void free_iq(uint64_t cycle, uint64_t now) {
        if (__builtin_expect(cycle >= iq_clock_ + IQ_RING, 0)) free_iq_late(cycle, now);
        else ++iq_frees_[cycle & (IQ_RING - 1)];
    }
    void free_iq_late(uint64_t cycle, uint64_t now);
    void advance_iq(uint64_t cycle) {
        while (iq_clock_ < cycle) {
            uint16_t& frees = iq_frees_[++iq_clock_ & (IQ_RING - 1)];
            iq_used_ -= frees;
            frees = 0;
        }
    }
    uint64_t wait_for_iq(uint64_t cycle);
    uint64_t room_in_window(const MicroOp&, uint64_t rename) const;

    uint64_t translate(uint64_t address) {
        uint64_t page = address >> 12, frame = pages.find(page);
        if (frame == ~0ull) frame = pages.add(page);
        return frame << 12 | (address & 4095);
    }
    void branch(const Instruction&, uint64_t pc, bool taken, uint64_t target, uint64_t done, BranchKind, uint64_t fall_through);

    Predictor predictor_;

    uint64_t ready_[REGISTERS] = {};

    // front end
    uint64_t fetch_cycle_ = 0, fetch_block_ = ~0ull, request_ = 0, decode_cycle_ = 0, fetch_page_ = ~0ull;
    // A stage's next place, in eighths of a cycle: a stage that is four wide takes two for each micro-operation.
    static constexpr unsigned EIGHTHS = 3;
    uint64_t fetch_next_ = 0, decode_next_ = 0, rename_next_ = 0, commit_next_ = 0;
    uint32_t fetch_step_, decode_step_, rename_step_, commit_step_;
    void fetch_at(uint64_t cycle) { fetch_cycle_ = cycle, fetch_next_ = cycle << EIGHTHS; }
    // Where the next micro-operation is fetched: when the stage has width left and the queue behind it room.
    uint64_t next_fetch() const {
        const uint64_t room = renamed_[uint8_t(counts.ops - front_room_)] << EIGHTHS;
        return room > fetch_next_ ? room : fetch_next_;
    }
    void end_fetch_cycle() { fetch_next_ = (fetch_cycle_ + 1) << EIGHTHS; }
    bool redirected_ = false, serialize_ = false;
    Why why_ = FETCH;
    unsigned block_shift_ = 0;
    uint32_t front_room_;  // micro-operations between fetch and rename
    uint32_t front_delay_;

    // Window: when the last so many micro-operations were renamed and committed, loads committed, stores left, and
    // registers were freed. A new one needs the room of the one that is a queue's length before it. Indices wrap at 256.
    static constexpr uint64_t WINDOW = 256;
    using Ring = uint64_t[WINDOW];
    Ring renamed_ = {}, committed_ = {}, loads_left_ = {}, stores_left_ = {}, integers_ = {}, floats_ = {};
    uint8_t commits_ = 0, integers_made_ = 0, floats_made_ = 0;
    uint32_t free_integers_, free_floats_;
    uint32_t shortest_;  // of the queues but the stores': what is further back than that has left them once it has committed
    static constexpr uint64_t IQ_RING = 1 << 12;
    uint16_t iq_frees_[IQ_RING] = {};
    uint64_t iq_clock_ = 0;
    uint32_t iq_used_ = 0;

    // ports
    static constexpr uint64_t PORT_RING = 1 << 11;
    Cycle ports_[PORT_RING];
    struct Units {
        uint32_t ports = 0, next = 0, latency = 1;
        bool pipelined = true;
        uint64_t free = 0;  // of one that is not: when it can take the next
    };
    Units units_[OP_CLASSES];

    // commit and stores
    uint64_t last_commit_ = 0, store_complete_ = 0, barrier_ = 0;
    static constexpr unsigned STORES = 1024;
    Store stores_[STORES];
    uint32_t store_words_[STORES] = {};  // which eight bytes each is of: most loads need to look no further

    // memory dependence (src/cpu/o3/store_set.cc)
    std::vector<int32_t> sets_;  // by address of the instruction; -1 for none
    std::vector<Set> last_store_;
    uint32_t set_clock_ = 0;

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
    uint32_t commit_delay_, mispredict_delay_, fault_delay_, serialize_delay_;
};
