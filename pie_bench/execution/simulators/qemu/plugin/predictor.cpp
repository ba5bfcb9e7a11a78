// SPDX-License-Identifier: GPL-2.0-or-later
#pragma GCC optimize("O3")
#include "predictor.h"

namespace {

constexpr unsigned INST_SHIFT = 2;      // BranchPredictor.instShiftAmt
constexpr unsigned PATH_BITS = 16;      // TAGEBase.pathHistBits
constexpr unsigned HYSTERESIS_SHIFT = 2;  // TAGEBase.logRatioBiModalHystEntries
constexpr unsigned LOOP_LOG_SIZE = 8, LOOP_LOG_WAYS = 2, LOOP_TAG_BITS = 14, LOOP_ITERATION_BITS = 14;

// Geometric history lengths between the smallest and the largest, rounded as gem5 rounds them. Computed with integers:
// the result is fixed by 12 tables from 4 to 34, and floating point would differ between hosts.
unsigned geometric(unsigned least, unsigned most, unsigned step, unsigned steps) {
    // the largest h with (2h-1)^steps * least^step <= 2^steps * least^steps * most^step, by comparing logarithms in
    // 2^-40ths
    auto log2_fixed = [](uint64_t value_times_2) {
        uint64_t result = 0;
        unsigned __int128 x = (unsigned __int128)value_times_2 << 40;
        int64_t whole = -1;
        while (x >= ((unsigned __int128)2 << 40)) x >>= 1, ++whole;
        for (int i = 0; i < 40; ++i) {
            x = (x * x) >> 40;
            result <<= 1;
            if (x >= ((unsigned __int128)2 << 40)) x >>= 1, result |= 1;
        }
        return (whole << 40) + int64_t(result);  // log2(value_times_2 / 2)
    };
    int64_t wanted = log2_fixed(2 * least) + (log2_fixed(2 * most) - log2_fixed(2 * least)) * int64_t(step) / int64_t(steps);
    unsigned h = least;
    while (log2_fixed(2 * h + 1) <= wanted) ++h;  // h + 0.5
    return h;
}

void count(int8_t& counter, bool up, int bits) {
    if (up) {
        if (counter < (1 << (bits - 1)) - 1) ++counter;
    } else if (counter > -(1 << (bits - 1))) {
        --counter;
    }
}

// The youngest `length` outcomes, `bits` of them at a time, xored: what gem5 keeps up step by step.
uint32_t folded(uint64_t history, unsigned length, unsigned bits) {
    uint64_t left = history & ((1ull << length) - 1), value = left;
    while (left >>= bits) value ^= left;
    return uint32_t(value & ((1u << bits) - 1));
}

// TAGEBase::F, for a table of 2^log entries.
uint32_t path_hash(uint32_t path, unsigned length, unsigned log, unsigned table) {
    uint32_t mask = (1u << log) - 1;
    // a shift by more bits than the path has leaves it as it is: tables are larger than their number
    if (log <= table) return path & mask;
    path &= (1u << length) - 1;
    uint32_t low = path & mask, high = path >> log;
    high = ((high << table) & mask) + (high >> (log - table));
    path = low ^ high;
    return ((path << table) & mask) + (path >> (log - table));
}

}  // namespace

Predictor::Predictor(const Machine& m)
    : tables_(m.nHistoryTables), ghr_mask_((1u << m.indirectGHRBits) - 1), reset_mask_((1ull << m.logUResetPeriod) - 1),
      btb_(m.btb_entries), btb_tag_mask_((1u << m.btb_tag_bits) - 1), stack_(m.return_stack_entries),
      indirect_(m.indirectSets * m.indirectWays), indirect_sets_(m.indirectSets), indirect_ways_(m.indirectWays),
      indirect_tag_mask_((1u << m.indirectTagSize) - 1), path_length_(m.indirectPathLength), pending_(MASK + 1) {
    if (m.maxHist > 63 || tables_ >= TABLES) throw BadMachine("machine: tage has more history or tables than this model");
    bimodal_.resize(1u << m.logTagTableSizes[0]);
    hysteresis_.assign(bimodal_.size() >> HYSTERESIS_SHIFT, 1);
    loops_.resize(1u << LOOP_LOG_SIZE);
    for (unsigned i = 1; i <= tables_; ++i) {
        log_size_[i] = m.logTagTableSizes[i];
        tag_width_[i] = m.tagTableTagWidths[i];
        history_length_[i] = i == 1 ? m.minHist : i == tables_ ? m.maxHist
                                                               : geometric(m.minHist, m.maxHist, i - 1, tables_ - 1);
        table_[i].resize(1u << log_size_[i]);
    }
    for (unsigned i = 1; i <= tables_; ++i)
        if (2 * log_size_[i] > 4 * ADDRESS_NIBBLES || tag_width_[i] > 16 || log_size_[i] > 16)
            throw BadMachine("machine: a table of tage is larger than this model's");
    make_rows();
    for (btb_shift_ = INST_SHIFT; (1u << (btb_shift_ - INST_SHIFT)) < m.btb_entries;) ++btb_shift_;
}

// TAGEBase::gindex and gtag, of all tables.
Predictor::Row Predictor::row_of(uint32_t shifted, uint64_t history, uint32_t path) const {
    Row row;
    for (unsigned i = 1; i <= tables_; ++i) {
        unsigned log = log_size_[i], width = tag_width_[i], length = history_length_[i];
        unsigned distance = log > i ? log - i : i - log;
        uint32_t along = path_hash(path, length > PATH_BITS ? PATH_BITS : length, log, i);
        row.index[i] = uint16_t((shifted ^ (shifted >> (distance + 1)) ^ folded(history, length, log) ^ along) & ((1u << log) - 1));
        row.tag[i] = uint16_t((shifted ^ folded(history, length, width) ^ (folded(history, length, width - 1) << 1)) & ((1u << width) - 1));
    }
    return row;
}

void Predictor::make_rows() {
    while (4 * history_nibbles_ < history_length_[tables_]) ++history_nibbles_;
    for (unsigned value = 0; value < 16; ++value) {
        for (unsigned k = 0; k < ADDRESS_NIBBLES; ++k) address_[k][value] = row_of(value << 4 * k, 0, 0);
        for (unsigned k = 0; k < PATH_NIBBLES; ++k) path_rows_[k][value] = row_of(0, 0, value << 4 * k);
        for (unsigned k = 0; k < HISTORY_NIBBLES; ++k) history_rows_[k][value] = row_of(0, uint64_t(value) << 4 * k, 0);
    }
}

void Predictor::look_up(Prediction& p) {
    const uint32_t shifted = uint32_t(p.pc >> INST_SHIFT);
    const Row& first = address_[0][shifted & 15];
    Lanes a = first.lanes[0], b = first.lanes[1], c = first.lanes[2], d = first.lanes[3];
    auto add = [&](const Row& row) { a ^= row.lanes[0], b ^= row.lanes[1], c ^= row.lanes[2], d ^= row.lanes[3]; };
    for (unsigned k = 1; k < ADDRESS_NIBBLES; ++k) add(address_[k][shifted >> 4 * k & 15]);
    for (unsigned k = 0; k < PATH_NIBBLES; ++k) add(path_rows_[k][path_ >> 4 * k & 15]);
    uint64_t history = history_;
    for (unsigned k = 0; k < history_nibbles_; ++k, history >>= 4) add(history_rows_[k][history & 15]);
    p.row.lanes[0] = a, p.row.lanes[1] = b, p.row.lanes[2] = c, p.row.lanes[3] = d;
    uint32_t matching = 0;
    for (unsigned i = 1; i <= tables_; ++i) matching |= uint32_t(table_[i][p.row.index[i]].tag == p.row.tag[i]) << i;
    p.bimodal = shifted & uint32_t(bimodal_.size() - 1);
    p.alternate = 0;
    if (matching) {
        p.hit = int8_t(31 - __builtin_clz(matching));
        matching ^= 1u << p.hit;
        if (matching) p.alternate = int8_t(31 - __builtin_clz(matching));
        p.alternate_taken = p.alternate > 0 ? table_[p.alternate][p.row.index[p.alternate]].counter >= 0 : bimodal_[p.bimodal];
        int counter = table_[p.hit][p.row.index[p.hit]].counter;
        p.longest_taken = counter >= 0;
        p.newly_allocated = counter == 0 || counter == -1;
        p.tage = use_alternate_ < 0 || !p.newly_allocated ? p.longest_taken : p.alternate_taken;
    } else {
        p.hit = 0;
        p.alternate_taken = p.tage = p.longest_taken = bimodal_[p.bimodal];
        p.newly_allocated = false;
    }
}

void Predictor::loop_look_up(Prediction& p) {
    uint32_t shifted = uint32_t(p.pc >> INST_SHIFT);
    unsigned log_sets = LOOP_LOG_SIZE - LOOP_LOG_WAYS;
    p.loop_index = (shifted & ((1u << log_sets) - 1)) << LOOP_LOG_WAYS;
    p.loop_tag = uint16_t((p.pc >> (log_sets + INST_SHIFT)) & ((1u << LOOP_TAG_BITS) - 1));
    p.loop_hit = -1;
    p.loop_valid = p.loop_taken = false;
    for (unsigned way = 0; way < (1u << LOOP_LOG_WAYS); ++way) {
        const LoopEntry& e = loops_[p.loop_index + way];
        if (e.tag != p.loop_tag) continue;
        p.loop_hit = int8_t(way);
        p.loop_valid = e.confidence == 3;
        p.loop_taken = uint16_t(e.current + 1) != e.iterations;
        break;
    }
}

void Predictor::push_history(uint64_t pc, bool taken) {
    history_ = (history_ << 1) | taken;
    path_ = ((path_ << 1) | ((pc >> INST_SHIFT) & 1)) & ((1u << PATH_BITS) - 1);
}

bool Predictor::predict(uint64_t pc, BranchKind kind, bool taken, uint64_t target, uint64_t fall_through) {
    missed_target_ = false;
    conditional_ = kind == BranchKind::Conditional;
    bool direction = true;
    Prediction& p = pending_[last_ & MASK];
    if (conditional_) {
        p.pc = pc;
        p.taken = taken;
        look_up(p);
        loop_look_up(p);
        direction = loop_use_ >= 0 && p.loop_valid ? p.loop_taken : p.tage;
        p.predicted = direction;
    }
    Target& slot = btb_[(pc >> INST_SHIFT) & (btb_.size() - 1)];
    uint64_t tag = (pc >> btb_shift_) & btb_tag_mask_;
    bool known = slot.tag == tag;
    bool found = direction && known;
    uint64_t guess = found ? slot.target : fall_through;
    if (kind == BranchKind::Call || kind == BranchKind::IndirectCall) {
        if (++top_ == stack_.size()) top_ = 0;
        stack_[top_] = fall_through;
    } else if (kind == BranchKind::Return && stack_[top_]) {  // however often it went round: what is there is used again
        found = true;
        guess = stack_[top_];
        top_ = (top_ ? top_ : unsigned(stack_.size())) - 1;
    }
    bool indirect = kind == BranchKind::Indirect || kind == BranchKind::IndirectCall;
    uint32_t set = 0;
    uint64_t indirect_tag = 0;
    auto set_of = [&] {
        uint64_t hash = (pc >> INST_SHIFT) ^ ghr_;
        const unsigned shift = unsigned(__builtin_ctz(indirect_sets_)) / path_length_;
        for (unsigned i = 0; i < path_length_ && i < n_targets_; ++i)
            hash ^= targets_[(n_targets_ - 1 - i) & 15] >> (INST_SHIFT + i * shift);
        return uint32_t(hash & (indirect_sets_ - 1));
    };
    if (indirect) {
        indirect_tag = (pc >> INST_SHIFT) & indirect_tag_mask_;
        set = set_of();
        for (unsigned way = 0; way < indirect_ways_; ++way)
            if (indirect_[set * indirect_ways_ + way].tag == indirect_tag) {
                found = true;
                guess = indirect_[set * indirect_ways_ + way].target;
                break;
            }
    }
    bool went = found;  // as predicted; without a target it goes straight on
    uint64_t next = taken ? target : fall_through;
    guess_ = guess;
    bool right = guess == next && went == taken;
    if (guess == next) right = true;
    if (!right) {
        if (direction && taken && !found) missed_target_ = true;
        if (taken && (conditional_ || kind == BranchKind::Direct || kind == BranchKind::Call)) slot = {tag, target};
        if (indirect && taken) {
            Target* way = nullptr;
            for (unsigned i = 0; i < indirect_ways_ && !way; ++i)
                if (indirect_[set * indirect_ways_ + i].tag == indirect_tag) way = &indirect_[set * indirect_ways_ + i];
            if (!way) way = &indirect_[set * indirect_ways_ + random() % indirect_ways_];
            *way = {indirect_tag, target};
        }
    }
    push_history(pc, taken);
    ghr_ = ((ghr_ << 1) | uint32_t(taken)) & ghr_mask_;
    if (indirect) targets_[n_targets_++ & 15] = target;
    return right;
}

void Predictor::commit_at(uint64_t cycle) {
    if (!conditional_) return;
    pending_[last_ & MASK].commit_cycle = cycle;
    ++last_;
    if (last_ - first_ > MASK) learn(pending_[first_++ & MASK]);
}

void Predictor::learn_bimodal(const Prediction& p) {
    uint8_t& strong = hysteresis_[p.bimodal >> HYSTERESIS_SHIFT];
    int state = (bimodal_[p.bimodal] << 1) + strong;
    if (p.taken) {
        if (state < 3) ++state;
    } else if (state > 0) {
        --state;
    }
    bimodal_[p.bimodal] = uint8_t(state >> 1);
    strong = uint8_t(state & 1);
}

void Predictor::learn(const Prediction& p) {
    uint32_t random_bits = random() & 3;
    learn_loop(p);
    bool allocate = p.tage != p.taken && p.hit < int(tables_);
    if (p.hit > 0 && p.newly_allocated) {
        if (p.longest_taken == p.taken) allocate = false;
        if (p.longest_taken != p.alternate_taken) count(use_alternate_, p.alternate_taken == p.taken, 4);
    }
    if (allocate) {
        uint8_t least = 1;
        for (int i = int(tables_); i > p.hit; --i)
            if (table_[i][p.row.index[i]].useful < least) least = table_[i][p.row.index[i]].useful;
        uint32_t choice = random_bits & ((1u << (int(tables_) - p.hit - 1)) - 1);
        unsigned at = unsigned(p.hit + 1);
        if (choice & 1) at += choice & 2 ? 2 : 1;
        if (least > 0) table_[at][p.row.index[at]].useful = 0;
        for (unsigned i = at; i <= tables_; ++i) {
            Entry& e = table_[i][p.row.index[i]];
            if (e.useful) continue;
            e.tag = p.row.tag[i];
            e.counter = p.taken ? 0 : -1;
            break;
        }
    }
    if ((++updates_ & reset_mask_) == 0)
        for (unsigned i = 1; i <= tables_; ++i)
            for (Entry& e : table_[i]) e.useful >>= 1;
    if (p.hit > 0) {
        Entry& e = table_[p.hit][p.row.index[p.hit]];
        count(e.counter, p.taken, 3);
        if (e.useful == 0) {
            if (p.alternate > 0)
                count(table_[p.alternate][p.row.index[p.alternate]].counter, p.taken, 3);
            else
                learn_bimodal(p);
        }
        if (p.tage != p.alternate_taken) {
            if (p.tage == p.taken) {
                if (e.useful < 3) ++e.useful;
            } else if (e.useful) {
                --e.useful;
            }
        }
    } else {
        learn_bimodal(p);
    }
}

void Predictor::learn_loop(const Prediction& p) {
    if (p.loop_valid && p.predicted != p.loop_taken) count(loop_use_, p.loop_taken == p.taken, 7);
    if (p.loop_hit >= 0) {
        LoopEntry& e = loops_[p.loop_index + unsigned(p.loop_hit)];
        if (p.loop_valid) {
            if (p.taken != p.loop_taken) {
                e.iterations = e.current = 0;
                e.age = e.confidence = 0;
                return;
            }
            if (p.loop_taken != p.tage && e.age < 255) ++e.age;
        }
        e.current = uint16_t((e.current + 1) & ((1u << LOOP_ITERATION_BITS) - 1));
        if (e.current > e.iterations) {
            e.confidence = 0;
            if (e.iterations != 0) e.iterations = 0, e.age = 0;
        }
        if (!p.taken) {
            if (e.current == e.iterations) {
                if (e.confidence < 3) ++e.confidence;
                if (e.iterations < 3) e.iterations = 0, e.age = 0, e.confidence = 0;
            } else if (e.iterations == 0) {
                e.confidence = 0;
                e.iterations = e.current;
            } else {
                e.iterations = 0;
                e.age = e.confidence = 0;
            }
            e.current = 0;
        }
    } else if (p.taken) {
        uint32_t start = random();
        for (unsigned i = 0; i < (1u << LOOP_LOG_WAYS); ++i) {
            LoopEntry& e = loops_[p.loop_index + ((start + i) & ((1u << LOOP_LOG_WAYS) - 1))];
            if (e.age == 0) {
                e = LoopEntry{0, 1, p.loop_tag, 0, 255};
                break;
            }
            --e.age;
        }
    }
}
