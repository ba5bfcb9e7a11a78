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

    static constexpr unsigned TABLES = 16;

    /// Index and tag of all tables. Both are linear in the bits of address, history and path, so they are the exclusive
    /// or of one row for each four bits.
    typedef uint16_t Lanes __attribute__((vector_size(16)));
    struct alignas(64) Row {
        union {
            struct { uint16_t index[TABLES], tag[TABLES]; };
            Lanes lanes[4];
        };
        Row() : index(), tag() {}
    };

    /// What one prediction needs again at commit.
    struct Prediction {
        uint64_t pc = 0, commit_cycle = 0;
        Row row;
        uint32_t bimodal = 0, loop_index = 0;
        uint16_t loop_tag = 0;
        int8_t hit = 0, alternate = 0, loop_hit = -1;
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
    void commit_at(uint64_t cycle);

    /// Applies what has committed before `cycle`.
    void learn_until(uint64_t cycle) {
        while (first_ != last_ && pending_[first_ & MASK].commit_cycle < cycle) learn(pending_[first_++ & MASK]);
    }

  private:
    static constexpr unsigned MASK = 127;
    struct Entry { int8_t counter = 0; uint8_t useful = 0; uint16_t tag = 0; };
    struct LoopEntry { uint16_t iterations = 0, current = 0, tag = 0; uint8_t confidence = 0, age = 0; };
    struct Target { uint64_t tag = ~0ull, target = 0; };

    static constexpr unsigned ADDRESS_NIBBLES = 6, PATH_NIBBLES = 4, HISTORY_NIBBLES = 16;
    void make_rows();
    Row row_of(uint32_t shifted, uint64_t history, uint32_t path) const;

    void look_up(Prediction&);
    void loop_look_up(Prediction&);
    void push_history(uint64_t pc, bool taken);
    void learn(const Prediction&);
    void learn_loop(const Prediction&);
    void learn_bimodal(const Prediction&);
    uint32_t random() { return uint32_t((random_ = random_ * 6364136223846793005ull + 1442695040888963407ull) >> 33); }

    Row address_[ADDRESS_NIBBLES][16], path_rows_[PATH_NIBBLES][16], history_rows_[HISTORY_NIBBLES][16];
    unsigned history_nibbles_ = 0;
    unsigned tables_, log_size_[TABLES], tag_width_[TABLES], history_length_[TABLES];
    std::vector<Entry> table_[TABLES];
    std::vector<uint8_t> bimodal_, hysteresis_;
    std::vector<LoopEntry> loops_;
    uint64_t history_ = 0;  // youngest outcome in bit 0
    uint32_t path_ = 0, ghr_ = 0, ghr_mask_;
    int8_t use_alternate_ = 0, loop_use_ = -1;
    uint64_t updates_ = 1 << 17, reset_mask_;
    std::vector<Target> btb_;
    unsigned btb_shift_, btb_tag_mask_;
    std::vector<uint64_t> stack_;
    unsigned top_ = 0;
    std::vector<Target> indirect_;
    unsigned indirect_sets_, indirect_ways_, indirect_tag_mask_, path_length_;
    uint64_t targets_[16] = {};
    unsigned n_targets_ = 0;
    std::vector<Prediction> pending_;
    uint64_t first_ = 0, last_ = 0;
    uint64_t random_ = 1, guess_ = 0;
    bool missed_target_ = false, conditional_ = false;
};
