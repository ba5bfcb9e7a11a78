"""Runs the guards on a finished run: findings are appended to `guards.jsonl` as they come, then scored as well."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pie_bench.data.pair import Pair, TestCase
from pie_bench.execution.executor import Executor
from pie_bench.execution.integrity.guards import N_GUARD_INPUTS
from pie_bench.execution.pool import Pool
from pie_bench.execution.sandbox.sandbox import SandboxError
from pie_bench.run.guard import GuardFinding
from pie_bench.run.results import Results
from pie_bench.run.run import Run
from pie_bench.stages.execute import NOTED_EVERY, CpuSeconds, candidate_of
from pie_bench.stages.plan import Plan
from pie_bench.stages.score import optimized_answers, score

_log = logging.getLogger(__name__)
MIN_TESTS = 80  # per pair, on average, as in PIE's test split; what guards cost: docs/guards.md


def guards_by_default(plan: Plan) -> bool:
    """Whether `run` guards by default: if its pairs have as many tests as the paper's."""
    return sum(len(pair.tests) for pair in plan.pairs) >= MIN_TESTS * len(plan.pairs)


def guard(
    plan: Plan,
    run: Run,
    executor: Executor,
    pool: Pool,
    *,
    every: bool = False,
    n: int = N_GUARD_INPUTS,
    progress: Callable[[int], Any] = lambda total: None,
) -> Results:
    """Checks the run's answers that are at least 10 % faster (`every`: all correct ones); returns the new results.

    Earlier checks are not repeated. A pair that cannot be checked is logged, and its answers count as unchecked.
    `progress` is called once per answer, with the total. Raises UserError if the run has no results yet, SandboxError
    if no pair can be checked, e.g. because the sanitizers do not work.
    """
    results = score(plan, run)
    fast = optimized_answers(results.pairs)
    wanted = {
        (pair.pair_id, index)
        for pair in results.pairs
        for index, sample in enumerate(pair.samples)
        if sample.outcome == "ok" and (every or (pair.pair_id, index) in fast)
    }
    environment = executor.environment
    done = {
        (finding.pair_id, finding.sample_index)
        for finding in run.read_guard_findings()
        if finding.environment_id == environment.environment_id
    }
    pairs = {pair.pair_id: pair for pair in plan.pairs}
    todo: dict[str, list[int]] = {}
    for pair_id, index in sorted(wanted - done):
        todo.setdefault(pair_id, []).append(index)
    total = sum(map(len, todo.values()))
    generations, verdicts = run.read_generations(), run.read_verdicts(with_tests=False)

    def answer(pair: Pair, index: int) -> tuple[str, int]:
        candidate = candidate_of(generations[pair.pair_id, index], pair)
        return candidate.judged(verdicts[candidate.key].code_sha256) or "", index

    def answers() -> Iterator[_Answers]:
        for pair in map(pairs.__getitem__, todo):
            yield _Answers(pair, plan.dataset.tests(pair), tuple(answer(pair, index) for index in todo[pair.pair_id]))

    failed: list[str] = []
    run.guards_path.touch()
    used = CpuSeconds(run, executor, pool)
    try:
        for findings, failure in pool.map_unordered(_Guards(executor, n), answers(), lost=lambda _, why: ((), why)):
            for finding in findings:
                run.append(finding)
                progress(total)
            if failure is not None:
                _log.warning("%s; its remaining answers are unchecked", failure)
                failed.append(failure)
            used.note(every=NOTED_EVERY)
    finally:
        used.note()
    results = score(plan, run)
    if failed and len(failed) == len(todo):
        raise SandboxError(failed[0])
    return results


@dataclass(frozen=True)
class _Answers:
    """A pair with its answers to check, each with its index."""

    pair: Pair
    tests: tuple[TestCase, ...]
    answers: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class _Guards:
    """Checks a pair's answers, here or on another machine; returns the findings, and why they are incomplete, if so."""

    executor: Executor
    n: int

    def __call__(self, given: _Answers) -> tuple[tuple[GuardFinding, ...], str | None]:
        executor, found = self.executor, list[GuardFinding]()
        try:
            guards = executor.guards_of(given.pair, given.tests, n=self.n)
            for code, index in given.answers:
                found.append(guards.check(code, index))
        except SandboxError as error:
            return tuple(found), str(error)
        return tuple(found), None
