"""How close the embedded ruler is to gem5 in work, i.e. after start-up, on inputs that make programs do some.

usage: python -m benchmarks.work record FILE [--dataset D]... [--programs N] [--environment gem5-skylake]
       python -m benchmarks.work compare FILE [--dataset D]... [--ruler skylake] [--inputs N]

PIE's own tests are too small: most programs do less than 10 µs of work on them. `record` enlarges a test's input (its
first number grows, or its first word) as long as the program still ends well, takes up to 13 inputs with 50 to 450 µs
of work, and measures them in gem5, one line of JSON each; then each pair's other program on two of them. It resumes
where it stopped. `compare` measures the same in the ruler and reports its errors: whole times, start-up, work, and the
speedups of pairs on the inputs measured for both programs.
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

from scipy.stats import spearmanr

from pie_bench.data.load import PairDataset, load_dataset
from pie_bench.data.pair import Pair
from pie_bench.data.spec import SCORED
from pie_bench.errors import UserError
from pie_bench.execution.environment import load_environment_spec
from pie_bench.execution.executor import open_environment
from pie_bench.execution.roots import build_roots
from pie_bench.execution.sandbox.choose import choose_sandbox
from pie_bench.execution.simulators.gem5.startup import stopped_at_main
from pie_bench.execution.simulators.kind import open_simulator
from pie_bench.execution.toolchain import Toolchain
from pie_bench.metrics.best_at_k import OPTIMIZED_SPEEDUP
from pie_bench.run.measurement import Measurement

LEAST, MOST, INPUTS = 50e-6, 450e-6, 13  # seconds of work, inputs per program
MOST_INSTRUCTIONS = 20_000_000  # while inputs are looked for; 450 µs are 12 million at the most
MOST_TICKS = 5_000_000_000  # of a simulation in gem5: 5 ms
PAIRED = 2  # inputs of a slow program on which its fast one is measured too
Item = TypeVar("Item")
Times = tuple[float, float]  # whole, start-up (seconds)


def loaded(datasets: list[str]) -> Iterator[PairDataset]:
    """The scored and the training split of each dataset."""
    for name in datasets:
        yield load_dataset(name, SCORED)
        try:
            train = load_dataset(name, "train")
        except UserError:
            continue  # a dataset may only have the scored split
        yield train


def programs(datasets: list[str]) -> Iterator[tuple[str, str, str, list[bytes]]]:
    """Problem, name, text and tests' inputs (shortest first) of the programs: one of each problem, then the others."""
    by_problem: dict[str, dict[str, tuple[str, list[bytes]]]] = {}
    for dataset in loaded(datasets):
        for pair in dataset.pairs:
            inputs = sorted({test.input for test in dataset.tests(pair)}, key=lambda each: (len(each), each))
            for identifier, code in zip(names(pair), (pair.src_code, pair.tgt_code), strict=True):
                by_problem.setdefault(pair.problem_id, {})[identifier] = (code, inputs)
    turns = []
    for problem, found in by_problem.items():
        identifiers = sorted(found)
        random.Random(problem).shuffle(identifiers)
        turns += [(turn, problem, name, *found[name]) for turn, name in enumerate(identifiers)]
    for _, problem, name, code, inputs in sorted(turns, key=lambda each: each[:3]):
        yield problem, name, code, inputs


def names(pair: Pair) -> tuple[str, str]:
    slow, fast = pair.pair_id.split("-", 1)
    return slow, fast


def spread(items: list[Item], n: int) -> list[Item]:
    """At most `n` items, evenly spaced, including the first and the last; for n = 1 just the last."""
    if len(items) <= n:
        return items
    return [items[round(k * (len(items) - 1) / (n - 1))] for k in range(n)] if n > 1 else items[-1:]


class Lab:
    """Compiles and measures in one environment."""

    def __init__(self, name: str, max_instructions: int | None = None, max_ticks: int | None = None):
        sandbox = choose_sandbox()
        build_roots(name, sandbox)
        spec = load_environment_spec(name)
        if max_instructions is not None:
            spec = spec.model_copy(update={"max_instructions": max_instructions})
        if max_ticks is not None:
            spec = spec.model_copy(update={"simulator": spec.simulator.model_copy(update={"max_ticks": max_ticks})})
        environment = open_environment(spec, sandbox)
        self.toolchain = Toolchain(spec.toolchain, spec.compile_limits, sandbox, environment.root)
        self._simulator = open_simulator(environment, sandbox)
        self._isa = spec.toolchain.isa

    def times(self, binary: bytes, inputs: list[bytes]) -> list[Times | None]:
        """The times on each input; None where the program did not end well."""
        found = [
            self._times(each) if each.outcome == "ok" else None for each in self._simulator.measure(binary, inputs)
        ]
        lacks_startup = any(times is not None and not times[1] for times in found)
        stopped = stopped_at_main(binary, self._isa) if lacks_startup else None
        if stopped is None:
            return found
        # The ruler ends a static program's start-up at its entry point, before anything of it; gem5 ends it at `main`.
        (until_main,) = self._simulator.measure(stopped, [b""])
        return [None if times is None else (times[0], self._times(until_main)[0]) for times in found]

    def _times(self, measurement: Measurement) -> Times:
        return self._simulator.seconds(measurement.counters), self._simulator.seconds(measurement.startup_counters)


def larger_inputs(test: bytes, work: Callable[[bytes], float | None]) -> list[bytes]:
    """Inputs like a test's on which `work` is between LEAST and MOST, by changing their first number or word."""
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
    gem5, quick = Lab(environment, max_ticks=MOST_TICKS), Lab(ruler, MOST_INSTRUCTIONS)
    codes: dict[tuple[str, str], str] = {}

    def measure(problem: str, name: str, inputs: list[bytes]) -> None:
        binary = gem5.toolchain.compile(codes[problem, name]).binary
        found = zip(inputs, gem5.times(binary, inputs), strict=True) if binary is not None else ()
        with file.open("a") as out:
            for data, times in found:
                if times is not None:
                    out.write(json.dumps([problem, name, data.decode("latin-1"), *times]) + "\n")
        print(f"{problem} {name}: {len(inputs)} inputs", flush=True)

    known = recorded(file)
    for number, (problem, name, code, inputs) in enumerate(programs(datasets)):
        if limit is not None and number >= limit:
            break
        codes[problem, name] = code
        binary = quick.toolchain.compile(code).binary if (problem, name) not in known else None
        if binary is None or not inputs:
            continue

        def work(data: bytes, binary: bytes = binary) -> float | None:
            found = quick.times(binary, [data])[0]
            return None if found is None else found[0] - found[1]

        chosen = [each for test in (inputs[-1], inputs[len(inputs) // 2]) for each in larger_inputs(test, work)]
        measure(problem, name, spread(list(dict.fromkeys(chosen)), INPUTS))
    known = recorded(file)
    for problem, slow, fast in pairs(datasets):
        if (problem, fast) in codes and (problem, slow) in known:
            lacking = [
                data
                for data in spread(list(known[problem, slow]), PAIRED)
                if data not in known.get((problem, fast), {})
            ]
            if lacking:
                measure(problem, fast, lacking)


def recorded(file: Path) -> dict[tuple[str, str], dict[bytes, Times]]:
    """What was measured in gem5, by problem and program, by input."""
    found: dict[tuple[str, str], dict[bytes, Times]] = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        problem, name, data, whole, startup = json.loads(line)
        found.setdefault((problem, name), {})[data.encode("latin-1")] = (whole, startup)
    return found


def pairs(datasets: list[str]) -> list[tuple[str, str, str]]:
    """Problem, slow and fast program of every pair."""
    return sorted({(pair.problem_id, *names(pair)) for dataset in loaded(datasets) for pair in dataset.pairs})


def compare(file: Path, datasets: list[str], ruler: str, per_program: int | None) -> None:
    known = recorded(file)
    lab = Lab(ruler)
    errors: dict[str, list[float]] = {"whole times": [], "start-up": [], "work": []}
    by_name: list[tuple[float, str]] = []
    measured: dict[tuple[str, str], dict[bytes, Times]] = {}
    for problem, name, code, _ in programs(datasets):
        rows = known.get((problem, name))
        binary = lab.toolchain.compile(code).binary if rows else None
        if not rows or binary is None:
            continue
        inputs = list(rows) if per_program is None else spread(list(rows), per_program)
        ours = {data: times for data, times in zip(inputs, lab.times(binary, inputs), strict=True) if times is not None}
        measured[problem, name] = ours
        found = []
        for data, (whole, startup) in ours.items():
            gem5 = rows[data]
            if gem5[0] - gem5[1] >= LEAST:
                errors["whole times"].append(whole / gem5[0] - 1)
                errors["start-up"].append(startup / gem5[1] - 1)
                found.append((whole - startup) / (gem5[0] - gem5[1]) - 1)
        errors["work"] += found
        if found:
            by_name.append((max(map(abs, found)), f"{problem} {name}"))
            print(f"{problem} {name}: work {min(found):+.1%} to {max(found):+.1%} ({len(found)} runs)", flush=True)
    for missing in known.keys() - measured.keys():
        print(f"{' '.join(missing)}: in no dataset that was given", file=sys.stderr)
    for what, all_ in errors.items():
        tell(f"{what}: {len(all_)} runs of {len(by_name)} programs", all_)
    print("worst programs: " + ", ".join(f"{name} {error:.1%}" for error, name in sorted(by_name, reverse=True)[:6]))
    ratios: dict[str, list[tuple[float, float]]] = {"whole times": [], "work": []}  # gem5's speedup, the ruler's
    for problem, slow, fast in pairs(datasets):
        both = measured.get((problem, slow), {}).keys() & measured.get((problem, fast), {}).keys()
        for data in sorted(both):
            times = [table[problem, name][data] for table in (known, measured) for name in (slow, fast)]
            ratios["whole times"].append((times[0][0] / times[1][0], times[2][0] / times[3][0]))
            a, b, c, d = (whole - startup for whole, startup in times)
            if min(a, b) >= LEAST:
                ratios["work"].append((a / b, c / d))
    for what, found_ in ratios.items():
        if len(found_) > 2:
            gem5s, ours_ = zip(*found_, strict=True)
            rank = spearmanr(gem5s, ours_).statistic
            crossed = sum((a >= OPTIMIZED_SPEEDUP) != (b >= OPTIMIZED_SPEEDUP) for a, b in found_)
            tell(
                f"speedups in {what}: {len(found_)} inputs of pairs, rank correlation {rank:.4f}, "
                f"{crossed} on the other side of {OPTIMIZED_SPEEDUP}",
                [b / a - 1 for a, b in found_],
            )


def tell(what: str, errors: list[float]) -> None:
    size = sorted(map(abs, errors))
    if size:
        print(f"{what}: median {median(size):.2%}, p90 {size[int(0.9 * len(size))]:.2%}, worst {size[-1]:.2%}")


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
