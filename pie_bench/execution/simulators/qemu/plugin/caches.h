// Caches, crossbars and memory as gem5's classic memory system times them (src/mem). Time goes by accesses: each comes with
// the cycle in which the core makes it and gets the cycle in which the core has its answer.
// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <vector>

#include "machine.h"

constexpr unsigned LINE_SHIFT = 6;  // log2 of a line's bytes

/// One cache: tags, dirty bits, tree pseudo-LRU (src/mem/cache/replacement_policies/tree_plru_rp.cc), and for each line
/// the cycle in which its data is there (a line under way is found, but not ready).
class Cache {
  public:
    explicit Cache(const CacheParameters&);

    struct Line {
        uint64_t tag = ~0ull;  // address >> LINE_SHIFT
        uint64_t ready = 0;
        bool dirty = false;
        uint32_t takes = 0;  // cycles from the request that brings it to `ready`
    };

    /// The line if it is there; it is then the most recently used.
    Line* find(uint64_t line) {
        const uint32_t set = uint32_t(line) & set_mask_;
        Line* const lines = &lines_[size_t(set) << levels_];
        uint32_t way = seen_[line & (SEEN - 1)];
        if (__builtin_expect(lines[way].tag != line, 0)) {
            for (way = 0; lines[way].tag != line;)
                if (++way == ways_) return nullptr;
            seen_[line & (SEEN - 1)] = uint8_t(way);
        }
        touch(set, way);
        return &lines[way];
    }

    /// Puts a line in, in the place of the victim, which is returned (tag ~0: there was none).
    Line insert(uint64_t line, uint64_t ready, bool dirty);
    void remove(Line*);

    const uint64_t tag_latency;
    uint64_t misses = 0;

  private:
    void touch(uint32_t set, uint32_t way) { trees_[set] = (trees_[set] & keeps_[way]) | points_[way]; }

    static constexpr uint32_t WAYS = 32, SEEN = 1024;
    uint32_t ways_, levels_ = 0, set_mask_;
    uint32_t keeps_[WAYS], points_[WAYS];  // what a touch of a way leaves of a tree, and what it sets
    std::vector<Line> lines_;
    std::vector<uint32_t> trees_;
    uint8_t seen_[SEEN] = {};  // the way in which a line was found last: where to look first
};

/// DDR4 behind gem5's memory controller: one channel, rows left open until another is wanted or 16 accesses are done,
/// refresh. In picoseconds.
class Dram {
  public:
    explicit Dram(const Machine&);
    /// When the data of a read of `address` that arrives at `at` is on the bus.
    uint64_t read(uint64_t address, uint64_t at);
    uint64_t row_hits = 0, row_misses = 0, row_conflicts = 0, refreshes = 0;

  private:
    struct Bank {
        uint64_t row = ~0ull, read_allowed = 0, activate_allowed = 0, precharge_allowed = 0, last = 0;
        uint32_t accesses = 0;
    };
    uint64_t in_a_gap(const Bank&, unsigned group, uint64_t row, uint64_t at);
    uint64_t on_the_bus(uint64_t command, unsigned group);
    const Machine& m_;
    std::vector<Bank> banks_;
    static constexpr unsigned BURSTS = 64;
    struct Burst { uint64_t command = 0; unsigned group = 0; };
    Burst bursts_[BURSTS];  // the last ones; groups of banks are numbered through both ranks
    unsigned next_burst_ = 0;
    uint64_t bus_free_ = 0, next_refresh_[2];
};

/// Where gem5 puts pages: in the order in which they are touched first.
class Pages {
  public:
    Pages();
    /// The frame of a page, or ~0 if it has none yet.
    uint64_t find(uint64_t page) {
        Slot& recent = recent_[page % RECENT];
        if (recent.page == page) return recent.frame;
        return find_slowly(page);
    }
    uint64_t add(uint64_t page);
    void remove(uint64_t page);
    uint64_t touched() const { return count_; }

  private:
    static constexpr unsigned RECENT = 1024;
    struct Slot { uint64_t page = ~0ull, frame = 0; };
    uint64_t find_slowly(uint64_t page);
    Slot recent_[RECENT];
    std::vector<Slot> table_;  // open addressing
    uint64_t count_ = 0, used_ = 0, next_frame_;
};

/// The hierarchy: split first level, second and third level, memory.
class Memory {
  public:
    explicit Memory(const Machine&);
    /// The cycle in which the core has the data of a load or of a block of code; `address` is physical. A miss was asked
    /// for in `asked`: before `cycle` where a wrong path did.
    uint64_t load(uint64_t address, uint64_t cycle, uint64_t asked) {
        return access(l1d, address, cycle, asked, false);
    }
    uint64_t fetch(uint64_t address, uint64_t cycle, uint64_t asked) {
        return access(l1i, address, cycle, asked, false);
    }
    /// The cycle in which a store has its line and is done.
    uint64_t store(uint64_t address, uint64_t cycle) { return access(l1d, address, cycle, cycle, true); }

    Cache l1i, l1d, l2, l3;
    Dram dram;
    uint64_t memory_reads = 0;

  private:
    // An access of a first-level cache in `cycle`; what misses was asked for in `asked`.
    uint64_t access(Cache& l1, uint64_t address, uint64_t cycle, uint64_t asked, bool writes) {
        const uint64_t line = address >> LINE_SHIFT, hit = cycle + l1.tag_latency;
        Cache::Line* found = l1.find(line);
        if (__builtin_expect(!found || found->ready > hit, 0)) return miss(l1, found, line, hit, asked, writes);
        found->dirty |= writes;
        return hit;
    }
    uint64_t miss(Cache& l1, Cache::Line* found, uint64_t line, uint64_t hit, uint64_t asked, bool writes);
    uint64_t beyond_l1(uint64_t line, uint64_t cycle);
    void victim_of_l1(const Cache::Line&, uint64_t cycle);
    void victim_of_l2(const Cache::Line&, uint64_t cycle);
    const Machine& m_;
    uint64_t extra_;  // fitted: cycles on every access of memory
};
