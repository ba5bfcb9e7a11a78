// x86-64: registers, memory order, the processor's state in QEMU, Linux's system calls.
// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>

/// Registers as the renamer sees them. Micro-code's t0 is the zero register: nothing depends on it.
enum Register : uint8_t {
    RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI,  // … R8–R15 up to 15
    T0 = 16, T1, T2, T3, T4, T5, T6, T7,
    PROD_LOW = 32, PROD_HIGH, QUOTIENT, REMAINDER, DIVISOR, DOUBLE_BITS,
    ZAPS = 40, CFOF, DF, ECF, EZF,  // gem5's five condition code registers
    XMM = 48,                       // low and high halves alternate: 48 … 79
    UFP = 80,                       // micro-code's own: ufp1 is UFP + 1
    ST = 90,                        // x87
    MISC = 100,                     // MXCSR, FCW and the like, as sources
    NO_REGISTER = 126,              // as a source: always ready
    NOWHERE = 127,                  // as a destination: never read
    REGISTERS = 128
};

// Architectural and micro-code registers, which hold physical ones for good (gem5's src/arch/x86/regs/int.hh, float.hh).
constexpr uint32_t ARCHITECTURAL_INTEGERS = 38, ARCHITECTURAL_FLOATS = 56;
// Stores leave the core one at a time (gem5's needsTSO).
constexpr bool TOTAL_STORE_ORDER = true;

// QEMU's state of a processor begins with the general registers: rax rcx rdx rbx rsp rbp rsi rdi r8 … r15.
constexpr unsigned STATE_REGISTERS = 0, STACK_POINTER = 4, CALL_RESULT = 0;
// The instruction that makes a system call.
constexpr uint8_t CALL_BYTES[] = {0x0f, 0x05};
constexpr unsigned LONGEST_INSTRUCTION = 15;

namespace calls {
enum Call : int64_t {  // of Linux, by number
    READ = 0, WRITE = 1, OPEN = 2, CLOSE = 3, STAT = 4, FSTAT = 5, LSTAT = 6, LSEEK = 8, MMAP = 9, MPROTECT = 10,
    MUNMAP = 11, BRK = 12, RT_SIGACTION = 13, RT_SIGPROCMASK = 14, RT_SIGRETURN = 15, IOCTL = 16, PREAD = 17,
    PWRITE = 18, READV = 19, WRITEV = 20, ACCESS = 21, SCHED_YIELD = 24, MREMAP = 25, MADVISE = 28, DUP = 32, DUP2 = 33,
    NANOSLEEP = 35, GETPID = 39, CLONE = 56, FORK = 57, VFORK = 58, EXIT = 60, WAIT4 = 61, KILL = 62, UNAME = 63,
    FCNTL = 72, FTRUNCATE = 77, GETCWD = 79,
    READLINK = 89, GETTIMEOFDAY = 96, GETRLIMIT = 97, GETRUSAGE = 98, SYSINFO = 99, TIMES = 100, GETUID = 102,
    GETGID = 104, GETEUID = 107, GETEGID = 108, GETPPID = 110, GETPGRP = 111, RT_SIGPENDING = 127, SIGALTSTACK = 131,
    STATFS = 137, FSTATFS = 138, ARCH_PRCTL = 158, SETRLIMIT = 160, GETTID = 186, TKILL = 200, TIME = 201, FUTEX = 202,
    SCHED_GETAFFINITY = 204, SET_TID_ADDRESS = 218, RESTART = 219, CLOCK_GETTIME = 228, CLOCK_GETRES = 229,
    CLOCK_NANOSLEEP = 230, EXIT_GROUP = 231, TGKILL = 234, OPENAT = 257, NEWFSTATAT = 262, READLINKAT = 267,
    FACCESSAT = 269, SET_ROBUST_LIST = 273, GET_ROBUST_LIST = 274, DUP3 = 292, PRLIMIT = 302, GETRANDOM = 318,
    STATX = 332, RSEQ = 334, CLONE3 = 435, FACCESSAT2 = 439,
};
}  // namespace calls

// clone's argument with the place of a number that is set to 0 when the thread ends.
constexpr unsigned CLONE_CLEARED = 3;

struct Stat {  // struct stat
    uint64_t device = 0, node, links = 1;
    uint32_t mode, user = 0, group = 0, padding = 0;
    uint64_t special_device = 0, size = 0, block_size = 4096, blocks = 0;
    uint64_t times[6] = {};
    uint64_t reserved[3] = {};
};
static_assert(sizeof(Stat) == 144);
constexpr uint64_t ACTION_BYTES = 32;  // struct sigaction, as the kernel has it
