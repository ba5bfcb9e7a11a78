// golden_x86_64.S for AArch64: the same loads, stores and branches, a multiplication, a division, floating point.
// aarch64-linux-gnu-as -o golden.o golden_aarch64.S
// aarch64-linux-gnu-ld -N --build-id=none -s -z noseparate-code golden.o -o golden_aarch64.elf
    .globl _start
    .text
_start:
    mov   w0, 1
    mov   w2, 0
    mov   w3, 20000
    adrp  x4, buffer
    add   x4, x4, :lo12:buffer
    ldr   w10, =1664525
    ldr   w11, =1013904223
    fmov  d1, xzr
1:  madd  w0, w0, w10, w11
    lsr   w5, w0, 14
    and   w5, w5, 0x3fffc
    ldr   w6, [x4, x5]
    add   w6, w6, w0
    str   w6, [x4, x5]
    tbz   w0, 18, 2f
    ldr   w6, [x4, x2]
    add   w0, w0, w6
    add   w2, w2, 64
    and   w2, w2, 0x3ffff
2:  scvtf d0, w3
    fmul  d0, d0, d0
    fadd  d1, d1, d0
    tst   w3, 63
    b.ne  3f
    udiv  w6, w0, w3
    msub  w6, w6, w3, w0
    add   w0, w0, w6
3:  subs  w3, w3, 1
    b.ne  1b
    mov   w0, 0
    mov   x8, 94
    svc   0
    .bss
    .align 6
buffer: .skip 262144
