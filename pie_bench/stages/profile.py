"""Where the cycles of a finished run's programs go: those that its report shows, each on one test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pie_bench.data.pair import Pair
from pie_bench.execution.executor import Executor
from pie_bench.execution.pool import Pool
from pie_bench.execution.sandbox.sandbox import SandboxError
from pie_bench.metrics.scores import best_sample
from pie_bench.run.measurement import Profile
from pie_bench.run.run import Key
from pie_bench.run.verdict import Role
from pie_bench.stages.finished import FinishedRun


def profiles(
    run: FinishedRun, executor: Executor, pool: Pool, *, progress: Callable[[int], Any] = lambda total: None
) -> Mapping[Key, Profile]:
    """Profiles of each pair's slow program, human rewrite and fastest correct answer, on the slow program's dearest
    test. What was profiled before is not again; what cannot be is left out.

    `progress` gets the number of programs, once for each.
    """
    todo: list[tuple[Pair, Role, int]] = []
    for result in run.usable:
        best = best_sample(result)
        programs: list[tuple[Role, int]] = [("source", 0), ("target", 0)]
        programs += [("candidate", best)] if best is not None else []
        for role, index in programs:
            if run.verdicts[result.pair_id, role, index].outcome == "ok":
                todo.append((run.pairs[result.pair_id], role, index))

    def one(program: tuple[Pair, Role, int]) -> tuple[Key, Profile | None]:
        pair, role, index = program
        test = next(t for t in run.plan.dataset.tests(pair) if t.test_id == dearest_test(run, pair.pair_id))
        try:
            found = executor.profile(run.code(pair.pair_id, role, index) or "", test)
        except SandboxError:
            found = None
        progress(len(todo))
        return (pair.pair_id, role, index), found

    return {key: found for key, found in pool.map_unordered(one, todo) if found is not None}


def dearest_test(run: FinishedRun, pair_id: str) -> str:
    """The test on which the slow program takes longest."""
    tests = run.verdicts[pair_id, "source", 0].tests
    return max(tests, key=lambda test: test.seconds or 0.0).test_id
