// A64 as gem5 has it (src/arch/arm/isa): mostly one micro-operation an instruction; a second one writes an address back,
// and pairs take up to six (src/arch/arm/insts/macromem.cc).
// Source of the encodings: Arm Architecture Reference Manual for A-profile (DDI 0487), chapter C4. What a Neoverse N1 does
// not have (SVE, pointer authentication) is unsupported.
// SPDX-License-Identifier: GPL-2.0-or-later
#include "decode.h"

#include <cstdio>
#include <cstring>
#include <initializer_list>

namespace {

constexpr unsigned NOTHING = NOWHERE;  // as any register: nothing is read or written

unsigned v(unsigned number) { return V0 + number; }
// A register whose number 31 is the zero register, or the stack pointer.
unsigned x(unsigned number) { return number == 31 ? NOTHING : number; }

int64_t extended(uint64_t value, unsigned width) { return int64_t(value << (64 - width)) >> (64 - width); }

class Decoder {
  public:
    Decoder(Instruction& made, uint32_t word) : i_(made), word_(word) {}

    bool decode() {
        switch (bits(28, 25)) {
        case 8: case 9: return immediate();
        case 10: case 11: return control();
        case 4: case 6: case 12: case 14: return memory();
        case 5: case 13: return registers();
        case 7: case 15: return vectors();
        default: return false;
        }
    }

  private:
    using Regs = std::initializer_list<unsigned>;

    uint32_t bits(unsigned high, unsigned low) const { return word_ >> low & ((2u << (high - low)) - 1); }
    bool bit(unsigned at) const { return word_ >> at & 1; }
    unsigned rd() const { return bits(4, 0); }
    unsigned rn() const { return bits(9, 5); }
    unsigned ra() const { return bits(14, 10); }
    unsigned rm() const { return bits(20, 16); }

    bool add(OpClass c, Regs sources, Regs destinations, unsigned flags = 0) {
        MicroOp op;
        op.op_class = uint8_t(c);
        op.flags = uint8_t(flags | (c == OpClass::None ? MicroOp::CLASSLESS : 0));
        unsigned n = 0;
        for (unsigned r : sources)
            if (r != NOTHING) op.source[n++] = uint8_t(r);
        n = 0;
        for (unsigned r : destinations) {
            if (r == NOTHING) continue;
            op.destination[n++] = uint8_t(r);
            if (r < FLAGS || r == MICRO) ++op.integers;
            if (r >= V0) ++op.floats;
        }
        i_.ops.push_back(op);
        return true;
    }
    bool alu(Regs sources, Regs destinations) { return add(OpClass::IntAlu, sources, destinations); }
    bool nothing() { return add(OpClass::None, {}, {}); }

    bool immediate() {
        const unsigned flags = bits(30, 29);
        switch (bits(25, 23)) {
        case 0: case 1: return alu({}, {x(rd())});                                            // adr, adrp
        case 2: return alu({rn()}, {bit(29) ? x(rd()) : rd(), bit(29) ? unsigned(FLAGS) : NOTHING});    // add, sub
        case 4: return alu({x(rn())}, {flags == 3 ? x(rd()) : rd(), flags == 3 ? unsigned(FLAGS) : NOTHING});  // and, orr, eor
        case 5: return alu({flags == 3 ? x(rd()) : NOTHING}, {x(rd())});                      // movn, movz; movk
        case 6: return alu({x(rn()), flags == 1 ? x(rd()) : NOTHING}, {x(rd())});             // sbfm, ubfm; bfm
        case 7: return alu({x(rn()), x(rm())}, {x(rd())});                                    // extr
        default: return false;
        }
    }

    bool branch(BranchKind kind, int64_t offset, Regs sources, unsigned to = NOTHING) {
        i_.branch = kind;
        i_.target = i_.address + uint64_t(offset * 4);
        return add(OpClass::IntAlu, sources, {to}, MicroOp::BRANCH);
    }

    bool control() {
        if (bits(30, 26) == 5)
            return bit(31) ? branch(BranchKind::Call, extended(bits(25, 0), 26), {}, LINK)
                           : branch(BranchKind::Direct, extended(bits(25, 0), 26), {});
        if (bits(30, 25) == 0x1a) return branch(BranchKind::Conditional, extended(bits(23, 5), 19), {x(rd())});
        if (bits(30, 25) == 0x1b) return branch(BranchKind::Conditional, extended(bits(18, 5), 14), {x(rd())});
        if (bits(31, 24) == 0x54) return branch(BranchKind::Conditional, extended(bits(23, 5), 19), {FLAGS});
        if (bits(31, 25) == 0x6b) {
            if (bits(20, 16) != 31 || bits(15, 10) != 0) return false;
            const unsigned kind = bits(24, 21);
            if (kind > 2) return false;
            i_.branch = kind == 0 ? BranchKind::Indirect : kind == 1 ? BranchKind::IndirectCall : BranchKind::Return;
            return add(OpClass::IntAlu, {x(rn())}, {kind == 1 ? unsigned(LINK) : NOTHING}, MicroOp::BRANCH);
        }
        if (bits(31, 24) == 0xd4) {
            i_.system_call = bits(23, 21) == 0 && bits(1, 0) == 1;
            return (i_.system_call || bits(23, 21) == 1) && serializing(NOTHING, NOTHING);  // svc, brk
        }
        return bits(31, 22) == 0x354 && system();
    }

    bool serializing(unsigned from, unsigned to) {
        return add(OpClass::IntAlu, {from}, {to}, MicroOp::NON_SPECULATIVE | MicroOp::SERIALIZE_AFTER);
    }

    bool system() {
        const unsigned op0 = bits(20, 19), op1 = bits(18, 16), crn = bits(15, 12), crm = bits(11, 8), op2 = bits(7, 5);
        if (op0 == 0 && crn == 3) {
            constexpr unsigned CLREX = 2, ISB = 6;
            if (op2 == CLREX) return nothing();
            return op2 == ISB ? serializing(NOTHING, NOTHING) : add(OpClass::None, {}, {}, MicroOp::BARRIER);
        }
        if (op0 == 0) return nothing();  // hints
        if (op0 == 1 && op1 == 3 && crn == 7 && crm == 4 && op2 == 1)  // dc zva
            return add(OpClass::MemWrite, {x(rd())}, {}, MicroOp::STORE);
        if (op0 == 1) return serializing(x(rd()), NOTHING);
        // mrs, msr
        return bit(21) ? add(OpClass::IntAlu, {}, {x(rd())}, MicroOp::SERIALIZE_BEFORE) : serializing(x(rd()), NOTHING);
    }

    // ---- memory
    bool load(Regs from, Regs to, unsigned flags = 0) { return add(OpClass::MemRead, from, to, MicroOp::LOAD | flags); }
    bool store(Regs from, unsigned flags = 0) { return add(OpClass::MemWrite, from, {}, MicroOp::STORE | flags); }
    bool write_back() { return alu({rn()}, {rn()}); }

    bool memory() {
        const bool is_vector = bit(26);
        switch (bits(29, 27)) {
        case 1: return is_vector ? structures() : exclusive();
        case 3: {  // literal
            if (bit(24)) return false;
            return bits(31, 30) == 3 && !is_vector ? nothing() : load({}, {is_vector ? v(rd()) : x(rd())});
        }
        case 5: return pair(is_vector);
        case 7: return single(is_vector);
        default: return false;
        }
    }

    // ldp, stp (gem5's PairMemOp): the address is computed first unless it is the base as it stands; a load brings both
    // registers at once up to 16 bytes, a store takes one of 8 bytes for each.
    bool pair(bool is_vector) {
        const unsigned a = is_vector ? v(rd()) : x(rd()), b = is_vector ? v(ra()) : x(ra());
        const unsigned bytes = is_vector ? 4u << bits(31, 30) : bit(31) ? 8 : 4;
        const bool is_post = bits(24, 23) == 1;
        const unsigned base = is_post ? rn() : unsigned(MICRO);
        if (!is_post) alu({rn()}, {base});
        if (bit(22)) {
            if (bytes == 16) load({base}, {a}), load({base}, {b});
            else load({base}, {a, b});
        } else if (bytes == 4) {
            store({base, a, b});
        } else {
            for (unsigned data : {a, b})
                for (unsigned part = 0; part < bytes; part += 8) store({base, data});
        }
        return bit(23) ? alu({base}, {rn()}) : true;
    }

    bool single(bool is_vector) {
        const unsigned data = is_vector ? v(rd()) : x(rd()), kind = bits(11, 10);
        const bool is_prefetch = !is_vector && bits(31, 30) == 3 && bits(23, 22) == 2;
        const bool is_load = is_vector ? bit(22) : bits(23, 22) != 0;
        if (is_prefetch) return nothing();
        const unsigned index = !bit(24) && bit(21) && kind == 2 ? x(rm()) : NOTHING;
        if (!bit(24) && bit(21) && kind == 0) return atomic();
        if (!bit(24) && bit(21) && kind != 2) return false;  // pointer authentication
        if (is_load) load({rn(), index}, {data});
        else store({rn(), index, data});
        return !bit(24) && !bit(21) && (kind == 1 || kind == 3) ? write_back() : true;
    }

    // ldadd, swp and their like: they read, compute and write; ldapr only reads
    bool atomic() {
        if (bits(15, 12) == 12) return load({rn()}, {x(rd())}, MicroOp::NON_SPECULATIVE);
        load({rn()}, {x(rd())}, MicroOp::NON_SPECULATIVE);
        return store({rn(), x(rm()), x(rd())});
    }

    bool exclusive() {
        const unsigned status = x(rm()), data = x(rd()), second = x(ra());
        if (bit(23) && bit(21)) {  // cas
            load({rn(), status}, {status}, MicroOp::NON_SPECULATIVE);
            return store({rn(), data, status});
        }
        const bool is_pair = bit(21);
        if (!bit(23) && is_pair && !bit(31)) {  // casp
            load({rn(), status}, {status}, MicroOp::NON_SPECULATIVE);
            return store({rn(), data, status});
        }
        if (bit(22)) return load({rn()}, {data, is_pair ? second : NOTHING}, MicroOp::NON_SPECULATIVE);
        const bool is_exclusive = !bit(23);
        return add(OpClass::MemWrite, {rn(), data, is_pair ? second : NOTHING}, {is_exclusive ? status : NOTHING},
                   MicroOp::STORE | MicroOp::NON_SPECULATIVE);
    }

    // ld1 to ld4 and st1 to st4: an access for each register, and for those that take turns a shuffle.
    bool structures() {
        const bool is_load = bit(22), is_single = bit(24);
        unsigned count, shuffled;
        if (is_single) {
            count = 1 + (bit(13) << 1 | unsigned(bit(21)));
            shuffled = is_load && bits(15, 14) != 3 ? count : 0;
        } else {
            switch (bits(15, 12)) {
            case 7: count = 1, shuffled = 0; break;
            case 10: count = 2, shuffled = 0; break;
            case 6: count = 3, shuffled = 0; break;
            case 2: count = 4, shuffled = 0; break;
            case 8: count = shuffled = 2; break;
            case 4: count = shuffled = 3; break;
            case 0: count = shuffled = 4; break;
            default: return false;
            }
        }
        auto vector = [this](unsigned k) { return v((rd() + k) % 32); };
        if (!is_load)
            for (unsigned k = 0; k < shuffled; ++k) add(OpClass::SimdMisc, {vector(k)}, {v(31)});
        for (unsigned k = 0; k < count; ++k) is_load ? load({rn()}, {vector(k)}) : store({rn(), vector(k)});
        if (is_load)
            for (unsigned k = 0; k < shuffled; ++k) add(OpClass::SimdMisc, {vector(k)}, {vector(k)});
        return bit(23) ? write_back() : true;
    }

    // ---- registers
    bool registers() {
        const unsigned d = x(rd()), n = x(rn()), m = x(rm());
        if (bits(28, 24) == 10) return alu({n, m}, {d, bits(30, 29) == 3 ? unsigned(FLAGS) : NOTHING});
        if (bits(28, 24) == 11) {
            const bool extends = bit(21);  // then the stack pointer is one of them
            return alu({extends ? rn() : n, m}, {extends && !bit(29) ? rd() : d, bit(29) ? unsigned(FLAGS) : NOTHING});
        }
        if (bits(28, 24) == 27) return add(OpClass::IntMult, {n, m, x(ra())}, {d});
        if (bits(28, 24) != 26) return false;
        switch (bits(23, 21)) {
        case 0: return alu({n, m, FLAGS}, {d, bit(29) ? unsigned(FLAGS) : NOTHING});              // adc, sbc
        case 2: return alu({n, bit(11) ? NOTHING : m, FLAGS}, {FLAGS});                 // ccmp
        case 4: return alu({n, m, FLAGS}, {d});                                         // csel
        case 6:
            if (bit(30)) return alu({n}, {d});  // rbit, clz
            return add(bits(15, 11) == 1 ? OpClass::IntDiv : OpClass::IntAlu, {n, m}, {d});
        default: return false;
        }
    }

    // ---- floating point and vectors
    bool vectors() {
        const unsigned d = v(rd()), n = v(rn()), m = v(rm());
        if (!bit(30) && bits(28, 24) == 0x1f && !bit(29)) return add(OpClass::FloatMultAcc, {n, m, v(ra())}, {d});
        if (!bit(30) && bits(28, 24) == 0x1e && !bit(29)) return scalar(d, n, m);
        if (bit(31)) return cryptography(d, n, m);
        if (bits(28, 24) == 0x0f || bits(28, 24) == 0x1f) return bit(10) ? shift(d, n) : by_element(d, n, m);
        if (bits(28, 24) != 0x0e && bits(28, 24) != 0x1e) return false;
        if (!bit(21)) return moves(d, n, m);
        return bit(10)                 ? three_same(d, n, m)
               : bits(11, 10) == 0     ? three_different(d, n, m)
               : bits(21, 17) == 0x10  ? two_same(d, n)
               : bits(21, 17) == 0x18  ? add(OpClass::SimdAlu, {n}, {d})  // across lanes
               : bits(21, 17) == 0x14  ? add(OpClass::SimdMisc, {n, d}, {d})  // aes
                                       : false;
    }

    bool cryptography(unsigned d, unsigned n, unsigned m) { return add(OpClass::SimdMisc, {n, m, d}, {d}); }

    bool scalar(unsigned d, unsigned n, unsigned m) {
        const unsigned to = x(rd()), from = x(rn());
        if (!bit(21) || bits(15, 10) == 0) {  // to and from general registers
            const unsigned operation = bits(18, 16);
            if (operation == 2 || operation == 3) return add(OpClass::FloatCvt, {from}, {d});
            if (operation == 7 && bit(21)) return add(OpClass::FloatMisc, {from, bit(19) ? d : NOTHING}, {d});
            return add(operation == 6 ? OpClass::FloatMisc : OpClass::FloatCvt, {n}, {to});
        }
        if (bits(14, 10) == 16) {
            const unsigned operation = bits(20, 15);
            return add(operation < 3 ? OpClass::FloatMisc : operation == 3 ? OpClass::FloatSqrt : OpClass::FloatCvt, {n}, {d});
        }
        if (bits(13, 10) == 8) return add(OpClass::FloatCmp, {n, bit(3) ? NOTHING : m}, {FLAGS});
        if (bits(12, 10) == 4) return add(OpClass::FloatMisc, {}, {d});  // an immediate value
        switch (bits(11, 10)) {
        case 1: return add(OpClass::FloatCmp, {n, m, FLAGS}, {FLAGS});
        case 3: return add(OpClass::FloatMisc, {n, m, FLAGS}, {d});
        default:
            switch (bits(15, 12)) {
            case 0: case 8: return add(OpClass::FloatMult, {n, m}, {d});
            case 1: return add(OpClass::FloatDiv, {n, m}, {d});
            case 2: case 3: return add(OpClass::FloatAdd, {n, m}, {d});
            default: return add(OpClass::FloatCmp, {n, m}, {d});  // the larger, the smaller
            }
        }
    }

    // dup, ins, umov, smov; ext, tbl, zip, uzp, trn
    bool moves(unsigned d, unsigned n, unsigned m) {
        if (bits(23, 21) == 0 && !bit(15) && bit(10)) {
            if (bit(29)) return add(OpClass::SimdMisc, {n, d}, {d});
            switch (bits(14, 11)) {
            case 1: return add(OpClass::SimdMisc, {x(rn())}, {d});
            case 3: return add(OpClass::SimdMisc, {x(rn()), d}, {d});
            case 5: case 7: return add(OpClass::SimdMisc, {n}, {x(rd())});
            default: return add(OpClass::SimdMisc, {n}, {d});
            }
        }
        return add(OpClass::SimdMisc, {n, m}, {d});
    }

    bool three_same(unsigned d, unsigned n, unsigned m) {
        const unsigned operation = bits(15, 11);
        const bool u = bit(29), high = bit(23);
        if (operation == 3) return add(OpClass::SimdAlu, {n, m, u && bits(23, 22) ? d : NOTHING}, {d});  // and, bsl
        if (operation < 24) {
            if (operation == 18) return add(OpClass::SimdMult, {n, m, d}, {d});
            if (operation == 19 || operation == 22) return add(OpClass::SimdMult, {n, m}, {d});
            if (operation == 6 || operation == 7 || operation == 17) return add(OpClass::SimdCmp, {n, m}, {d});
            if (operation >= 8 && operation <= 11) return add(OpClass::SimdShift, {n, m}, {d});
            if (operation == 15) return add(OpClass::SimdAdd, {n, m, d}, {d});
            return add(operation == 16 ? OpClass::SimdAdd : OpClass::SimdAlu, {n, m}, {d});
        }
        switch (operation) {
        case 25: return add(OpClass::SimdFloatMult, {n, m, d}, {d});
        case 26: return add(OpClass::SimdFloatAdd, {n, m}, {d});
        case 27: return add(OpClass::SimdFloatMult, {n, m}, {d});
        case 31:
            if (!u) return add(OpClass::SimdFloatMult, {n, m}, {d});  // a step of a reciprocal
            return add(OpClass::SimdFloatDiv, {n, m}, {d});
        default: return add(operation == 28 || (operation == 29 && high) ? OpClass::SimdFloatCmp : OpClass::SimdFloatAlu, {n, m}, {d});
        }
    }

    bool three_different(unsigned d, unsigned n, unsigned m) {
        const unsigned operation = bits(15, 12);
        if (operation == 8 || operation == 9 || operation == 10 || operation == 11) return add(OpClass::SimdMult, {n, m, d}, {d});
        if (operation > 11) return add(OpClass::SimdMult, {n, m}, {d});
        const bool accumulates = operation == 5;
        return add(OpClass::SimdAdd, {n, m, accumulates || operation == 4 || operation == 6 ? d : NOTHING}, {d});
    }

    bool two_same(unsigned d, unsigned n) {
        const unsigned operation = bits(16, 12);
        const bool u = bit(29), high = bit(23);
        if (operation == 31 && u && high) return add(OpClass::SimdFloatSqrt, {n}, {d});
        if (operation >= 12 && operation <= 15 && high) return add(OpClass::SimdFloatCmp, {n}, {d});
        if (operation == 22 || operation == 23 || operation >= 24) return add(OpClass::SimdFloatCvt, {n}, {d});
        if (operation >= 8 && operation <= 10) return add(OpClass::SimdCmp, {n}, {d});
        // xtn and its like keep the lower half when they write the upper one
        return add(OpClass::SimdAlu, {n, operation == 18 && bit(30) ? d : NOTHING}, {d});
    }

    bool shift(unsigned d, unsigned n) {
        if (bit(23)) return false;
        if (bits(22, 19) == 0) {  // an immediate value; orr and bic change the register
            const bool changes = bit(12) && bits(15, 12) < 12;
            return add(OpClass::SimdMisc, {changes ? d : NOTHING}, {d});
        }
        const unsigned operation = bits(15, 11);
        if (operation == 28 || operation == 31) return add(OpClass::SimdFloatCvt, {n}, {d});
        const bool keeps = operation == 2 || operation == 6 || (bit(29) && (operation == 8 || operation == 10)) ||
                           (operation >= 16 && operation <= 19 && bit(30));
        return add(OpClass::SimdShift, {n, keeps ? d : NOTHING}, {d});
    }

    bool by_element(unsigned d, unsigned n, unsigned m) {
        switch (bits(15, 12)) {
        case 1: case 5: return add(OpClass::SimdFloatMult, {n, m, d}, {d});
        case 9: return add(OpClass::SimdFloatMult, {n, m}, {d});
        case 0: case 2: case 3: case 4: case 6: case 7: return add(OpClass::SimdMult, {n, m, d}, {d});
        default: return add(OpClass::SimdMult, {n, m}, {d});
        }
    }

    Instruction& i_;
    uint32_t word_;
};

}  // namespace

Instruction decode(uint64_t address, const void* bytes, size_t size) {
    Instruction made;
    made.address = address;
    made.size = uint8_t(size);
    uint32_t word = 0;
    std::memcpy(&word, bytes, size < 4 ? size : 4);
    if (size != 4 || !Decoder(made, word).decode()) {
        char text[32];
        std::snprintf(text, sizeof text, "instruction %08x", word);
        made.unsupported = text;
    }
    settle(made);
    return made;
}
