// RV64GC as gem5 has it (src/arch/riscv/isa/decoder.isa): one micro-operation an instruction, but for atomic ones.
// Sources: The RISC-V Instruction Set Manual, volume I, 20191213, chapters 24 (listings) and 16 (compressed).
// SPDX-License-Identifier: GPL-2.0-or-later
#include "decode.h"

#include <cstdio>
#include <cstring>
#include <initializer_list>

namespace {

constexpr unsigned NOTHING = ZERO;  // as any register: nothing is read or written

unsigned f(unsigned number) { return F0 + number; }

// The bits of a word, [high:low].
uint32_t bits(uint32_t word, unsigned high, unsigned low) { return word >> low & ((2u << (high - low)) - 1); }
int64_t extended(uint32_t value, unsigned width) { return int64_t(uint64_t(value) << (64 - width)) >> (64 - width); }

class Decoder {
  public:
    Decoder(Instruction& made, const void* bytes) : i_(made) { std::memcpy(&word_, bytes, made.size == 2 ? 2 : 4); }

    bool decode() { return i_.size == 2 ? compressed() : i_.size == 4 && whole(); }

  private:
    MicroOp& add(OpClass c, std::initializer_list<unsigned> sources, unsigned destination, unsigned flags = 0) {
        MicroOp op;
        op.op_class = uint8_t(c);
        op.flags = uint8_t(flags | (c == OpClass::None ? MicroOp::CLASSLESS : 0));
        unsigned n = 0;
        for (unsigned r : sources)
            if (r != NOTHING) op.source[n++] = uint8_t(r);
        if (destination != NOTHING) {
            op.destination[0] = uint8_t(destination);
            ++(destination >= unsigned(F0) ? op.floats : op.integers);
        }
        i_.ops.push_back(op);
        return i_.ops.back();
    }
    bool alu(std::initializer_list<unsigned> sources, unsigned to) { return add(OpClass::IntAlu, sources, to), true; }
    bool load(unsigned base, unsigned to, unsigned flags = 0) {
        return add(OpClass::MemRead, {base}, to, MicroOp::LOAD | flags), true;
    }
    bool store(unsigned base, unsigned from) { return add(OpClass::MemWrite, {from, base}, NOTHING, MicroOp::STORE), true; }
    // csr…, ecall and what else changes the machine: alone in the pipeline
    bool serializing(unsigned from, unsigned to) {
        return add(OpClass::IntAlu, {from}, to, MicroOp::NON_SPECULATIVE | MicroOp::SERIALIZE_AFTER), true;
    }

    bool branch(unsigned a, unsigned b, int64_t offset) {
        i_.branch = BranchKind::Conditional;
        i_.target = i_.address + uint64_t(offset);
        return add(OpClass::IntAlu, {a, b}, NOTHING, MicroOp::BRANCH), true;
    }
    static bool is_link(unsigned r) { return r == RA || r == T0; }  // the manual's hints for return stacks
    bool jump(unsigned to, int64_t offset) {
        i_.branch = is_link(to) ? BranchKind::Call : BranchKind::Direct;
        i_.target = i_.address + uint64_t(offset);
        return add(OpClass::IntAlu, {}, to, MicroOp::BRANCH), true;
    }
    bool jump_to(unsigned to, unsigned from) {
        i_.branch = is_link(to)     ? BranchKind::IndirectCall
                    : is_link(from) ? BranchKind::Return
                                    : BranchKind::Indirect;
        return add(OpClass::IntAlu, {from}, to, MicroOp::BRANCH), true;
    }

    // Load-reserved and store-conditional, and those that read, compute and write: nothing passes them that must not.
    bool atomic(unsigned kind, unsigned base, unsigned from, unsigned to) {
        constexpr unsigned LR = 2, SC = 3;
        if (kind == LR) return load(base, to, MicroOp::NON_SPECULATIVE);
        if (kind == SC) {
            add(OpClass::MemWrite, {from, base}, to, MicroOp::STORE | MicroOp::NON_SPECULATIVE);
            return true;
        }
        load(base, to, MicroOp::NON_SPECULATIVE);
        if (to == NOTHING) return store(base, from);
        add(OpClass::MemWrite, {from, to, base}, NOTHING, MicroOp::STORE);
        return true;
    }

    bool system(unsigned function, unsigned to, unsigned from) {
        constexpr unsigned ECALL = 0, EBREAK = 1;
        if (function != 0) return serializing(function & 4 ? 0 : from, to);  // csr…, csr…i
        const unsigned which = bits(word_, 31, 20);
        if (which != ECALL && which != EBREAK) return false;
        i_.system_call = which == ECALL;
        return serializing(NOTHING, NOTHING);
    }

    bool floating(unsigned to, unsigned a, unsigned b) {
        switch (bits(word_, 31, 27)) {
        case 0x00: case 0x01: return add(OpClass::FloatAdd, {f(a), f(b)}, f(to)), true;
        case 0x02: return add(OpClass::FloatMult, {f(a), f(b)}, f(to)), true;
        case 0x03: return add(OpClass::FloatDiv, {f(a), f(b)}, f(to)), true;
        case 0x0b: return add(OpClass::FloatSqrt, {f(a)}, f(to)), true;
        case 0x04: return add(OpClass::FloatMisc, {f(a), f(b)}, f(to)), true;  // fsgnj
        case 0x05: return add(OpClass::FloatCmp, {f(a), f(b)}, f(to)), true;   // fmin, fmax
        case 0x08: return add(OpClass::FloatCvt, {f(a)}, f(to)), true;         // of another size
        case 0x14: return add(OpClass::FloatCmp, {f(a), f(b)}, to), true;
        case 0x18: return add(OpClass::FloatCvt, {f(a)}, to), true;
        case 0x1a: return add(OpClass::FloatCvt, {a}, f(to)), true;
        case 0x1c: return add(OpClass::FloatMisc, {f(a)}, to), true;  // fmv.x, fclass
        case 0x1e: return add(OpClass::FloatMisc, {a}, f(to)), true;  // fmv.…x
        default: return false;
        }
    }

    bool whole() {
        const unsigned to = bits(word_, 11, 7), a = bits(word_, 19, 15), b = bits(word_, 24, 20);
        const unsigned function = bits(word_, 14, 12);
        switch (bits(word_, 6, 0)) {
        case 0x37: case 0x17: return alu({}, to);  // lui, auipc
        case 0x13: case 0x1b: return alu({a}, to);
        case 0x33: case 0x3b:
            if (bits(word_, 31, 25) != 1) return alu({a, b}, to);
            return add(function < 4 ? OpClass::IntMult : OpClass::IntDiv, {a, b}, to), true;
        case 0x03: return load(a, to);
        case 0x07: return (function == 2 || function == 3) && load(a, f(to));
        case 0x23: return store(a, b);
        case 0x27: return (function == 2 || function == 3) && store(a, f(b));
        case 0x2f: return atomic(bits(word_, 31, 27), a, b, to);
        case 0x63:
            return branch(a, b, extended(bits(word_, 31, 31) << 12 | bits(word_, 7, 7) << 11 | bits(word_, 30, 25) << 5 |
                                             bits(word_, 11, 8) << 1, 13));
        case 0x6f:
            return jump(to, extended(bits(word_, 31, 31) << 20 | bits(word_, 19, 12) << 12 | bits(word_, 20, 20) << 11 |
                                         bits(word_, 30, 21) << 1, 21));
        case 0x67: return jump_to(to, a);
        case 0x0f:  // fence, fence.i
            if (function == 1) return serializing(NOTHING, NOTHING);
            return add(OpClass::None, {}, NOTHING, MicroOp::BARRIER), true;
        case 0x73: return system(function, to, a);
        case 0x43: case 0x47: case 0x4b: case 0x4f:  // fmadd, fmsub, fnmsub, fnmadd
            return add(OpClass::FloatMultAcc, {f(a), f(b), f(bits(word_, 31, 27))}, f(to)), true;
        case 0x53: return floating(to, a, b);
        default: return false;
        }
    }

    bool compressed() {
        const unsigned full = bits(word_, 11, 7), second = bits(word_, 6, 2);  // any register
        const unsigned high = 8 + bits(word_, 9, 7), low = 8 + bits(word_, 4, 2);  // x8 to x15
        if (word_ == 0) return false;
        switch (bits(word_, 1, 0) << 3 | bits(word_, 15, 13)) {
        case 000: return alu({SP}, low);  // c.addi4spn
        case 001: return load(high, f(low));
        case 002: case 003: return load(high, low);
        case 005: return store(high, f(low));
        case 006: case 007: return store(high, low);
        case 010: case 011: return alu({full}, full);  // c.addi, c.addiw
        case 012: return alu({}, full);                // c.li
        case 013: return alu({full == SP ? full : NOTHING}, full);  // c.addi16sp, c.lui
        case 014:
            if (bits(word_, 11, 10) != 3) return alu({high}, high);
            return alu({high, low}, high);
        case 015: return jump(NOTHING, jump_offset());
        case 016: case 017:
            return branch(high, NOTHING,
                          extended(bits(word_, 12, 12) << 8 | bits(word_, 6, 5) << 6 | bits(word_, 2, 2) << 5 |
                                       bits(word_, 11, 10) << 3 | bits(word_, 4, 3) << 1, 9));
        case 020: return alu({full}, full);  // c.slli
        case 021: return load(SP, f(full));
        case 022: case 023: return load(SP, full);
        case 024:
            if (second == 0 && full == 0) return serializing(NOTHING, NOTHING);  // c.ebreak
            if (second == 0) return jump_to(bits(word_, 12, 12) * RA, full);
            return bits(word_, 12, 12) ? alu({full, second}, full) : alu({second}, full);
        case 025: return store(SP, f(second));
        case 026: case 027: return store(SP, second);
        default: return false;
        }
    }
    int64_t jump_offset() const {
        return extended(bits(word_, 12, 12) << 11 | bits(word_, 8, 8) << 10 | bits(word_, 10, 9) << 8 |
                            bits(word_, 6, 6) << 7 | bits(word_, 7, 7) << 6 | bits(word_, 2, 2) << 5 |
                            bits(word_, 11, 11) << 4 | bits(word_, 5, 3) << 1, 12);
    }

    Instruction& i_;
    uint32_t word_ = 0;
};

}  // namespace

Instruction decode(uint64_t address, const void* bytes, size_t size) {
    Instruction made;
    made.address = address;
    made.size = uint8_t(size);
    if (!Decoder(made, bytes).decode()) {
        char text[32] = {};
        uint32_t word = 0;
        std::memcpy(&word, bytes, size < 4 ? size : 4);
        std::snprintf(text, sizeof text, "instruction %0*x", int(2 * size), word);
        made.unsupported = text;
    }
    settle(made);
    return made;
}
