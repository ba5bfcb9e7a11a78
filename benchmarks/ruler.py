"""The cost of the ruler: CPU seconds for a program's tests in one environment and in another, side by side.

usage: python benchmarks/ruler.py [--tests 100] [--environments skylake gem5-skylake] [PROGRAM.cpp ... | --dataset DIR]
With a dataset: as many of its programs as `--programs-of-dataset` says, evenly spread, on their own tests, scaled to
100 tests. Without a program: three small ones, and four long ones, to measure speed: 95 to 165 million instructions.
Environments take turns, so that a busy machine favours none; sample checks are included.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
from contextlib import suppress
from pathlib import Path

from pie_bench.data.load import load_dataset
from pie_bench.execution.environment import load_environment_spec
from pie_bench.execution.executor import open_environment
from pie_bench.execution.roots import build_roots
from pie_bench.execution.sandbox.choose import choose_sandbox
from pie_bench.execution.simulators.kind import open_simulator
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
_LONG = {
    "sorts a vector": """#include <algorithm>
#include <cstdio>
#include <vector>
int main() {
    std::vector<unsigned> v(1 << 18); unsigned x = 1;
    for (int round = 0; round < 4; round++) {
        for (auto& y : v) y = x = x * 1664525 + 1013904223;
        std::sort(v.begin(), v.end());
    }
    printf("%u", v[1]);
}""",
    "sorts, counts in a map": """#include <algorithm>
#include <iostream>
#include <map>
#include <vector>
int main() {
    std::vector<long long> v(250000); unsigned x = 1;
    for (auto& y : v) y = x = x * 1664525 + 1013904223;
    std::sort(v.begin(), v.end());
    std::map<long long, int> counts;
    for (size_t i = 0; i < v.size(); i += 2) counts[v[i] * 2654435761u % 1000003]++;
    long long sum = 0;
    for (auto& pair : counts) sum = sum * 31 + pair.first * pair.second;
    std::cout << sum << std::endl;
}""",
    "dynamic programming": """#include <algorithm>
#include <cstdio>
int best[4005][4005]; char a[4005], b[4005];
int main() {
    const int n = 4000;
    for (int i = 0; i < n; i++) a[i] = 'a' + (i * i * 7 + i / 3) % 26, b[i] = 'a' + (i * 13 + i * i / 5) % 26;
    for (int i = 1; i <= n; i++)
        for (int j = 1; j <= n; j++)
            best[i][j] = a[i - 1] == b[j - 1] ? best[i - 1][j - 1] + 1 : std::max(best[i - 1][j], best[i][j - 1]);
    printf("%d", best[n][n]);
}""",
    "geometry, Collatz": """#include <cmath>
#include <iostream>
#include <vector>
int main() {
    const int n = 1200;
    std::vector<double> x(n), y(n);
    for (int i = 0; i < n; i++) x[i] = std::sin(i * 0.7) * 1000, y[i] = std::cos(i * 1.3) * 1000;
    double far = 0; long long steps = 0;
    for (int i = 0; i < n; i++)
        for (int j = i + 1; j < n; j++) far = std::max(far, std::hypot(x[i] - x[j], y[i] - y[j]));
    for (int i = 1; i < n * 40; i++)
        for (int k = i; k != 1; k = k & 1 ? 3 * k + 1 : k / 2) steps++;
    std::cout << far << " " << steps << std::endl;
}""",
}
_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="*", type=Path)
    parser.add_argument("--tests", type=int, default=100)
    parser.add_argument("--environments", nargs="+", default=["skylake", "gem5-skylake"])
    parser.add_argument("--dataset")
    parser.add_argument("--programs-of-dataset", type=int, default=16)
    arguments = parser.parse_args()
    inputs = [_input(index) for index in range(arguments.tests)]
    codes = {path.name: path.read_text() for path in arguments.programs} or _PROGRAMS
    programs = {name: (code, inputs) for name, code in codes.items()}
    if arguments.dataset:
        programs = _programs_of(arguments.dataset, arguments.programs_of_dataset)
    # bubblewrap does not reap what it started: without this, its CPU time is accounted to nobody.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    sandbox, environments = choose_sandbox(), []
    for name in arguments.environments:
        build_roots(name, sandbox)
        environments.append(open_environment(load_environment_spec(name), sandbox))
    simulators = [open_simulator(environment, sandbox) for environment in environments]
    toolchains = [Toolchain(e.spec.toolchain, e.spec.compile_limits, sandbox, e.root) for e in environments]
    titles = "".join(f"{name:>14}" for name in arguments.environments)
    print(f"{'CPU seconds of 100 tests':28}{titles}")
    total = [0.0] * len(simulators)
    for name, (code, inputs) in programs.items():
        seconds = [0.0] * len(simulators)
        turn = len(inputs) if arguments.dataset else -(-len(inputs) // 2)
        for begin in range(0, len(inputs), turn):
            for index, (simulator, toolchain) in enumerate(zip(simulators, toolchains, strict=True)):
                binary = toolchain.compile(code).binary
                if binary is None:
                    raise SystemExit(f"{name} does not compile")
                before = _cpu_seconds()
                measured = list(simulator.measure(binary, inputs[begin : begin + turn]))
                seconds[index] += (_cpu_seconds() - before) * 100 / len(inputs)
                assert all(m.outcome == "ok" for m in measured), measured[0]
        print(_line(name, seconds), flush=True)
        total = [sum(both) for both in zip(total, seconds, strict=True)]
    print(_line("all", total))
    if arguments.programs or arguments.dataset:
        return
    print("million instructions a second")
    for name, code in _LONG.items():
        print(f"{name:28}", end="")
        for simulator, toolchain in zip(simulators, toolchains, strict=True):
            binary = toolchain.compile(code).binary
            assert binary is not None
            before = _cpu_seconds()
            (measurement,) = simulator.measure(binary, [b""])
            print(f"{measurement.counters['instructions'] / (_cpu_seconds() - before) / 1e6:14.1f}", end="", flush=True)
        print()


def _line(name: str, seconds: list[float]) -> str:
    return f"{name:28}" + "".join(f"{spent:14.2f}" for spent in seconds) + f"   {seconds[0] / seconds[-1]:.2f} times"


def _programs_of(name: str, most: int) -> dict[str, tuple[str, list[bytes]]]:
    dataset, programs, seen = load_dataset(name), {}, set[str]()
    for pair in sorted(dataset.pairs, key=lambda pair: (pair.problem_id, pair.pair_id)):
        for side, code in (("source", pair.src_code), ("target", pair.tgt_code)):
            if code not in seen:
                seen.add(code)
                programs[f"{pair.pair_id} {side}"] = code, [test.input for test in dataset.tests(pair)]
    return {program: programs[program] for program in list(programs)[:: -(-len(programs) // most)]}


def _input(index: int) -> bytes:
    """Up to 300 numbers, different ones each time."""
    count = 3 + index * 37 % 300
    return f"{count}\n{' '.join(str((index * 7919 + i * 104729) % 1000003) for i in range(count))}\n".encode()


def _cpu_seconds() -> float:
    """CPU seconds of all ended processes that this one started."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
