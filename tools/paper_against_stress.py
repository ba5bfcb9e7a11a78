#!/usr/bin/env python3
"""What human speedups are worth: the same pairs on the dataset's tests and on stress inputs (docs/stress.md).

usage: PIE_DATA_DIR=… python tools/paper_against_stress.py pie [--tests-per-program N] [--json FILE]

Both programs of every pair are measured on the same seeded sample of its tests and on its stress inputs, with and
without start-up; where the dataset records times, the published speedup stands beside. Intervals are 95 %, by problem.
Make the stress inputs first: pie-bench dataset stress pie.
"""

from __future__ import annotations

import argparse
import json
import math
import random
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

COLUMNS = ("published", "tests", "tests*", "stress", "stress*")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--split", default="test")
    parser.add_argument("--environment", default="skylake")
    parser.add_argument("--tests-per-program", type=int, default=10, metavar="N")
    parser.add_argument("--workers", type=int, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    spec = load_spec(options.dataset)
    known = read_stress(stress_path(spec, options.split), spec.dataset, options.split)
    paper = load_dataset(options.dataset, options.split)
    stress = load_dataset(options.dataset, options.split, stress=True)
    has_stress = {pair.pair_id: pair for pair in stress.pairs}
    executor = open_executor(options.environment, cache_dir())

    def measure(pair: Pair) -> dict[str, Any]:
        tests = sorted(paper.tests(pair), key=lambda test: test.test_id)
        tests = random.Random(0).sample(tests, min(options.tests_per_program, len(tests)))
        row: dict[str, Any] = {"pair": pair.pair_id, "problem": pair.problem_id, "io": False, "published": None}
        row["io"] = only_input_output(pair.src_code, pair.tgt_code)
        if pair.src_seconds is not None and pair.tgt_seconds is not None:
            row["published"] = math.fsum(pair.src_seconds.values()) / math.fsum(pair.tgt_seconds.values())
        row |= _speedups("tests", pair, tests, executor)
        if pair.pair_id in has_stress:
            found = known.pairs[pair.pair_id].shares
            by_id = {test.test_id: test for test in stress.tests(has_stress[pair.pair_id])}
            row |= _speedups("stress", pair, [by_id[t] for t, share in found.items() if share >= MIN_SHARE], executor)
            sizes = {
                each.id: each.size
                for each in known.problems[pair.problem_id].inputs
                if each.family and each.id in found
            }
            for role, code in (("slow", pair.src_code), ("human", pair.tgt_code)):
                times = _times(code, [by_id[name] for name in sizes], executor)
                if times is not None:
                    fit = fitted([(sizes[name], each[0] - each[1]) for name, each in times.items()])
                    row[f"exponent_{role}"] = None if fit is None else [fit.exponent, fit.low, fit.high]
        return row

    pool = LocalPool(options.workers)
    rows = [*tqdm(pool.map_unordered(measure, paper.pairs), total=len(paper.pairs), disable=None)]
    rows.sort(key=lambda row: (row["problem"], row["pair"]))
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=1))
    show(rows)


def _times(code: str, tests: list[TestCase], executor: Executor) -> dict[str, tuple[float, float]] | None:
    """Seconds, and those before main, by test; None for a program that is not right on all of them."""
    measured = executor.measured(code, tests)
    if any(sha256(test.input) not in measured for test in tests):
        return None
    return {
        test.test_id: (executor.seconds(m), executor.startup_seconds(m))
        for test in tests
        for m in (measured[sha256(test.input)],)
    }


def _speedups(name: str, pair: Pair, tests: list[TestCase], executor: Executor) -> dict[str, float | None]:
    slow, fast = (_times(code, tests, executor) for code in (pair.src_code, pair.tgt_code))
    if not slow or not fast:
        return {}
    whole, after = (
        [math.fsum(t - (s if part else 0) for t, s in side.values()) for side in (slow, fast)] for part in (0, 1)
    )
    share = 1 - math.fsum(s for _, s in slow.values()) / whole[0]
    return {name: whole[0] / whole[1], f"{name}*": after[0] / after[1], f"{name} work": share}


def show(rows: list[dict[str, Any]]) -> None:
    """Per problem, in the mean, and what changes sides."""
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
                mean, low, high = found_intervals.mean, found_intervals.low, found_intervals.high
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
