#!/usr/bin/env python3
"""Fits cachegrind's cycle model to the gem5 times that PIE publishes, and says how well it predicts.

usage: PIE_DATA_DIR=… python tools/calibrate.py [--environment E] [--tests-per-program N]

Every program of PIE's test split is compiled and counted in the environment on a seeded sample of its tests. The costs
of the counted events are a non-negative least squares fit on relative error; each event kind keeps one cost on every
machine. Problems are left out one at a time to see what the model is worth on programs it has not seen.
"""

from __future__ import annotations

import argparse
import random
import statistics

import numpy as np
from tqdm import tqdm

from pie_bench.data.load import load_dataset
from pie_bench.execution.environment import load_environment_spec
from pie_bench.execution.executor import open_environment
from pie_bench.execution.pool import LocalPool
from pie_bench.execution.sandbox.choose import choose_sandbox
from pie_bench.execution.simulators.cachegrind import CachegrindSimulator
from pie_bench.execution.toolchain import Toolchain

# Misses of instruction fetches and of data reads wait for the same memory: one cost.
COLUMNS = (("Ir",), ("ILmr", "DLmr"), ("DLmw",), ("Bcm",), ("Bim",))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environment", default="cachegrind-host")
    parser.add_argument("--tests-per-program", type=int, default=10)
    options = parser.parse_args()
    problems, counts, seconds = measured(options.environment, options.tests_per_program)
    costs = fit(counts, seconds)
    print(f"{len(seconds)} runs of {len(set(problems))} problems")
    for events, cost in zip(COLUMNS, costs, strict=True):
        print(f"  {' + '.join(events):12} {cost * 1e9:8.4f} ns")
    report("fitted on all", counts @ costs / seconds - 1)
    errors = np.empty_like(seconds)
    for problem in sorted(set(problems)):
        held_out = np.array([p == problem for p in problems])
        errors[held_out] = counts[held_out] @ fit(counts[~held_out], seconds[~held_out]) / seconds[held_out] - 1
        print(f"  without {problem}: its error {statistics.median(errors[held_out]):+.2%} (median)")
    report("each problem left out", errors)


def measured(environment: str, tests_per_program: int) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Problems (n), event counts (n × events) and published seconds (n) of n distinct (program, input) runs."""
    spec, sandbox = load_environment_spec(environment), choose_sandbox()
    simulator = CachegrindSimulator(spec, open_environment(spec, sandbox).environment_id, sandbox)
    toolchain = Toolchain(spec.toolchain, spec.compile_limits, sandbox)
    dataset = load_dataset("pie", "test", with_tests=True)
    programs: dict[str, tuple] = {}
    for pair in dataset.pairs:
        tests = {test.test_id: test for test in dataset.tests(pair)}
        for code, times in ((pair.src_code, pair.src_seconds), (pair.tgt_code, pair.tgt_seconds)):
            if times is not None:
                chosen = random.Random(0).sample(sorted(tests), min(tests_per_program, len(tests)))
                programs[code] = (pair.problem_id, [(tests[t].input, times[t]) for t in chosen])

    def count(item: tuple) -> list[tuple[str, list[int], float]]:
        code, (problem, runs) = item
        binary = toolchain.compile(code).binary
        measurements = simulator.measure(binary, [data for data, _ in runs]) if binary else []
        return [
            (problem, [sum(m.counters[e] for e in events) for events in COLUMNS], time)
            for m, (_, time) in zip(measurements, runs, strict=True)
            if m.outcome == "ok"
        ]

    results = LocalPool().map_unordered(count, programs.items())
    rows = sorted(row for rows in tqdm(results, total=len(programs), desc="count", unit="program") for row in rows)
    return [r[0] for r in rows], np.array([r[1] for r in rows], float), np.array([r[2] for r in rows])


def fit(counts: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Costs per event (seconds), non-negative, least squares on relative error."""
    from scipy.optimize import nnls

    scale = counts.max(axis=0)
    costs, _ = nnls(counts / scale / seconds[:, None], np.ones(len(seconds)))
    return costs / scale


def report(what: str, errors: np.ndarray) -> None:
    size = np.abs(errors)
    print(f"{what}: median {np.median(size):.2%}, 90th percentile {np.quantile(size, 0.9):.2%}, worst {size.max():.2%}")


if __name__ == "__main__":
    main()
