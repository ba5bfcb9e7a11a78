"""Stress inputs on a finished run: judges its programs on them too, and scores both kinds of tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pie_bench.data.load import PairDataset, load_dataset
from pie_bench.data.spec import load_spec
from pie_bench.data.stress import read_stress, stress_path
from pie_bench.execution.executor import Executor
from pie_bench.execution.pool import Pool
from pie_bench.run.manifest import StressFacts
from pie_bench.run.results import Results
from pie_bench.run.run import Run
from pie_bench.run.verdict import Candidate
from pie_bench.stages.execute import NOTED_EVERY, CpuSeconds, candidate_of, jobs_of, own_programs
from pie_bench.stages.plan import Plan
from pie_bench.stages.score import judged_on_stress, score


def stress_inputs(plan: Plan) -> tuple[PairDataset, StressFacts]:
    """The dataset with its stress inputs for tests, and what a manifest says of them; UserError where it has none."""
    spec, split = load_spec(plan.dataset_name), plan.dataset.split
    dataset = load_dataset(plan.dataset_name, split, stress=True)
    known = read_stress(stress_path(spec, split), spec.dataset, split)
    return dataset, StressFacts(
        sha256=known.sum,
        pairs={pair.pair_id: list(pair.tests) for pair in sorted(dataset.pairs, key=lambda pair: pair.pair_id)},
        families={
            name: {each.id: each.size for each in problem.inputs if each.family}
            for name, problem in known.problems.items()
        },
    )


def stress(
    plan: Plan,
    run: Run,
    executor: Executor,
    pool: Pool,
    *,
    progress: Callable[[int], Any] = lambda total: None,
) -> Results:
    """Judges each pair's own programs, and the answers that are right on the dataset's tests, on its stress inputs;
    returns the new results. Earlier verdicts are reused.

    UserError if the dataset has no stress inputs, or other ones than the run was started with.
    """
    dataset, facts = stress_inputs(plan)
    run.settle("stress", facts.model_dump())
    pairs = {pair.pair_id: pair for pair in plan.pairs if pair.pair_id in facts.pairs}
    wanted = set(judged_on_stress(facts, run.read_verdicts(with_tests=False)))
    done = {
        key
        for key, verdict in run.read_verdicts(with_tests=False, stress=True).items()
        if verdict.outcome != "infra_error"
    }

    def candidates() -> Iterator[Candidate]:
        yield from own_programs(plan)
        for generation in run.read_generations().values():
            if generation.pair_id in pairs:
                yield candidate_of(generation, pairs[generation.pair_id])

    todo = [each for each in candidates() if each.key in wanted and each.key not in done]

    run.stress_path.touch()
    used = CpuSeconds(run, executor, pool)
    try:
        for verdict in pool.map_unordered(executor, jobs_of(todo, dataset.pairs, dataset), lost=executor.unjudged):
            run.append(verdict, stress=True)
            progress(len(todo))
            used.note(every=NOTED_EVERY)
    finally:
        used.note()
    return score(plan, run)
