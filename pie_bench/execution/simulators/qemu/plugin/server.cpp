// SPDX-License-Identifier: GPL-2.0-or-later
#include "server.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unordered_set>
#include <vector>

#include "arch.h"
#include "guest.h"
#include "isa.h"
#include "model.h"
#include "profile.h"
#include "report.h"
#include "threads.h"

namespace server {
namespace {

constexpr int CONTROL = 60;      // where the socket goes while it serves: below the sandbox's limit of 64
constexpr size_t BLOCKS = 1 << 16;  // that a child may name

uint64_t limit = ~0ull, period_ps = 286;
uint64_t main_offset = ~0ull, main_address = ~0ull, entry_offset = ~0ull, entry_address = ~0ull;
int report_descriptor = -1;
bool serves, forked, at_first = true, startup_ended;
std::vector<uint8_t> child_filter;
struct sigaction qemus_handler;

// Blocks that children translated, so that the server translates them for later ones: shared, with no descriptor.
struct Blocks {
    uint32_t count;
    uint64_t address[BLOCKS];
};
Blocks* blocks;
std::unordered_set<uint64_t> translated_blocks;
TranslationBlock like;  // with the same of QEMU's flags

[[noreturn]] void leave(int status) {
    syscall(SYS_exit_group, status);
    __builtin_unreachable();
}

report::Counters counters() {
    report::Counters all;
    model::read(all);
    all.emplace_back("pages", guest::pages_touched());
    return all;
}

[[noreturn]] void end(const std::string& outcome, const std::string& detail, int status) {
    report::finish(outcome, detail, counters());
    leave(status);
}

// What the guest must not find open: all but the standard streams and, while it serves, the socket.
void close_descriptors() {
    for (int descriptor = 3; descriptor < 1024; ++descriptor)
        if (!serves || descriptor != CONTROL) close(descriptor);
}

// A fault at an address that is not the guest's ends it, and is said. A guest that handles faults could otherwise look
// for QEMU's memory. Faults in its own pages are QEMU's to handle (it protects code that it has translated).
void on_fault(int number, siginfo_t* info, void* context) {
    auto address = reinterpret_cast<uint64_t>(info->si_addr);
    bool was_sent = info->si_code <= 0;
    if (!was_sent && guest::is_below_stack(address)) end_memory_limit("the stack is used up");
    if (!was_sent && !guest::is_mapped(address)) {
        char text[64];
        if (guest::lacked_memory()) end_memory_limit("a request for memory was refused");
        std::snprintf(text, sizeof text, "0x%" PRIx64 ", outside its own memory", address);
        if (guest::handles_faults()) end_forbidden(std::string("handles the fault at ") + text);
        report::finish("crashed", std::string("signal 11 at ") + text, counters());
    }
    qemus_handler.sa_sigaction(number, info, context);
}

void watch_faults() {
    sigaction(SIGSEGV, nullptr, &qemus_handler);
    struct sigaction ours = qemus_handler;
    ours.sa_sigaction = on_fault;
    sigaction(SIGSEGV, &ours, nullptr);
}

void at_start(unsigned, void*) {
    if (!at_first) return;
    at_first = false;
    if (const TranslationBlock* block = tcg_tb_lookup(reinterpret_cast<uintptr_t>(__builtin_return_address(0))))
        like = *block;
    if (!serves && report_descriptor >= 0) report::open(report_descriptor);
    close_descriptors();
    watch_faults();
}

// One packet from the harness; false at the end of the connection.
bool receive(char& tag, int descriptors[4]) {
    alignas(cmsghdr) char ancillary[CMSG_SPACE(4 * sizeof(int))];
    iovec data{&tag, 1};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = ancillary;
    message.msg_controllen = sizeof ancillary;
    ssize_t size;
    do size = recvmsg(CONTROL, &message, 0);
    while (size < 0 && errno == EINTR);
    if (size != 1) return false;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header == nullptr || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(4 * sizeof(int)))
        return false;
    std::memcpy(descriptors, CMSG_DATA(header), 4 * sizeof(int));
    return true;
}

void become_child(const int descriptors[4]) {
    forked = true;
    for (int stream = 0; stream < 3; ++stream) dup2(descriptors[stream], stream);
    report::open(descriptors[3]);
    serves = false;
    guest::set_control(-1);
    close_descriptors();
    sock_fprog program{static_cast<unsigned short>(child_filter.size() / sizeof(sock_filter)),
                       reinterpret_cast<sock_filter*>(child_filter.data())};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
        leave(125);
}

// Translates what a child had to, so that the next one need not. A translation changes no count.
void translate_as_it_did() {
    uint32_t count = blocks->count;
    if (like.pc == 0 || count > BLOCKS) return;
    mmap_lock();
    for (uint32_t i = 0; i < count; ++i) {
        uint64_t address = blocks->address[i];
        if ((page_get_flags(address) & PAGE_EXEC) && translated_blocks.insert(address).second)
            tb_gen_code(thread_cpu, address, like.cs_base, like.flags, static_cast<int>(like.cflags));
    }
    mmap_unlock();
    blocks->count = 0;
}

// Forks for each input; returns in the children only. By the C library's fork and between two blocks, as QEMU itself does
// for a guest: its other thread (RCU) may hold a lock, of malloc say, that a child of a raw system call would wait for.
void serve() {
    char tag;
    int descriptors[4];
    while (receive(tag, descriptors)) {
        pid_t child = fork();
        if (child == 0) {
            become_child(descriptors);
            return;
        }
        for (int descriptor : descriptors) close(descriptor);
        int status = 0;
        while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
        translate_as_it_did();
        if (send(CONTROL, &status, sizeof status, MSG_NOSIGNAL) != sizeof status) break;
    }
    leave(0);
}

// Start-up ends at `main`. In a program that looks before that at what differs from run to run it ends at the program's
// entry point, so that nothing of its own passes as start-up: neither what it does with its input nor what it prepares.
report::Counters at_entry_point;

void at_entry(unsigned, void*) {
    if (startup_ended) return;
    model::settle();
    at_entry_point = counters();
}

void at_main(unsigned, void*) {
    if (startup_ended) return;
    startup_ended = true;
    model::settle();
    profile::end_startup();
    report::startup(counters());
}

void at_first_look() {
    if (startup_ended) return;
    startup_ended = true;
    report::startup(at_entry_point);
}

// After a system call: what the guest sees as its result.
extern "C" void ruler_after_call_with_registers(unsigned, void*, CPUArchState* guest) {
    uint64_t result;
    if (guest::replaced_result(result)) registers(guest)[CALL_RESULT] = result;
}
QEMU_CALLBACK_WITH_REGISTERS(ruler_after_call)

void on_call(qemu_plugin_id_t, unsigned vcpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
             uint64_t f, uint64_t, uint64_t) {
    const uint64_t arguments[6] = {a, b, c, d, e, f};
    const bool ends = number == calls::EXIT_GROUP || (number == calls::EXIT && !threads::are_several());
    model::settle();
    guest::called(vcpu, number, arguments);
    if (guest::has_seen()) at_first_look();
    if (serves && (guest::has_seen() || ends)) serve();
    guest::tell_sizes();
    if (!ends) return;
    model::finish();
    if ((a & 0xff) != 0 && guest::lacked_memory()) end_memory_limit("a request for memory was refused");
    profile::finish();
    end("exited", std::to_string(a & 0xff), static_cast<int>(a & 0xff));
}

void on_return(qemu_plugin_id_t, unsigned vcpu, int64_t number, int64_t result) { guest::returned(vcpu, number, result); }

// The first packet is the filter of system calls that children put on. Then the guest gets another standard input.
void begin_to_serve() {
    child_filter.resize(1 << 16);
    ssize_t size = recv(0, child_filter.data(), child_filter.size(), 0);
    if (size < 0 || dup2(0, CONTROL) < 0) leave(125);
    child_filter.resize(static_cast<size_t>(size));
    fcntl(CONTROL, F_SETFD, FD_CLOEXEC);
    int nothing = open("/dev/null", O_RDONLY);
    if (nothing < 0 || dup2(nothing, 0) < 0) leave(125);
    void* place = mmap(nullptr, sizeof(Blocks), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (place == MAP_FAILED) leave(125);
    blocks = static_cast<Blocks*>(place);
    guest::set_control(CONTROL);
}

// Whether a system call stands right before this instruction.
bool follows_call(uint64_t address) {
    constexpr uint64_t size = sizeof CALL_BYTES;
    if (!(page_get_flags(address - size) & PAGE_READ) || !(page_get_flags(address - 1) & PAGE_READ)) return false;
    return std::memcmp(reinterpret_cast<const uint8_t*>(address + guest_base - size), CALL_BYTES, size) == 0;
}

}  // namespace

void install(qemu_plugin_id_t id, int argc, char** argv) {
    guest::Limits limits;
    for (int i = 0; i < argc; ++i) {
        std::string option = argv[i];
        size_t equals = option.find('=');
        if (equals == std::string::npos) continue;
        std::string name = option.substr(0, equals);
        const char* value = argv[i] + equals + 1;
        auto number = [value] { return std::strtoull(value, nullptr, 0); };
        if (name == "report") {
            const char* inherited = "/proc/self/fd/";
            if (std::strncmp(value, inherited, std::strlen(inherited)) == 0)
                report_descriptor = std::atoi(value + std::strlen(inherited));
            else
                report_descriptor = open(value, O_RDWR);
        }
        else if (name == "key") report::set_key(value);
        else if (name == "main") main_offset = number();
        else if (name == "entry") entry_offset = number();
        else if (name == "serve") serves = number() != 0;
        else if (name == "max_instructions") limit = number();
        else if (name == "memory") limits.memory_bytes = number();
        else if (name == "period_ps") period_ps = number();
    }
    guest::start(limits);
    if (serves) begin_to_serve();
    threads::install(id);
    qemu_plugin_register_vcpu_syscall_cb(id, on_call);
    qemu_plugin_register_vcpu_syscall_ret_cb(id, on_return);
}

void translated(qemu_plugin_tb* block) {
    size_t count = qemu_plugin_tb_n_insns(block);
    uint64_t begin = qemu_plugin_tb_vaddr(block);
    if (main_address == ~0ull && main_offset != ~0ull) main_address = qemu_plugin_start_code() + main_offset;
    if (entry_address == ~0ull && entry_offset != ~0ull) entry_address = qemu_plugin_start_code() + entry_offset;
    if (at_first)
        qemu_plugin_register_vcpu_insn_exec_cb(qemu_plugin_tb_get_insn(block, 0), at_start, QEMU_PLUGIN_CB_NO_REGS,
                                               nullptr);
    if (forked && blocks != nullptr && blocks->count < BLOCKS) blocks->address[blocks->count++] = begin;
    if (serves) translated_blocks.insert(begin);
    uint64_t end = begin;
    for (size_t i = 0; i < count; ++i) {
        qemu_plugin_insn* instruction = qemu_plugin_tb_get_insn(block, i);
        uint64_t address = qemu_plugin_insn_vaddr(instruction);
        auto on = [instruction](qemu_plugin_vcpu_udata_cb_t callback, qemu_plugin_cb_flags flags) {
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, callback, flags, nullptr);
        };
        if (i == 0 && follows_call(begin)) on(ruler_after_call, QEMU_PLUGIN_CB_RW_REGS);
        if (address == entry_address) on(at_entry, QEMU_PLUGIN_CB_NO_REGS);
        if (address == main_address) on(at_main, QEMU_PLUGIN_CB_NO_REGS);
        end = address + qemu_plugin_insn_size(instruction);
    }
    isa::translated(block);
    guest::code(begin, end - begin);
}

uint64_t max_instructions() { return limit; }

void end_serving() {
    if (serves) leave(0);
}

uint64_t nanoseconds() {
    return static_cast<uint64_t>(static_cast<unsigned __int128>(model::cycles()) * period_ps / 1000);
}

void end_instruction_limit() { end("instruction_limit", std::to_string(model::instructions()) + " instructions", 0); }

void end_memory_limit(const std::string& what) { end("memory_limit", what, 0); }

void end_unsupported(const std::string& what) { end("unsupported", what, 0); }

void end_forbidden(const std::string& evidence) { end("forbidden", evidence, 0); }

}  // namespace server
