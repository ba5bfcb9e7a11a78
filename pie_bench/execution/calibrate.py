"""Fitting cachegrind's cycle model: what an event costs, from programs counted here and timed by gem5.

Most runs are little more than process start-up, whose counts hardly differ, so the data alone cannot tell the events'
costs apart. Where it does not, costs stay near a prior. Problems are left out one at a time to see what the model is
worth on programs it has not seen.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pie_bench.data.load import PairDataset
from pie_bench.data.pair import TestCase
from pie_bench.errors import UserError
from pie_bench.execution.environment import Environment
from pie_bench.execution.executor import Executor
from pie_bench.execution.pool import Pool
from pie_bench.hashing import sha256

# Events that share a cost, and its prior in seconds: fitted earlier to 324 runs chosen for their variety. Misses of
# instruction fetches and of data reads wait for the same memory: one cost.
MODEL: tuple[tuple[tuple[str, ...], float], ...] = (
    (("Ir",), 0.163e-9),
    (("ILmr", "DLmr"), 61.5e-9),
    (("DLmw",), 55.1e-9),
    (("Bcm",), 3.75e-9),
    (("Bim",), 27.9e-9),
)
PRIOR_STRENGTH = 1e-4  # of a relative error, squared, against all data's


@dataclass(frozen=True)
class Observation:
    """One run of a program on an input: its counts here, and the seconds that the model is to give."""

    problem_id: str
    counts: Mapping[str, int]
    seconds: float


@dataclass(frozen=True)
class Calibration:
    """Costs in seconds by event; relative errors of the seconds (one an observation), fitted and left out."""

    costs: Mapping[str, float]
    fitted_errors: np.ndarray
    left_out_errors: np.ndarray
    problems: tuple[str, ...]  # one an observation, as the errors are


def calibrate(observations: Sequence[Observation]) -> Calibration:
    """The costs that fit best, and how well. UserError for fewer than two problems: nothing could be left out."""
    problems = np.array([observation.problem_id for observation in observations])
    if len(set(problems)) < 2:
        raise UserError("calibration needs runs of at least two problems: one is left out to see what the fit is worth")
    counts = np.array([[sum(o.counts[e] for e in events) for events, _ in MODEL] for o in observations], float)
    seconds = np.array([observation.seconds for observation in observations])
    costs = _fit(problems, counts, seconds)
    left_out = np.empty_like(seconds)
    for problem in sorted(set(problems)):
        held = problems == problem
        left_out[held] = counts[held] @ _fit(problems[~held], counts[~held], seconds[~held]) / seconds[held] - 1
    by_event = {event: float(cost) for (events, _), cost in zip(MODEL, costs, strict=True) for event in events}
    return Calibration(by_event, counts @ costs / seconds - 1, left_out, tuple(problems))


def _fit(problems: np.ndarray, counts: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Costs (seconds) of the model's columns: non-negative least squares on relative error, problems weighing alike."""
    from scipy.optimize import nnls

    prior = np.array([cost for _, cost in MODEL])
    runs_of_problem = np.array([np.sum(problems == problem) for problem in problems])
    weight = 1 / np.sqrt(runs_of_problem * len(set(problems)))
    rows = counts * prior * (weight / seconds)[:, None]
    pull = np.sqrt(PRIOR_STRENGTH) * np.eye(len(prior))
    relative, _ = nnls(np.vstack([rows, pull]), np.concatenate([weight, pull.sum(axis=0)]))
    return relative * prior


def observe(
    dataset: PairDataset,
    ruler: Executor,
    reference: Executor | None,
    pool: Pool,
    *,
    limit: int | None = None,
    tests_per_program: int | None = None,
    progress: Callable[[int], Any] = lambda total: None,
) -> list[Observation]:
    """The programs of the first `limit` pairs on their tests (a seeded sample), counted by the ruler's environment.

    The seconds are `reference`'s measurements, or the dataset's recorded times without one. Programs that fail in
    either environment are left out. The result is in a fixed order.
    """
    programs: dict[str, tuple[str, list[TestCase], Mapping[str, float] | None]] = {}
    for pair in dataset.pairs[:limit]:
        tests = sorted(dataset.tests(pair), key=lambda test: test.test_id)
        if tests_per_program is not None:
            tests = random.Random(0).sample(tests, min(tests_per_program, len(tests)))
        for code, times in ((pair.src_code, pair.src_seconds), (pair.tgt_code, pair.tgt_seconds)):
            if times is not None or reference is not None:
                programs[code] = (pair.problem_id, tests, times)

    def one(item: tuple[str, tuple[str, list[TestCase], Mapping[str, float] | None]]) -> list[Observation]:
        code, (problem, tests, times) = item
        counted = ruler.measured(code, tests)
        if reference is not None:
            seconds = {key: reference.seconds(m) for key, m in reference.measured(code, tests).items()}
        else:
            assert times is not None
            seconds = {sha256(test.input): times[test.test_id] for test in tests if test.test_id in times}
        progress(len(programs))
        return [
            Observation(problem, measurement.counters, seconds[key])
            for key, measurement in sorted(counted.items())
            if key in seconds
        ]

    found = [observation for rows in pool.map_unordered(one, programs.items()) for observation in rows]
    return sorted(found, key=lambda o: (o.problem_id, o.seconds, sorted(o.counts.items())))


def as_yaml(calibration: Calibration, ruler: Environment, reference: str) -> str:
    """The costs as the YAML that an environment includes, with what they were fitted to and how well as comments."""
    facts = ", ".join(f"{name} {value}" for name, value in sorted(ruler.facts.items()) if len(value) < 64)
    lines = [
        f"# Fitted by: pie-bench calibrate --environment {reference} --ruler {ruler.name}",
        f"# {len(calibration.problems)} runs of {len(set(calibration.problems))} problems; {facts}",
        f"# Relative error of a run's time, fitted on all:       {_told(calibration.fitted_errors)}",
        f"# Relative error, each problem left out in turn:       {_told(calibration.left_out_errors)}",
    ]
    problems = np.array(calibration.problems)
    for problem in sorted(set(calibration.problems)):
        error = np.median(calibration.left_out_errors[problems == problem])
        lines.append(f"#   without {problem}: its error {error:+.2%} (median of {np.sum(problems == problem)} runs)")
    lines += ["simulator:", "  seconds_per_event:"]
    lines += [f"    {event}: {cost:.4g}" for event, cost in calibration.costs.items()]
    return "\n".join(lines) + "\n"


def _told(errors: np.ndarray) -> str:
    size = np.abs(errors)
    return f"median {np.median(size):.2%}, 90th percentile {np.quantile(size, 0.9):.2%}, worst {size.max():.2%}"
