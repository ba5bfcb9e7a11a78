// SPDX-License-Identifier: GPL-2.0-or-later
#include "report.h"

#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace report {
namespace {

uint8_t key[16];
char* shared;
bool finished;
Counters at_main;
bool reached_main;
std::string more;

uint64_t rotated(uint64_t x, int by) { return x << by | x >> (64 - by); }

struct Sip {
    uint64_t a, b, c, d;

    void rounds(int n) {
        while (n-- > 0) {
            a += b, b = rotated(b, 13) ^ a, a = rotated(a, 32);
            c += d, d = rotated(d, 16) ^ c;
            a += d, d = rotated(d, 21) ^ a;
            c += b, b = rotated(b, 17) ^ c, c = rotated(c, 32);
        }
    }
};

}  // namespace

uint64_t siphash(const uint8_t key[16], const void* data, size_t size) {
    uint64_t k0, k1;
    std::memcpy(&k0, key, 8);
    std::memcpy(&k1, key + 8, 8);
    Sip s{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
    auto bytes = static_cast<const uint8_t*>(data);
    for (size_t at = 0; at <= size; at += 8) {
        uint64_t word = 0;
        std::memcpy(&word, bytes + at, size - at < 8 ? size - at : 8);
        if (size - at < 8) word |= uint64_t(size) << 56;
        s.d ^= word;
        s.rounds(2);
        s.a ^= word;
    }
    s.c ^= 0xff;
    s.rounds(4);
    return s.a ^ s.b ^ s.c ^ s.d;
}

void set_key(const std::string& hexadecimal) {
    for (size_t i = 0; i < 16 && 2 * i + 1 < hexadecimal.size(); ++i)
        key[i] = std::strtoul(hexadecimal.substr(2 * i, 2).c_str(), nullptr, 16);
}

void open(int descriptor) {
    if (ftruncate(descriptor, BYTES) != 0) _exit(125);
    // Far from all else, so that no address that the guest may learn says anything of this one.
    uint64_t random = 0;
    if (getrandom(&random, sizeof random, 0) != sizeof random) _exit(125);
    auto wish = reinterpret_cast<void*>(0x100000000000 + (random % 0x400000000000 & ~0xfffull));
    void* place = mmap(wish, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (place == MAP_FAILED) _exit(125);
    close(descriptor);
    shared = static_cast<char*>(place);
}

void startup(const Counters& counters) {
    at_main = counters;
    reached_main = true;
}

void add(const std::string& line) { more += line + "\n"; }

void finish(const std::string& outcome, const std::string& detail, const Counters& counters) {
    if (finished || shared == nullptr) return;
    finished = true;
    std::string text = "outcome " + outcome + "\ndetail ";
    for (char c : detail) text += c >= ' ' && c < 127 ? c : '?';
    text += "\n";
    for (auto& [name, value] : counters) text += "counter " + name + " " + std::to_string(value) + "\n";
    if (reached_main)
        for (auto& [name, value] : at_main) text += "startup " + name + " " + std::to_string(value) + "\n";
    text += more;
    if (text.size() > BYTES - 64) text.resize(text.rfind('\n', BYTES - 64) + 1);
    char sum[32];
    std::snprintf(sum, sizeof sum, "sum %016" PRIx64 "\n", siphash(key, text.data(), text.size()));
    text += sum;
    std::memcpy(shared, text.data(), text.size());
}

}  // namespace report
