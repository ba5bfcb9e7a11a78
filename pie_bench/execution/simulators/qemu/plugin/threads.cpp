// SPDX-License-Identifier: GPL-2.0-or-later
#include "threads.h"

#include <condition_variable>
#include <mutex>
#include <vector>

#include "server.h"

namespace threads {

unsigned only = 0;

namespace {

constexpr unsigned NONE = ~0u;
constexpr uint64_t TURN_BLOCKS = 1 << 20;
enum : uint64_t { WAIT = 0, WAKE = 1, WAIT_BITSET = 9, WAKE_BITSET = 10, COMMAND = 0x7f };

struct Thread {
    bool lives = false;
    uint64_t waits_at = 0;      // a futex; 0 while it can run
    uint64_t since = 0;         // the order in which threads began to wait
    uint64_t cleared = 0;       // set to 0 at its end
    uint64_t changed_at = 0;    // a futex whose value is another until the kernel has looked at it
    uint32_t value = 0;
    bool has_result = false;
    uint64_t result = 0;
};

std::mutex mutex;
std::condition_variable changed;
std::vector<Thread> all;
unsigned running, living, newest = NONE;
uint64_t waits, blocks;

uint32_t& at(uint64_t address) { return *reinterpret_cast<uint32_t*>(address + guest_base); }

void count_living() {
    living = 0;
    for (const Thread& thread : all) living += thread.lives;
    only = living == 1 ? running : NONE;
}

// The next that can run, from the one after `vcpu` on.
unsigned next_after(unsigned vcpu) {
    for (unsigned i = 1; i <= all.size(); ++i) {
        unsigned candidate = (vcpu + i) % static_cast<unsigned>(all.size());
        if (all[candidate].lives && all[candidate].waits_at == 0) return candidate;
    }
    return NONE;
}

void hand_over(unsigned vcpu) {
    unsigned next = next_after(vcpu);
    if (next == NONE) server::end_unsupported("all threads wait for each other");
    running = next;
    blocks = 0;
    changed.notify_all();
}

void wait_for_turn(std::unique_lock<std::mutex>& lock, unsigned vcpu) {
    changed.wait(lock, [vcpu] { return running == vcpu; });
}

uint64_t wake(uint64_t address, uint64_t most) {
    uint64_t woken = 0;
    for (; woken < most; ++woken) {
        Thread* first = nullptr;
        for (Thread& thread : all)
            if (thread.lives && thread.waits_at == address && (first == nullptr || thread.since < first->since))
                first = &thread;
        if (first == nullptr) break;
        first->waits_at = 0;
    }
    return woken;
}

void on_begin(qemu_plugin_id_t, unsigned vcpu) {
    std::lock_guard<std::mutex> lock(mutex);
    if (all.size() <= vcpu) all.resize(vcpu + 1);
    all[vcpu] = Thread{};
    all[vcpu].lives = true;
    newest = vcpu;
    count_living();
}

// A thread that ends hands over when QEMU has done with it: after it has set the thread's number to 0.
struct Leaving {
    unsigned vcpu = NONE;
    ~Leaving() {
        if (vcpu == NONE) return;
        std::lock_guard<std::mutex> lock(mutex);
        all[vcpu].lives = false;
        if (all[vcpu].cleared != 0) wake(all[vcpu].cleared, ~0ull);
        hand_over(vcpu);
        count_living();
    }
};
thread_local Leaving leaving;

void on_end(qemu_plugin_id_t, unsigned vcpu) { leaving.vcpu = vcpu; }

}  // namespace

void install(qemu_plugin_id_t id) {
    qemu_plugin_register_vcpu_init_cb(id, on_begin);
    qemu_plugin_register_vcpu_exit_cb(id, on_end);
}

bool are_several() { return living > 1; }

// Who waits must not seem to execute code, or QEMU could not drop its translations meanwhile; having waited, it looks
// its block up again.
void turn_slowly(unsigned vcpu, const void* block) {
    {
        std::unique_lock<std::mutex> lock(mutex);
        if (running == vcpu && ++blocks % TURN_BLOCKS == 0) hand_over(vcpu);
        if (running == vcpu) return;
        cpu_restore_state(thread_cpu, reinterpret_cast<uintptr_t>(block), true);
        cpu_exec_end(thread_cpu);
        wait_for_turn(lock, vcpu);
    }
    cpu_exec_start(thread_cpu);
    cpu_loop_exit_noexc(thread_cpu);
}

void yield(unsigned vcpu) {
    if (!are_several()) return;
    std::unique_lock<std::mutex> lock(mutex);
    hand_over(vcpu);
    wait_for_turn(lock, vcpu);
}

void before_futex(unsigned vcpu, const uint64_t a[6]) {
    if (!are_several()) return;
    std::unique_lock<std::mutex> lock(mutex);
    uint64_t command = a[1] & COMMAND;
    Thread* self = &all[vcpu];
    if (command == WAKE || command == WAKE_BITSET) {
        self->result = wake(a[0], a[2]);
        self->has_result = true;
        return;
    }
    if (command != WAIT && command != WAIT_BITSET)
        server::end_unsupported("futex operation " + std::to_string(command));
    if (!(page_get_flags(a[0]) & PAGE_WRITE) || at(a[0]) != static_cast<uint32_t>(a[2])) return;  // it returns at once
    if (a[3] == 0) self->waits_at = a[0], self->since = ++waits;  // with a timeout it is another's turn, no more
    hand_over(vcpu);
    wait_for_turn(lock, vcpu);
    self = &all[vcpu];
    self->changed_at = a[0];
    self->value = at(a[0]);
    at(a[0]) = ~static_cast<uint32_t>(a[2]);
    self->has_result = true;
    self->result = 0;
}

bool after_futex(unsigned vcpu, uint64_t& result) {
    if (all.size() <= vcpu) return false;
    Thread& self = all[vcpu];
    if (self.changed_at != 0) at(self.changed_at) = self.value;
    self.changed_at = 0;
    bool has_result = self.has_result;
    self.has_result = false;
    result = self.result;
    return has_result;
}

void created(uint64_t cleared_at_its_end) {
    std::lock_guard<std::mutex> lock(mutex);
    if (newest != NONE) all[newest].cleared = cleared_at_its_end;
}

}  // namespace threads
