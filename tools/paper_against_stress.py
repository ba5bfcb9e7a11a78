#!/usr/bin/env python3
"""What human speedups are worth: the same pairs on the dataset's tests and on stress inputs (docs/stress.md).

usage: PIE_DATA_DIR=… python tools/paper_against_stress.py pie [--published | --tests-per-program N] [--json FILE]

Both programs of every pair that has stress inputs are measured on the same seeded sample of its tests and on its stress
inputs, with and without start-up; the published speedup is shown if the dataset records times. Intervals are 95 %, by
problem.
Make the stress inputs first: pie-bench dataset stress pie.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pie_bench.data.load import load_dataset
from pie_bench.data.pair import Pair, TestCase
from pie_bench.data.spec import load_spec
from pie_bench.data.stress import MIN_SHARE, read_stress, stress_path
from pie_bench.execution.executor import Executor, open_executor
from pie_bench.execution.pool import LocalPool
from pie_bench.hashing import sha256
from pie_bench.metrics.best_at_k import OPTIMIZED_SPEEDUP
from pie_bench.metrics.edits import only_input_output
from pie_bench.metrics.growth import fitted, rank_correlation
from pie_bench.metrics.statistics import clusters_of, intervals
from pie_bench.paths import cache_dir

Times = dict[str, tuple[float, float]]  # total seconds and seconds before main, by test
COLUMNS = ("published", "tests", "tests*", "stress", "stress*")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--split", default="test")
    parser.add_argument("--environment", default="skylake")
    parser.add_argument("--tests-per-program", type=int, default=10, metavar="N")
    parser.add_argument("--published", action="store_true", help="only use recorded times; run no program")
    parser.add_argument("--workers", type=int, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    spec = load_spec(options.dataset)
    if options.published:
        show_published(load_dataset(options.dataset, options.split).pairs)
        return
    known = read_stress(stress_path(spec, options.split), spec.dataset, options.split)
    paper = load_dataset(options.dataset, options.split)
    stress = load_dataset(options.dataset, options.split, stress=True)
    has_stress = {pair.pair_id: pair for pair in stress.pairs}
    executor = open_executor(options.environment, cache_dir())

    def measure(pair: Pair) -> dict[str, Any]:
        row: dict[str, Any] = {"pair": pair.pair_id, "problem": pair.problem_id, "published": None}
        row["io"] = only_input_output(pair.src_code, pair.tgt_code)
        if pair.src_seconds is not None and pair.tgt_seconds is not None:
            row["published"] = math.fsum(pair.src_seconds.values()) / math.fsum(pair.tgt_seconds.values())
        if pair.pair_id not in has_stress:
            return row
        tests = sorted(paper.tests(pair), key=lambda test: test.test_id)
        tests = random.Random(0).sample(tests, min(options.tests_per_program, len(tests)))
        inputs = list(stress.tests(has_stress[pair.pair_id]))
        slow, human = (_times(code, [*tests, *inputs], executor) for code in (pair.src_code, pair.tgt_code))
        if slow is None or human is None:
            return row
        shares = known.pairs[pair.pair_id].shares
        row |= _speedups("tests", [test.test_id for test in tests], slow, human)
        row |= _speedups("stress", [name for name, share in shares.items() if share >= MIN_SHARE], slow, human)
        family = [each for each in known.problems[pair.problem_id].inputs if each.family and each.id in shares]
        for role, times in (("slow", slow), ("human", human)):
            fit = fitted([(each.size, times[each.id][0] - times[each.id][1]) for each in family])
            row[f"exponent_{role}"] = None if fit is None else [fit.exponent, fit.low, fit.high]
        return row

    pool = LocalPool(options.workers)
    rows = [*tqdm(pool.map_unordered(measure, paper.pairs), total=len(paper.pairs), disable=None)]
    rows.sort(key=lambda row: (row["problem"], row["pair"]))
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=1))
    show(rows)


def _times(code: str, tests: list[TestCase], executor: Executor) -> Times | None:
    """Total seconds and seconds before main, by test; None for a program that is not right on all of them."""
    measured = executor.measured(code, tests)
    if any(sha256(test.input) not in measured for test in tests):
        return None
    return {
        test.test_id: (executor.seconds(m), executor.startup_seconds(m))
        for test in tests
        for m in (measured[sha256(test.input)],)
    }


def _speedups(name: str, tests: Sequence[str], slow: Times, fast: Times) -> dict[str, float]:
    """The pair's speedup on these tests, whole and without start-up, and the share of work in the slow one's time."""
    whole = [math.fsum(side[test][0] for test in tests) for side in (slow, fast)]
    after = [math.fsum(side[test][0] - side[test][1] for test in tests) for side in (slow, fast)]
    return {name: whole[0] / whole[1], f"{name}*": after[0] / after[1], f"{name} work": after[0] / whole[0]}


def show_published(pairs: Sequence[Pair]) -> None:
    """Results from recorded times alone: for whole processes, and for each program's fastest test, which is mostly
    start-up."""
    timed = [pair for pair in pairs if pair.src_seconds and pair.tgt_seconds]
    problems = [pair.problem_id for pair in timed]
    sides = [(pair.src_seconds or {}, pair.tgt_seconds or {}) for pair in timed]
    whole = np.array([math.fsum(slow.values()) / math.fsum(fast.values()) for slow, fast in sides])
    fastest = np.array([min(slow.values()) / min(fast.values()) for slow, fast in sides])
    found = intervals(np.stack([whole, fastest], axis=1), clusters_of(problems))
    for name, at in (("whole processes, all tests", 0), ("each program's fastest test", 1)):
        print(f"{name}: mean speedup {found.mean[at]:.2f} [{found.low[at]:.2f}, {found.high[at]:.2f}]")
    share = float(np.median([1 - len(slow) * min(slow.values()) / math.fsum(slow.values()) for slow, _ in sides]))
    print(f"beyond its fastest test, a slow program's time: {100 * share:.2f} % (median)")
    heaviest = np.sort(whole)[::-1][:10].sum() / whole.sum()
    size = f"{len(timed)} pairs of {len(set(problems))} problems"
    print(f"{size}; the ten heaviest are {100 * heaviest:.0f} % of the mean")
    dropped = np.array([_streams(pair.src_code) and not _streams(pair.tgt_code) for pair in timed])
    for name, chosen in (("iostream in the slow program only", dropped), ("other pairs", ~dropped)):
        print(f"{name}: {chosen.sum()} pairs, mean speedup {whole[chosen].mean():.2f}")


def _streams(code: str) -> bool:
    return "iostream" in code or "bits/stdc++" in code


def show(rows: list[dict[str, Any]]) -> None:
    """Prints results per problem, the means, and which pairs change sides."""
    titles = " ".join(f"{name:>10}" for name in COLUMNS)
    print(f"{'problem':<8} pairs with stress {titles}  work: tests, stress; exponents: slow, human")
    for problem in sorted({row["problem"] for row in rows}):
        found = [row for row in rows if row["problem"] == problem]
        cells = " ".join(f"{_mean([row.get(name) for row in found]):>10}" for name in COLUMNS)
        shares = ", ".join(_mean([row.get(f"{name} work") for row in found]) for name in ("tests", "stress"))
        powers = ", ".join(
            _mean([(row.get(f"exponent_{role}") or [None])[0] for row in found]) for role in ("slow", "human")
        )
        with_stress = sum("stress" in row for row in found)
        print(f"{problem:<8} {len(found):>5} {with_stress:>11} {cells}  {shares}; {powers}")
    both = [row for row in rows if "stress" in row and "tests" in row]
    for title, chosen in (("all pairs", rows), ("pairs with stress inputs", both)):
        print(f"\n{title}: {len(chosen)} of {len({row['problem'] for row in chosen})} problems")
        for name in COLUMNS:
            values = [row for row in chosen if row.get(name) is not None]
            if len(values) > 1:
                speeds = np.array([max(1.0, row[name]) for row in values])
                columns = np.stack([speeds, np.log(speeds), 100.0 * (speeds >= OPTIMIZED_SPEEDUP)], axis=1)
                found_intervals = intervals(columns, clusters_of([row["problem"] for row in values]))
                mean, high = found_intervals.mean, found_intervals.high
                low = np.maximum(found_intervals.low, [1.0, 0.0, 0.0])  # no mean of floored speedups is below 1
                print(
                    f"  {name:<10} {len(values):>3} pairs: mean {mean[0]:.2f} [{low[0]:.2f}, {high[0]:.2f}], geometric "
                    f"{math.exp(mean[1]):.2f} [{math.exp(low[1]):.2f}, {math.exp(high[1]):.2f}], "
                    f"optimised {mean[2]:.0f} %"
                )
    alone = [row for row in rows if row.get("tests", 0) >= OPTIMIZED_SPEEDUP]
    startup = [row for row in alone if row["tests*"] < OPTIMIZED_SPEEDUP]
    io = [row for row in alone if row["io"] and row not in startup]
    print(f"\noptimised on tests: {len(alone)}; by start-up alone {len(startup)}, by input and output alone {len(io)}")
    if len(both) > 2:
        for first, second in (("tests", "stress"), ("tests*", "stress*"), ("tests", "tests*")):
            rank = rank_correlation([row[first] for row in both], [row[second] for row in both])
            sides = [row for row in both if (row[first] >= OPTIMIZED_SPEEDUP) != (row[second] >= OPTIMIZED_SPEEDUP)]
            named = ", ".join(f"{row['pair']} {row[first]:.2f} → {row[second]:.2f}" for row in sides)
            said = f"{len(sides)} change sides{': ' if named else ''}{named}"
            print(f"{first} and {second}: rank correlation {rank}; {said}")


def _mean(values: list[Any]) -> str:
    known = [value for value in values if value is not None]
    return f"{math.fsum(known) / len(known):.2f}" if known else "–"


if __name__ == "__main__":
    main()
