// SPDX-License-Identifier: GPL-2.0-or-later
#include "caches.h"

Cache::Cache(const CacheParameters& p) : tag_latency(p.tag_latency), ways_(p.assoc) {
    uint32_t sets = p.size / (p.assoc << LINE_SHIFT);
    if (sets == 0 || sets & (sets - 1) || p.assoc & (p.assoc - 1) || p.assoc > WAYS)
        throw BadMachine("machine: a cache needs powers of two in sets and ways, and at most 32 ways");
    set_mask_ = sets - 1;
    while ((1u << levels_) < ways_) ++levels_;
    lines_.resize(size_t(sets) * ways_);
    trees_.resize(sets);
    for (uint32_t way = 0; way < ways_; ++way) {
        keeps_[way] = ~0u, points_[way] = 0;
        for (uint32_t level = 0, node = 0; level < levels_; ++level) {
            const uint32_t right = (way >> (levels_ - 1 - level)) & 1;
            // a node points to the side that was used longer ago
            keeps_[way] &= ~(1u << node);
            points_[way] |= (1 - right) << node;
            node = 2 * node + 1 + right;
        }
    }
}

Cache::Line Cache::insert(uint64_t line, uint64_t ready, bool dirty) {
    uint32_t set = uint32_t(line) & set_mask_, way = 0;
    const uint32_t first = set << levels_;
    while (way < ways_ && lines_[first + way].tag != ~0ull) ++way;
    if (way == ways_) {
        uint32_t tree = trees_[set], node = 0;
        way = 0;
        for (uint32_t level = 0; level < levels_; ++level) {
            uint32_t right = (tree >> node) & 1;
            way = 2 * way + right;
            node = 2 * node + 1 + right;
        }
    }
    Line victim = lines_[first + way];
    lines_[first + way] = Line{line, ready, dirty};
    seen_[line & (SEEN - 1)] = uint8_t(way);
    touch(set, way);
    return victim;
}

void Cache::remove(Line* line) { *line = Line{}; }

Dram::Dram(const Machine& m) : m_(m), banks_(32) {
    next_refresh_[0] = next_refresh_[1] = m.tREFI;
}

// The first time from `command` on at which a burst of a group of banks keeps its distance to the others; it is taken.
uint64_t Dram::on_the_bus(uint64_t command, unsigned group) {
    if (command < bus_free_)
        for (bool moved = true; moved;) {
            moved = false;
            for (const Burst& other : bursts_) {
                const uint64_t distance = other.group == group             ? m_.tCCD_L
                                          : other.group >> 2 == group >> 2 ? m_.tBURST
                                                                           : m_.tBURST + m_.tCS;
                if (other.command < command + distance && command < other.command + distance)
                    command = other.command + distance, moved = true;
            }
        }
    bursts_[next_burst_++ % BURSTS] = Burst{command, group};
    if (bus_free_ < command + m_.tCCD_L) bus_free_ = command + m_.tCCD_L;
    return command;
}

// Stores leave the core late, loads behind them execute early: requests do not come in the order of time. One that is
// earlier than its bank's last one finds the bank free and leaves it as it is.
uint64_t Dram::in_a_gap(const Bank& bank, unsigned group, uint64_t row, uint64_t at) {
    if (bank.row == row) {
        ++row_hits;
        return on_the_bus(at, group);
    }
    ++row_conflicts;
    return on_the_bus(at + m_.tRP + m_.tRCD, group);
}

uint64_t Dram::read(uint64_t address, uint64_t at) {
    // RoRaBaCoCh: 128 bursts of 64 bytes a row, 16 banks, 2 ranks
    uint64_t bank_number = (address >> 13) & 15, rank = (address >> 17) & 1, row = address >> 18;
    const unsigned group = unsigned(rank << 2 | (bank_number & 3));
    if (at >= next_refresh_[rank]) {
        uint64_t periods = (at - next_refresh_[rank]) / m_.tREFI;
        uint64_t began = next_refresh_[rank] + periods * m_.tREFI;
        next_refresh_[rank] = began + m_.tREFI;
        for (unsigned i = 0; i < 16; ++i) {
            Bank& b = banks_[rank * 16 + i];
            b.row = ~0ull;
            if (b.activate_allowed < began + m_.tRP + m_.tRFC) b.activate_allowed = began + m_.tRP + m_.tRFC;
        }
        ++refreshes;
    }
    Bank& bank = banks_[rank * 16 + bank_number];
    if (at < bank.last) return in_a_gap(bank, group, row, at) + m_.tCL + m_.tBURST;
    bank.last = at;
    uint64_t command = at;
    if (bank.row == row) {
        ++row_hits;
    } else {
        uint64_t activate = at;
        if (bank.row != ~0ull) {
            ++row_conflicts;
            uint64_t precharge = bank.precharge_allowed > at ? bank.precharge_allowed : at;
            activate = precharge + m_.tRP;
        } else {
            ++row_misses;
        }
        if (activate < bank.activate_allowed) activate = bank.activate_allowed;
        bank.row = row;
        bank.accesses = 0;
        bank.read_allowed = activate + m_.tRCD;
        bank.precharge_allowed = activate + m_.tRAS;
    }
    if (command < bank.read_allowed) command = bank.read_allowed;
    command = on_the_bus(command, group);
    if (bank.precharge_allowed < command + m_.tRTP) bank.precharge_allowed = command + m_.tRTP;
    if (++bank.accesses == m_.max_accesses_per_row) {
        bank.row = ~0ull;
        uint64_t allowed = bank.precharge_allowed + m_.tRP;
        if (bank.activate_allowed < allowed) bank.activate_allowed = allowed;
    }
    return command + m_.tCL + m_.tBURST;
}

Pages::Pages() : table_(1 << 12), next_frame_(0) {}

uint64_t Pages::find_slowly(uint64_t page) {
    size_t mask = table_.size() - 1;
    for (size_t i = (page * 0x9E3779B97F4A7C15ull >> 20) & mask;; i = (i + 1) & mask) {
        if (table_[i].page == page) {
            if (table_[i].frame != ~0ull) recent_[page % RECENT] = table_[i];
            return table_[i].frame;
        }
        if (table_[i].page == ~0ull) return ~0ull;
    }
}

uint64_t Pages::add(uint64_t page) {
    if (2 * ++used_ > table_.size()) {
        std::vector<Slot> old(2 * table_.size());
        old.swap(table_);
        used_ = 1;
        size_t mask = table_.size() - 1;
        for (const Slot& slot : old) {
            if (slot.page == ~0ull || slot.frame == ~0ull) continue;
            size_t i = (slot.page * 0x9E3779B97F4A7C15ull >> 20) & mask;
            while (table_[i].page != ~0ull) i = (i + 1) & mask;
            table_[i] = slot;
            ++used_;
        }
    }
    size_t mask = table_.size() - 1;
    size_t i = (page * 0x9E3779B97F4A7C15ull >> 20) & mask;
    while (table_[i].page != ~0ull && table_[i].page != page) i = (i + 1) & mask;
    table_[i] = Slot{page, next_frame_++};
    ++count_;
    recent_[page % RECENT] = table_[i];
    return table_[i].frame;
}

void Pages::remove(uint64_t page) {
    size_t mask = table_.size() - 1;
    for (size_t i = (page * 0x9E3779B97F4A7C15ull >> 20) & mask; table_[i].page != ~0ull; i = (i + 1) & mask)
        if (table_[i].page == page) table_[i].frame = ~0ull;
    if (recent_[page % RECENT].page == page) recent_[page % RECENT].page = ~0ull;
}

Memory::Memory(const Machine& m)
    : l1i(m.l1i), l1d(m.l1d), l2(m.l2), l3(m.l3), dram(m), m_(m), extra_(uint64_t(m.fit("memory_cycles", 0))) {}

// A request that misses in the first level at `cycle`; the cycle in which the first level has the line.
uint64_t Memory::beyond_l1(uint64_t line, uint64_t cycle) {
    uint64_t at_l2 = cycle + m_.l1d.tag_latency + m_.l2xbar_request;  // and the header's cycle in the crossbar
    uint64_t answer = m_.l2xbar_response + m_.l1d.response_latency;
    if (Cache::Line* found = l2.find(line)) {
        uint64_t done = at_l2 + m_.l2.tag_latency;
        if (done < found->ready) done = found->ready;
        return done + answer;
    }
    ++l2.misses;
    uint64_t at_l3 = at_l2 + m_.l2.tag_latency + m_.l2xbar_request;
    uint64_t done;
    bool was_dirty = false;
    if (Cache::Line* found = l3.find(line)) {
        done = at_l3 + m_.l3.tag_latency;
        if (done < found->ready) done = found->ready;
        was_dirty = found->dirty;
        if (m_.l3.mostly_excl) l3.remove(found);  // the line, dirty as it is, moves to the second level
    } else {
        ++l3.misses;
        ++memory_reads;
        uint64_t sent = (at_l3 + m_.l3.tag_latency + m_.system_xbar_request) * m_.clock_ps;
        uint64_t there = dram.read(line << LINE_SHIFT, sent) + m_.static_latency;
        done = (there + m_.clock_ps - 1) / m_.clock_ps + m_.system_xbar_response + m_.l3.response_latency + extra_;
        if (!m_.l3.mostly_excl) l3.insert(line, done, false);
    }
    done += m_.l2xbar_response + m_.l2.response_latency;
    victim_of_l2(l2.insert(line, done, was_dirty), cycle);
    return done + answer;
}

void Memory::victim_of_l1(const Cache::Line& victim, uint64_t cycle) {
    if (victim.tag == ~0ull || !victim.dirty) return;
    if (Cache::Line* found = l2.find(victim.tag))
        found->dirty = true;
    else
        victim_of_l2(l2.insert(victim.tag, cycle, true), cycle);
}

void Memory::victim_of_l2(const Cache::Line& victim, uint64_t cycle) {
    // clean lines are dropped (writeback_clean is false by default), so the third level holds dirty ones only
    if (victim.tag == ~0ull || !victim.dirty) return;
    if (Cache::Line* found = l3.find(victim.tag))
        found->dirty = true;
    else
        l3.insert(victim.tag, cycle, true);
}

// An access of a first-level cache that does not have the line in `hit`, but has asked for it if it is `found`.
uint64_t Memory::miss(Cache& l1, Cache::Line* found, uint64_t line, uint64_t hit, uint64_t asked, bool writes) {
    ++l1.misses;
    if (found) {  // merged with the miss that is under way, or before a later store's, which then finds the line
        found->dirty |= writes;
        if (asked + found->takes < found->ready) found->ready = asked + found->takes;
        return found->ready > hit ? found->ready : hit;
    }
    const uint64_t done = beyond_l1(line, asked);
    victim_of_l1(l1.insert(line, done, writes), asked);
    l1.find(line)->takes = uint32_t(done - asked);
    return done > hit ? done : hit;
}
