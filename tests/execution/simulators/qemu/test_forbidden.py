"""Access to what is not the program's own ends its run, with evidence; impossible counts are refused."""

from __future__ import annotations

import dataclasses
import re

import pytest

from pie_bench.data.pair import TestCase
from pie_bench.execution.environment import Environment
from pie_bench.execution.executor import Executor
from pie_bench.execution.sandbox.sandbox import Sandbox
from pie_bench.execution.simulators.qemu.report import Report
from pie_bench.execution.simulators.qemu.simulator import QemuSimulator, impossible, main_offset
from pie_bench.run.verdict import Candidate
from pie_bench.store import MeasurementStore

PROBING = """
#include <csetjmp>
#include <csignal>
sigjmp_buf b;
int main() {
    signal(SIGSEGV, [](int) { siglongjmp(b, 1); });
    if (!sigsetjmp(b, 1)) { volatile char c = *(char*)0x700000000000; }
}"""
DESCRIPTORS = """
#include <sys/stat.h>
int main() {
    struct stat s;
    int n = 0;
    for (int d = 3; d < 1024; d++) n += fstat(d, &s) == 0;
    return n;
}"""
MPROTECT = """
#include <sys/mman.h>
int main() { void* p = mmap(0, 4096, 3, 34, -1, 0); return mprotect(p, 4096, 5); }"""
KINDS = {
    MPROTECT: "made executable",
    "#include <sys/mman.h>\nint main() { mmap(0, 4096, 7, 34, -1, 0); }": "both writable and executable",
    "#include <sys/mman.h>\nint main() { mmap(0, 4096, 5, 34, -1, 0); }": "executable memory that is not a library's",
    "#include <sys/socket.h>\nint main() { return socket(1, 1, 0) < 0; }": "system call 41",
    "#include <sys/ptrace.h>\nint main() { return ptrace(PTRACE_TRACEME) < 0; }": "system call 101",
    '#include <cstdio>\nint main() { fopen("/proc/self/mem", "r+"); }': "/proc/self/mem",
    '#include <cstdio>\nint main() { fopen("/proc/thread-self/maps", "r"); }': "/proc/thread-self/maps",
    '#include <cstdio>\nint main() { fopen("/usr/../proc/1/maps", "r"); }': "/usr/../proc/1/maps",
    PROBING: "0x700000000000",
}


@pytest.mark.parametrize("code", KINDS, ids=list(KINDS.values()))
def test_what_is_not_the_programs_own(code, compiled, measured):
    for fork in (True, False):
        for m in measured(compiled(code), fork=fork):
            assert m.outcome == "forbidden" and KINDS[code] in m.detail


def test_code_in_writable_memory(compiled, measured):
    code = '__attribute__((section(".wx,\\"awx\\"#"))) unsigned char c[] = {0xc3};\nint main() { ((void (*)())c)(); }'
    (m,) = measured(compiled(code), [b""])
    assert m.outcome == "forbidden" and "in memory that is not a file's as loaded" in m.detail


def test_access_to_guessed_memory_of_qemu_is_noticed(compiled, ruler: Environment, sandbox: Sandbox):
    """With fixed addresses, as no run has them, the access succeeds; it is the program's last."""
    reads = "int main() { return *(volatile char*)0x7ffff7fce000 & 0; }"
    writes = "int main() { *(volatile char*)0x7ffffffde000 = 1; }"
    simulator = QemuSimulator(ruler, sandbox, fork=False)
    for code, did in ((reads, "a load from"), (writes, "a store to")):
        binary = compiled(code)
        key = bytes(16)
        command = simulator._command(binary, main_offset(binary), key, "report={report}")
        fixed = dataclasses.replace(command, random_addresses=False)
        finished = sandbox.run(fixed, ruler.spec.simulator_limits, "simulator")
        said = finished.report.rstrip(b"\0").decode()
        assert f"detail {did}" in said or "crashed" in said
        (m,) = simulator.measure(binary, [b""])
        assert m.outcome in ("runtime_error", "forbidden")


def test_starting_a_process_is_refused_as_natively(compiled, measured):
    (m,) = measured(compiled('#include <cstdlib>\nint main() { system("pause"); }'), [b""])
    assert m.outcome == "ok"


def test_only_the_programs_own_descriptors_are_open(compiled, measured):
    for fork in (True, False):
        assert {m.outcome for m in measured(compiled(DESCRIPTORS), fork=fork)} == {"ok"}


@pytest.mark.parametrize(
    ("counters", "startup", "why"),
    [
        ({"cycles": 100, "instructions": 100}, {"cycles": 200, "instructions": 50}, "more cycles before main"),
        ({"cycles": 10, "instructions": 81}, {}, "81 instructions in 10 cycles"),
        ({"cycles": 100, "instructions": 100}, {"cycles": 10, "instructions": 10}, "fewer than an empty program's"),
        ({}, {}, "no instructions"),
    ],
)
def test_impossible_counts(counters, startup, why):
    assert why in (impossible(Report("exited", "0", counters, startup), 20) or "")


def test_possible_counts():
    counters = {"cycles": 100, "instructions": 100}
    assert impossible(Report("exited", "0", counters, counters), 20) is None


def test_an_empty_program_is_the_least(compiled, measured, ruler: Environment):
    (m,) = measured(compiled("int main() {}"), [b""])
    least = ruler.spec.simulator.least_startup_instructions  # type: ignore[union-attr]
    assert m.outcome == "ok" and 0.8 * m.startup_counters["instructions"] < least <= m.startup_counters["instructions"]


def test_time_that_native_cpu_time_rules_out(ruler: Environment, sandbox: Sandbox, tmp_path):
    """A program that does its work natively but skips it if it sees the simulated processor."""
    code = """
#include <cpuid.h>
#include <cstdio>
int main() {
    unsigned a, b, c, d;
    __cpuid(0, a, b, c, d);
    long n = b == 0x6f677948 ? 0 : %s;
    for (volatile long i = 0; i < n; i++) {}
    puts("1");
}"""
    executor = Executor(ruler, sandbox, MeasurementStore(tmp_path / "m.sqlite"))
    tests = [TestCase("a", b"", b"1\n")]
    honest = executor.execute(Candidate("p", "source", 0, code % "1000000"), tests)
    assert honest.outcome == "ok", honest
    verdict = executor.execute(Candidate("p", "source", 0, code % "3000000000"), tests)
    assert verdict.outcome == "forbidden" and re.fullmatch(
        r"test a: [\d.]+ s of CPU time natively, 0.000\d+ s simulated", verdict.detail
    ), verdict
