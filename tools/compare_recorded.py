#!/usr/bin/env python3
"""Measures PIE's programs in an environment and compares with the times that PIE publishes for the same tests.

usage: PIE_DATA_DIR=… python tools/compare_recorded.py ENVIRONMENT [--tests-per-program N] [--json FILE]

Runs both programs of every row of the test split on the same seeded sample of the row's tests. The published times are
for whole processes; work is compared by differences: a test's time minus that of the program's fastest test in the
sample, which is mostly start-up. `tools/plot_recorded.py` plots the output of `--json`.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
from pathlib import Path

from tqdm import tqdm

from pie_bench.data.load import load_dataset
from pie_bench.data.pair import Pair
from pie_bench.execution.executor import open_executor
from pie_bench.execution.pool import LocalPool
from pie_bench.hashing import sha256
from pie_bench.metrics.agreement import Compared, agreement
from pie_bench.paths import cache_dir

MIN_WORK_SECONDS = 20e-6  # below this, single cache misses dominate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environment")
    parser.add_argument("--tests-per-program", type=int, default=10, metavar="N")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N rows")
    parser.add_argument("--workers", type=int, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    executor = open_executor(options.environment, cache_dir())
    dataset = load_dataset("pie", "test", with_tests=True)

    def measure(pair: Pair) -> dict[str, object] | None:
        tests = sorted(dataset.tests(pair), key=lambda test: test.test_id)
        tests = random.Random(0).sample(tests, min(options.tests_per_program, len(tests)))
        rows = {}
        for role, code, recorded in (
            ("source", pair.src_code, pair.src_seconds),
            ("target", pair.tgt_code, pair.tgt_seconds),
        ):
            known = executor.measured(code, tests)
            assert recorded is not None
            if len(known) < len({sha256(test.input) for test in tests}):
                print(f"{pair.pair_id}: the {role} is not right on every test here: {len(known)} of {len(tests)}")
                return None
            measurements = [known[sha256(test.input)] for test in tests]
            rows[role] = {
                "measured": [executor.seconds(m) for m in measurements],
                "startup": executor.startup_seconds(measurements[0]),
                "recorded": [recorded[test.test_id] for test in tests],
            }
        return {"pair_id": pair.pair_id, "problem_id": pair.problem_id, **rows}

    pairs = dataset.pairs[: options.limit]
    done = LocalPool(options.workers).map_unordered(measure, pairs)
    rows = [row for row in tqdm(done, total=len(pairs), desc=options.environment, unit="pair") if row is not None]
    rows.sort(key=lambda row: str(row["pair_id"]))
    if options.json is not None:
        options.json.write_text(json.dumps({"environment": executor.environment.describe(), "pairs": rows}, indent=1))
    report(options.environment, executor.environment.environment_id, rows)


def report(environment: str, environment_id: str, rows: list) -> None:  # type: ignore[type-arg]
    programs = [row[role] for row in rows for role in ("source", "target")]
    times, floors, work = [], [], []
    for program in programs:
        pairs = list(zip(program["measured"], program["recorded"], strict=True))
        times += [measured / recorded - 1 for measured, recorded in pairs]
        lowest = min(pairs, key=lambda pair: pair[1])
        floors.append(lowest[0] / lowest[1] - 1)
        work += [(m - lowest[0]) / (r - lowest[1]) - 1 for m, r in pairs if r - lowest[1] >= MIN_WORK_SECONDS]
    compared = [
        Compared(
            row["pair_id"],
            "target",
            sum(row["source"]["measured"]) / sum(row["target"]["measured"]),
            sum(row["source"]["recorded"]) / sum(row["target"]["recorded"]),
        )
        for row in rows
    ]
    found = agreement(compared)
    print(f"{environment} ({environment_id[:12]}): {len(rows)} pairs, {len(times)} runs, against PIE's recorded times")
    for name, errors in (
        ("time of a run", times),
        ("a program's fastest run (start-up)", floors),
        ("work: what a run takes longer", work),
        ("speedup of a pair", [one.relative_error for one in compared]),
    ):
        print(f"  {name:36} {told(errors)}")
    print(f"  optimised or not: the same for {found.same_verdict} of {found.programs}", end="; ")
    print(f"rank correlation of speedups {found.rank_correlation:.4f}")


def told(errors: list[float]) -> str:
    size = sorted(abs(error) for error in errors)
    if not size:
        return "none"
    return (
        f"{len(size):5} values: bias {statistics.median(errors):+7.2%}, median error {statistics.median(size):6.2%}, "
        f"90th percentile {size[int(0.9 * (len(size) - 1))]:6.2%}, worst {size[-1]:6.2%}"
    )


if __name__ == "__main__":
    main()
