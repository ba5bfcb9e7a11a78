// Linux's system calls and structures as all newer architectures have them (include/uapi/asm-generic/unistd.h, stat.h).
// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>

namespace calls {
enum Call : int64_t {  // of Linux, by number
    GETCWD = 17, DUP = 23, DUP3 = 24, FCNTL = 25, IOCTL = 29, STATFS = 43, FSTATFS = 44, FTRUNCATE = 46, FACCESSAT = 48,
    OPENAT = 56, CLOSE = 57, LSEEK = 62, READ = 63, WRITE = 64, READV = 65, WRITEV = 66, PREAD = 67, PWRITE = 68,
    READLINKAT = 78, NEWFSTATAT = 79, FSTAT = 80, EXIT = 93, EXIT_GROUP = 94, SET_TID_ADDRESS = 96, FUTEX = 98,
    SET_ROBUST_LIST = 99, GET_ROBUST_LIST = 100, NANOSLEEP = 101, CLOCK_GETTIME = 113, CLOCK_GETRES = 114,
    CLOCK_NANOSLEEP = 115, SCHED_GETAFFINITY = 123, SCHED_YIELD = 124, RESTART = 128, KILL = 129, TKILL = 130,
    TGKILL = 131, SIGALTSTACK = 132, RT_SIGACTION = 134, RT_SIGPROCMASK = 135, RT_SIGPENDING = 136, RT_SIGRETURN = 139,
    TIMES = 153, UNAME = 160, GETRLIMIT = 163, SETRLIMIT = 164, GETRUSAGE = 165, GETTIMEOFDAY = 169, GETPID = 172,
    GETPPID = 173, GETUID = 174, GETEUID = 175, GETGID = 176, GETEGID = 177, GETTID = 178, SYSINFO = 179, BRK = 214,
    MUNMAP = 215, MREMAP = 216, CLONE = 220, MMAP = 222, MPROTECT = 226, MADVISE = 233, WAIT4 = 260, PRLIMIT = 261,
    GETRANDOM = 278, STATX = 291, RSEQ = 293, CLONE3 = 435, FACCESSAT2 = 439,
    // what there is in x86-64 only: no number is negative
    OPEN = -1, STAT = -2, LSTAT = -3, ACCESS = -4, DUP2 = -5, FORK = -6, VFORK = -7, READLINK = -8, GETPGRP = -9,
    ARCH_PRCTL = -10, TIME = -11,
};
}  // namespace calls

// clone's argument with the place of a number that is set to 0 when the thread ends.
constexpr unsigned CLONE_CLEARED = 4;

struct Stat {  // struct stat
    uint64_t device = 0, node;
    uint32_t mode, links = 1, user = 0, group = 0;
    uint64_t special_device = 0, padding = 0, size = 0;
    uint32_t block_size = 4096, padding2 = 0;
    uint64_t blocks = 0;
    uint64_t times[6] = {};
    uint32_t reserved[2] = {};
};
static_assert(sizeof(Stat) == 128);
