// Caches, crossbars and memory as gem5's classic memory system times them (src/mem). Time goes by accesses: each comes with
// the cycle in which the core makes it and gets the cycle in which the core has its answer.
// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <vector>

#include "machine.h"

/// One cache: tags, dirty bits, tree pseudo-LRU (src/mem/cache/replacement_policies/tree_plru_rp.cc), and for each line
/// the cycle in which its data is there (a line under way is found, but not ready).
class Cache {
  public:
    explicit Cache(const CacheParameters&);

    struct Line {
        uint64_t tag = ~0ull;  // address / 64
        uint64_t ready = 0;
        bool dirty = false;
        uint32_t takes = 0;  // cycles from the request that brings it to `ready`
    };

    /// The line if it is there; it is then the most recently used.
    Line* find(uint64_t line) {
        uint32_t set = uint32_t(line) & set_mask_;
        const uint64_t* tags = &tags_[size_t(set) * ways_];
        if (tags[recent_[set]] == line) return &lines_[size_t(set) * ways_ + recent_[set]];
        for (uint32_t way = 0; way < ways_; ++way)
            if (tags[way] == line) {
                touch(set, way);
                return &lines_[size_t(set) * ways_ + way];
            }
        return nullptr;
    }

    /// Puts a line in, in the place of the victim, which is returned (tag ~0: there was none).
    Line insert(uint64_t line, uint64_t ready, bool dirty);
    void remove(Line*);

    uint64_t hits = 0, misses = 0;

  private:
    void touch(uint32_t set, uint32_t way) {
        recent_[set] = uint8_t(way);
        uint32_t tree = trees_[set];
        for (uint32_t level = 0, node = 0; level < levels_; ++level) {
            uint32_t right = (way >> (levels_ - 1 - level)) & 1;
            // a node points to the side that was used longer ago
            tree = right ? tree & ~(1u << node) : tree | (1u << node);
            node = 2 * node + 1 + right;
        }
        trees_[set] = tree;
    }

    uint32_t ways_, levels_ = 0, set_mask_;
    std::vector<uint64_t> tags_;
    std::vector<Line> lines_;
    std::vector<uint32_t> trees_;
    std::vector<uint8_t> recent_;  // the way touched last: to touch it again changes nothing
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
    uint64_t load(uint64_t address, uint64_t cycle, uint64_t asked);
    uint64_t fetch(uint64_t address, uint64_t cycle, uint64_t asked);
    /// The cycle in which a store has its line and is done.
    uint64_t store(uint64_t address, uint64_t cycle);

    Cache l1i, l1d, l2, l3;
    Dram dram;
    uint64_t memory_reads = 0;

  private:
    uint64_t access(Cache& l1, uint64_t latency, uint64_t address, uint64_t cycle, uint64_t asked, bool writes);
    uint64_t beyond_l1(uint64_t line, uint64_t cycle);
    void victim_of_l1(const Cache::Line&, uint64_t cycle);
    void victim_of_l2(const Cache::Line&, uint64_t cycle);
    const Machine& m_;
    uint64_t extra_;  // fitted: cycles on every access of memory
};
