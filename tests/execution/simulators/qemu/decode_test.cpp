// Says how instructions are decoded: reads machine code on standard input, whose instructions' sizes are on the command
// line, and prints a line for each: its micro-operations as `CLASS[*] SOURCES > DESTINATIONS`, then what it is to fetch.
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <string>

#include "decode.h"

namespace {

const char* const BRANCHES[] = {"", "conditional", "direct", "indirect", "call", "indirect call", "return"};

std::string said(const MicroOp& op) {
    std::string text = std::to_string(op.op_class);
    if (op.flags & MicroOp::LOAD) text += "L";
    if (op.flags & MicroOp::STORE) text += "S";
    if (op.flags & MicroOp::BARRIER) text += "B";
    if (op.flags & MicroOp::SERIALIZE_AFTER) text += "!";
    for (uint8_t r : op.source)
        if (r != NO_REGISTER) text += " " + std::to_string(r);
    text += " >";
    for (uint8_t r : op.destination)
        if (r != NOWHERE) text += " " + std::to_string(r);
    return text;
}

}  // namespace

int main(int argc, char** argv) {
    std::string code(std::istreambuf_iterator<char>(std::cin), {});
    size_t at = 0;
    for (int k = 1; k < argc; ++k) {
        size_t size = std::strtoull(argv[k], nullptr, 10);
        Instruction in = decode(0x1000 + at, code.data() + at, size);
        std::string text;
        for (const MicroOp& op : in.ops) text += (text.empty() ? "" : " + ") + said(op);
        if (in.branch != BranchKind::None) text += std::string(" ") + BRANCHES[unsigned(in.branch)];
        if (in.target) text += " " + std::to_string(int64_t(in.target - in.address));
        if (in.system_call) text += " system call";
        if (!in.unsupported.empty()) text += " unsupported";
        std::puts(text.c_str());
        at += size;
    }
}
