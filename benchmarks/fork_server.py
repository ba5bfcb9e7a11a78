"""CPU seconds of cachegrind over a program's tests: forked at `main` against one process a test, side by side.

usage: python benchmarks/fork_server.py [--tests 100] [--environment cachegrind] [PROGRAM.cpp ...]
Without a program: three small ones. Every test is measured both ways in one run, checks of samples and all; every
count must be equal.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
from contextlib import suppress
from pathlib import Path

from pie_bench.execution.environment import load_environment_spec
from pie_bench.execution.executor import open_environment
from pie_bench.execution.sandbox.choose import choose_sandbox
from pie_bench.execution.simulators.cachegrind import CachegrindSimulator
from pie_bench.execution.toolchain import Toolchain

_PROGRAMS = {
    "iostream, adds": """#include <iostream>
int main() { int n; long sum = 0; std::cin >> n; for (int x; std::cin >> x;) sum += x; std::cout << sum << "\\n"; }""",
    "iostream, sorts": """#include <algorithm>
#include <iostream>
#include <vector>
int main() {
    int n; std::cin >> n; std::vector<int> v(n);
    for (int& x : v) std::cin >> x;
    std::sort(v.begin(), v.end());
    for (int x : v) std::cout << x << "\\n";
}""",
    "scanf, adds": """#include <cstdio>
int main() {
    int n, x; long sum = 0; scanf("%d", &n);
    while (scanf("%d", &x) == 1) sum += x;
    printf("%ld\\n", sum);
}""",
}
_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="*", type=Path)
    parser.add_argument("--tests", type=int, default=100)
    parser.add_argument("--environment", default="cachegrind")
    arguments = parser.parse_args()
    programs = {path.name: path.read_text() for path in arguments.programs} or _PROGRAMS
    inputs = [_input(index) for index in range(arguments.tests)]
    # bubblewrap does not wait for what it started: without this, the CPU time of that is nobody's.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    spec, sandbox = load_environment_spec(arguments.environment), choose_sandbox()
    environment = open_environment(spec, sandbox)
    toolchain = Toolchain(spec.toolchain, spec.compile_limits, sandbox, environment.root)
    simulators = [CachegrindSimulator(environment, sandbox, fork=fork) for fork in (False, True)]
    print(f"{arguments.tests} tests each          CPU seconds: apart   forked   ratio   equal in every count")
    for name, code in programs.items():
        binary = toolchain.compile(code).binary
        if binary is None:
            raise SystemExit(f"{name} does not compile")
        measured, seconds = [], []
        for simulator in simulators:
            before = _cpu_seconds()
            measured.append(list(simulator.measure(binary, inputs)))
            seconds.append(_cpu_seconds() - before)
        apart, forked = seconds
        equal = sum(one == other for one, other in zip(*measured, strict=True))
        print(f"{name:31} {apart:10.2f} {forked:8.2f}  1/{apart / forked:4.1f}   {equal} of {len(inputs)}", flush=True)
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
