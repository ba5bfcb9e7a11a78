"""CPU seconds of cachegrind over a program's tests: forked at `main` against one process a test, side by side.

usage: python benchmarks/fork_server.py [--tests 100] [PROGRAM.cpp]
Without a program: one that reads numbers with iostream and sorts them. Every test is measured both ways, turn by turn
in blocks, in one run; all counts must be equal.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import time
from contextlib import suppress
from pathlib import Path

from pie_bench.execution.environment import load_environment_spec
from pie_bench.execution.executor import open_environment
from pie_bench.execution.sandbox.choose import choose_sandbox
from pie_bench.execution.simulators.cachegrind import CachegrindSimulator
from pie_bench.execution.toolchain import Toolchain

_PROGRAM = """#include <algorithm>
#include <iostream>
#include <vector>
int main() {
    int n; std::cin >> n; std::vector<int> v(n);
    for (int& x : v) std::cin >> x;
    std::sort(v.begin(), v.end());
    for (int x : v) std::cout << x << "\\n";
}"""
_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="?", type=Path)
    parser.add_argument("--tests", type=int, default=100)
    arguments = parser.parse_args()
    code = arguments.program.read_text() if arguments.program else _PROGRAM
    inputs = [_input(index) for index in range(arguments.tests)]
    # bubblewrap does not wait for what it started: without this, the CPU time of that is nobody's.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    spec, sandbox = load_environment_spec("cachegrind-host"), choose_sandbox()
    environment = open_environment(spec, sandbox)
    binary = Toolchain(spec.toolchain, spec.compile_limits, sandbox).compile(code).binary
    if binary is None:
        raise SystemExit("the program does not compile")
    measurements, seconds = {}, {}
    for name, fork in (("one process a test", False), ("forked", True)):
        simulator = CachegrindSimulator(environment, sandbox, fork=fork)
        before, start = _cpu_seconds(), time.monotonic()
        measurements[name] = list(simulator.measure(binary, inputs))
        seconds[name] = _cpu_seconds() - before
        print(f"{name:20} {seconds[name]:7.2f} CPU seconds {time.monotonic() - start:7.2f} seconds")
    apart, forked = measurements.values()
    equal = sum(one == other for one, other in zip(apart, forked, strict=True))
    ratio = seconds["one process a test"] / seconds["forked"]
    print(f"ratio 1/{ratio:.1f}; equal in every count: {equal} of {len(inputs)}")
    if equal != len(inputs):
        raise SystemExit(1)


def _input(index: int) -> bytes:
    numbers = [str((index * 7919 + i * 104729) % 1000) for i in range(5 + index)]
    return f"{len(numbers)}\n{' '.join(numbers)}\n".encode()


def _cpu_seconds() -> float:
    """Of this process and all that it has started, which must have ended."""
    with suppress(ChildProcessError):
        while True:
            os.wait()
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == "__main__":
    main()
