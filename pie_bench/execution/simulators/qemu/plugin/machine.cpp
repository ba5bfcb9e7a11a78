// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine.h"

#include <cstdlib>
#include <sstream>

namespace {

using Names = std::map<std::string, std::string>;

const char* const CLASS_NAMES[OP_CLASSES] = {
    "", "IntAlu", "IntMult", "IntDiv", "FloatAdd", "FloatCmp", "FloatCvt", "FloatMult", "FloatDiv", "FloatSqrt",
    "FloatMisc", "SimdAdd", "SimdAlu", "SimdCmp", "SimdCvt", "SimdMisc", "SimdMult", "SimdShift", "SimdFloatAdd",
    "SimdFloatAlu", "SimdFloatCmp", "SimdFloatCvt", "SimdFloatDiv", "SimdFloatMult", "SimdFloatSqrt", "MemRead",
    "MemWrite", "FloatMultAcc"};

const std::string& text_of(const Names& names, const std::string& name) {
    auto found = names.find(name);
    if (found == names.end()) throw BadMachine("machine: parameter " + name + " is missing");
    return found->second;
}

uint64_t number(const Names& names, const std::string& name) {
    const std::string& text = text_of(names, name);
    char* end = nullptr;
    uint64_t value = std::strtoull(text.c_str(), &end, 10);
    if (end == text.c_str()) throw BadMachine("machine: " + name + ": not a number: " + text);
    std::string unit = end;
    if (unit == "kB") return value << 10;
    if (unit == "MB") return value << 20;
    if (unit == "B" || unit.empty()) return value;
    throw BadMachine("machine: " + name + ": unknown unit: " + text);
}

std::vector<uint32_t> numbers(const Names& names, const std::string& name) {
    std::vector<uint32_t> values;
    while (names.count(name + "." + std::to_string(values.size())))
        values.push_back(uint32_t(number(names, name + "." + std::to_string(values.size()))));
    return values;
}

CacheParameters cache(const Names& names, const std::string& name) {
    CacheParameters made;
    made.size = uint32_t(number(names, "caches." + name + ".size"));
    made.assoc = uint32_t(number(names, "caches." + name + ".assoc"));
    made.tag_latency = uint32_t(number(names, "caches." + name + ".tag_latency"));
    made.data_latency = uint32_t(number(names, "caches." + name + ".data_latency"));
    made.response_latency = uint32_t(number(names, "caches." + name + ".response_latency"));
    auto clusivity = names.find("caches." + name + ".clusivity");
    made.mostly_excl = clusivity != names.end() && clusivity->second == "mostly_excl";
    return made;
}

}  // namespace

Machine Machine::parse(const std::string& text) {
    Names names;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        auto space = line.find(' ');
        if (space == std::string::npos) continue;
        std::string name = line.substr(0, space), value = line.substr(space + 1);
        if (value.size() >= 2 && value.front() == '"') value = value.substr(1, value.size() - 2);
        names[name] = value;
    }
    Machine m;
    auto pipeline = [&](const char* name) { return uint32_t(number(names, std::string("core.pipeline.") + name)); };
#define READ(name) m.name = pipeline(#name)
    READ(fetchToDecodeDelay); READ(decodeToRenameDelay); READ(renameToIEWDelay); READ(iewToCommitDelay);
    READ(fetchWidth); READ(decodeWidth); READ(renameWidth); READ(dispatchWidth); READ(issueWidth); READ(wbWidth);
    READ(commitWidth); READ(squashWidth); READ(fetchBufferSize); READ(fetchQueueSize); READ(numROBEntries);
    READ(numIQEntries); READ(LQEntries); READ(SQEntries); READ(numPhysIntRegs); READ(numPhysFloatRegs);
#undef READ
    for (unsigned port = 0; port < 32; ++port) {
        std::string prefix = "core.ports." + std::to_string(port) + ".";
        for (unsigned c = 1; c < OP_CLASSES; ++c)
            if (names.count(prefix + CLASS_NAMES[c])) {
                m.ports[c] |= 1u << port;
                m.latency[c] = uint32_t(number(names, prefix + CLASS_NAMES[c]));
            }
    }
    for (unsigned k = 0; names.count("core.unpipelined." + std::to_string(k)); ++k)
        for (unsigned c = 1; c < OP_CLASSES; ++c)
            m.unpipelined[c] |= names["core.unpipelined." + std::to_string(k)] == CLASS_NAMES[c];
    if (!m.ports[unsigned(OpClass::IntAlu)] || !m.ports[unsigned(OpClass::MemRead)])
        throw BadMachine("machine: core.ports has no port for IntAlu or MemRead");
    // A class that no port takes: gem5 lets such operations go in one cycle, at any port (src/cpu/o3/inst_queue.cc).
    for (unsigned c = 1; c < OP_CLASSES; ++c)
        if (!m.ports[c]) m.latency[c] = 1;
    const std::string predictor = "core.branch_predictor.";
    m.btb_entries = uint32_t(number(names, predictor + "btb_entries"));
    m.btb_tag_bits = uint32_t(number(names, predictor + "btb_tag_bits"));
    m.return_stack_entries = uint32_t(number(names, predictor + "return_stack_entries"));
    m.nHistoryTables = uint32_t(number(names, predictor + "tage.nHistoryTables"));
    m.minHist = uint32_t(number(names, predictor + "tage.minHist"));
    m.maxHist = uint32_t(number(names, predictor + "tage.maxHist"));
    m.logUResetPeriod = uint32_t(number(names, predictor + "tage.logUResetPeriod"));
    m.tagTableTagWidths = numbers(names, predictor + "tage.tagTableTagWidths");
    m.logTagTableSizes = numbers(names, predictor + "tage.logTagTableSizes");
    if (m.tagTableTagWidths.size() != m.nHistoryTables + 1 || m.logTagTableSizes.size() != m.nHistoryTables + 1)
        throw BadMachine("machine: tage needs nHistoryTables + 1 tag widths and table sizes");
    m.indirectSets = uint32_t(number(names, predictor + "indirect.indirectSets"));
    m.indirectWays = uint32_t(number(names, predictor + "indirect.indirectWays"));
    m.indirectTagSize = uint32_t(number(names, predictor + "indirect.indirectTagSize"));
    m.indirectPathLength = uint32_t(number(names, predictor + "indirect.indirectPathLength"));
    m.indirectGHRBits = uint32_t(number(names, predictor + "indirect.indirectGHRBits"));
    m.l1i = cache(names, "l1i");
    m.l1d = cache(names, "l1d");
    m.l2 = cache(names, "l2");
    m.l3 = cache(names, "l3");
    for (auto& pair : names)
        if (pair.first.rfind("fitted.", 0) == 0) m.fitted[pair.first.substr(7)] = std::strtoll(pair.second.c_str(), nullptr, 10);
    return m;
}
