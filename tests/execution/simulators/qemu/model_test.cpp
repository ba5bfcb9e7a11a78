// Tests of the processor model's parts on short traces. `model_test MACHINE` prints a line for each check that fails and
// exits with their number.
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "caches.h"
#include "core.h"
#include "decode.h"
#include "machine.h"
#include "predictor.h"

namespace {

int failures = 0;

void equal(const std::string& what, uint64_t found, uint64_t wanted) {
    if (found == wanted) return;
    ++failures;
    std::printf("%s: found %llu, wanted %llu\n", what.c_str(), (unsigned long long)found, (unsigned long long)wanted);
}

void within(const std::string& what, uint64_t found, uint64_t least, uint64_t most) {
    if (found >= least && found <= most) return;
    ++failures;
    std::printf("%s: found %llu, wanted %llu to %llu\n", what.c_str(), (unsigned long long)found,
                (unsigned long long)least, (unsigned long long)most);
}

Instruction decoded(const std::vector<uint8_t>& bytes, uint64_t address = 0x401000) {
    return decode(address, bytes.data(), bytes.size());
}

void test_decode() {
    struct Case {
        const char* name;
        std::vector<uint8_t> bytes;
        unsigned ops, loads, stores;
        BranchKind branch;
    };
    const BranchKind none = BranchKind::None;
    const Case cases[] = {
        {"add eax, ebx", {0x01, 0xd8}, 1, 0, 0, none},
        {"add eax, 5", {0x83, 0xc0, 0x05}, 2, 0, 0, none},
        {"add [rdi], eax", {0x01, 0x07}, 3, 1, 1, none},
        {"add dword [rip+1], 5", {0x83, 0x05, 1, 0, 0, 0, 5}, 5, 1, 1, none},
        {"mov rax, [rbx]", {0x48, 0x8b, 0x03}, 1, 1, 0, none},
        {"mov [rbx], rax", {0x48, 0x89, 0x03}, 1, 0, 1, none},
        {"movzx eax, byte [rdi]", {0x0f, 0xb6, 0x07}, 2, 1, 0, none},
        {"push rbp", {0x55}, 2, 0, 1, none},
        {"pop rbp", {0x5d}, 3, 1, 0, none},
        {"leave", {0xc9}, 4, 1, 0, none},
        {"call rel32", {0xe8, 0, 0, 0, 0}, 5, 0, 1, BranchKind::Call},
        {"call rax", {0xff, 0xd0}, 4, 0, 1, BranchKind::IndirectCall},
        {"ret", {0xc3}, 3, 1, 0, BranchKind::Return},
        {"jne rel8", {0x75, 0x10}, 3, 0, 0, BranchKind::Conditional},
        {"jmp rel8", {0xeb, 0x10}, 3, 0, 0, BranchKind::Direct},
        {"jmp rax", {0xff, 0xe0}, 1, 0, 0, BranchKind::Indirect},
        {"imul rax, rbx", {0x48, 0x0f, 0xaf, 0xc3}, 3, 0, 0, none},
        {"cmovne eax, ebx", {0x0f, 0x45, 0xc3}, 2, 0, 0, none},
        {"setne al", {0x0f, 0x95, 0xc0}, 2, 0, 0, none},
        {"movaps xmm0, [rax]", {0x0f, 0x28, 0x00}, 2, 2, 0, none},
        {"movaps [rax], xmm0", {0x0f, 0x29, 0x00}, 2, 0, 2, none},
        {"addsd xmm0, [rax]", {0xf2, 0x0f, 0x58, 0x00}, 2, 1, 0, none},
        {"paddd xmm0, xmm1", {0x66, 0x0f, 0xfe, 0xc1}, 2, 0, 0, none},
        {"pxor xmm0, [rax]", {0x66, 0x0f, 0xef, 0x00}, 5, 2, 0, none},
        {"fld tbyte [rax]", {0xdb, 0x28}, 3, 2, 0, none},
        {"fstp tbyte [rax]", {0xdb, 0x38}, 5, 0, 2, none},
        {"lock xadd [rdi], eax", {0xf0, 0x0f, 0xc1, 0x07}, 6, 1, 1, none},
        {"nop", {0x90}, 1, 0, 0, none},
    };
    for (const Case& c : cases) {
        Instruction in = decoded(c.bytes);
        unsigned loads = 0, stores = 0;
        for (const MicroOp& op : in.ops) {
            loads += (op.flags & MicroOp::LOAD) != 0;
            stores += (op.flags & MicroOp::STORE) != 0;
        }
        equal(std::string(c.name) + ": micro-operations", in.ops.size(), c.ops);
        equal(std::string(c.name) + ": loads", loads, c.loads);
        equal(std::string(c.name) + ": stores", stores, c.stores);
        equal(std::string(c.name) + ": kind of branch", unsigned(in.branch), unsigned(c.branch));
        equal(std::string(c.name) + ": known", in.unsupported.size(), 0);
    }
    equal("jne's target", decoded({0x75, 0x10}, 0x1000).target, 0x1012);
    equal("div is a loop", unsigned(decoded({0x48, 0xf7, 0xf3}).loop), unsigned(Loop::Division));
    equal("rep stosq is a loop", unsigned(decoded({0xf3, 0x48, 0xab}).loop), unsigned(Loop::String));
    equal("bytes that are no instruction", decoded({0x06}).unsupported.empty(), false);
}

uint64_t wrong_of(Predictor& p, unsigned n, BranchKind kind, const std::function<bool(unsigned)>& taken,
                  const std::function<uint64_t(unsigned)>& target, uint64_t pc = 0x401000) {
    uint64_t wrong = 0;
    for (unsigned k = 0; k < n; ++k) {
        p.learn_until(~0ull);
        wrong += !p.predict(pc, kind, taken(k), target(k), pc + 2);
        p.commit_at(k);
    }
    return wrong;
}

void test_predictor(const Machine& m) {
    auto there = [](unsigned) { return uint64_t(0x402000); };
    auto always = [](unsigned) { return true; };
    {
        Predictor p(m);
        within("a branch that is always taken", wrong_of(p, 1000, BranchKind::Conditional, always, there), 1, 6);
    }
    {
        Predictor p(m);
        within("every third time", wrong_of(p, 3000, BranchKind::Conditional, [](unsigned k) { return k % 3 == 0; }, there),
               1, 100);
    }
    {
        Predictor p(m);  // longer than any history: the loop predictor's
        uint64_t all = wrong_of(p, 100 * 100, BranchKind::Conditional, [](unsigned k) { return k % 100 != 99; }, there);
        within("a loop of 100 turns", all, 1, 60);
    }
    {
        Predictor p(m);
        uint64_t state = 1;
        auto coin = [&](unsigned) { return (state = state * 6364136223846793005ull + 1) >> 63 != 0; };
        within("coin tosses", wrong_of(p, 4000, BranchKind::Conditional, coin, there), 1600, 2400);
    }
    {
        Predictor p(m);
        equal("a jump misses its target once", wrong_of(p, 10, BranchKind::Direct, always, there), 1);
        auto two = [](unsigned k) { return uint64_t(0x402000 + 64 * (k % 2)); };
        within("an indirect jump to two places in turn", wrong_of(p, 1000, BranchKind::Indirect, always, two, 0x403000), 2,
               40);
    }
    {
        Predictor p(m);
        uint64_t wrong = 0;
        for (int k = 0; k < 20; ++k) p.predict(0x5000 + 64 * k, BranchKind::Call, true, 0x9000, 0x5005 + 64 * k);
        for (int k = 19; k >= 0; --k) wrong += !p.predict(0x9100, BranchKind::Return, true, 0x5005 + 64 * k, 0x9101);
        equal("20 calls and returns", wrong, 0);
    }
    {
        Predictor p(m);  // a recursion deeper than the return stack: what it wrapped over has the same address
        uint64_t wrong = 0;
        for (unsigned k = 0; k < 3 * m.return_stack_entries; ++k) p.predict(0x5000, BranchKind::Call, true, 0x5000, 0x5005);
        for (unsigned k = 0; k < 3 * m.return_stack_entries; ++k)
            wrong += !p.predict(0x5100, BranchKind::Return, true, 0x5005, 0x5101);
        equal("a deep recursion's returns", wrong, 0);
        p.predict(0x6000, BranchKind::Conditional, true, 0x7000, 0x6002);
        equal("a branch that was never seen goes straight on", p.guess(), 0x6002);
    }
}

void test_caches(const Machine& m) {
    Memory memory(m);
    uint64_t first = memory.load(0x10000, 1000, 1000);
    within("a load from memory", first - 1000, 180, 320);
    equal("a load merged with the miss under way", memory.load(0x10008, 1001, 1001), first);
    equal("a hit", memory.load(0x10010, 5000, 5000), 5001);
    for (unsigned k = 1; k <= 16; ++k) memory.load(0x10000 + 2048 * k, 10000 + 1000 * k, 10000 + 1000 * k);  // 16 ways, 32 sets
    uint64_t second_level = memory.load(0x10000, 60000, 60000) - 60000;
    equal("a hit in the second level", second_level,
          m.l1d.tag_latency + m.l2xbar_request + m.l2.tag_latency + m.l2xbar_response + m.l1d.response_latency);
    equal("misses counted", memory.l1d.misses, 19);
    // a dirty line that leaves the second level is found in the third, a clean one is not
    Memory other(m);
    other.store(0, 100);
    other.load(64, 1000, 1000);
    for (unsigned k = 1; k <= 40; ++k)
        for (unsigned line = 0; line < 2; ++line) other.load(64 * line + 65536ull * k, 1000 + 1000 * (2 * k + line), 1000 + 1000 * (2 * k + line));
    uint64_t reads = other.memory_reads;
    other.load(0, 200000, 200000);
    equal("the dirty line comes from the third level", other.memory_reads, reads);
    other.load(64, 201000, 201000);
    equal("the clean line comes from memory", other.memory_reads, reads + 1);

    Dram dram(m);
    uint64_t closed = dram.read(0, 1000000) - 1000000;
    equal("a closed row", closed, m.tRCD + m.tCL + m.tBURST);
    equal("an open row", dram.read(64, 2000000) - 2000000, m.tCL + m.tBURST);
    equal("another row of the bank", dram.read(1 << 18, 3000000) - 3000000, m.tRP + m.tRCD + m.tCL + m.tBURST);

    {
        // Two bursts at once: of one group of banks, of two, of two ranks; what comes second but is earlier in time is not late.
        auto apart = [&](uint64_t other) {
            Dram two(m);
            two.read(0, 1000000), two.read(other, 1000000);
            uint64_t one = two.read(64, 2000000);
            return two.read(other + 64, 2000000) - one;
        };
        equal("bursts of one group of banks", apart(4 << 13), m.tCCD_L);
        equal("bursts of two groups", apart(1 << 13), m.tBURST);
        equal("bursts of two ranks", apart(1 << 17), m.tBURST + m.tCS);
        Dram late(m);
        late.read(0, 1000000), late.read(64, 5000000);
        equal("an earlier request in a later turn", late.read(128, 3000000) - 3000000, m.tCL + m.tBURST);
    }

    Pages pages;
    equal("no frame yet", pages.find(5), ~0ull);
    for (uint64_t page = 0; page < 20000; ++page) equal("frames come in order", pages.add(page * 1025), page);
    equal("a frame is kept", pages.find(77 * 1025), 77);
    pages.remove(77 * 1025);
    equal("a page that was unmapped", pages.find(77 * 1025), ~0ull);
}

/// Cycles a turn of a few instructions, in the long run; addresses[k] are the accesses of instruction k.
uint64_t per_turn(const Machine& m, const std::vector<std::vector<uint8_t>>& code, uint64_t quotient = 0,
                  std::vector<std::vector<Access>> accesses = {}, uint64_t stride = 0) {
    auto core = std::unique_ptr<Core>(new Core(m));
    std::vector<Instruction> body;
    uint64_t address = 0x401000;
    for (const auto& bytes : code) {
        body.push_back(decoded(bytes, address));
        address += bytes.size();
    }
    accesses.resize(body.size());
    auto turns = [&](unsigned n) {
        for (unsigned k = 0; k < n; ++k)
            for (size_t i = 0; i < body.size(); ++i) {
                uint64_t next = i + 1 < body.size() ? body[i + 1].address : body[0].address;
                core->execute(body[i], body[i].ops.data(), accesses[i].data(), unsigned(accesses[i].size()), next, quotient);
                for (Access& access : accesses[i]) access.address += stride;
            }
        return core->cycles();
    };
    uint64_t before = turns(4000), after = turns(4000);
    return (after - before + 2000) / 4000;
}

void test_core(const Machine& m) {
    const std::vector<uint8_t> loop = {0xeb, 0xf0};
    equal("eight dependent additions", per_turn(m, std::vector<std::vector<uint8_t>>(8, {0x48, 0x01, 0xd8})), 8);
    equal("eight multiplications in a chain",
          per_turn(m, std::vector<std::vector<uint8_t>>(8, {0x48, 0x0f, 0xaf, 0xc0})), 8 * (m.latency[unsigned(OpClass::IntMult)] + 1));
    within("sixteen independent moves of one micro-operation, four a cycle",
           per_turn(m, std::vector<std::vector<uint8_t>>(16, {0x89, 0xd8})), 4, 7);
    equal("four dependent additions of doubles",
          per_turn(m, std::vector<std::vector<uint8_t>>(4, {0xf2, 0x0f, 0x58, 0xc1})), 4 * m.latency[unsigned(OpClass::SimdFloatAdd)]);
    // mov rax, [rax], in the cache: two cycles each
    equal("four dependent loads that hit",
          per_turn(m, std::vector<std::vector<uint8_t>>(4, {0x48, 0x8b, 0x00}), 0,
                   {{{0x700000, 0, 8, false}}, {{0x700008, 1, 8, false}}, {{0x700010, 2, 8, false}}, {{0x700018, 3, 8, false}}}),
          8);
    // one store in flight: a line from memory each time
    uint64_t missing = per_turn(m, {{0x48, 0x89, 0x03}}, 0, {{{0x700000, 0, 8, true}}}, 64);
    within("a store that misses, one at a time", missing, 180, 330);
    uint64_t loads = per_turn(m, {{0x48, 0x8b, 0x0b}}, 0, {{{0x700000, 0, 8, false}}}, 64);
    within("loads that miss overlap", loads, 5, missing / 3);
    // Eight instructions of two micro-operations and four bytes; the second time every fourth goes on in the next block, which
    // is asked for a cycle late because the width is used up before it.
    const std::vector<uint8_t> add = {0x48, 0x83, 0xc0, 0x01}, other = {0x48, 0x83, 0xc1, 0x01}, jump = {0xeb, 0xde};
    std::vector<std::vector<uint8_t>> aligned, crossing = {{0x0f, 0x1f, 0x00}};
    for (unsigned k = 0; k < 8; ++k) aligned.push_back(k % 2 ? add : other), crossing.push_back(k % 2 ? add : other);
    aligned.push_back(jump), crossing.push_back(jump);
    within("instructions that go on in the next block", per_turn(m, crossing), per_turn(m, aligned) + 2, per_turn(m, aligned) + 3);
    // rdtsc waits in rename until the stores have left
    const std::vector<Access> far = {{0x700000, 0, 8, true}};
    within("a serialising instruction behind a store that misses", per_turn(m, {{0x48, 0x89, 0x03}, {0x0f, 0x31}}, 0, {far}, 64),
           missing + 15, missing + 60);
    // a division takes longer with more bits in its quotient
    uint64_t small = per_turn(m, {{0x48, 0xf7, 0xf3}}, 1), large = per_turn(m, {{0x48, 0xf7, 0xf3}}, ~0ull >> 1);
    within("a division with a small quotient", small, 5, 25);
    within("a division with 63 bits in its quotient", large, 60, 160);
}

/// A loop over memory, timed an instruction at a time or a turn at a time: cycles and some counters.
std::vector<uint64_t> looped(const Machine& m, bool together) {
    const std::vector<std::vector<uint8_t>> code = {
        {0x48, 0x8b, 0x03},              // mov rax, [rbx]
        {0x48, 0x83, 0xc0, 0x05},        // add rax, 5
        {0x48, 0x0f, 0xaf, 0xc1},        // imul rax, rcx
        {0x48, 0x0f, 0x4f, 0xd0},        // cmovg rdx, rax
        {0x48, 0x01, 0x43, 0x08},        // add [rbx + 8], rax
        {0xf2, 0x0f, 0x10, 0x03},        // movsd xmm0, [rbx]
        {0xf2, 0x0f, 0x58, 0xc1},        // addsd xmm0, xmm1
        {0x0f, 0x29, 0x43, 0x10},        // movaps [rbx + 16], xmm0
        {0x85, 0xc0}, {0x75, 0xd4},      // test eax, eax; jne to the beginning
    };
    auto core = std::unique_ptr<Core>(new Core(m));
    std::vector<Instruction> body;
    std::vector<MicroOp> ops;
    uint64_t address = 0x401003;
    for (const auto& bytes : code) {
        body.push_back(decoded(bytes, address));
        address += bytes.size();
        ops.insert(ops.end(), body.back().ops.begin(), body.back().ops.end());
    }
    std::vector<Core::Straight> straight;
    const MicroOp* op = ops.data();
    for (const Instruction& in : body) straight.push_back(core->straight(in, op)), op = straight.back().end;
    uint64_t state = 1;
    for (unsigned turn = 0; turn < 20000; ++turn) {
        state = state * 6364136223846793005ull + 1442695040888963407ull;
        const uint64_t at = 0x700000 + (state >> 33) % (turn % 3 ? 512 : 1 << 21);
        const std::vector<Access> accesses = {{at, 0, 8, false},     {at + 8, 4, 8, false}, {at + 8, 4, 8, true},
                                              {at, 5, 8, false},     {at + 16, 7, 8, true}, {at + 24, 7, 8, true}};
        const uint64_t next = state >> 62 ? body[0].address : address;
        if (together) {
            const unsigned n = unsigned(body.size());
            core->execute_straight(straight.data(), n, ops.data(), {accesses.data(), accesses.data() + accesses.size()}, 0);
            core->leave(body.back(), next);
        } else {
            const Access* from = accesses.data();
            for (unsigned k = 0; k < body.size(); ++k) {
                const Access* to = from;
                while (to < accesses.data() + accesses.size() && to->instruction == k) ++to;
                const uint64_t after = k + 1 < body.size() ? body[k + 1].address : next;
                core->execute(body[k], body[k].ops.data(), from, unsigned(to - from), after, 0);
                from = to;
            }
        }
        if (next == address) core->leave(decoded({0xeb, 0xd2}, address), body[0].address);
    }
    const Counts& c = core->counts;
    return {core->cycles(), c.instructions, c.ops, c.page_faults, c.forwarded, c.order_violations, c.mispredicted_conditional,
            c.stall_memory, c.stall_execute, c.stall_stores, c.stall_window, core->memory.l1d.misses, core->memory.l1i.misses};
}

void test_straight(const Machine& m) {
    const std::vector<uint64_t> one = looped(m, false), all = looped(m, true);
    for (size_t k = 0; k < one.size(); ++k) equal("a turn at a time: number " + std::to_string(k), all[k], one[k]);
    within("the loop's page faults", one[3], 500, 520);
    within("its mispredictions", one[6], 4000, 6000);
    within("its stalls for memory", one[7], 1, one[0]);
    within("its loads that are forwarded", one[4], 1, 60000);
}

void test_branches(const Machine& m) {
    // test al, 1; jne over 1 instruction; add: outcomes at random against outcomes that are always the same
    auto run = [&](bool random) {
        auto core = std::unique_ptr<Core>(new Core(m));
        Instruction branch = decoded({0x75, 0x02}, 0x401000), add = decoded({0x01, 0xd8}, 0x401002);
        Instruction back = decoded({0xeb, 0xfa}, 0x401004);
        uint64_t state = 1;
        for (unsigned k = 0; k < 4000; ++k) {
            bool taken = random && (state = state * 6364136223846793005ull + 1) >> 63;
            core->execute(branch, branch.ops.data(), nullptr, 0, taken ? 0x401004 : 0x401002, 0);
            if (!taken) core->execute(add, add.ops.data(), nullptr, 0, 0x401004, 0);
            core->execute(back, back.ops.data(), nullptr, 0, 0x401000, 0);
        }
        return std::make_pair(core->cycles(), core->counts.mispredicted_conditional);
    };
    auto steady = run(false), random = run(true);
    within("mispredictions of a branch that is never taken", steady.second, 0, 3);
    within("mispredictions at random", random.second, 1200, 2800);
    within("cycles of a misprediction", (random.first - steady.first) / random.second, 25, 40);
    // What is renamed behind a branch whose operand comes late is squashed eight a cycle, and nothing is renamed meanwhile.
    auto late = [&](unsigned chain) {
        auto core = std::unique_ptr<Core>(new Core(m));
        Instruction multiply = decoded({0x48, 0x0f, 0xaf, 0xc0}, 0x401000), test = decoded({0x85, 0xc0}, 0x401004);
        Instruction branch = decoded({0x75, 0x02}, 0x401006), add = decoded({0x01, 0xd9}, 0x401008);
        Instruction back = decoded({0xeb, 0xf4}, 0x40100a);
        uint64_t state = 1;
        for (unsigned k = 0; k < 2000; ++k) {
            bool taken = (state = state * 6364136223846793005ull + 1) >> 63;
            for (unsigned i = 0; i < chain; ++i) core->execute(multiply, multiply.ops.data(), nullptr, 0, 0x401004, 0);
            core->execute(test, test.ops.data(), nullptr, 0, 0x401006, 0);
            core->execute(branch, branch.ops.data(), nullptr, 0, taken ? 0x40100a : 0x401008, 0);
            if (!taken) core->execute(add, add.ops.data(), nullptr, 0, 0x40100a, 0);
            core->execute(back, back.ops.data(), nullptr, 0, 0x401000, 0);
        }
        return core->counts.squashed / core->counts.mispredicted_conditional;
    };
    within("squashed behind a branch", late(1), 30, 90);
    within("squashed behind a late branch", late(20), 100, m.numROBEntries);
    // Fetch goes straight on until it hears of a misprediction: the line behind the branch is there when it is wanted.
    auto cold = [&] {
        auto core = std::unique_ptr<Core>(new Core(m));
        Instruction jump = decoded({0x75, 0x7e}, 0x401000), there = decoded({0x01, 0xd8}, 0x401080);
        Instruction behind = decoded({0x01, 0xd8}, 0x401040);
        core->execute(jump, jump.ops.data(), nullptr, 0, 0x401080, 0);
        core->execute(there, there.ops.data(), nullptr, 0, 0x401040, 0);
        uint64_t misses = core->memory.memory_reads;
        core->execute(behind, behind.ops.data(), nullptr, 0, 0x401042, 0);
        return core->memory.memory_reads - misses;
    };
    equal("a line that the wrong path brought", cold(), 0);
}

void test_pages_and_order(const Machine& m) {
    auto core = std::unique_ptr<Core>(new Core(m));
    Instruction store = decoded({0x48, 0x89, 0x03}), load = decoded({0x48, 0x8b, 0x03}, 0x401010);
    Access to{0x900000, 0, 8, true}, from{0x900000, 0, 8, false};
    core->execute(store, store.ops.data(), &to, 1, 0x401010, 0);
    uint64_t faults = core->counts.page_faults;
    within("the first touch of a page is a fault", faults, 1, 2);
    core->execute(load, load.ops.data(), &from, 1, 0x401000, 0);
    equal("the second is none", core->counts.page_faults, faults);
    equal("the load has the store's data", core->counts.forwarded, 1);
    core->kernel_wrote(0xa00000, 4096);
    Access there{0xa00000, 0, 8, false};
    core->execute(load, load.ops.data(), &there, 1, 0x401000, 0);
    equal("a page that the kernel wrote is no fault", core->counts.page_faults, faults);
    core->unmapped(0xa00000, 4096);
    core->execute(load, load.ops.data(), &there, 1, 0x401000, 0);
    equal("a page that was unmapped is one again", core->counts.page_faults, faults + 1);
    // twice the same: the same cycles
    auto twice = [&] {
        auto c = std::unique_ptr<Core>(new Core(m));
        Access a{0x900000, 0, 8, true};
        for (int k = 0; k < 1000; ++k, a.address += 72) c->execute(store, store.ops.data(), &a, 1, 0x401000, 0);
        return c->cycles();
    };
    equal("the same again", twice(), twice());
}

}  // namespace

int main(int, char** argv) {
    std::ifstream file(argv[1]);
    std::ostringstream text;
    text << file.rdbuf();
    Machine machine = Machine::parse(text.str());
    equal("a unit is understood", machine.l2.size, 1 << 20);
    try {
        Machine::parse("core.pipeline.fetchWidth 4\n");
        equal("a missing parameter is refused", 0, 1);
    } catch (const BadMachine& error) {
        equal("and named", std::string(error.what()).find("fetchToDecodeDelay") != std::string::npos, true);
    }
    test_decode();
    test_predictor(machine);
    test_caches(machine);
    test_core(machine);
    test_straight(machine);
    test_branches(machine);
    test_pages_and_order(machine);
    std::printf("%d failures\n", failures);
    return failures > 255 ? 255 : failures;
}
