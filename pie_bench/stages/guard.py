"""The guards on a finished run: what they find is kept in `guards.jsonl` as it is found, and scored beside the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from pie_bench.execution.executor import Executor
from pie_bench.execution.integrity.guards import N_GUARD_INPUTS, PairGuard
from pie_bench.execution.pool import Pool
from pie_bench.run.results import Results
from pie_bench.stages.execute import candidate_of
from pie_bench.stages.generate import read_generations
from pie_bench.stages.plan import Plan
from pie_bench.stages.score import GUARD_RECORD, optimized_answers, score
from pie_bench.store import RunDirectory, read_records


def guard(
    plan: Plan,
    directory: RunDirectory,
    executor: Executor,
    pool: Pool,
    *,
    every: bool = False,
    n: int = N_GUARD_INPUTS,
    progress: Callable[[int], Any] = lambda total: None,
) -> Results:
    """Checks the run's answers that are at least 10 % faster (`every` correct one); returns the results with that.

    What was checked before is not checked again. `progress` gets the number of answers to check, once for each.
    Raises UserError when the run has no results yet, SandboxError when the sanitizers do not work here.
    """
    results = score(plan, directory)
    fast = optimized_answers(results.pairs)
    wanted = {
        (pair.pair_id, index)
        for pair in results.pairs
        for index, sample in enumerate(pair.samples)
        if sample.outcome == "ok" and (every or (pair.pair_id, index) in fast)
    }
    environment = executor.environment
    done = {
        (record["pair_id"], record["sample_index"])
        for record in read_records(directory.guards_path, GUARD_RECORD)
        if record["environment_id"] == environment.environment_id
    }
    pairs = {pair.pair_id: pair for pair in plan.pairs}
    todo: dict[str, list[int]] = {}
    for pair_id, index in sorted(wanted - done):
        todo.setdefault(pair_id, []).append(index)
    total = sum(map(len, todo.values()))
    generations = read_generations(directory)

    def check(pair_id: str) -> None:
        pair = pairs[pair_id]
        tests = plan.dataset.tests(pair)
        guards = PairGuard(pair, tests, environment.spec, executor.sandbox, environment.root, n=n)
        for index in todo[pair_id]:
            code = candidate_of(generations[pair_id, index], pair).code
            finding = guards.check(code or "", index)
            directory.append(directory.guards_path, asdict(finding) | {"environment_id": environment.environment_id})
            progress(total)

    directory.guards_path.touch()
    for _ in pool.map_unordered(check, todo):
        pass
    return score(plan, directory)
