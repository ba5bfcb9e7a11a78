// The report: a text in memory that is shared with the harness and that the guest has no descriptor of.
// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace report {

using Counters = std::vector<std::pair<std::string, uint64_t>>;

constexpr size_t BYTES = 1 << 20;

// The key that the report's sum is made with: 16 bytes in hexadecimal.
void set_key(const std::string& hexadecimal);

// Maps the file behind `descriptor` (which is made BYTES long) and closes it. One report a process.
void open(int descriptor);

// What was counted up to `main`.
void startup(const Counters&);

// Lines that are added to the report as they are: "name value".
void add(const std::string& line);

// Writes the report: how the program ended, evidence for that, and what was counted. The first call counts.
void finish(const std::string& outcome, const std::string& detail, const Counters&);

// SipHash-2-4 (Aumasson and Bernstein, 2012).
uint64_t siphash(const uint8_t key[16], const void* data, size_t size);

}  // namespace report
