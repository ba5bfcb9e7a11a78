// SPDX-License-Identifier: GPL-2.0-or-later
// Without tree-ter gcc adds up a row's vectors side by side; one after the other needs more registers than there are.
#pragma GCC optimize("O3,no-tree-ter")
#include "predictor.h"

namespace {

constexpr unsigned INST_SHIFT = 2;        // BranchPredictor.instShiftAmt
constexpr unsigned PATH_BITS = 16;        // TAGEBase.pathHistBits
constexpr unsigned HYSTERESIS_SHIFT = 2;  // TAGEBase.logRatioBiModalHystEntries
constexpr unsigned MOST_LOG_SIZE = 12;    // of a table: an index has 16 bits for the entries of all
constexpr unsigned LOOP_LOG_WAYS = 2, LOOP_TAG_BITS = 14, LOOP_ITERATION_BITS = 14;

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
    const int64_t low = log2_fixed(2 * least), high = log2_fixed(2 * most);
    const int64_t wanted = low + (high - low) * int64_t(step) / int64_t(steps);
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

// Where the loop predictor keeps an address, and its tag there.
unsigned Predictor::loop_set(uint32_t shifted) {
    return (shifted & ((1u << (LOOP_LOG_SIZE - LOOP_LOG_WAYS)) - 1)) << LOOP_LOG_WAYS;
}
uint16_t Predictor::loop_tag(uint32_t shifted) {
    return uint16_t(shifted >> (LOOP_LOG_SIZE - LOOP_LOG_WAYS) & ((1u << LOOP_TAG_BITS) - 1));
}

Predictor::Predictor(const Machine& m)
    : tables_(m.nHistoryTables), reset_mask_((1ull << m.logUResetPeriod) - 1), btb_(m.btb_entries),
      stack_(m.return_stack_entries), indirect_(m.indirectSets * m.indirectWays), indirect_sets_(m.indirectSets),
      indirect_ways_(m.indirectWays), indirect_tag_mask_((1u << m.indirectTagSize) - 1),
      indirect_history_mask_((1u << m.indirectGHRBits) - 1),
      path_length_(m.indirectPathLength), pending_(MASK + 1) {
    if (m.maxHist > 63 || tables_ > TABLES)
        throw BadMachine("machine: tage has more history or tables than this model");
    bimodal_.resize(1u << m.logTagTableSizes[0]);
    bimodal_mask_ = uint32_t(bimodal_.size() - 1);
    hysteresis_.assign(bimodal_.size() >> HYSTERESIS_SHIFT, 1);
    unsigned end = 0;
    Row bases, bits;
    for (unsigned i = 1; i <= tables_; ++i) {
        log_size_[i] = m.logTagTableSizes[i];
        tag_width_[i] = m.tagTableTagWidths[i];
        if (tag_width_[i] > 16 || log_size_[i] > MOST_LOG_SIZE)
            throw BadMachine("machine: a table of tage is larger than this model's");
        history_length_[i] = i == 1 ? m.minHist : i == tables_ ? m.maxHist
                                                               : geometric(m.minHist, m.maxHist, i - 1, tables_ - 1);
        // where its entries begin: exclusive or adds that to an index
        const unsigned size = 1u << log_size_[i], base = (end + size - 1) & ~(size - 1);
        bases.index[tables_ - i] = uint16_t(base);
        bits.tag[tables_ - i] = uint16_t(1u << (tables_ - i));
        end = base + size;
    }
    entries_.resize(end);
    for (unsigned v = 0; v < VECTORS; ++v) tag_bits_[v] = bits.lanes[v];
    make_rows(bases);
    unsigned tag_shift = INST_SHIFT;
    while ((1u << (tag_shift - INST_SHIFT)) < m.btb_entries) ++tag_shift;
    btb_mask_ = uint32_t(m.btb_entries - 1);
    btb_tag_mask_ = ((1ull << m.btb_tag_bits) - 1) << tag_shift;
}

// TAGEBase::gindex and gtag, of all tables.
Predictor::Row Predictor::row_of(uint32_t shifted, uint64_t history, uint32_t path) const {
    Row row;
    for (unsigned i = 1; i <= tables_; ++i) {
        unsigned log = log_size_[i], width = tag_width_[i], length = history_length_[i];
        unsigned distance = log > i ? log - i : i - log;
        uint32_t along = path_hash(path, length > PATH_BITS ? PATH_BITS : length, log, i);
        uint32_t index = shifted ^ (shifted >> (distance + 1)) ^ folded(history, length, log) ^ along;
        uint32_t tag = shifted ^ folded(history, length, width) ^ (folded(history, length, width - 1) << 1);
        row.index[tables_ - i] = uint16_t(index & ((1u << log) - 1));
        row.tag[tables_ - i] = uint16_t(tag & ((1u << width) - 1));
    }
    return row;
}

void Predictor::make_rows(const Row& bases) {
    auto set = [](auto& rows, unsigned value, const Row& row) {
        const Lanes* lanes = row.lanes;
        for (auto& vectors : rows.vectors) vectors[value] = *lanes++;
    };
    for (unsigned value = 0; value < 1u << PATH_DIGIT; ++value)
        for (unsigned k = 0; k < PATH_DIGITS; ++k) set(path_rows_[k], value, row_of(0, 0, value << PATH_DIGIT * k));
    for (unsigned value = 0; value < 1u << DIGIT; ++value) {
        for (unsigned k = 0; k < ADDRESS_DIGITS; ++k) {
            const Row row = row_of(value << DIGIT * k, 0, 0);
            set(address_rows_[k], value, row);
            if (k >= FEW_ADDRESS_DIGITS)
                for (uint16_t index : row.index) more_digits_ |= index != 0;
        }
        for (unsigned k = 0; k < HISTORY_DIGITS; ++k)
            set(history_rows_[k], value, row_of(0, uint64_t(value) << DIGIT * k, 0));
        // each sum has one of these rows in it
        for (unsigned v = 0; v < VECTORS; ++v) address_rows_[0].vectors[v][value] ^= bases.lanes[v];
    }
    more_digits_ |= history_length_[tables_] > DIGIT * FEW_HISTORY_DIGITS;
}

namespace {

// Digit k of `bits`, as the distance in bytes from the vector of value 0 (compilers do not see that this is one shift),
// and the vector there.
template <unsigned BITS> inline size_t digit(uint64_t bits, unsigned k) {
    constexpr unsigned LOG_BYTES = 4;
    static_assert(1 << LOG_BYTES == sizeof(Predictor::Lanes) && BITS >= LOG_BYTES, "a digit is shifted to the right");
    return (k ? bits >> (BITS * k - LOG_BYTES) : bits << LOG_BYTES) & ((1u << BITS) - 1) << LOG_BYTES;
}
inline const Predictor::Lanes& at(const Predictor::Lanes* vectors, size_t bytes) {
    return *reinterpret_cast<const Predictor::Lanes*>(reinterpret_cast<const char*>(vectors) + bytes);
}

}  // namespace

__attribute__((noinline)) void Predictor::add_more_digits(Prediction& p, uint64_t history) {
    auto add = [&](const Rows<DIGIT, VECTORS>& rows, size_t bytes) {
        for (unsigned v = 0; v < VECTORS; ++v) p.row.lanes[v] ^= at(rows.vectors[v], bytes);
    };
    for (unsigned k = FEW_ADDRESS_DIGITS; k < ADDRESS_DIGITS; ++k) add(address_rows_[k], digit<DIGIT>(p.shifted, k));
    for (unsigned k = FEW_HISTORY_DIGITS; k < HISTORY_DIGITS; ++k) add(history_rows_[k], digit<DIGIT>(history, k));
}

inline __attribute__((always_inline)) void Predictor::look_up(Prediction& p, uint64_t history, uint16_t path) {
    Lanes a = {}, b = {}, c = {};
    auto add = [&](const Rows<DIGIT, VECTORS>& rows, size_t bytes) {
        a ^= at(rows.vectors[0], bytes), b ^= at(rows.vectors[1], bytes), c ^= at(rows.vectors[2], bytes);
    };
    for (unsigned k = 0; k < FEW_ADDRESS_DIGITS; ++k) add(address_rows_[k], digit<DIGIT>(p.shifted, k));
    for (unsigned k = 0; k < PATH_DIGITS; ++k) {
        const size_t bytes = digit<PATH_DIGIT>(path, k);
        a ^= at(path_rows_[k].vectors[0], bytes), b ^= at(path_rows_[k].vectors[1], bytes);
    }
    for (unsigned k = 0; k < FEW_HISTORY_DIGITS; ++k) add(history_rows_[k], digit<DIGIT>(history, k));
    p.row.lanes[0] = a, p.row.lanes[1] = b, p.row.lanes[2] = c;
    if (__builtin_expect(more_digits_, 0)) add_more_digits(p, history);
    // Compare all tags at once. The first tables' share a vector with indices.
    const Entry* const entries = entries_.data();
    const uint16_t* const index = p.row.index;
    Lanes first = {}, others = {};
    for (unsigned k = 0; k < 4; ++k) first[4 + k] = entries[index[k]].tag;
    for (unsigned k = 0; k < 8; ++k) others[k] = entries[index[4 + k]].tag;
    first = (Lanes)(first == p.row.lanes[1]) & tag_bits_[1];
    others = (Lanes)(others == p.row.lanes[2]) & tag_bits_[2];
    typedef uint64_t Halves __attribute__((vector_size(16)));
    const Halves halves = (Halves)(first | others);
    uint64_t matching = halves[0] | halves[1];
    matching |= matching >> 32;
    matching = uint16_t(matching | matching >> 16);
    p.newly_allocated = false;
    p.hit = p.alternate = -1;
    if (matching) {
        const unsigned hit = unsigned(__builtin_ctz(uint32_t(matching)));
        p.hit = int8_t(hit);
        matching &= matching - 1;
        if (matching) {
            const unsigned alternate = unsigned(__builtin_ctz(uint32_t(matching)));
            p.alternate = int8_t(alternate);
            p.alternate_taken = entries[index[alternate]].counter >= 0;
        } else {
            p.alternate_taken = bimodal_[p.shifted & bimodal_mask_];
        }
        const int counter = entries[index[hit]].counter;
        p.tage = p.longest_taken = counter >= 0;
        if (counter == 0 || counter == -1) {
            p.newly_allocated = true;
            if (use_alternate_ >= 0) p.tage = p.alternate_taken;
        }
    } else {
        p.alternate_taken = p.tage = p.longest_taken = bimodal_[p.shifted & bimodal_mask_];
    }
}

inline void Predictor::loop_look_up(Prediction& p) {
    const unsigned first = loop_set(p.shifted);
    const uint16_t tag = loop_tag(p.shifted);
    p.loop = -1;
    p.loop_valid = false;
    const LoopEntry* const set = &loops_[first];
    for (unsigned way = 0; way < (1u << LOOP_LOG_WAYS); ++way) {
        if (set[way].tag != tag) continue;
        p.loop = int16_t(first + way);
        p.loop_valid = set[way].confidence == 3;
        p.loop_taken = uint16_t(set[way].current + 1) != set[way].iterations;
        break;
    }
}

inline void Predictor::push_history(uint64_t pc, bool taken) {
    history_ = (history_ << 1) | taken;
    path_ = uint16_t((path_ << 1) | ((pc >> INST_SHIFT) & 1));
}

// The indirect predictor: true if it knows a target, which is then the guess.
bool Predictor::predict_indirect(uint64_t pc, bool taken, uint64_t target) {
    uint64_t hash = (pc >> INST_SHIFT) ^ (history_ & indirect_history_mask_);
    const unsigned shift = unsigned(__builtin_ctz(indirect_sets_)) / path_length_;
    for (unsigned i = 0; i < path_length_ && i < n_targets_; ++i)
        hash ^= targets_[(n_targets_ - 1 - i) & 15] >> (INST_SHIFT + i * shift);
    targets_[n_targets_++ & 15] = target;
    Target* const set = &indirect_[uint32_t(hash & (indirect_sets_ - 1)) * indirect_ways_];
    const uint64_t tag = (pc >> INST_SHIFT) & indirect_tag_mask_;
    Target* way = set;
    while (way < set + indirect_ways_ && way->tag != tag) ++way;
    const bool known = way < set + indirect_ways_;
    if (known) guess_ = way->target;
    if (taken && guess_ != target) *(known ? way : set + random() % indirect_ways_) = {tag, target};
    return known;
}

// A call, a return or an indirect branch: there may be a better guess than the target buffer's.
__attribute__((noinline))
bool Predictor::predict_other(uint64_t pc, BranchKind kind, bool taken, uint64_t target, uint64_t fall_through) {
    Target& slot = btb_[uint32_t(pc >> INST_SHIFT) & btb_mask_];
    const uint64_t tag = pc & btb_tag_mask_;
    bool found = slot.tag == tag;
    guess_ = found ? slot.target : fall_through;
    if (kind == BranchKind::Call || kind == BranchKind::IndirectCall) {
        if (++top_ == stack_.size()) top_ = 0;
        stack_[top_] = fall_through;
    } else if (kind == BranchKind::Return && stack_[top_]) {
        found = true;  // however often it went round: what is there is used again
        guess_ = stack_[top_];
        top_ = (top_ ? top_ : unsigned(stack_.size())) - 1;
    }
    if (kind == BranchKind::Indirect || kind == BranchKind::IndirectCall) found |= predict_indirect(pc, taken, target);
    push_history(pc, taken);
    if (guess_ == (taken ? target : fall_through)) return true;
    if (taken) {
        missed_target_ = !found;
        if (kind == BranchKind::Call) slot = {tag, target};
    }
    return false;
}

bool Predictor::predict(uint64_t pc, BranchKind kind, bool taken, uint64_t target, uint64_t fall_through) {
    missed_target_ = false;
    conditional_ = kind == BranchKind::Conditional;
    if (kind > BranchKind::Direct) return predict_other(pc, kind, taken, target, fall_through);
    const uint64_t history = history_;
    const uint16_t path = path_;
    push_history(pc, taken);
    bool direction = true;
    if (conditional_) {
        Prediction& p = pending_[last_];
        p.shifted = uint32_t(pc >> INST_SHIFT);
        p.taken = taken;
        look_up(p, history, path);
        loop_look_up(p);
        direction = p.predicted = loop_use_ >= 0 && p.loop_valid ? p.loop_taken : p.tage;
    }
    Target& slot = btb_[uint32_t(pc >> INST_SHIFT) & btb_mask_];
    const uint64_t tag = pc & btb_tag_mask_;
    const bool found = direction && slot.tag == tag;
    guess_ = found ? slot.target : fall_through;
    if (guess_ == (taken ? target : fall_through)) return true;
    if (taken) {
        missed_target_ = direction && !found;
        slot = {tag, target};
    }
    return false;
}

inline void Predictor::learn_bimodal(const Prediction& p) {
    uint8_t& prediction = bimodal_[p.shifted & bimodal_mask_];
    uint8_t& strong = hysteresis_[(p.shifted & bimodal_mask_) >> HYSTERESIS_SHIFT];
    int state = (prediction << 1) + strong;
    if (p.taken) {
        if (state < 3) ++state;
    } else if (state > 0) {
        --state;
    }
    prediction = uint8_t(state >> 1);
    strong = uint8_t(state & 1);
}

void Predictor::learn_first() {
    const Prediction& p = pending_[first_];
    first_ = (first_ + 1) & MASK;
    const uint32_t random_bits = random() & 3;
    learn_loop(p);
    if (p.newly_allocated && p.longest_taken != p.alternate_taken)
        count(use_alternate_, p.alternate_taken == p.taken, 4);
    if (p.tage != p.taken && !(p.newly_allocated && p.longest_taken == p.taken)) allocate(p, random_bits);
    if ((++updates_ & reset_mask_) == 0) age();
    if (p.hit < 0) {
        learn_bimodal(p);
        return;
    }
    Entry& e = entries_[p.row.index[p.hit]];
    count(e.counter, p.taken, 3);
    if (e.useful == 0) {
        if (p.alternate >= 0)
            count(entries_[p.row.index[p.alternate]].counter, p.taken, 3);
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
}

// A wrong prediction gets an entry in a table with a longer history, if there is one.
__attribute__((noinline)) void Predictor::allocate(const Prediction& p, uint32_t random_bits) {
    const unsigned longer = p.hit < 0 ? tables_ : unsigned(p.hit);  // as many, from the row's first on
    if (longer == 0) return;
    auto entry = [&](unsigned k) -> Entry& { return entries_[p.row.index[k]]; };
    bool full = true;
    for (unsigned k = 0; k < longer; ++k) full = full && entry(k).useful;
    const uint32_t choice = random_bits & ((1u << (longer - 1)) - 1);
    unsigned k = longer - 1;
    if (choice & 1) k -= choice & 2 ? 2 : 1;
    if (full) entry(k).useful = 0;
    while (entry(k).useful)
        if (k-- == 0) return;
    entry(k).tag = p.row.tag[k];
    entry(k).counter = p.taken ? 0 : -1;
}

inline void Predictor::learn_loop(const Prediction& p) {
    if (p.loop_valid && p.predicted != p.loop_taken) count(loop_use_, p.loop_taken == p.taken, 7);
    if (p.loop >= 0) {
        LoopEntry& e = loops_[p.loop];
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
        allocate_loop(p);
    }
}

__attribute__((noinline)) void Predictor::allocate_loop(const Prediction& p) {
    const uint32_t start = random();
    for (unsigned i = 0; i < (1u << LOOP_LOG_WAYS); ++i) {
        LoopEntry& e = loops_[loop_set(p.shifted) + ((start + i) & ((1u << LOOP_LOG_WAYS) - 1))];
        if (e.age == 0) {
            e = LoopEntry{0, 1, loop_tag(p.shifted), 0, 255};
            break;
        }
        --e.age;
    }
}

__attribute__((noinline)) void Predictor::age() {
    for (Entry& e : entries_) e.useful >>= 1;
}
