// The machine's parameters, by gem5's names. They come from the environment's YAML as a flat text, a `name value` a line.
// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

/// What a micro-operation needs: gem5's operation classes (src/cpu/FuncUnit.py), those that are used here.
enum class OpClass : uint8_t {
    None, IntAlu, IntMult, IntDiv, FloatAdd, FloatCmp, FloatCvt, FloatMult, FloatDiv, FloatSqrt, FloatMisc,
    SimdAdd, SimdAlu, SimdCmp, SimdCvt, SimdMisc, SimdMult, SimdShift,
    SimdFloatAdd, SimdFloatAlu, SimdFloatCmp, SimdFloatCvt, SimdFloatDiv, SimdFloatMult, SimdFloatSqrt,
    MemRead, MemWrite, FloatMultAcc, Count
};
constexpr unsigned OP_CLASSES = unsigned(OpClass::Count);

/// A cache: sizes in bytes and lines, latencies in cycles of the core.
struct CacheParameters {
    uint32_t size = 0, assoc = 0, tag_latency = 0, data_latency = 0, response_latency = 0;
    bool mostly_excl = false;
};

/// Raised for a parameter that is missing or cannot be read; the message names it.
struct BadMachine : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Machine {
    // simulator.parameters.core.pipeline; in cycles, micro-operations a cycle, or entries
    uint32_t fetchToDecodeDelay, decodeToRenameDelay, renameToIEWDelay, iewToCommitDelay;
    uint32_t fetchWidth, decodeWidth, renameWidth, dispatchWidth, issueWidth, wbWidth, commitWidth, squashWidth;
    uint32_t fetchBufferSize, fetchQueueSize, numROBEntries, numIQEntries, LQEntries, SQEntries;
    uint32_t numPhysIntRegs, numPhysFloatRegs;

    // simulator.parameters.core.ports: for each class of operations its latency and the ports that take it (bits)
    uint32_t latency[OP_CLASSES] = {};
    uint32_t ports[OP_CLASSES] = {};
    bool unpipelined[OP_CLASSES] = {};  // core.unpipelined: one at a time

    // simulator.parameters.core.branch_predictor
    uint32_t btb_entries, btb_tag_bits, return_stack_entries;
    uint32_t nHistoryTables, minHist, maxHist, logUResetPeriod;
    std::vector<uint32_t> tagTableTagWidths, logTagTableSizes;
    uint32_t indirectSets, indirectWays, indirectTagSize, indirectPathLength, indirectGHRBits;

    // simulator.parameters.caches and memory
    CacheParameters l1i, l1d, l2, l3;
    uint64_t clock_ps = 286;  // gem5 counts in whole picoseconds: 3.5 GHz is a period of 286 ps (src/sim/clocked_object)

    // gem5's defaults, which the YAML does not change (src/cpu/o3/BaseO3CPU.py)
    static constexpr uint32_t commitToFetchDelay = 1, decodeToFetchDelay = 1, commitToIEWDelay = 1, commitToRenameDelay = 1;
    static constexpr uint32_t iewToRenameDelay = 1, issueToExecuteDelay = 1, trapLatency = 13;
    static constexpr uint32_t SSITSize = 1024, store_set_clear_period = 250000;
    // src/mem/XBar.py: cycles in a crossbar towards memory and back
    uint32_t l2xbar_request = 1, l2xbar_response = 1, system_xbar_request = 8, system_xbar_response = 2;
    // src/mem/DRAMInterface.py, DDR4_2400_16x4, and src/mem/MemCtrl.py; picoseconds
    uint32_t tRCD = 14160, tCL = 14160, tRP = 14160, tRAS = 32000, tBURST = 3332, tCCD_L = 5000, tCS = 1666, tRFC = 350000, tREFI = 7800000;
    uint32_t tRTP = 7500, tWR = 15000, static_latency = 20000, max_accesses_per_row = 16;

    // What the configuration does not say; fitted against gem5 and published times, never per program.
    std::map<std::string, int64_t> fitted;

    /// Reads `name value` lines. BadMachine for a name that is missing or a value that is not understood.
    static Machine parse(const std::string& text);
    int64_t fit(const char* name, int64_t otherwise) const {
        auto found = fitted.find(name);
        return found == fitted.end() ? otherwise : found->second;
    }
};
