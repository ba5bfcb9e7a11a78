"""Fits the few numbers of the embedded ruler that gem5's configuration does not determine.

Each number is a count of cycles per event of some kind, so a run's time is nearly linear in it. The ruler runs once
with all numbers at zero, and once per number with that one at a step; the rest is least squares over relative errors.
Leave-one-problem-out cross-validation shows how good the fit is on unseen programs.
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
from pie_bench.execution.environment import EnvironmentSpec
from pie_bench.execution.executor import Executor
from pie_bench.execution.pool import Pool
from pie_bench.hashing import sha256

# The step tried for each number: cycles per access to memory behind the caches, and per thousand instructions.
STEPS: Mapping[str, int] = {"memory_cycles": 8, "cycles_per_1000_instructions": 40}
MIN_WORK_SECONDS = 50e-6  # below this, single cache misses dominate


@dataclass(frozen=True)
class Observation:
    """One run of a program on an input: the seconds that the ruler should give, those it gives with all numbers at
    zero, and the additional seconds per cycle of each number."""

    problem_id: str
    program: str  # the hash of its text
    seconds: float
    plain: float
    slopes: Mapping[str, float]


@dataclass(frozen=True)
class Calibration:
    """The fitted numbers, in whole cycles, and relative errors of the seconds.

    `plain_errors`, `fitted_errors` and `left_out_errors` are for whole runs, one per observation (`problems` names its
    problem); `left_out_work_errors` is for the time beyond the program's fastest run, where that is at least 50 µs.
    """

    numbers: Mapping[str, int]
    problems: tuple[str, ...]
    plain_errors: np.ndarray
    fitted_errors: np.ndarray
    left_out_errors: np.ndarray
    left_out_work_errors: np.ndarray


def calibrate(observations: Sequence[Observation]) -> Calibration:
    """The best-fitting numbers, and how well they fit. UserError for fewer than two problems: none could be left
    out."""
    problems = np.array([observation.problem_id for observation in observations])
    if len(set(problems)) < 2:
        raise UserError("calibration needs runs of at least two problems, for leave-one-problem-out errors")
    seconds = np.array([observation.seconds for observation in observations])
    plain = np.array([observation.plain for observation in observations])
    slopes = np.array([[observation.slopes[name] for name in STEPS] for observation in observations])
    # every problem has the same weight
    weights = np.array([1 / np.sqrt(np.sum(problems == problem)) for problem in problems])

    def fit(chosen: np.ndarray) -> np.ndarray:  # (numbers,)
        from scipy.optimize import nnls

        scale = (weights / seconds)[chosen]
        numbers: np.ndarray = nnls(slopes[chosen] * scale[:, None], (seconds - plain)[chosen] * scale)[0]
        whole: np.ndarray = np.rint(numbers)
        return whole

    numbers = fit(np.ones(len(problems), bool))
    left_out = np.empty_like(seconds)
    for problem in sorted(set(problems)):
        held = problems == problem
        left_out[held] = plain[held] + slopes[held] @ fit(~held)
    base = _fastest(observations)
    work = seconds - seconds[base]
    long = work >= MIN_WORK_SECONDS
    return Calibration(
        numbers={name: int(number) for name, number in zip(STEPS, numbers, strict=True)},
        problems=tuple(problems),
        plain_errors=plain / seconds - 1,
        fitted_errors=(plain + slopes @ numbers) / seconds - 1,
        left_out_errors=left_out / seconds - 1,
        left_out_work_errors=(left_out - left_out[base])[long] / work[long] - 1,
    )


def _fastest(observations: Sequence[Observation]) -> np.ndarray:
    """The index of its program's fastest observation, for each observation."""
    fastest: dict[str, int] = {}
    for index, observation in enumerate(observations):
        known = fastest.setdefault(observation.program, index)
        if observation.seconds < observations[known].seconds:
            fastest[observation.program] = index
    indices: np.ndarray = np.array([fastest[observation.program] for observation in observations])
    return indices


def steps_of(spec: EnvironmentSpec) -> dict[str | None, EnvironmentSpec]:
    """The environment with all fitted numbers at zero (None), and with each at its step. UserError if it has none."""
    if "fitted" not in type(spec.simulator).model_fields:
        raise UserError(f"environment {spec.environment}: its simulator has no fitted numbers; the ruler skylake has")

    def at(numbers: Mapping[str, int]) -> EnvironmentSpec:
        return spec.model_copy(update={"simulator": spec.simulator.model_copy(update={"fitted": numbers})})

    return {None: at({}), **{name: at({name: step}) for name, step in STEPS.items()}}


def observe(
    dataset: PairDataset,
    rulers: Mapping[str | None, Executor],
    reference: Executor | None,
    pool: Pool,
    *,
    limit: int | None = None,
    tests_per_program: int | None = None,
    progress: Callable[[int], Any] = lambda total: None,
) -> list[Observation]:
    """Runs the programs of the first `limit` pairs on their tests (a seeded sample), in the environments of `steps_of`.

    The target seconds are `reference`'s measurements or, without one, the dataset's recorded times. Programs that fail
    in any environment are left out. The result is in a fixed order.
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

        def measured(executor: Executor) -> dict[str, float]:
            return {key: executor.seconds(m) for key, m in executor.measured(code, tests).items()}

        found = {name: measured(ruler) for name, ruler in rulers.items()}
        if reference is not None:
            seconds = measured(reference)
        else:
            assert times is not None
            seconds = {sha256(test.input): times[test.test_id] for test in tests if test.test_id in times}
        progress(len(programs))
        plain = found[None]
        return [
            Observation(
                problem,
                program,
                seconds[key],
                plain[key],
                {name: (found[name][key] - plain[key]) / step for name, step in STEPS.items()},
            )
            for key in sorted(set(seconds).intersection(*found.values()))
        ]

    observed = [observation for rows in pool.map_unordered(one, programs.items()) for observation in rows]
    return sorted(observed, key=lambda o: (o.problem_id, o.program, o.seconds, o.plain))


def as_yaml(calibration: Calibration, ruler: str, reference: str) -> str:
    """The numbers as YAML for an environment, with their target and quality of fit as comments."""
    problems = np.array(calibration.problems)
    lines = [
        f"# Fitted by: pie-bench calibrate --environment {reference} --ruler {ruler}",
        f"# {len(problems)} runs of {len(set(problems))} problems. Relative errors",
        f"#   of a run's time, all numbers at zero:       {_told(calibration.plain_errors)}",
        f"#                   fitted to all:              {_told(calibration.fitted_errors)}",
        f"#                   each problem left out once: {_told(calibration.left_out_errors)}",
        f"#   of its work,    each problem left out once: {_told(calibration.left_out_work_errors)}",
    ]
    for problem in sorted(set(problems)):
        error = np.median(calibration.left_out_errors[problems == problem])
        lines.append(f"#   without {problem}: its error {error:+.2%} (median of {np.sum(problems == problem)} runs)")
    lines += ["simulator:", "  fitted:"]
    lines += [f"    {name}: {number}" for name, number in calibration.numbers.items()]
    return "\n".join(lines) + "\n"


def _told(errors: np.ndarray) -> str:
    size = np.abs(errors)
    if not len(size):
        return "nothing to tell"
    return f"median {np.median(size):.2%}, 90th percentile {np.quantile(size, 0.9):.2%}, worst {size.max():.2%}"
