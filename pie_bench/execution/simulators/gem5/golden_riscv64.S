# golden_x86_64.S for RISC-V: the same loads, stores and branches, a multiplication, a division, floating point.
# riscv64-linux-gnu-as -march=rv64gc -o golden.o golden_riscv64.S
# riscv64-linux-gnu-ld -N --no-relax --build-id=none -s -z noseparate-code golden.o -o golden_riscv64.elf
    .globl _start
    .text
_start:
    li    a0, 1
    li    a2, 0
    li    a3, 20000
    lla   a4, buffer
    li    t0, 1664525
    li    t1, 1013904223
    li    t2, 0x3fffc
    li    t3, 0x40000
    li    t4, 0x3ffff
    fmv.d.x fa1, zero
1:  mulw  a0, a0, t0
    addw  a0, a0, t1
    srliw a5, a0, 14
    and   a5, a5, t2
    add   a5, a5, a4
    lw    a6, 0(a5)
    addw  a6, a6, a0
    sw    a6, 0(a5)
    and   a5, a0, t3
    beqz  a5, 2f
    add   a5, a4, a2
    lw    a6, 0(a5)
    addw  a0, a0, a6
    addi  a2, a2, 64
    and   a2, a2, t4
2:  fcvt.d.w fa0, a3
    fmul.d fa0, fa0, fa0
    fadd.d fa1, fa1, fa0
    andi  a5, a3, 63
    bnez  a5, 3f
    remuw a5, a0, a3
    addw  a0, a0, a5
3:  addi  a3, a3, -1
    bnez  a3, 1b
    li    a0, 0
    li    a7, 94
    ecall
    .bss
    .align 6
buffer: .skip 262144
