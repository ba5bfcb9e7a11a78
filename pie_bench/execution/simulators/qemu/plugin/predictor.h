// Branch prediction as gem5's LTAGE, its branch target buffer, return address stack and indirect predictor do it
// (src/cpu/pred). Histories are updated when a branch is predicted, tables when it commits, as there.
// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <vector>

#include "machine.h"

enum class BranchKind : uint8_t { None, Conditional, Direct, Indirect, Call, IndirectCall, Return };

class Predictor {
  public:
    explicit Predictor(const Machine&);

    static constexpr unsigned TABLES = 12;

    /// Index and tag of all tables, the one with the longest history first; an index is a place among the entries of
    /// all tables. Both are linear in the bits of address, history and path, so they are the exclusive or of a row for
    /// each few bits.
    typedef uint16_t Lanes __attribute__((vector_size(16)));
    static constexpr unsigned VECTORS = 3, INDEX_VECTORS = 2;  // in a row, and those of them with an index
    union Row {
        Lanes lanes[VECTORS];
        struct { uint16_t index[TABLES], tag[TABLES]; };
        Row() : lanes() {}
    };

    /// What one prediction needs again at commit: a cache line.
    struct alignas(64) Prediction {
        Row row;
        uint32_t shifted = 0;             // the address, without instShiftAmt bits
        int16_t loop = -1;                // the loop predictor's entry
        int8_t hit = -1, alternate = -1;  // the tables' places in the row
        bool tage = false, alternate_taken = false, longest_taken = false, newly_allocated = false;
        bool loop_valid = false, loop_taken = false, predicted = false, taken = false;
    };

    /// Predicts a branch whose outcome is `taken` to `target`, and remembers it until `committed`. True if both
    /// direction and target were right. `micro` names a branch inside an instruction (a loop of micro-operations).
    bool predict(uint64_t pc, BranchKind kind, bool taken, uint64_t target, uint64_t fall_through);

    /// Was the last prediction wrong only because the target buffer did not know a direct branch?
    bool missed_target() const { return missed_target_; }
    /// Where fetch went on after the last prediction.
    uint64_t guess() const { return guess_; }

    /// The last predicted branch commits in `cycle`; tables learn it once the front end has come to that cycle.
    void commit_at(uint64_t cycle) {
        if (!conditional_) return;
        commit_cycles_[last_] = cycle;
        last_ = (last_ + 1) & MASK;
        if (last_ == first_) learn_first();
    }

    /// Applies what has committed before `cycle`.
    void learn_until(uint64_t cycle) {
        while (first_ != last_ && commit_cycles_[first_] < cycle) learn_first();
    }

  private:
    static constexpr unsigned MASK = 127, LOOP_LOG_SIZE = 8;
    struct Entry { int8_t counter = 0; uint8_t useful = 0; uint16_t tag = 0; };
    struct LoopEntry { uint16_t iterations = 0, current = 0, tag = 0; uint8_t confidence = 0, age = 0; };
    struct Target { uint64_t tag = ~0ull, target = 0; };

    /// The rows for all values of a digit of some bits, each vector of them apart.
    template <unsigned BITS, unsigned COUNT> struct Rows { Lanes vectors[COUNT][1 << BITS]; };
    static constexpr unsigned PATH_DIGIT = 4, PATH_DIGITS = 4, DIGIT = 5, ADDRESS_DIGITS = 5, HISTORY_DIGITS = 13;
    static constexpr unsigned FEW_ADDRESS_DIGITS = 4, FEW_HISTORY_DIGITS = 7;  // enough for most machines
    Row row_of(uint32_t shifted, uint64_t history, uint32_t path) const;
    void make_rows(const Row& bases);
    static unsigned loop_set(uint32_t shifted);
    static uint16_t loop_tag(uint32_t shifted);

    void look_up(Prediction&, uint64_t history, uint16_t path);
    void add_more_digits(Prediction&, uint64_t history);
    void loop_look_up(Prediction&);
    bool predict_other(uint64_t pc, BranchKind kind, bool taken, uint64_t target, uint64_t fall_through);
    bool predict_indirect(uint64_t pc, bool taken, uint64_t target);
    void push_history(uint64_t pc, bool taken);
    void learn_first();
    void learn_loop(const Prediction&);
    void learn_bimodal(const Prediction&);
    void allocate(const Prediction&, uint32_t random_bits);
    void allocate_loop(const Prediction&);
    void age();
    uint32_t random() { return uint32_t((random_ = random_ * 6364136223846793005ull + 1442695040888963407ull) >> 33); }

    Rows<DIGIT, VECTORS> address_rows_[ADDRESS_DIGITS], history_rows_[HISTORY_DIGITS];
    Rows<PATH_DIGIT, INDEX_VECTORS> path_rows_[PATH_DIGITS];  // tags do not depend on the path
    bool more_digits_ = false;                                // than FEW
    Lanes tag_bits_[VECTORS];  // of a tag 1 << the table's place in the row, of all else 0
    unsigned tables_, log_size_[TABLES + 1], tag_width_[TABLES + 1], history_length_[TABLES + 1];
    std::vector<Entry> entries_;  // of all tables
    LoopEntry loops_[1 << LOOP_LOG_SIZE];
    std::vector<uint8_t> bimodal_, hysteresis_;
    uint32_t bimodal_mask_, btb_mask_;
    uint64_t history_ = 0;  // youngest outcome in bit 0
    uint16_t path_ = 0;     // as many as TAGEBase.pathHistBits
    int8_t use_alternate_ = 0, loop_use_ = -1;
    uint64_t updates_ = 1 << 17, reset_mask_;
    std::vector<Target> btb_;
    uint64_t btb_tag_mask_;
    std::vector<uint64_t> stack_;
    unsigned top_ = 0;
    std::vector<Target> indirect_;
    unsigned indirect_sets_, indirect_ways_, indirect_tag_mask_, indirect_history_mask_, path_length_;
    uint64_t targets_[16] = {};
    unsigned n_targets_ = 0;
    std::vector<Prediction> pending_;  // a ring: from first_ on those not committed; the one at last_ is being made
    uint64_t commit_cycles_[MASK + 1];
    unsigned first_ = 0, last_ = 0;
    uint64_t random_ = 1, guess_ = 0;
    bool missed_target_ = false, conditional_ = false;
};
