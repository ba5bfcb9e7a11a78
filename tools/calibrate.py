#!/usr/bin/env python3
"""Fits cachegrind's cycle model to the gem5 times that PIE publishes, and says how well it predicts.

usage: PIE_DATA_DIR=… python tools/calibrate.py [--environment E] [--tests-per-program N]

Every program of PIE's test split is compiled and counted in the environment (measurements are kept). The costs of the
counted events are a least squares fit on relative error. Problems are left out one at a time to see what the model is
worth on programs it has not seen.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Mapping

import numpy as np
from tqdm import tqdm

from pie_bench.data.load import load_dataset
from pie_bench.data.pair import TestCase
from pie_bench.execution.environment import load_environment_spec
from pie_bench.execution.executor import Executor, open_environment
from pie_bench.execution.pool import LocalPool
from pie_bench.execution.sandbox.choose import choose_sandbox
from pie_bench.execution.verdict import Candidate
from pie_bench.hashing import sha256
from pie_bench.paths import cache_dir
from pie_bench.store import MeasurementStore

# Misses of instruction fetches and of data reads wait for the same memory: one cost.
COLUMNS = (("Ir",), ("ILmr", "DLmr"), ("DLmw",), ("Bcm",), ("Bim",))
# Costs fitted earlier to 324 runs chosen for their variety (leaving a problem out: median error 0.5 %), in seconds.
PRIOR = np.array([0.163e-9, 61.5e-9, 55.1e-9, 3.75e-9, 27.9e-9])
PRIOR_STRENGTH = 1e-3  # of a relative error, squared, against all data's: the choice hardly matters from 1e-4 to 1e-2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environment", default="cachegrind-host")
    parser.add_argument("--tests-per-program", type=int, metavar="N", help="a seeded sample of N (default: all)")
    options = parser.parse_args()
    problems, counts, seconds = measured(options.environment, options.tests_per_program)
    costs = fit(problems, counts, seconds)
    print(f"{len(seconds)} runs of {len(set(problems))} problems")
    for events, cost in zip(COLUMNS, costs, strict=True):
        print(f"  {' + '.join(events):12} {cost * 1e9:8.4f} ns")
    report("fitted on all", counts @ costs / seconds - 1)
    errors = np.empty_like(seconds)
    for problem in sorted(set(problems)):
        held_out = problems == problem
        costs = fit(problems[~held_out], counts[~held_out], seconds[~held_out])
        errors[held_out] = counts[held_out] @ costs / seconds[held_out] - 1
        print(f"  without {problem}: its error {statistics.median(errors[held_out]):+.2%} (median)")
    report("each problem left out", errors)


def measured(environment: str, tests_per_program: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Problems (n), event counts (n × events) and published seconds (n) of n distinct (program, input) runs."""
    spec, sandbox = load_environment_spec(environment), choose_sandbox()
    store = MeasurementStore(cache_dir() / "measurements.sqlite")
    executor = Executor(open_environment(spec, sandbox), sandbox, store)
    dataset = load_dataset("pie", "test", with_tests=True)
    programs: dict[str, tuple[str, list[TestCase], Mapping[str, float]]] = {}
    for pair in dataset.pairs:
        tests = sorted(dataset.tests(pair), key=lambda test: test.test_id)
        if tests_per_program is not None:
            tests = random.Random(0).sample(tests, min(tests_per_program, len(tests)))
        for code, times in ((pair.src_code, pair.src_seconds), (pair.tgt_code, pair.tgt_seconds)):
            if times is not None:
                programs[code] = (pair.problem_id, tests, times)

    def count(item: tuple[str, tuple[str, list[TestCase], Mapping[str, float]]]) -> list[tuple[str, list[int], float]]:
        code, (problem, tests, times) = item
        verdict = executor.execute(Candidate("", "source", 0, code), tests)
        if verdict.outcome != "ok" or verdict.binary_sha256 is None:
            return []
        seconds = {sha256(test.input): times[test.test_id] for test in tests}
        known = store.get(verdict.binary_sha256, list(seconds), executor.environment.simulation_id)
        return [
            (problem, [sum(measurement.counters[e] for e in events) for events in COLUMNS], seconds[key])
            for key, measurement in known.items()
        ]

    results = LocalPool().map_unordered(count, programs.items())
    rows = sorted(row for rows in tqdm(results, total=len(programs), desc="count", unit="program") for row in rows)
    return np.array([r[0] for r in rows]), np.array([r[1] for r in rows], float), np.array([r[2] for r in rows])


def fit(problems: np.ndarray, counts: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Costs per event (seconds): non-negative least squares on relative error, every problem weighing the same.

    Most runs are little more than process start-up, whose counts hardly differ, so the data alone cannot tell the
    events' costs apart; where it does not, the costs stay at PRIOR.
    """
    from scipy.optimize import nnls

    runs_of_problem = np.array([np.sum(problems == problem) for problem in problems])
    weight = 1 / np.sqrt(runs_of_problem * len(set(problems)))
    rows = counts * PRIOR * (weight / seconds)[:, None]
    pull = np.sqrt(PRIOR_STRENGTH) * np.eye(len(PRIOR))
    relative, _ = nnls(np.vstack([rows, pull]), np.concatenate([weight, pull.sum(axis=0)]))
    return relative * PRIOR


def report(what: str, errors: np.ndarray) -> None:
    size = np.abs(errors)
    print(f"{what}: median {np.median(size):.2%}, 90th percentile {np.quantile(size, 0.9):.2%}, worst {size.max():.2%}")


if __name__ == "__main__":
    main()
