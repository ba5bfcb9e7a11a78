"""How near is the embedded ruler to gem5 in work: what a program does after start-up, on inputs that make it do some?

usage: python -m benchmarks.work record FILE [--dataset D]... [--programs N] [--environment gem5-skylake]
       python -m benchmarks.work compare FILE [--dataset D]... [--ruler skylake] [--inputs N]

PIE's own tests are too small: most programs do less than 10 µs of work on them. `record` makes larger inputs of a test
(its first number grows, or its first word), as long as the program still ends well, takes up to 13 with 50 to 450 µs of
work, and measures them in gem5: a line of JSON each. It goes on where it was stopped. `compare` measures the same in
the ruler and says how far it is off: whole times, start-up, work.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import TypeVar

from pie_bench.data.load import SCORED, load_dataset
from pie_bench.errors import UserError
from pie_bench.execution.environment import load_environment_spec
from pie_bench.execution.executor import open_environment
from pie_bench.execution.roots import build_roots
from pie_bench.execution.sandbox.choose import choose_sandbox
from pie_bench.execution.simulators.kind import open_simulator
from pie_bench.execution.toolchain import Toolchain
from pie_bench.run.measurement import Measurement

LEAST, MOST, INPUTS = 50e-6, 450e-6, 13
Item = TypeVar("Item")
Times = tuple[float, float]  # whole, start-up (seconds)


def programs(datasets: list[str]) -> Iterator[tuple[str, str, str, list[bytes]]]:
    """Problem, name, text and tests' inputs (shortest first) of the programs: one of each problem, then the others."""
    by_problem: dict[str, dict[str, tuple[str, list[bytes]]]] = {}
    for name in datasets:
        for split in (SCORED, "train"):
            try:
                dataset = load_dataset(name, split, with_tests=True)
            except UserError:
                if split == SCORED:
                    raise
                continue  # a dataset need not have more than what is scored
            for pair in dataset.pairs:
                inputs = sorted({test.input for test in dataset.tests(pair)}, key=lambda each: (len(each), each))
                names = pair.pair_id.split("-", 1)
                for identifier, code in zip(names, (pair.src_code, pair.tgt_code), strict=True):
                    by_problem.setdefault(pair.problem_id, {})[identifier] = (code, inputs)
    turns = []
    for problem, found in by_problem.items():
        names = sorted(found)
        random.Random(problem).shuffle(names)
        turns += [(turn, problem, name, *found[name]) for turn, name in enumerate(names)]
    for _, problem, name, code, inputs in sorted(turns, key=lambda each: each[:3]):
        yield problem, name, code, inputs


def spread(items: list[Item], n: int) -> list[Item]:
    """At most `n` of them, the first and the last among them, evenly apart; the last one alone for one."""
    if len(items) <= n:
        return items
    return [items[round(k * (len(items) - 1) / (n - 1))] for k in range(n)] if n > 1 else items[-1:]


class Lab:
    """Compiles and measures in one environment."""

    def __init__(self, name: str):
        sandbox = choose_sandbox()
        build_roots(name, sandbox)
        environment = open_environment(load_environment_spec(name), sandbox)
        spec = environment.spec
        self.toolchain = Toolchain(spec.toolchain, spec.compile_limits, sandbox, environment.root)
        self._simulator = open_simulator(environment, sandbox)

    def times(self, binary: bytes, inputs: list[bytes]) -> list[Times | None]:
        """None where the program did not end well."""
        return [self._times(each) if each.outcome == "ok" else None for each in self._simulator.measure(binary, inputs)]

    def _times(self, measurement: Measurement) -> Times:
        whole = self._simulator.seconds(measurement.counters, measurement.startup_counters)
        return whole, self._simulator.seconds(measurement.startup_counters, measurement.startup_counters)


def larger_inputs(test: bytes, work: Callable[[bytes], float | None]) -> list[bytes]:
    """Inputs like a test on which `work` is between LEAST and MOST, by their first number or word."""
    chosen: dict[bytes, float] = {}

    def tried(data: bytes) -> float | None:
        seconds = work(data)
        if seconds is not None and LEAST <= seconds <= MOST:
            chosen[data] = seconds
        return seconds

    number = re.match(rb"\s*(\d+)", test)
    if number is None:
        word = test.split()[0] if test.split() else b""
        for times in (2**k for k in range(11)):
            if word and len(word) * times <= 200_000:
                tried(word * times + test[len(word) :])
        return sorted(chosen, key=chosen.__getitem__)
    first, rest = int(number[1]), test[number.end() :]
    seconds = tried(test)
    low, high = (first, first * 4096) if seconds is not None and seconds < LEAST else (0, first)
    for _ in range(12):
        if high - low <= 1:
            break
        middle = (low + high) // 2 if high < 8 * max(low, 1) else max(int((max(low, 1) * high) ** 0.5), low + 1)
        seconds = tried(str(middle).encode() + rest)
        if seconds is None or seconds > 400e-6:
            high = middle
        else:
            low = middle
    for share in range(25, 100, 10):
        tried(str(low * share // 100).encode() + rest)
    return sorted(chosen, key=chosen.__getitem__)


def record(file: Path, datasets: list[str], limit: int | None, environment: str, ruler: str) -> None:
    lines = file.read_text().splitlines() if file.exists() else []
    done = {tuple(row[:2]) for row in map(json.loads, lines)}
    gem5, quick = Lab(environment), Lab(ruler)
    with file.open("a") as out:
        for number, (problem, name, code, inputs) in enumerate(programs(datasets)):
            if limit is not None and number >= limit:
                break
            binary = gem5.toolchain.compile(code).binary if (problem, name) not in done else None
            if binary is None or not inputs:
                continue

            def work(data: bytes, binary: bytes = binary) -> float | None:
                found = quick.times(binary, [data])[0]
                return None if found is None else found[0] - found[1]

            found = [each for test in (inputs[-1], inputs[len(inputs) // 2]) for each in larger_inputs(test, work)]
            chosen = list(dict.fromkeys(found))
            chosen = spread(chosen, INPUTS)
            for data, times in zip(chosen, gem5.times(binary, chosen), strict=True):
                if times is not None:
                    out.write(json.dumps([problem, name, data.decode("latin-1"), *times]) + "\n")
            out.flush()
            print(f"{problem} {name}: {len(chosen)} inputs", flush=True)


def compare(file: Path, datasets: list[str], ruler: str, per_program: int | None) -> None:
    by_program: dict[tuple[str, str], list[tuple[bytes, Times]]] = {}
    for problem, name, data, whole, startup in map(json.loads, file.read_text().splitlines()):
        by_program.setdefault((problem, name), []).append((data.encode("latin-1"), (whole, startup)))
    lab = Lab(ruler)
    errors: dict[str, list[float]] = {"whole times": [], "start-up": [], "work": []}
    by_name: list[tuple[float, str]] = []
    for problem, name, code, _ in programs(datasets):
        rows = by_program.pop((problem, name), None)
        binary = lab.toolchain.compile(code).binary if rows else None
        if not rows or binary is None:
            continue
        if per_program is not None:
            rows = spread(rows, per_program)
        found = []
        for (_, gem5), ours in zip(rows, lab.times(binary, [data for data, _ in rows]), strict=True):
            if ours is None or gem5[0] - gem5[1] < LEAST:
                continue
            errors["whole times"].append(ours[0] / gem5[0] - 1)
            errors["start-up"].append(ours[1] / gem5[1] - 1)
            found.append((ours[0] - ours[1]) / (gem5[0] - gem5[1]) - 1)
        errors["work"] += found
        if found:
            by_name.append((max(map(abs, found)), f"{problem} {name}"))
            print(f"{problem} {name}: work {min(found):+.1%} to {max(found):+.1%} ({len(found)} runs)", flush=True)
    for missing in by_program:
        print(f"{' '.join(missing)}: in no dataset that was given", file=sys.stderr)
    for what, all_ in errors.items():
        size = sorted(map(abs, all_))
        if size:
            print(
                f"{what}: {len(size)} runs of {len(by_name)} programs: median {median(size):.2%}, "
                f"p90 {size[int(0.9 * len(size))]:.2%}, worst {size[-1]:.2%}"
            )
    print("worst programs: " + ", ".join(f"{name} {error:.1%}" for error, name in sorted(by_name, reverse=True)[:6]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["record", "compare"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--dataset", action="append", metavar="D", help="default: mini")
    parser.add_argument("--programs", type=int, metavar="N")
    parser.add_argument("--environment", default="gem5-skylake", metavar="E")
    parser.add_argument("--ruler", default="skylake", metavar="E")
    parser.add_argument("--inputs", type=int, metavar="N", help="at most N a program")
    arguments = parser.parse_args()
    datasets = arguments.dataset or ["mini"]
    if arguments.what == "record":
        record(arguments.file, datasets, arguments.programs, arguments.environment, arguments.ruler)
    else:
        compare(arguments.file, datasets, arguments.ruler, arguments.inputs)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
