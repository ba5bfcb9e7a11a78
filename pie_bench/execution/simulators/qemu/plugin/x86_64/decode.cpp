// SPDX-License-Identifier: GPL-2.0-or-later
#include "decode.h"

#include <Zydis/Zydis.h>

#include <cstdio>
#include <initializer_list>

namespace {

using Regs = std::initializer_list<int>;

const ZydisDecoder& decoder() {
    static const ZydisDecoder made = [] {
        ZydisDecoder d;
        ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
        return d;
    }();
    return made;
}

/// Builds the micro-operations of one instruction.
class Cracker {
  public:
    Cracker(Instruction& made, const ZydisDecodedInstruction& in, const ZydisDecodedOperand* operands)
        : i_(made), in_(in), o_(operands), visible_(in.operand_count_visible) {
        for (unsigned k = 0; k < in.operand_count; ++k)
            if (o_[k].type == ZYDIS_OPERAND_TYPE_MEMORY && memory_ < 0) memory_ = int(k);
        bytes_ = in.operand_width / 8;
        if (visible_ && o_[0].size) bytes_ = o_[0].size / 8;
        if (in.cpu_flags) {
            auto tested = in.cpu_flags->tested;
            reads_zaps_ = tested & (ZYDIS_CPUFLAG_ZF | ZYDIS_CPUFLAG_SF | ZYDIS_CPUFLAG_PF | ZYDIS_CPUFLAG_AF);
            reads_cfof_ = tested & (ZYDIS_CPUFLAG_CF | ZYDIS_CPUFLAG_OF);
        }
    }

    void crack();

  private:
    // ---- single micro-operations
    MicroOp& add(OpClass c, Regs sources, Regs destinations, unsigned flags = 0) {
        MicroOp op;
        op.op_class = uint8_t(c);
        op.flags = uint8_t(flags | (c == OpClass::None ? MicroOp::CLASSLESS : 0));
        unsigned n = 0;
        for (int r : sources)
            if (r >= 0 && r != T0 && n < 6) op.source[n++] = uint8_t(r);
        n = 0;
        for (int r : destinations)
            if (r >= 0 && r != T0 && n < 4) {
                op.destination[n++] = uint8_t(r);
                if (r < ZAPS)
                    ++op.integers;
                else if (r >= XMM && r < MISC)
                    ++op.floats;
            }
        i_.ops.push_back(op);
        return i_.ops.back();
    }
    MicroOp& alu(Regs sources, Regs destinations) { return add(OpClass::IntAlu, sources, destinations); }
    void limm(int to) { alu({}, {to}); }
    void classless() { add(OpClass::None, {}, {}); }
    void load(int to, int merged = -1) { add(OpClass::MemRead, {base_, index_, merged}, {to}, MicroOp::LOAD); }
    void store(int from) { add(OpClass::MemWrite, {from, base_, index_}, {}, MicroOp::STORE); }
    void load_stack(int to) { add(OpClass::MemRead, {RSP}, {to}, MicroOp::LOAD); }
    void store_stack(int from) { add(OpClass::MemWrite, {from, RSP}, {}, MicroOp::STORE); }
    void move_rsp() { alu({RSP}, {RSP}); }
    void fence() { add(OpClass::None, {}, {}, MicroOp::BARRIER); }
    void write_control(int from) {
        add(OpClass::IntAlu, {from}, {}, MicroOp::NON_SPECULATIVE | MicroOp::SERIALIZE_AFTER);
    }
    MicroOp& branch(Regs sources) { return add(OpClass::IntAlu, sources, {}, MicroOp::BRANCH); }

    // ---- operands
    static int general(ZydisRegister r) {
        ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r);
        return whole >= ZYDIS_REGISTER_RAX && whole <= ZYDIS_REGISTER_R15 ? int(whole - ZYDIS_REGISTER_RAX) : -1;
    }
    static int vector(ZydisRegister r) {
        if (r >= ZYDIS_REGISTER_XMM0 && r <= ZYDIS_REGISTER_XMM15) return XMM + 2 * int(r - ZYDIS_REGISTER_XMM0);
        if (r >= ZYDIS_REGISTER_YMM0 && r <= ZYDIS_REGISTER_YMM15) return XMM + 2 * int(r - ZYDIS_REGISTER_YMM0);
        if (r >= ZYDIS_REGISTER_MM0 && r <= ZYDIS_REGISTER_MM7) return ST + int(r - ZYDIS_REGISTER_MM0);
        return -1;
    }
    static int stack(ZydisRegister r) {
        return r >= ZYDIS_REGISTER_ST0 && r <= ZYDIS_REGISTER_ST7 ? ST + int(r - ZYDIS_REGISTER_ST0) : -1;
    }
    bool is_memory(unsigned k) const { return k < visible_ && o_[k].type == ZYDIS_OPERAND_TYPE_MEMORY; }
    bool is_immediate(unsigned k) const { return k < visible_ && o_[k].type == ZYDIS_OPERAND_TYPE_IMMEDIATE; }
    bool is_register(unsigned k) const { return k < visible_ && o_[k].type == ZYDIS_OPERAND_TYPE_REGISTER; }
    int reg(unsigned k) const { return is_register(k) ? general(o_[k].reg.value) : -1; }
    int vec(unsigned k) const { return is_register(k) ? vector(o_[k].reg.value) : -1; }
    int merge(int r, unsigned bytes) const { return bytes < 4 ? r : -1; }  // narrow results keep the rest
    int zaps() const { return reads_zaps_ ? ZAPS : -1; }
    int cfof() const { return reads_cfof_ ? CFOF : -1; }

    void address() {
        if (memory_ < 0) return;
        const auto& m = o_[memory_].mem;
        base_ = m.base == ZYDIS_REGISTER_RIP ? T7 : m.base ? general(m.base) : -1;
        index_ = m.index ? general(m.index) : -1;
        if (m.base == ZYDIS_REGISTER_RIP) alu({}, {T7});
    }

    // ---- groups of instructions
    void arithmetic(bool keep, bool carry_in, int extra_flag = -1);
    void one_operand(Regs extra_sources, bool zaps_out, bool cfof_out);
    void shift(bool rotate);
    void multiply();
    void divide(bool is_signed);
    void move();
    void extend(bool from_byte);
    void control();
    void string(bool repeated, unsigned kind);
    void bit_test(bool modify);
    void bit_scan();
    void x87();
    void packed(OpClass c, bool lea = false, bool unary = false);
    void scalar(OpClass c, unsigned extra = 0);
    bool simd();
    void vector_move();
    void other();
    void load_vector_operand(unsigned k, int& low, int& high, bool both);

    Instruction& i_;
    const ZydisDecodedInstruction& in_;
    const ZydisDecodedOperand* o_;
    unsigned visible_, bytes_ = 8;
    int memory_ = -1, base_ = -1, index_ = -1;
    bool reads_zaps_ = false, reads_cfof_ = false;
};

// add, sub, and, or, xor, adc, sbb, cmp, test
void Cracker::arithmetic(bool keep, bool carry_in, int) {
    bool locked = in_.attributes & ZYDIS_ATTRIB_HAS_LOCK;
    address();
    int carry = carry_in ? CFOF : -1;
    if (is_memory(0)) {
        int second = is_immediate(1) ? int(T2) : reg(1);
        if (is_immediate(1)) limm(T2);
        if (locked) fence();
        load(T1);
        alu({T1, second, carry}, {keep ? int(T1) : -1, ZAPS, CFOF});
        if (keep) store(T1);
        if (locked) fence();
        return;
    }
    int first = reg(0), second = reg(1);
    if (is_immediate(1)) limm(T1), second = T1;
    if (is_memory(1)) load(T1), second = T1;
    alu({first, second, carry}, {keep ? first : -1, ZAPS, CFOF});
}

// inc, dec, neg, not: one register or memory operand
void Cracker::one_operand(Regs extra, bool zaps_out, bool cfof_out) {
    bool locked = in_.attributes & ZYDIS_ATTRIB_HAS_LOCK;
    address();
    bool inverts = in_.mnemonic == ZYDIS_MNEMONIC_NOT;
    if (inverts) limm(is_memory(0) ? T2 : T1);
    int also = inverts ? (is_memory(0) ? int(T2) : int(T1)) : extra.size() ? *extra.begin() : -1;
    int z = zaps_out ? int(ZAPS) : -1, c = cfof_out ? int(CFOF) : -1;
    if (is_memory(0)) {
        if (locked) fence();
        load(T1);
        alu({T1, also}, {T1, z, c});
        store(T1);
        if (locked) fence();
    } else {
        alu({reg(0), also}, {reg(0), z, c});
    }
}

void Cracker::shift(bool rotate) {
    address();
    int count = is_register(1) ? int(RCX) : -1;
    int z = rotate ? -1 : int(ZAPS), carry = reads_cfof_ ? int(CFOF) : -1;
    if (is_memory(0)) {
        load(T1);
        alu({T1, count, z, carry}, {T1, z, CFOF});
        store(T1);
    } else {
        alu({reg(0), count, z, carry}, {reg(0), z, CFOF});
    }
}

void Cracker::multiply() {
    address();
    int first, second, to = RAX, high = RDX;
    bool one = visible_ == 1;
    if (one) {
        first = RAX;
        second = is_memory(0) ? int(T1) : reg(0);
        if (is_memory(0)) load(T1);
        if (bytes_ == 1) high = RAX;
    } else if (visible_ == 2) {
        first = to = reg(0);
        second = is_memory(1) ? int(T1) : reg(1);
        if (is_memory(1)) load(T1);
        high = -1;
    } else {
        limm(T1);
        first = is_memory(1) ? int(T2) : reg(1);
        if (is_memory(1)) load(T2);
        second = T1;
        to = reg(0);
        high = -1;
    }
    // gem5's flags of a product make the product before it a source, too (mul1s in microops/regop.isa)
    add(OpClass::IntMult, {first, second, PROD_LOW, PROD_HIGH}, {PROD_LOW, PROD_HIGH, CFOF});
    alu({PROD_LOW, merge(to, bytes_)}, {to});
    alu({PROD_HIGH, high >= 0 ? merge(high, bytes_) : -1}, {high});
}

void Cracker::divide(bool is_signed) {
    bool byte = bytes_ == 1;
    int high = byte ? int(RAX) : int(RDX);
    auto step = [&](int low, int left, bool last) {
        add(OpClass::IntDiv, {REMAINDER, DIVISOR, QUOTIENT, low, left}, {left, REMAINDER, QUOTIENT, last ? int(EZF) : -1});
    };
    auto loop = [&](int low, int left) {
        step(low, left, false);
        step(low, left, false);
        i_.loop_begin = uint16_t(i_.ops.size());
        for (int k = byte ? 1 : 3; k >= 0; --k) step(low, left, k == 0);
        branch({EZF});
        i_.loop_end = uint16_t(i_.ops.size());
    };
    i_.operand_bytes = uint8_t(bytes_);
    if (!is_signed) {
        i_.loop = Loop::Division;
        address();
        int divisor = is_memory(0) ? int(T2) : reg(0);
        if (is_memory(0)) load(T2);
        add(OpClass::IntDiv, {high, divisor}, {REMAINDER, QUOTIENT, DIVISOR});
        loop(RAX, T1);
        alu({QUOTIENT, merge(RAX, bytes_)}, {RAX});
        alu({REMAINDER, merge(high, bytes_)}, {high});
        return;
    }
    i_.loop = Loop::SignedDivision;
    alu({RAX}, {T1, ECF});
    alu({ECF}, {T4});
    alu({high}, {T2});
    alu({T2, T4}, {T2});
    address();
    int divisor = is_memory(0) ? int(T2 + 8) : reg(0);  // gem5 loads over t2; kept apart here
    if (is_memory(0)) load(divisor);
    alu({divisor}, {ECF});
    alu({divisor}, {T3});
    alu({T3, divisor, ECF}, {T3});
    alu({high}, {ECF});
    alu({T1, RAX, ECF}, {T1});
    alu({T2, high, ECF}, {T2});
    add(OpClass::IntDiv, {T2, T3}, {REMAINDER, QUOTIENT, DIVISOR});
    loop(T1, T4);
    alu({QUOTIENT}, {T5});
    alu({REMAINDER}, {T6});
    alu({T6}, {T4});
    alu({high, T4, ECF}, {high});
    alu({high, T6, ECF}, {high});
    alu({T5}, {T4});
    alu({T5, T4, ECF}, {T5});
    alu({divisor}, {ECF});
    alu({T5}, {T4});
    alu({RAX, T4, ECF}, {RAX});
    alu({RAX, T5, ECF}, {RAX});
}

void Cracker::move() {
    address();
    if (is_memory(0)) {
        if (is_immediate(1)) limm(T1);
        store(is_immediate(1) ? int(T1) : reg(1));
    } else if (is_memory(1)) {
        load(reg(0), merge(reg(0), bytes_));
    } else if (is_immediate(1)) {
        alu({merge(reg(0), bytes_)}, {reg(0)});
    } else {
        alu({reg(1), merge(reg(0), bytes_)}, {reg(0)});
    }
}

void Cracker::extend(bool from_byte) {
    address();
    int to = reg(0);
    if (is_memory(1)) {
        load(T1);
        alu({T1, merge(to, bytes_)}, {to});
    } else if (from_byte) {
        alu({reg(1), T1}, {T1});
        alu({T1, merge(to, bytes_)}, {to});
    } else {
        alu({reg(1), merge(to, bytes_)}, {to});
    }
}

void Cracker::control() {
    bool direct = is_immediate(0);
    if (direct) i_.target = i_.address + i_.size + uint64_t(o_[0].imm.value.s);
    switch (in_.meta.category) {
    case ZYDIS_CATEGORY_CALL:
        i_.branch = direct ? BranchKind::Call : BranchKind::IndirectCall;
        address();
        if (direct) limm(T1);
        alu({}, {T2});  // the return address
        if (is_memory(0)) load(T1);
        store_stack(T2);
        move_rsp();
        branch({is_register(0) ? reg(0) : int(T1), direct ? int(T2) : -1});
        break;
    case ZYDIS_CATEGORY_RET:
        i_.branch = BranchKind::Return;
        if (is_immediate(0)) limm(T2);
        load_stack(T1);
        move_rsp();
        if (is_immediate(0)) alu({RSP, T2}, {RSP});
        branch({T1});
        break;
    case ZYDIS_CATEGORY_COND_BR:
        i_.branch = BranchKind::Conditional;
        alu({}, {T1});
        if (in_.mnemonic == ZYDIS_MNEMONIC_LOOP || in_.mnemonic == ZYDIS_MNEMONIC_LOOPE ||
            in_.mnemonic == ZYDIS_MNEMONIC_LOOPNE) {
            alu({RCX}, {RCX, EZF});
            branch({T1, EZF, zaps()});
        } else if (in_.mnemonic == ZYDIS_MNEMONIC_JRCXZ || in_.mnemonic == ZYDIS_MNEMONIC_JECXZ) {
            alu({RCX}, {EZF});
            branch({T1, EZF});
        } else {
            limm(T2);
            branch({T1, T2, zaps(), cfof()});
        }
        break;
    default:
        i_.branch = direct ? BranchKind::Direct : BranchKind::Indirect;
        address();
        if (direct) {
            alu({}, {T1});
            limm(T2);
            branch({T1, T2});
        } else {
            if (is_memory(0)) load(T1);
            branch({is_memory(0) ? int(T1) : reg(0)});
        }
    }
}

// kind: 0 movs, 1 stos, 2 lods, 3 scas, 4 cmps
void Cracker::string(bool repeated, unsigned kind) {
    if (repeated) {
        alu({RCX}, {EZF});
        branch({EZF});
    }
    alu({DF}, {EZF});
    alu({T3, EZF}, {T3});
    alu({}, {T4});
    alu({T3, T4, EZF}, {T3});
    i_.loop_begin = uint16_t(i_.ops.size());
    base_ = RSI;
    index_ = -1;
    if (kind == 0 || kind == 4) load(T1);
    if (kind == 2) load(RAX, merge(RAX, bytes_));
    base_ = RDI;
    if (kind == 3) load(T1);
    if (kind == 4) load(T2);
    if (kind == 0) store(T1);
    if (kind == 1) store(RAX);
    if (kind == 3) alu({RAX, T1}, {ZAPS, CFOF});
    if (kind == 4) alu({T1, T2}, {ZAPS, CFOF});
    if (repeated) alu({RCX}, {RCX, EZF});
    if (kind != 2) alu({RDI, T3}, {RDI});
    if (kind == 0 || kind == 2 || kind == 4) alu({RSI, T3}, {RSI});
    if (repeated) {
        branch({EZF, kind >= 3 ? int(ZAPS) : -1});
        i_.loop = Loop::String;
        i_.loop_end = uint16_t(i_.ops.size());
        classless();
    }
}

void Cracker::bit_test(bool modify) {
    address();
    bool immediate = is_immediate(1);
    int position = immediate ? -1 : reg(1);
    if (is_memory(0)) {
        if (immediate) {
            limm(T1);
        } else {
            alu({position}, {T2});
            alu({T2}, {T3});
            alu({T3, base_}, {T3});
            base_ = T3;
        }
        if (modify) limm(T4), alu({T4, position}, {T4});
        load(T1);
        alu({T1, position, CFOF}, {CFOF});
        if (modify) alu({T1, T4}, {T1}), store(T1);
        return;
    }
    alu({reg(0), position, CFOF}, {CFOF});
    if (modify) {
        limm(T1);
        alu({T1, position}, {T1});
        alu({reg(0), T1}, {reg(0)});
    }
}

void Cracker::bit_scan() {
    address();
    bool forward = in_.mnemonic != ZYDIS_MNEMONIC_BSR && in_.mnemonic != ZYDIS_MNEMONIC_LZCNT;
    int to = reg(0);
    alu({}, {T1});
    if (is_memory(1)) load(T1);
    alu({is_memory(1) ? int(T1) : reg(1), ZAPS}, {T1, ZAPS});
    branch({ZAPS});
    limm(to);
    if (forward) {
        alu({T1}, {T2});
        alu({T2, T1}, {T1});
    }
    for (int width = 32; width; width /= 2) {
        alu({T1}, {T3, EZF});
        alu({to}, {T4});
        alu({to, T4, EZF}, {to});
        if (width > 1) alu({T1, T3, EZF}, {T1});
    }
    classless();
}

void Cracker::x87() {
    constexpr unsigned TURN = MicroOp::NON_SPECULATIVE | MicroOp::SERIALIZE_AFTER;  // writes TOP
    address();
    auto name = in_.mnemonic;
    int memory_bits = memory_ >= 0 ? o_[memory_].size : 0;
    auto sti = [&](unsigned k) { int r = is_register(k) ? stack(o_[k].reg.value) : -1; return r < 0 ? int(ST) : r; };
    auto arithmetic_87 = [&](OpClass c, bool pop) {
        if (memory_ >= 0) {
            load(UFP + 1);
            add(c, {ST, UFP + 1}, {ST});
        } else {
            add(c, {sti(0), sti(1), ST}, {sti(0)}, pop ? TURN : 0);
        }
    };
    switch (name) {
    case ZYDIS_MNEMONIC_FLD:
        if (memory_bits == 80) {
            load(T1);
            load(T2);
            add(OpClass::FloatCvt, {T1, T2}, {ST}, TURN);
        } else if (memory_ >= 0) {
            load(UFP + 1);
            add(OpClass::IntAlu, {UFP + 1}, {ST}, TURN);
        } else {
            add(OpClass::IntAlu, {sti(0)}, {ST}, TURN);
        }
        break;
    case ZYDIS_MNEMONIC_FILD:
        load(UFP + 1);
        add(OpClass::IntAlu, {UFP + 1}, {ST}, TURN);
        break;
    case ZYDIS_MNEMONIC_FLD1: case ZYDIS_MNEMONIC_FLDZ: case ZYDIS_MNEMONIC_FLDPI: case ZYDIS_MNEMONIC_FLDL2E:
    case ZYDIS_MNEMONIC_FLDL2T: case ZYDIS_MNEMONIC_FLDLG2: case ZYDIS_MNEMONIC_FLDLN2:
        alu({}, {UFP + 1});
        add(OpClass::IntAlu, {UFP + 1}, {ST}, TURN);
        break;
    case ZYDIS_MNEMONIC_FST:
        if (memory_ >= 0) store(ST);
        else add(OpClass::IntAlu, {ST}, {sti(0)});
        break;
    case ZYDIS_MNEMONIC_FSTP:
        if (memory_bits == 80) {
            add(OpClass::FloatCvt, {ST}, {T1});
            add(OpClass::FloatCvt, {ST}, {T2});
            store(T1);
            store(T2);
            add(OpClass::IntAlu, {}, {}, TURN);
        } else if (memory_ >= 0) {
            add(OpClass::IntAlu, {ST}, {UFP + 1});
            store(UFP + 1);
            add(OpClass::IntAlu, {}, {}, TURN);
        } else {
            add(OpClass::IntAlu, {ST}, {sti(0)}, TURN);
        }
        break;
    case ZYDIS_MNEMONIC_FIST: case ZYDIS_MNEMONIC_FISTP: case ZYDIS_MNEMONIC_FISTTP:
        add(OpClass::FloatCvt, {ST}, {T1});
        store(T1);
        if (name != ZYDIS_MNEMONIC_FIST) add(OpClass::IntAlu, {}, {}, TURN);
        break;
    case ZYDIS_MNEMONIC_FXCH:
        add(OpClass::IntAlu, {sti(1)}, {UFP + 1});
        add(OpClass::IntAlu, {ST}, {sti(1)});
        add(OpClass::IntAlu, {UFP + 1}, {ST});
        break;
    case ZYDIS_MNEMONIC_FADD: case ZYDIS_MNEMONIC_FSUB: case ZYDIS_MNEMONIC_FSUBR: case ZYDIS_MNEMONIC_FIADD:
    case ZYDIS_MNEMONIC_FISUB: case ZYDIS_MNEMONIC_FISUBR:
        arithmetic_87(OpClass::FloatAdd, false);
        break;
    case ZYDIS_MNEMONIC_FADDP: case ZYDIS_MNEMONIC_FSUBP: case ZYDIS_MNEMONIC_FSUBRP:
        arithmetic_87(OpClass::FloatAdd, true);
        break;
    case ZYDIS_MNEMONIC_FMUL: case ZYDIS_MNEMONIC_FIMUL:
        arithmetic_87(OpClass::FloatMult, false);
        break;
    case ZYDIS_MNEMONIC_FMULP:
        arithmetic_87(OpClass::FloatMult, true);
        break;
    case ZYDIS_MNEMONIC_FDIV: case ZYDIS_MNEMONIC_FDIVR: case ZYDIS_MNEMONIC_FIDIV: case ZYDIS_MNEMONIC_FIDIVR:
        arithmetic_87(OpClass::FloatDiv, false);
        break;
    case ZYDIS_MNEMONIC_FDIVP: case ZYDIS_MNEMONIC_FDIVRP:
        arithmetic_87(OpClass::FloatDiv, true);
        break;
    case ZYDIS_MNEMONIC_FCOMI: case ZYDIS_MNEMONIC_FUCOMI:
        add(OpClass::FloatCmp, {ST, sti(1)}, {ZAPS, CFOF});
        break;
    case ZYDIS_MNEMONIC_FCOMIP: case ZYDIS_MNEMONIC_FUCOMIP:
        add(OpClass::FloatCmp, {ST, sti(1)}, {ZAPS, CFOF}, TURN);
        break;
    case ZYDIS_MNEMONIC_FCHS: case ZYDIS_MNEMONIC_FABS:
        add(OpClass::FloatAdd, {ST}, {ST}, TURN);  // writes the status word
        break;
    case ZYDIS_MNEMONIC_FSQRT: case ZYDIS_MNEMONIC_FSIN: case ZYDIS_MNEMONIC_FCOS: case ZYDIS_MNEMONIC_FPTAN:
    case ZYDIS_MNEMONIC_FSINCOS: case ZYDIS_MNEMONIC_FPATAN: case ZYDIS_MNEMONIC_FYL2X: case ZYDIS_MNEMONIC_FYL2XP1:
    case ZYDIS_MNEMONIC_F2XM1: case ZYDIS_MNEMONIC_FSCALE:
        add(OpClass::FloatSqrt, {ST, ST + 1}, {ST});
        break;
    case ZYDIS_MNEMONIC_FPREM: case ZYDIS_MNEMONIC_FPREM1:
        add(OpClass::FloatDiv, {ST, ST + 1}, {ST}, TURN);
        break;
    case ZYDIS_MNEMONIC_FNSTCW: case ZYDIS_MNEMONIC_FNSTSW:
        alu({MISC}, {T1});
        if (memory_ >= 0) store(T1);
        else alu({T1, RAX}, {RAX});
        break;
    case ZYDIS_MNEMONIC_FLDCW:
        load(T1);
        write_control(T1);
        break;
    default:
        if (memory_ >= 0) load(UFP + 1);
        add(OpClass::FloatAdd, {ST, UFP + 1}, {ST});
    }
}

// A source that may be memory: its halves, loaded if need be.
void Cracker::load_vector_operand(unsigned k, int& low, int& high, bool both) {
    if (is_memory(k)) {
        load(UFP + 1);
        low = UFP + 1;
        if (both) {
            load(UFP + 2);
            high = UFP + 2;
        } else {
            high = -1;
        }
    } else {
        low = vec(k);
        high = low + 1;
    }
}

void Cracker::packed(OpClass c, bool lea, bool unary) {
    unsigned last = visible_ - 1;
    if (is_immediate(last)) --last;
    if (lea && is_memory(last)) alu({base_, index_}, {T1}), base_ = T1, index_ = -1;
    bool wide = o_[0].size == 256;
    for (int part = 0; part < (wide ? 2 : 1); ++part) {
        int low = -1, high = -1, to = vec(0), also = visible_ > 2 && is_register(1) ? vec(1) : to;
        if (to < 0) to = also = UFP + 3;
        bool shift_count = is_immediate(1) && visible_ == 2;
        if (!shift_count) load_vector_operand(last, low, high, true);
        (void)unary;
        add(c, {also, low, to}, {to});
        add(c, {also + 1, high, to + 1}, {to + 1});
    }
}

void Cracker::scalar(OpClass c, unsigned extra) {
    int low, high, to = vec(0);
    unsigned last = visible_ - 1;
    if (is_immediate(last)) --last;
    load_vector_operand(last, low, high, false);
    for (unsigned k = 0; k < extra; ++k) alu({}, {});
    int also = visible_ > 2 && is_register(1) ? vec(1) : -1;
    add(c, {to, low, also}, {to});
}

void Cracker::vector_move() {
    // movaps, movups, movdqa, movdqu, lddqu, movntdq …
    unsigned parts = o_[0].size == 256 || o_[1].size == 256 ? 4 : 2;
    for (unsigned k = 0; k < parts; ++k) {
        if (is_memory(0))
            store(vec(1) + int(k & 1));
        else if (is_memory(1))
            load(vec(0) + int(k & 1));
        else
            alu({vec(1) + int(k & 1)}, {vec(0) + int(k & 1)});
    }
}

bool Cracker::simd() {
    int to = visible_ ? vec(0) : -1, from = visible_ > 1 ? vec(1) : -1;
    switch (in_.mnemonic) {
#define BOTH(name) case ZYDIS_MNEMONIC_##name: case ZYDIS_MNEMONIC_V##name
    BOTH(MOVAPS): BOTH(MOVAPD): BOTH(MOVUPS): BOTH(MOVUPD): BOTH(MOVDQA): BOTH(MOVDQU): BOTH(LDDQU): BOTH(MOVNTDQ):
    BOTH(MOVNTPS): BOTH(MOVNTPD): BOTH(MOVNTDQA):
        vector_move();
        return true;
    BOTH(MOVSS): case ZYDIS_MNEMONIC_VMOVSD: case ZYDIS_MNEMONIC_MOVSD: BOTH(MOVQ): BOTH(MOVD):
        if (is_memory(0)) {
            store(from);
        } else if (is_memory(1)) {
            load(to);
            alu({}, {to + 1});  // the rest becomes zero
        } else if (reg(0) >= 0) {
            add(OpClass::SimdMisc, {from}, {reg(0)});
        } else if (reg(1) >= 0) {
            add(OpClass::SimdMisc, {reg(1)}, {to});
            alu({}, {to + 1});
        } else {
            alu({is_register(2) ? vec(2) : from, in_.mnemonic == ZYDIS_MNEMONIC_MOVSS ? to : -1}, {to});
            if (in_.mnemonic == ZYDIS_MNEMONIC_MOVQ) alu({}, {to + 1});
        }
        return true;
    BOTH(MOVLPS): BOTH(MOVLPD):
        if (is_memory(0)) store(from);
        else load(to);
        return true;
    BOTH(MOVHPS): BOTH(MOVHPD):
        if (is_memory(0)) store(from + 1);
        else load(to + 1);
        return true;
    BOTH(MOVHLPS): alu({from + 1}, {to}); return true;
    BOTH(MOVLHPS): alu({from}, {to + 1}); return true;
    BOTH(UNPCKLPD): BOTH(PUNPCKLQDQ):
        if (is_memory(1)) load(to + 1);
        else alu({from}, {to + 1});
        return true;
    BOTH(UNPCKHPD): BOTH(PUNPCKHQDQ): {
        int low, high;
        if (is_memory(1)) load(UFP + 1), high = UFP + 1;
        else load_vector_operand(1, low, high, true);
        alu({to + 1}, {to});
        alu({high}, {to + 1});
        return true;
    }
    BOTH(ADDSS): BOTH(ADDSD): BOTH(SUBSS): BOTH(SUBSD): scalar(OpClass::SimdFloatAdd); return true;
    BOTH(MULSS): BOTH(MULSD): scalar(OpClass::SimdFloatMult); return true;
    BOTH(DIVSS): BOTH(DIVSD): scalar(OpClass::SimdFloatDiv); return true;
    BOTH(SQRTSS): BOTH(SQRTSD): scalar(OpClass::SimdFloatSqrt); return true;
    BOTH(MINSS): BOTH(MINSD): BOTH(MAXSS): BOTH(MAXSD): scalar(OpClass::SimdFloatCmp); return true;
    BOTH(CMPSS): case ZYDIS_MNEMONIC_CMPSD: case ZYDIS_MNEMONIC_VCMPSD: BOTH(CVTSS2SD): BOTH(CVTSD2SS):
        scalar(OpClass::SimdFloatCvt);
        return true;
    BOTH(ROUNDSS): BOTH(ROUNDSD):
        alu({MISC}, {T1});
        scalar(OpClass::SimdMisc);
        return true;
    BOTH(COMISS): BOTH(COMISD): BOTH(UCOMISS): BOTH(UCOMISD): {
        int low, high;
        load_vector_operand(1, low, high, false);
        add(OpClass::SimdFloatCvt, {to, low, ZAPS, CFOF}, {ZAPS, CFOF});
        return true;
    }
    BOTH(CVTSI2SS): BOTH(CVTSI2SD): {
        unsigned last = visible_ - 1;
        if (is_memory(last)) load(UFP + 1);
        else add(OpClass::SimdMisc, {reg(last)}, {UFP + 1});
        add(OpClass::SimdFloatCvt, {UFP + 1, to}, {to});
        return true;
    }
    BOTH(CVTSS2SI): BOTH(CVTSD2SI): BOTH(CVTTSS2SI): BOTH(CVTTSD2SI): {
        int low, high;
        load_vector_operand(1, low, high, false);
        add(OpClass::SimdFloatCvt, {low, UFP + 1}, {UFP + 1});
        add(OpClass::SimdMisc, {UFP + 1}, {reg(0)});
        return true;
    }
    BOTH(ADDPS): BOTH(ADDPD): BOTH(SUBPS): BOTH(SUBPD): BOTH(ADDSUBPS): BOTH(ADDSUBPD):
        packed(OpClass::SimdFloatAdd);
        return true;
    BOTH(MULPS): BOTH(MULPD): packed(OpClass::SimdFloatMult); return true;
    BOTH(DIVPS): BOTH(DIVPD): packed(OpClass::SimdFloatDiv); return true;
    BOTH(SQRTPS): BOTH(SQRTPD): packed(OpClass::SimdFloatSqrt); return true;
    BOTH(MINPS): BOTH(MINPD): BOTH(MAXPS): BOTH(MAXPD): packed(OpClass::SimdFloatCmp); return true;
    BOTH(CMPPS): BOTH(CMPPD): BOTH(CVTDQ2PS): BOTH(CVTPS2DQ): BOTH(CVTTPS2DQ): packed(OpClass::SimdFloatCvt); return true;
    BOTH(CVTDQ2PD): BOTH(CVTPS2PD): {
        int low, high;
        load_vector_operand(1, low, high, false);
        add(OpClass::SimdFloatCvt, {low, to + 1}, {to + 1});
        add(OpClass::SimdFloatCvt, {low, to}, {to});
        return true;
    }
    BOTH(CVTPD2PS): BOTH(CVTPD2DQ): BOTH(CVTTPD2DQ): {
        int low, high;
        load_vector_operand(1, low, high, true);
        add(OpClass::SimdFloatCvt, {low, to}, {to});
        add(OpClass::SimdFloatCvt, {high, to}, {to});
        alu({}, {to + 1});
        return true;
    }
    BOTH(RCPPS): BOTH(RSQRTPS): packed(OpClass::SimdFloatAlu); return true;
    BOTH(RCPSS): BOTH(RSQRTSS): scalar(OpClass::SimdFloatAlu); return true;
    BOTH(ANDPS): BOTH(ANDPD): BOTH(ANDNPS): BOTH(ANDNPD): BOTH(PXOR): BOTH(POR):
    BOTH(PAND): BOTH(PANDN): BOTH(ORPS): BOTH(ORPD):
        packed(OpClass::SimdAlu, true);
        return true;
    BOTH(XORPS): BOTH(XORPD): packed(OpClass::SimdAlu); return true;
    BOTH(PADDB): BOTH(PADDW): BOTH(PADDD): BOTH(PADDQ): BOTH(PSUBB): BOTH(PSUBW): BOTH(PSUBD): BOTH(PSUBQ):
    BOTH(PADDSB): BOTH(PADDSW): BOTH(PADDUSB): BOTH(PADDUSW): BOTH(PSUBSB): BOTH(PSUBSW): BOTH(PSUBUSB):
    BOTH(PSUBUSW): BOTH(PAVGB): BOTH(PAVGW): BOTH(PSADBW):
        packed(OpClass::SimdAdd);
        return true;
    BOTH(PMULLW): BOTH(PMULLD): BOTH(PMULHW): BOTH(PMULHUW): BOTH(PMULUDQ): BOTH(PMULDQ): BOTH(PMADDWD): BOTH(PMULHRSW):
    BOTH(PMADDUBSW):
        packed(OpClass::SimdMult);
        return true;
    BOTH(PMINUB): BOTH(PMINSW): BOTH(PMINUD): BOTH(PMINSD): BOTH(PMINUW): BOTH(PMINSB): BOTH(PMAXUB): BOTH(PMAXSW):
    BOTH(PMAXUD): BOTH(PMAXSD): BOTH(PMAXUW): BOTH(PMAXSB):
        packed(OpClass::SimdCmp);
        return true;
    BOTH(PCMPEQB): BOTH(PCMPEQW): BOTH(PCMPEQD): BOTH(PCMPEQQ): BOTH(PCMPGTB): BOTH(PCMPGTW): BOTH(PCMPGTD): BOTH(PCMPGTQ):
        packed(OpClass::SimdCvt);
        return true;
    BOTH(PSLLW): BOTH(PSLLD): BOTH(PSLLQ): BOTH(PSRLW): BOTH(PSRLD): BOTH(PSRLQ): BOTH(PSRAW): BOTH(PSRAD):
        if (is_immediate(visible_ - 1)) {
            add(OpClass::SimdShift, {to}, {to});
            add(OpClass::SimdShift, {to + 1}, {to + 1});
        } else {
            int low, high;
            load_vector_operand(visible_ - 1, low, high, false);
            add(OpClass::SimdShift, {to + 1, low}, {to + 1});
            add(OpClass::SimdShift, {to, low}, {to});
        }
        return true;
    BOTH(PSLLDQ): BOTH(PSRLDQ): {
        // a shift by whole bytes chooses its micro-code by branches on the count
        unsigned count = unsigned(o_[visible_ - 1].imm.value.u);
        bool left = in_.mnemonic == ZYDIS_MNEMONIC_PSLLDQ || in_.mnemonic == ZYDIS_MNEMONIC_VPSLLDQ;
        int whole = left ? to + 1 : to, part = left ? to : to + 1;
        limm(T2);
        alu({T2}, {T1, ECF});
        branch({ECF});
        if (count < 8) {
            add(OpClass::SimdShift, {part}, {UFP + 1});
            add(OpClass::SimdShift, {whole}, {whole});
            add(OpClass::SimdShift, {part}, {part});
            add(OpClass::SimdAlu, {whole, UFP + 1}, {whole});
        } else {
            limm(T2);
            alu({T2}, {T1, ECF});
            branch({ECF});
            add(OpClass::SimdShift, {part}, {whole});
            alu({}, {part});
            branch({});
        }
        classless();
        return true;
    }
    BOTH(PUNPCKLBW): BOTH(PUNPCKLWD): BOTH(PUNPCKLDQ): BOTH(UNPCKLPS): {
        int low, high;
        load_vector_operand(visible_ - 1, low, high, false);
        add(OpClass::SimdMisc, {to, low}, {to + 1});
        add(OpClass::SimdMisc, {to, low}, {to});
        return true;
    }
    BOTH(PUNPCKHBW): BOTH(PUNPCKHWD): BOTH(PUNPCKHDQ): BOTH(UNPCKHPS): {
        int low, high;
        if (is_memory(visible_ - 1)) alu({base_, index_}, {T1}), load(UFP + 1), high = UFP + 1;
        else load_vector_operand(visible_ - 1, low, high, true);
        add(OpClass::SimdMisc, {to + 1, high}, {to});
        add(OpClass::SimdMisc, {to + 1, high}, {to + 1});
        return true;
    }
    BOTH(PSHUFD): BOTH(SHUFPS): BOTH(SHUFPD): {
        int low, high;
        load_vector_operand(visible_ - 2, low, high, true);
        bool two = in_.mnemonic != ZYDIS_MNEMONIC_PSHUFD && in_.mnemonic != ZYDIS_MNEMONIC_VPSHUFD;
        if (is_memory(visible_ - 2)) {
            add(OpClass::SimdMisc, {two ? to : low, two ? to + 1 : high}, {to});
            add(OpClass::SimdMisc, {low, high}, {to + 1});
        } else {
            add(OpClass::SimdMisc, {two ? to : low, two ? to + 1 : high}, {UFP + 1});
            add(OpClass::SimdMisc, {low, high}, {to + 1});
            alu({UFP + 1}, {to});
        }
        return true;
    }
    BOTH(PSHUFLW): BOTH(PSHUFHW): {
        int low, high;
        bool upper = in_.mnemonic == ZYDIS_MNEMONIC_PSHUFHW || in_.mnemonic == ZYDIS_MNEMONIC_VPSHUFHW;
        load_vector_operand(1, low, high, false);
        add(OpClass::SimdMisc, {upper && high >= 0 ? high : low}, {upper ? to + 1 : to});
        return true;
    }
    BOTH(PSHUFB): {
        int low, high;
        load_vector_operand(visible_ - 1, low, high, true);
        if (!is_memory(visible_ - 1)) alu({low}, {UFP + 1}), alu({high}, {UFP + 2});
        add(OpClass::SimdMisc, {to, to + 1, UFP + 1}, {UFP + 1});
        add(OpClass::SimdMisc, {to, to + 1, UFP + 2}, {UFP + 2});
        alu({UFP + 1}, {to});
        alu({UFP + 2}, {to + 1});
        return true;
    }
    BOTH(PACKSSWB): BOTH(PACKSSDW): BOTH(PACKUSWB): BOTH(PACKUSDW): {
        int low, high;
        load_vector_operand(visible_ - 1, low, high, true);
        add(OpClass::SimdMisc, {to, to + 1}, {UFP + 3});
        add(OpClass::SimdMisc, {low, high}, {to + 1});
        alu({UFP + 3}, {to});
        return true;
    }
    BOTH(PMOVMSKB): BOTH(MOVMSKPS): BOTH(MOVMSKPD):
        limm(reg(0));
        add(OpClass::SimdMisc, {from, reg(0)}, {reg(0)});
        add(OpClass::SimdMisc, {from + 1, reg(0)}, {reg(0)});
        return true;
    BOTH(LDMXCSR): load(T1); write_control(T1); return true;
    BOTH(STMXCSR): alu({MISC}, {T1}); store(T1); return true;
#undef BOTH
    default: return false;
    }
}

// What has no rule of its own: 64 bits a micro-operation, loads before, stores after.
void Cracker::other() {
    address();
    bool vectors = false;
    int first = -1, second = -1;
    for (unsigned k = 0; k < visible_; ++k) {
        int r = vec(k) >= 0 ? vec(k) : reg(k);
        vectors |= vec(k) >= 0;
        if (r >= 0) (first < 0 ? first : second) = r;
    }
    unsigned words = memory_ >= 0 && o_[memory_].size ? (o_[memory_].size + 63) / 64 : vectors ? 2 : 1;
    if (words > 8) words = 8;
    bool reads = memory_ >= 0 && o_[memory_].type == ZYDIS_OPERAND_TYPE_MEMORY && (o_[memory_].actions & ZYDIS_OPERAND_ACTION_MASK_READ);
    bool writes = memory_ >= 0 && (o_[memory_].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE);
    bool to_register = visible_ && is_register(0);
    for (unsigned k = 0; k < words && reads; ++k) load(vectors ? UFP + 1 + int(k & 1) : int(T1));
    for (unsigned k = 0; k < (vectors ? words : 1u); ++k)
        add(vectors ? OpClass::SimdAlu : OpClass::IntAlu,
            {first, second, reads ? (vectors ? int(UFP + 1) : int(T1)) : -1, zaps(), cfof()},
            {to_register ? first : int(T1), vectors ? -1 : in_.cpu_flags && in_.cpu_flags->modified ? int(ZAPS) : -1});
    for (unsigned k = 0; k < words && writes; ++k) store(to_register ? first : first >= 0 ? first : int(T1));
}

void Cracker::crack() {
    bool repeated = in_.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE);
    switch (in_.mnemonic) {
    case ZYDIS_MNEMONIC_ADD: case ZYDIS_MNEMONIC_SUB: case ZYDIS_MNEMONIC_AND: case ZYDIS_MNEMONIC_OR:
    case ZYDIS_MNEMONIC_XOR:
        return arithmetic(true, false);
    case ZYDIS_MNEMONIC_ADC: case ZYDIS_MNEMONIC_SBB: return arithmetic(true, true);
    case ZYDIS_MNEMONIC_CMP: case ZYDIS_MNEMONIC_TEST: return arithmetic(false, false);
    case ZYDIS_MNEMONIC_INC: case ZYDIS_MNEMONIC_DEC: return one_operand({CFOF}, true, true);
    case ZYDIS_MNEMONIC_NEG: return one_operand({}, true, true);
    case ZYDIS_MNEMONIC_NOT: return one_operand({}, false, false);
    case ZYDIS_MNEMONIC_SHL: case ZYDIS_MNEMONIC_SHR: case ZYDIS_MNEMONIC_SAR: return shift(false);
    case ZYDIS_MNEMONIC_ROL: case ZYDIS_MNEMONIC_ROR: case ZYDIS_MNEMONIC_RCL: case ZYDIS_MNEMONIC_RCR: return shift(true);
    case ZYDIS_MNEMONIC_SHLD: case ZYDIS_MNEMONIC_SHRD: {
        address();
        int count = is_immediate(2) ? -1 : int(RCX), to = is_memory(0) ? int(T1) : reg(0);
        if (is_memory(0)) load(T1);
        alu({reg(1)}, {DOUBLE_BITS});
        alu({to, DOUBLE_BITS, count, ZAPS}, {to, ZAPS, CFOF});
        if (is_memory(0)) store(T1);
        return;
    }
    case ZYDIS_MNEMONIC_IMUL: case ZYDIS_MNEMONIC_MUL: return multiply();
    case ZYDIS_MNEMONIC_DIV: return divide(false);
    case ZYDIS_MNEMONIC_IDIV: return divide(true);
    case ZYDIS_MNEMONIC_MOV: case ZYDIS_MNEMONIC_MOVNTI: return move();
    case ZYDIS_MNEMONIC_MOVZX: case ZYDIS_MNEMONIC_MOVSX: return extend(o_[1].size == 8);
    case ZYDIS_MNEMONIC_MOVSXD: return extend(false);
    case ZYDIS_MNEMONIC_LEA:
        address();
        alu({base_, index_, reg(0)}, {reg(0)});  // merges with what was there, whatever its width (microops/ldstop.isa)
        return;
    case ZYDIS_MNEMONIC_PUSH:
        address();
        if (is_immediate(0)) limm(T1);
        if (is_memory(0)) load(T1);
        store_stack(is_register(0) ? reg(0) : int(T1));
        return move_rsp();
    case ZYDIS_MNEMONIC_POP:
        address();
        load_stack(T1);
        move_rsp();
        if (is_memory(0)) store(T1);
        else alu({T1}, {reg(0)});
        return;
    case ZYDIS_MNEMONIC_LEAVE:
        alu({RBP}, {T1});
        add(OpClass::MemRead, {T1}, {RBP}, MicroOp::LOAD);
        alu({T1}, {RSP});
        return move_rsp();
    case ZYDIS_MNEMONIC_CDQ: case ZYDIS_MNEMONIC_CQO: case ZYDIS_MNEMONIC_CWD:
        alu({RAX, merge(RDX, bytes_)}, {RDX});
        alu({RDX}, {RDX});
        return;
    case ZYDIS_MNEMONIC_CDQE: case ZYDIS_MNEMONIC_CWDE: case ZYDIS_MNEMONIC_CBW: alu({RAX}, {RAX}); return;
    case ZYDIS_MNEMONIC_XCHG:
        address();
        if (memory_ >= 0) {
            int other = is_memory(0) ? reg(1) : reg(0);
            fence();
            load(T1);
            store(other);
            fence();
            alu({T1, merge(other, bytes_)}, {other});
        } else {
            alu({reg(0), reg(1)}, {reg(0)});
            alu({reg(0), reg(1)}, {reg(1)});
            alu({reg(0), reg(1)}, {reg(0)});
        }
        return;
    case ZYDIS_MNEMONIC_CMPXCHG: {
        address();
        bool locked = in_.attributes & ZYDIS_ATTRIB_HAS_LOCK;
        if (is_memory(0)) {
            if (locked) fence();
            load(T1);
            alu({RAX, T1}, {ZAPS, CFOF});
            alu({T1, reg(1), ZAPS}, {T1});
            store(T1);
            alu({RAX, T1, ZAPS}, {RAX});
            if (locked) fence();
        } else {
            alu({RAX, reg(0)}, {ZAPS, CFOF});
            alu({reg(0), reg(1), ZAPS}, {reg(0)});
            alu({RAX, reg(0), ZAPS}, {RAX});
        }
        return;
    }
    case ZYDIS_MNEMONIC_XADD: {
        address();
        bool locked = in_.attributes & ZYDIS_ATTRIB_HAS_LOCK;
        if (is_memory(0)) {
            if (locked) fence();
            load(T1);
            alu({T1, reg(1)}, {T2, ZAPS, CFOF});
            store(T2);
            if (locked) fence();
            alu({T1}, {reg(1)});
        } else {
            alu({reg(0), reg(1)}, {T2, ZAPS, CFOF});
            alu({reg(0)}, {reg(1)});
            alu({T2}, {reg(0)});
        }
        return;
    }
    case ZYDIS_MNEMONIC_BSWAP: {
        int r = reg(0);
        alu({r}, {r});
        if (bytes_ == 8) {
            alu({r}, {T1});
            alu({T1}, {T1});
            alu({T1}, {T1});
            alu({r}, {T2});
            alu({T2}, {T2});
            alu({T2}, {T2});
            alu({T2}, {T2});
            alu({T1, T2}, {r});
        } else {
            alu({r}, {r});
            alu({r}, {r});
        }
        return;
    }
    case ZYDIS_MNEMONIC_BT: return bit_test(false);
    case ZYDIS_MNEMONIC_BTS: case ZYDIS_MNEMONIC_BTR: case ZYDIS_MNEMONIC_BTC: return bit_test(true);
    case ZYDIS_MNEMONIC_BSF: case ZYDIS_MNEMONIC_BSR: case ZYDIS_MNEMONIC_TZCNT: case ZYDIS_MNEMONIC_LZCNT: return bit_scan();
    case ZYDIS_MNEMONIC_POPCNT:
        address();
        if (is_memory(1)) load(T1);
        alu({is_memory(1) ? int(T1) : reg(1), reg(0)}, {reg(0), ZAPS, CFOF});
        return;
    case ZYDIS_MNEMONIC_NOP: case ZYDIS_MNEMONIC_ENDBR64: case ZYDIS_MNEMONIC_PAUSE: return classless();
    case ZYDIS_MNEMONIC_MFENCE: case ZYDIS_MNEMONIC_LFENCE: case ZYDIS_MNEMONIC_SFENCE: return fence();
    case ZYDIS_MNEMONIC_SYSCALL:
        i_.system_call = true;
        add(OpClass::None, {}, {}, MicroOp::NON_SPECULATIVE | MicroOp::SERIALIZE_AFTER);
        return;
    case ZYDIS_MNEMONIC_CPUID: case ZYDIS_MNEMONIC_XGETBV:
        add(OpClass::IntAlu, {RAX, RCX}, {RAX, RBX, RCX, RDX}, MicroOp::SERIALIZE_AFTER);
        return;
    case ZYDIS_MNEMONIC_RDTSC: case ZYDIS_MNEMONIC_RDTSCP:
        add(OpClass::IntAlu, {}, {T1}, MicroOp::SERIALIZE_BEFORE);
        alu({T1}, {RAX});
        alu({T1}, {RDX});
        return;
    case ZYDIS_MNEMONIC_CLC: case ZYDIS_MNEMONIC_STC: case ZYDIS_MNEMONIC_CMC:
        alu({ZAPS, CFOF}, {T1});
        alu({T1}, {T1});
        alu({T1}, {ZAPS, CFOF});
        return;
    case ZYDIS_MNEMONIC_CLD: case ZYDIS_MNEMONIC_STD:
        alu({ZAPS, CFOF}, {T1});
        limm(T2);
        alu({T1, T2}, {T1});
        alu({T1}, {ZAPS, CFOF, DF});
        return;
    case ZYDIS_MNEMONIC_PREFETCHT0: case ZYDIS_MNEMONIC_PREFETCHT1: case ZYDIS_MNEMONIC_PREFETCHT2:
    case ZYDIS_MNEMONIC_PREFETCHNTA: case ZYDIS_MNEMONIC_PREFETCHW:
        address();
        load(-1);
        return;
    case ZYDIS_MNEMONIC_MOVSB: case ZYDIS_MNEMONIC_MOVSW: case ZYDIS_MNEMONIC_MOVSQ: return string(repeated, 0);
    case ZYDIS_MNEMONIC_STOSB: case ZYDIS_MNEMONIC_STOSW: case ZYDIS_MNEMONIC_STOSD: case ZYDIS_MNEMONIC_STOSQ:
        return string(repeated, 1);
    case ZYDIS_MNEMONIC_LODSB: case ZYDIS_MNEMONIC_LODSW: case ZYDIS_MNEMONIC_LODSD: case ZYDIS_MNEMONIC_LODSQ:
        return string(repeated, 2);
    case ZYDIS_MNEMONIC_SCASB: case ZYDIS_MNEMONIC_SCASW: case ZYDIS_MNEMONIC_SCASD: case ZYDIS_MNEMONIC_SCASQ:
        return string(repeated, 3);
    case ZYDIS_MNEMONIC_CMPSB: case ZYDIS_MNEMONIC_CMPSW: case ZYDIS_MNEMONIC_CMPSQ: return string(repeated, 4);
    case ZYDIS_MNEMONIC_MOVSD: if (in_.meta.category == ZYDIS_CATEGORY_STRINGOP) return string(repeated, 0); break;
    case ZYDIS_MNEMONIC_CMPSD: if (in_.meta.category == ZYDIS_CATEGORY_STRINGOP) return string(repeated, 4); break;
    default: break;
    }
    switch (in_.meta.category) {
    case ZYDIS_CATEGORY_CALL: case ZYDIS_CATEGORY_RET: case ZYDIS_CATEGORY_COND_BR: case ZYDIS_CATEGORY_UNCOND_BR:
        return control();
    case ZYDIS_CATEGORY_CMOV:
        address();
        if (is_memory(1)) load(T1);
        alu({reg(0), zaps(), cfof()}, {reg(0)});
        alu({reg(0), is_memory(1) ? int(T1) : reg(1), zaps(), cfof()}, {reg(0)});
        return;
    case ZYDIS_CATEGORY_SETCC: {
        address();
        int to = is_memory(0) ? int(T1) : reg(0);
        alu({to, zaps(), cfof()}, {to});
        alu({to, zaps(), cfof()}, {to});
        if (is_memory(0)) store(T1);
        return;
    }
    case ZYDIS_CATEGORY_X87_ALU: case ZYDIS_CATEGORY_FCMOV: return x87();
    default: break;
    }
    address();
    size_t before = i_.ops.size();
    if (simd()) return;
    i_.ops.resize(memory_ >= 0 && base_ == T7 ? before - 1 : before);
    other();
}

}  // namespace

Instruction decode(uint64_t address, const void* bytes, size_t size) {
    Instruction made;
    made.address = address;
    made.size = uint8_t(size);
    ZydisDecodedInstruction in;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder(), bytes, size, &in, operands))) {
        made.unsupported = "instruction";
        for (size_t k = 0; k < size; ++k) {
            char text[4];
            std::snprintf(text, sizeof text, " %02x", static_cast<const uint8_t*>(bytes)[k]);
            made.unsupported += text;
        }
        settle(made);
        return made;
    }
    if (in.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX || in.encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX)
        made.unsupported = ZydisMnemonicGetString(in.mnemonic);
    Cracker(made, in, operands).crack();
    settle(made);
    return made;
}
