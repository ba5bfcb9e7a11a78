# The golden program: what every build of gem5 simulates to show that it measures the same.
# Loads and stores over 256 KiB in an order that the caches and the branch predictor find partly predictable, a
# multiplication, a division, a few SSE operations; no C library, no input, no output but its exit code 0.
# as golden_x86_64.S -o golden.o && ld -N --build-id=none -s -z noseparate-code golden.o -o golden_x86_64.elf
    .globl _start
    .text
_start:
    mov   $1, %eax
    xor   %r8d, %r8d
    mov   $20000, %ecx
    lea   buffer(%rip), %rdi
1:  imul  $1664525, %eax, %eax
    add   $1013904223, %eax
    mov   %eax, %edx
    shr   $14, %edx
    and   $0x3fffc, %edx
    add   %eax, (%rdi,%rdx)
    test  $0x40000, %eax
    jz    2f
    add   (%rdi,%r8), %eax
    add   $64, %r8
    and   $0x3ffff, %r8d
2:  cvtsi2sd %ecx, %xmm0
    mulsd %xmm0, %xmm0
    addsd %xmm0, %xmm1
    test  $63, %ecx
    jnz   3f
    mov   %eax, %r9d
    xor   %edx, %edx
    div   %ecx
    mov   %r9d, %eax
    add   %edx, %eax
3:  dec   %ecx
    jnz   1b
    xor   %edi, %edi
    mov   $231, %eax
    syscall
    .bss
    .align 64
buffer: .skip 262144
