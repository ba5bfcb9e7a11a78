"""Profiles the programs that a finished run's report shows, each on one test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pie_bench.execution.executor import Executor
from pie_bench.execution.pool import Pool
from pie_bench.execution.sandbox.sandbox import SandboxError
from pie_bench.metrics.scores import best_sample, seconds_of
from pie_bench.run.measurement import Profile
from pie_bench.run.results import PairResult
from pie_bench.run.run import Key
from pie_bench.run.verdict import Role
from pie_bench.stages.finished import FinishedRun


def profiles(
    run: FinishedRun,
    executor: Executor,
    pool: Pool,
    n_pairs: int,
    *,
    progress: Callable[[int], Any] = lambda total: None,
) -> Mapping[Key, Profile]:
    """Profiles slow program, human rewrite and fastest correct answer on the slow program's longest test, for the
    `n_pairs` pairs with the largest speedups. Earlier profiles are reused; programs that cannot be profiled are left
    out.

    `progress` is called once per program, with the total.
    """
    todo = programs_shown(run, n_pairs)

    def one(key: tuple[str, Role, int]) -> tuple[Key, Profile | None]:
        pair = run.pairs[key[0]]
        test = next(t for t in run.plan.dataset.tests(pair) if t.test_id == dearest_test(run, pair.pair_id))
        try:
            found = executor.profile(run.code(*key) or "", test)
        except SandboxError:
            found = None
        progress(len(todo))
        return key, found

    return {key: found for key, found in pool.map_unordered(one, todo) if found is not None}


def programs_shown(run: FinishedRun, n_pairs: int) -> list[tuple[str, Role, int]]:
    """The correct programs that the report shows for the first `n_pairs` pairs, by speedup."""
    shown: list[tuple[str, Role, int]] = []
    for result in sorted(run.usable, key=_by_speedup)[:n_pairs]:
        best = best_sample(result)
        shown += [(result.pair_id, "source", 0), (result.pair_id, "target", 0)]
        shown += [(result.pair_id, "candidate", best)] if best is not None else []
    return [key for key in shown if run.verdicts[key].outcome == "ok"]


def _by_speedup(result: PairResult) -> tuple[float, str]:
    """A sort key: largest speedup first; pairs without a correct answer last."""
    best = best_sample(result)
    if best is None:
        return 0.0, result.pair_id
    return -seconds_of(result.source, "process") / seconds_of(result.samples[best], "process"), result.pair_id


def dearest_test(run: FinishedRun, pair_id: str) -> str:
    """The test on which the slow program takes longest."""
    tests = run.verdicts[pair_id, "source", 0].tests
    return max(tests, key=lambda test: test.seconds or 0.0).test_id
