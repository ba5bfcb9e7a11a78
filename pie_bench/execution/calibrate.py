"""Fitting cachegrind's cycle model: what an event costs, from programs counted here and timed by gem5.

Events before `main` and after it have costs of their own: the dynamic loader's instructions wait for memory and for
each other, those of a loop run four at a time. Most runs are little more than process start-up, whose counts hardly
differ, so the data alone cannot tell the events' costs apart; where it does not, costs stay near a prior. What a run
takes longer than the program's fastest run (its work) is fitted too, or a fit of nothing but start-ups would do.
Problems are left out one at a time to see what the model is worth on programs it has not seen.
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

# Events that share a cost, and its prior in seconds before `main` and after it: fitted earlier to 324 runs chosen for
# their variety; what instructions cost after `main`, a core that ends two or three a cycle. Misses of instruction
# fetches and of data reads wait for the same memory: one cost.
MODEL: tuple[tuple[tuple[str, ...], float, float], ...] = (
    (("Ir",), 0.163e-9, 0.1e-9),
    (("ILmr", "DLmr"), 61.5e-9, 61.5e-9),
    (("DLmw",), 55.1e-9, 55.1e-9),
    (("Bcm",), 3.75e-9, 3.75e-9),
    (("Bim",), 27.9e-9, 27.9e-9),
)
PRIOR_STRENGTH = 1e-3  # of a relative error, squared, against all data's
WORK_STRENGTH = 1e-2  # of the work's relative errors, squared, against those of whole runs
MIN_WORK_SECONDS = 20e-6  # differences smaller than this are of single cache misses


@dataclass(frozen=True)
class Observation:
    """One run of a program on an input: its counts here, and the seconds that the model is to give."""

    problem_id: str
    program: str  # the sum of its text
    counts: Mapping[str, int]
    startup: Mapping[str, int]  # those before `main`
    seconds: float


@dataclass(frozen=True)
class Calibration:
    """Costs in seconds by event, after `main` and before it; relative errors of the seconds.

    `fitted_errors` and `left_out_errors` are of whole runs, one an observation (`problems` says whose), `work_errors`
    and `left_out_work_errors` of what runs take longer than their program's fastest.
    """

    costs: Mapping[str, float]
    startup_costs: Mapping[str, float]
    problems: tuple[str, ...]
    fitted_errors: np.ndarray
    left_out_errors: np.ndarray
    work_errors: np.ndarray
    left_out_work_errors: np.ndarray


def calibrate(observations: Sequence[Observation]) -> Calibration:
    """The costs that fit best, and how well. UserError for fewer than two problems: nothing could be left out."""
    problems = np.array([observation.problem_id for observation in observations])
    if len(set(problems)) < 2:
        raise UserError("calibration needs runs of at least two problems: one is left out to see what the fit is worth")
    runs = _Rows(problems, _columns(observations), np.array([observation.seconds for observation in observations]))
    work = _work(observations, runs)
    costs = _fit(runs, work)
    left_out, left_out_work = np.empty_like(runs.seconds), np.empty_like(work.seconds)
    for problem in sorted(set(problems)):
        held, held_work = runs.problems == problem, work.problems == problem
        without = _fit(runs.only(~held), work.only(~held_work))
        left_out[held] = runs.only(held).errors(without)
        left_out_work[held_work] = work.only(held_work).errors(without)
    before, after = np.split(costs, 2)

    def by_event(half: np.ndarray) -> dict[str, float]:
        return {event: float(cost) for (events, _, _), cost in zip(MODEL, half, strict=True) for event in events}

    return Calibration(
        costs=by_event(after),
        startup_costs=by_event(before),
        problems=tuple(problems),
        fitted_errors=runs.errors(costs),
        left_out_errors=left_out,
        work_errors=work.errors(costs),
        left_out_work_errors=left_out_work,
    )


@dataclass(frozen=True)
class _Rows:
    """What is to be predicted: a row of counts (columns: the model's, before and after `main`) and its seconds."""

    problems: np.ndarray
    counts: np.ndarray
    seconds: np.ndarray

    def only(self, chosen: np.ndarray) -> _Rows:
        return _Rows(self.problems[chosen], self.counts[chosen], self.seconds[chosen])

    def errors(self, costs: np.ndarray) -> np.ndarray:
        return self.counts @ costs / self.seconds - 1

    def weights(self) -> np.ndarray:
        """Every problem weighs the same, all together 1 (squared)."""
        runs_of_problem = np.array([np.sum(self.problems == problem) for problem in self.problems])
        return 1 / np.sqrt(np.maximum(1, runs_of_problem * len(set(self.problems))))


def _columns(observations: Sequence[Observation]) -> np.ndarray:
    def row(observation: Observation) -> list[float]:
        before = [sum(observation.startup.get(e, 0) for e in events) for events, _, _ in MODEL]
        whole = [sum(observation.counts[e] for e in events) for events, _, _ in MODEL]
        return [*before, *(all_ - first for all_, first in zip(whole, before, strict=True))]

    return np.array([row(observation) for observation in observations], float)


def _work(observations: Sequence[Observation], runs: _Rows) -> _Rows:
    """The runs that take noticeably longer than their program's fastest, less that one."""
    fastest: dict[str, int] = {}
    for index, observation in enumerate(observations):
        known = fastest.setdefault(observation.program, index)
        if observation.seconds < observations[known].seconds:
            fastest[observation.program] = index
    base = np.array([fastest[observation.program] for observation in observations])
    difference = runs.seconds - runs.seconds[base]
    chosen = difference >= MIN_WORK_SECONDS
    return _Rows(runs.problems[chosen], (runs.counts - runs.counts[base])[chosen], difference[chosen])


def _fit(runs: _Rows, work: _Rows) -> np.ndarray:
    """Costs (seconds) of the model's columns, before and after `main`: non-negative least squares on relative error."""
    from scipy.optimize import nnls

    prior = np.array([cost for _, cost, _ in MODEL] + [cost for _, _, cost in MODEL])
    rows, wanted = [], []
    for part, strength in ((runs, 1.0), (work, WORK_STRENGTH)):
        weights = np.sqrt(strength) * part.weights() if len(part.seconds) else np.empty(0)
        rows.append(part.counts * prior * (weights / part.seconds)[:, None])
        wanted.append(weights)
    pull = np.sqrt(PRIOR_STRENGTH) * np.eye(len(prior))
    relative, _ = nnls(np.vstack([*rows, pull]), np.concatenate([*wanted, pull.sum(axis=0)]))
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
        program = sha256(code.encode())
        counted = ruler.measured(code, tests)
        if reference is not None:
            seconds = {key: reference.seconds(m) for key, m in reference.measured(code, tests).items()}
        else:
            assert times is not None
            seconds = {sha256(test.input): times[test.test_id] for test in tests if test.test_id in times}
        progress(len(programs))
        return [
            Observation(problem, program, measurement.counters, measurement.startup_counters, seconds[key])
            for key, measurement in sorted(counted.items())
            if key in seconds
        ]

    found = [observation for rows in pool.map_unordered(one, programs.items()) for observation in rows]
    return sorted(found, key=lambda o: (o.problem_id, o.program, o.seconds, sorted(o.counts.items())))


def as_yaml(calibration: Calibration, ruler: Environment, reference: str) -> str:
    """The costs as the YAML that an environment includes, with what they were fitted to and how well as comments."""
    facts = ", ".join(f"{name} {value}" for name, value in sorted(ruler.facts.items()) if len(value) < 64)
    lines = [
        f"# Fitted by: pie-bench calibrate --environment {reference} --ruler {ruler.name}",
        f"# {len(calibration.problems)} runs of {len(set(calibration.problems))} problems; {facts}",
        "# Relative errors, fitted on all and with each problem left out in turn",
        f"#   of a run's time:  {_told(calibration.fitted_errors)}",
        f"#           left out:  {_told(calibration.left_out_errors)}",
        f"#   of its work:      {_told(calibration.work_errors)}",
        f"#           left out:  {_told(calibration.left_out_work_errors)}",
    ]
    problems = np.array(calibration.problems)
    for problem in sorted(set(calibration.problems)):
        error = np.median(calibration.left_out_errors[problems == problem])
        lines.append(f"#   without {problem}: its error {error:+.2%} (median of {np.sum(problems == problem)} runs)")
    lines += ["simulator:", "  seconds_per_event:"]
    lines += [f"    {event}: {cost:.4e}" for event, cost in calibration.costs.items()]
    lines += ["  startup_seconds_per_event:"]
    lines += [f"    {event}: {cost:.4e}" for event, cost in calibration.startup_costs.items()]
    return "\n".join(lines) + "\n"


def _told(errors: np.ndarray) -> str:
    size = np.abs(errors)
    if not len(size):
        return "nothing to tell"
    return f"median {np.median(size):.2%}, 90th percentile {np.quantile(size, 0.9):.2%}, worst {size.max():.2%}"
