// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>
#include <set>
#include <unordered_set>

#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "arch.h"
#include "model.h"
#include "qemu.h"
#include "server.h"
#include "threads.h"

namespace guest {

Page recent[RECENT];

namespace {

using namespace calls;

constexpr uint64_t PAGE = 4096;
constexpr uint64_t EXECUTE = 4, WRITABLE = 2, ANONYMOUS = 0x20, CLONE_CLEARS = 0x200000;
constexpr int STREAMS = 3;
constexpr uint64_t UNAME_FIELD = 65;
constexpr uint64_t EPOCH_SECONDS = 1000000000;  // what the guest's clock starts at, as gem5's

Limits limits;
std::map<uint64_t, uint64_t> mapped;  // begin → end, of what the guest mapped itself
uint64_t mapped_bytes, program_break, first_break;
std::unordered_set<uint64_t> touched;
uint64_t most_touched;
std::set<int> libraries;  // descriptors of files that code may be mapped from
bool seen;
std::map<uint64_t, std::pair<int, unsigned>> sizes;  // address → standard stream, byte of its size: not read yet
int control = -1;
bool fault_handler;
bool lacked;
uint64_t stack_begin, stack_end;

struct Pending {
    int64_t number = -1;
    uint64_t arguments[6] = {};
    bool opens_library = false, opens_hosts = false;
} pending;
bool has_replacement;
uint64_t replacement;

std::string hex(uint64_t value) {
    char text[32];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
    return text;
}

void forget_recent() {
    for (Page& page : recent) page = Page{};
}

// True if there was a byte of a size in this memory.
bool forget_sizes(uint64_t address, uint64_t size) {
    auto begin = sizes.lower_bound(address), end = sizes.lower_bound(address + size);
    bool any = begin != end;
    sizes.erase(begin, end);
    return any;
}

// What the kernel has written there is in memory from now on.
void written(uint64_t address, uint64_t size) {
    if (address == 0 || size == 0) return;
    forget_sizes(address, size);
    model::pages_written_by_kernel(address, size);
    for (uint64_t page = address / PAGE; page <= (address + size - 1) / PAGE; ++page)
        if (touched.insert(page).second && touched.size() > most_touched) most_touched = touched.size();
}

void unmap(uint64_t begin, uint64_t end) {
    auto at = mapped.lower_bound(begin);
    if (at != mapped.begin() && std::prev(at)->second > begin) --at;
    while (at != mapped.end() && at->first < end) {
        auto [low, high] = *at;
        at = mapped.erase(at);
        uint64_t cut_low = low < begin ? begin : low, cut_high = high > end ? end : high;
        mapped_bytes -= cut_high - cut_low;
        if (low < cut_low) mapped[low] = cut_low;
        if (cut_high < high) mapped[cut_high] = high;
    }
}

void map(uint64_t begin, uint64_t end) {
    unmap(begin, end);
    mapped[begin] = end;
    mapped_bytes += end - begin;
}

void untouch(uint64_t begin, uint64_t end) {
    if (begin >= end) return;
    forget_sizes(begin, end - begin);
    model::pages_unmapped(begin, end - begin);
    if ((end - begin) / PAGE < touched.size())
        for (uint64_t page = begin / PAGE; page < end / PAGE; ++page) touched.erase(page);
    else
        for (auto at = touched.begin(); at != touched.end();)
            at = *at >= begin / PAGE && *at < end / PAGE ? touched.erase(at) : std::next(at);
}

uint64_t up(uint64_t size) { return (size + PAGE - 1) & ~(PAGE - 1); }

// The text at a guest's address; empty when it is not in its memory.
std::string text_at(uint64_t address) {
    std::string text;
    for (; text.size() < PAGE; ++address) {
        if ((text.empty() || address % PAGE == 0) && !(page_get_flags(address) & PAGE_READ)) return "";
        char c = *reinterpret_cast<const char*>(address + guest_base);
        if (c == 0) break;
        text += c;
    }
    return text;
}

bool starts_with(const std::string& text, const char* with) { return text.rfind(with, 0) == 0; }

bool is_library(const std::string& path) {
    return path.find("/../") == std::string::npos &&
           (starts_with(path, "/lib/") || starts_with(path, "/lib64/") || starts_with(path, "/usr/lib/") ||
            starts_with(path, "/etc/ld.so."));
}

// What leads to the simulator or to what the sandbox keeps beside the program.
bool is_forbidden(const std::string& path) {
    if (path.find("..") != std::string::npos && path.find('/') != std::string::npos) return true;
    for (const char* place : {"/proc/self/exe", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"})
        if (path == place) return false;
    bool of_a_process = starts_with(path, "/proc/self") || starts_with(path, "/proc/thread-self") ||
                        (starts_with(path, "/proc/") && path.size() > 6 && path[6] >= '0' && path[6] <= '9');
    if (path.find("//") != std::string::npos || path.find("/./") != std::string::npos) return true;
    return of_a_process || starts_with(path, "/dev/fd/") || starts_with(path, "/dev/shm") ||
           starts_with(path, "/streams");
}

// What tells of the computer: how many processors and how much memory.
bool is_hosts(const std::string& path) { return starts_with(path, "/proc/") || starts_with(path, "/sys/"); }

void check_path(const char* call, uint64_t address) {
    std::string path = text_at(address);
    if (is_forbidden(path)) server::end_forbidden(std::string(call) + " of " + path);
    pending.opens_library = is_library(path);
    pending.opens_hosts = is_hosts(path);
    if (!pending.opens_library) seen = true;
}

void check_descriptor(const char* call, int number) {
    if (number == control && control >= 0)
        server::end_forbidden(std::string(call) + " on descriptor " + std::to_string(number) + ", which is not its own");
    if (number < STREAMS) seen = true;
}

void check_mapping(const char* call, uint64_t protection, uint64_t flags, int descriptor) {
    if (!(protection & EXECUTE)) return;
    if (protection & WRITABLE) server::end_forbidden(std::string(call) + ": memory both writable and executable");
    if (flags & ANONYMOUS || !libraries.count(descriptor))
        server::end_forbidden(std::string(call) + ": executable memory that is not a library's");
}

// Simulated time in nanoseconds.
uint64_t now() {
    model::settle();
    return server::nanoseconds();
}

template <typename T>
void write_guest(uint64_t address, const T& value) {
    if (page_get_flags(address) & (PAGE_WRITE | PAGE_WRITE_ORG) &&
        page_get_flags(address + sizeof value - 1) & (PAGE_WRITE | PAGE_WRITE_ORG))
        std::memcpy(reinterpret_cast<void*>(address + guest_base), &value, sizeof value);
}

// A field of struct utsname.
void write_text(uint64_t address, const char* text) {
    std::array<char, UNAME_FIELD> field{};
    std::strncpy(field.data(), text, field.size() - 1);
    write_guest(address, field);
}

// What a system call that succeeded with `result` wrote into the guest's memory.
void kernel_wrote(int64_t number, const uint64_t a[6], uint64_t result) {
    constexpr uint64_t STATFS_BYTES = 120, STATX_BYTES = 256, UNAME_BYTES = 6 * UNAME_FIELD, SYSINFO_BYTES = 112,
                       TERMINAL_BYTES = 36, USAGE_BYTES = 144, TIMES_BYTES = 32;
    switch (number) {
        case READ: case PREAD: case READLINK: written(a[1], result); break;
        case READV:
            for (uint64_t i = 0; i < a[2] && result > 0; ++i) {
                uint64_t vector[2] = {};
                if (!(page_get_flags(a[1] + 16 * i) & PAGE_READ)) break;
                std::memcpy(vector, reinterpret_cast<const void*>(a[1] + 16 * i + guest_base), sizeof vector);
                uint64_t size = vector[1] < result ? vector[1] : result;
                written(vector[0], size);
                result -= size;
            }
            break;
        case STAT: case FSTAT: case LSTAT: written(a[1], sizeof(Stat)); break;
        case NEWFSTATAT: written(a[2], sizeof(Stat)); break;
        case STATX: written(a[4], STATX_BYTES); break;
        case STATFS: case FSTATFS: written(a[1], STATFS_BYTES); break;
        case READLINKAT: case SCHED_GETAFFINITY: written(a[2], result); break;
        case GETRANDOM: case GETCWD: written(a[0], result); break;
        case UNAME: written(a[0], UNAME_BYTES); break;
        case SYSINFO: written(a[0], SYSINFO_BYTES); break;
        case CLOCK_GETTIME: case CLOCK_GETRES: case GETRLIMIT: written(a[1], 16); break;
        case GETTIMEOFDAY: written(a[0], 16); break;
        case PRLIMIT: written(a[3], 16); break;
        case TIMES: written(a[0], TIMES_BYTES); break;
        case GETRUSAGE: written(a[1], USAGE_BYTES); break;
        case RT_SIGACTION: written(a[2], ACTION_BYTES); break;
        case RT_SIGPROCMASK: written(a[2], 8); break;
        case SIGALTSTACK: written(a[1], 24); break;
        case IOCTL: written(a[2], TERMINAL_BYTES); break;
        default: break;
    }
}

bool is_stream(int descriptor) { return descriptor >= 0 && descriptor < STREAMS; }

// What the guest is told of a standard stream: a file, the same in every run but for its size.
Stat stat_of(int stream) {
    Stat made;
    made.mode = S_IFREG | 0600;
    for (unsigned i = 0; i < 6; i += 2) made.times[i] = EPOCH_SECONDS;
    made.node = static_cast<uint64_t>(stream) + 1;
    struct stat now;
    if (fstat(stream, &now) == 0 && S_ISREG(now.st_mode)) {
        made.size = static_cast<uint64_t>(now.st_size);
        made.blocks = (made.size + 511) / 512;
    }
    return made;
}

void write_stat(uint64_t address, int stream) {
    write_guest(address, stat_of(stream));
    if (seen) return;
    auto add = [&](size_t field) {
        for (unsigned byte = 0; byte < sizeof(uint64_t); ++byte)
            sizes[address + field + byte] = {stream, static_cast<unsigned>(field + byte)};
    };
    add(offsetof(Stat, size)), add(offsetof(Stat, blocks));
    forget_recent();
}

void replace(uint64_t value) {
    has_replacement = true;
    replacement = value;
}

void over_limit() {
    lacked = true;
    replace(static_cast<uint64_t>(-ENOMEM));
}

// Bytes that look random and are the same in every run.
void write_random(uint64_t address, uint64_t size) {
    static uint64_t state = 0x9e3779b97f4a7c15;
    for (uint64_t i = 0; i < size; ++i) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        write_guest(address + i, static_cast<uint8_t>(state >> 32));
    }
}

}  // namespace

void start(const Limits& given) { limits = given; }

void set_control(int descriptor) { control = descriptor; }

bool has_seen() { return seen; }

void tell_sizes() {
    if (!seen || sizes.empty()) return;
    const Stat stats[STREAMS] = {stat_of(0), stat_of(1), stat_of(2)};
    for (auto [address, what] : sizes)
        write_guest(address, reinterpret_cast<const uint8_t*>(&stats[what.first])[what.second]);
    sizes.clear();
}

uint64_t pages_touched() { return most_touched; }

bool handles_faults() { return fault_handler; }

bool lacked_memory() { return lacked; }

void stack_at(uint64_t address) {
    stack_begin = stack_end = address & ~(PAGE - 1);
    while (page_get_flags(stack_begin - PAGE) & PAGE_WRITE) stack_begin -= PAGE;
}

bool is_below_stack(uint64_t address) {
    bool readable = page_get_flags(address) & PAGE_READ;  // QEMU puts a page there that is not
    return address < stack_begin && stack_begin - address <= stack_end - stack_begin && !readable;
}

bool is_mapped(uint64_t address) { return page_get_flags(address) & PAGE_VALID; }

void access_slowly(uint64_t address, unsigned size, bool store) {
    if (!sizes.empty() && forget_sizes(address, size) && !store) {
        server::end_serving();
        seen = true;
        sizes.clear();
    }
    for (uint64_t page = address / PAGE; page <= (address + size - 1) / PAGE; ++page) {
        int flags = page_get_flags(page * PAGE);
        bool writable = flags & (PAGE_WRITE | PAGE_WRITE_ORG);
        if (!(flags & PAGE_VALID) || (store && !writable))
            server::end_forbidden(std::string(store ? "a store to " : "a load from ") + hex(address) +
                                  ", outside its own memory");
        bool watched = sizes.lower_bound(page * PAGE) != sizes.lower_bound((page + 1) * PAGE);
        if (!watched) recent[page % RECENT] = Page{page, writable};
        if (touched.insert(page).second && touched.size() > most_touched) most_touched = touched.size();
    }
}

void code(uint64_t address, uint64_t size) {
    for (uint64_t page = address / PAGE; page <= (address + size - 1) / PAGE; ++page) {
        int flags = page_get_flags(page * PAGE);
        if (!(flags & PAGE_EXEC)) continue;  // it will fault
        if (flags & (PAGE_WRITE | PAGE_WRITE_ORG | PAGE_ANON))
            server::end_forbidden("code at " + hex(address) + ", in memory that is not a file's as loaded");
    }
}

void called(unsigned vcpu, int64_t number, const uint64_t a[6]) {
    if (number == FUTEX) return threads::before_futex(vcpu, a);
    if (number == SCHED_YIELD) return threads::yield(vcpu);
    pending = Pending{number, {a[0], a[1], a[2], a[3], a[4], a[5]}};
    int first = static_cast<int>(a[0]);
    switch (number) {
        case READ: case PREAD: case READV: check_descriptor("read", first); break;
        case WRITE: case PWRITE: case WRITEV: check_descriptor("write", first); break;
        case CLOSE: check_descriptor("close", first), libraries.erase(first); break;
        case FSTAT:
            if (!is_stream(first)) check_descriptor("fstat", first);
            break;
        case FSTATFS: check_descriptor("fstat", first); break;
        case LSEEK: check_descriptor("lseek", first); break;
        case IOCTL: check_descriptor("ioctl", first); break;
        case FCNTL: check_descriptor("fcntl", first); break;
        case FTRUNCATE: check_descriptor("ftruncate", first); break;
        case DUP: check_descriptor("dup", first); break;
        case DUP2: case DUP3:
            check_descriptor("dup", first), check_descriptor("dup", static_cast<int>(a[1]));
            libraries.erase(static_cast<int>(a[1]));
            break;
        case OPEN: check_path("open", a[0]); break;
        case OPENAT: check_path("open", a[1]); break;
        case STAT: case LSTAT: case ACCESS: case STATFS: check_path("stat", a[0]); break;
        case READLINK: check_path("readlink", a[0]); break;
        case FACCESSAT: case FACCESSAT2: check_path("stat", a[1]); break;
        case READLINKAT: check_path("readlink", a[1]); break;
        case NEWFSTATAT: case STATX:
            if (!text_at(a[1]).empty()) check_path("stat", a[1]);
            else if (number != NEWFSTATAT || !is_stream(first)) check_descriptor("fstat", first);
            break;
        case MMAP:
            if (!(a[3] & ANONYMOUS)) check_descriptor("mmap", static_cast<int>(a[4]));
            check_mapping("mmap", a[2], a[3], static_cast<int>(a[4]));
            break;
        case MPROTECT:
            if (a[2] & EXECUTE) server::end_forbidden("mprotect: memory made executable at " + hex(a[0]));
            break;
        case RT_SIGACTION:
            if (a[1] != 0 && (first == SIGSEGV || first == SIGBUS) && page_get_flags(a[1]) & PAGE_READ)
                fault_handler = *reinterpret_cast<const uint64_t*>(a[1] + guest_base) > 1;  // not SIG_DFL, SIG_IGN
            break;
        case MREMAP: seen |= !sizes.empty(); break;
        case PRLIMIT: seen |= a[2] != 0; break;
        case MUNMAP: case BRK: case MADVISE: case RT_SIGPROCMASK: case RT_SIGRETURN: case RT_SIGPENDING:
        case SIGALTSTACK: case ARCH_PRCTL: case SET_TID_ADDRESS: case SET_ROBUST_LIST: case GET_ROBUST_LIST:
        case RSEQ: case UNAME: case GETRLIMIT: case SCHED_GETAFFINITY: case GETRANDOM: case RESTART: case EXIT:
        case EXIT_GROUP:
            break;
        case TGKILL: case TKILL: case KILL:
            if (lacked) server::end_memory_limit("a request for memory was refused");  // abort, by what was thrown
            seen = true;
            break;
        // the clock, its process, its user, its limits, threads, another process (refused by the sandbox, as natively: fork;
        // and clone3, after which the C library takes clone)
        case CLOCK_GETTIME: case CLOCK_GETRES: case GETTIMEOFDAY: case TIME: case TIMES: case GETRUSAGE: case SYSINFO:
        case NANOSLEEP: case CLOCK_NANOSLEEP: case GETPID: case GETPPID: case GETTID: case GETPGRP: case GETUID:
        case GETGID: case GETEUID: case GETEGID: case GETCWD: case SETRLIMIT: case CLONE: case CLONE3: case FORK:
        case VFORK: case WAIT4:
            seen = true;
            break;
        default: server::end_forbidden("system call " + std::to_string(number));
    }
}

void returned(unsigned vcpu, int64_t number, int64_t result) {
    if (number == FUTEX) {
        has_replacement = threads::after_futex(vcpu, replacement);
        return;
    }
    if (pending.number != number) return;
    const uint64_t* a = pending.arguments;
    pending.number = -1;
    bool failed = result < 0 && result > -4096;
    uint64_t value = static_cast<uint64_t>(result);
    if (!failed) kernel_wrote(number, a, value);
    switch (number) {
        case OPEN: case OPENAT:
            if (!failed && pending.opens_library) libraries.insert(static_cast<int>(result));
            if (!failed && pending.opens_hosts) close(static_cast<int>(result)), replace(static_cast<uint64_t>(-ENOENT));
            break;
        case MMAP:
            if (failed) break;
            forget_recent();
            untouch(value, value + up(a[1]));
            map(value, value + up(a[1]));
            if (mapped_bytes > limits.memory_bytes) unmap(value, value + up(a[1])), over_limit();
            break;
        case MUNMAP:
            if (failed) break;
            forget_recent();
            untouch(a[0], a[0] + up(a[1]));
            unmap(a[0], a[0] + up(a[1]));
            break;
        case MREMAP:
            if (failed) break;
            forget_recent();
            untouch(a[0], a[0] + up(a[1]));
            unmap(a[0], a[0] + up(a[1]));
            map(value, value + up(a[2]));
            if (mapped_bytes > limits.memory_bytes) over_limit();
            break;
        case MPROTECT: forget_recent(); break;
        case MADVISE:
            if (!failed && a[2] == 4) forget_recent(), untouch(a[0], a[0] + up(a[1]));
            break;
        case BRK:
            forget_recent();
            if (first_break == 0) first_break = up(value);
            if (up(value) > first_break && mapped_bytes + up(value) - first_break > limits.memory_bytes &&
                value > program_break) {
                lacked = true;
                replace(program_break);
                break;
            }
            if (value < program_break) untouch(up(value), up(program_break));
            program_break = value;
            break;
        case CLOCK_GETTIME:
            if (!failed) {
                uint64_t ns = now() + (a[0] == 0 || a[0] == 5 ? EPOCH_SECONDS * 1000000000 : 0);
                write_guest(a[1], timespec{time_t(ns / 1000000000), long(ns % 1000000000)});
            }
            break;
        case GETTIMEOFDAY:
            if (!failed && a[0] != 0) {
                uint64_t us = now() / 1000;
                write_guest(a[0], timeval{time_t(EPOCH_SECONDS + us / 1000000), suseconds_t(us % 1000000)});
            }
            break;
        case CLONE:
            if (!failed && a[0] & CLONE_CLEARS) threads::created(a[CLONE_CLEARED]);
            break;
        case TIME: {
            uint64_t seconds = EPOCH_SECONDS + now() / 1000000000;
            if (a[0] != 0) write_guest(a[0], seconds);
            replace(seconds);
            break;
        }
        case TIMES: {
            uint64_t ticks = now() / 10000000;
            if (a[0] != 0) write_guest(a[0], std::array<uint64_t, 4>{ticks, 0, 0, 0});
            replace(ticks);
            break;
        }
        case GETRUSAGE:
            if (!failed) {
                uint64_t us = now() / 1000;
                std::array<uint64_t, 18> usage{us / 1000000, us % 1000000};
                usage[4] = most_touched * 4;
                write_guest(a[1], usage);
            }
            break;
        case FSTAT:
            if (!failed && is_stream(static_cast<int>(a[0]))) write_stat(a[1], static_cast<int>(a[0]));
            break;
        case NEWFSTATAT:
            if (!failed && is_stream(static_cast<int>(a[0])) && text_at(a[1]).empty())
                write_stat(a[2], static_cast<int>(a[0]));
            break;
        case UNAME:
            if (failed) break;
            write_text(a[0] + UNAME_FIELD, "simulated");
            write_text(a[0] + 3 * UNAME_FIELD, "#1");
            write_text(a[0] + 5 * UNAME_FIELD, "");
            break;
        case SYSINFO:
            if (!failed) write_guest(a[0], std::array<uint64_t, 14>{});
            break;
        case SCHED_GETAFFINITY:  // one processor
            if (!failed) write_guest(a[2], uint64_t(1)), replace(sizeof(uint64_t));
            break;
        case GETRANDOM:
            if (!failed) write_random(a[0], value);
            break;
        default: break;
    }
}

bool replaced_result(uint64_t& result) {
    if (!has_replacement) return false;
    has_replacement = false;
    result = replacement;
    return true;
}

}  // namespace guest
