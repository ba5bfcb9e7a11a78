"""Two rulers in one run: re-measures the programs that the score depends on in a second, slower environment."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from pie_bench.data.pair import Pair
from pie_bench.execution.executor import Executor
from pie_bench.execution.pool import Pool
from pie_bench.metrics.agreement import Agreement, Compared, agreement
from pie_bench.metrics.best_at_k import OPTIMIZED_SPEEDUP
from pie_bench.run.files import write_json
from pie_bench.run.run import Key, Run
from pie_bench.run.verdict import Candidate, Verdict
from pie_bench.stages.execute import candidate_of, jobs_of, note_simulator, own_programs
from pie_bench.stages.plan import Plan

BEST_PER_PAIR = 2
NEAR_THRESHOLD = 0.05  # relative distance from OPTIMIZED_SPEEDUP within which the slower ruler may disagree


def worth_confirming(plan: Plan, verdicts: Mapping[Key, Verdict]) -> list[Key]:
    """Programs whose time can change a reported number: each pair's own two, its best answers, and those near 1.1×."""
    chosen: list[Key] = []
    for pair in plan.pairs:
        source, target = (verdicts.get((pair.pair_id, role, 0)) for role in ("source", "target"))
        if source is None or source.runtime_seconds is None:
            continue
        chosen.append(source.key)
        if target is not None and target.runtime_seconds is not None:
            chosen.append(target.key)
        answers = [v for k, v in sorted(verdicts.items()) if k[:2] == (pair.pair_id, "candidate")]
        timed = sorted((v.runtime_seconds, v.key) for v in answers if v.runtime_seconds is not None)
        for rank, (seconds, key) in enumerate(timed):
            near = abs(source.runtime_seconds / seconds / OPTIMIZED_SPEEDUP - 1) <= NEAR_THRESHOLD
            if rank < BEST_PER_PAIR or near:
                chosen.append(key)
    return chosen


def confirm(
    plan: Plan,
    run: Run,
    executor: Executor,
    pool: Pool,
    *,
    progress: Callable[[int], Any] = lambda total: None,
) -> Agreement:
    """Measures what is worth confirming in the executor's environment and writes `confirmation-ENVIRONMENT.json`.

    Known measurements there (same program, same input) are not repeated. `progress` is called once per finished
    program, with the total.
    """
    note_simulator(run, executor.environment)
    verdicts = run.read_verdicts()
    pairs = {pair.pair_id: pair for pair in plan.pairs}
    keys = worth_confirming(plan, verdicts)
    programs = dict(_programs(plan, run, pairs))

    confirmed = {}
    jobs = jobs_of((programs[key] for key in keys), plan.pairs, plan.dataset)
    for verdict in pool.map_unordered(executor, jobs, lost=executor.unjudged):
        confirmed[verdict.key] = verdict
        progress(len(keys))
    compared = list(_compared(keys, verdicts, confirmed))
    found = agreement(compared)
    unconfirmed = [
        {"pair_id": key[0], "role": key[1], "sample_index": key[2], "outcome": confirmed[key].outcome}
        for key in keys
        if confirmed[key].outcome != "ok"
    ]
    write_json(
        run.path / f"confirmation-{executor.environment.name}.json",
        {
            "environment": executor.environment.describe(),
            "agreement": _without_nan(asdict(found)),
            "programs": [asdict(one) for one in compared],
            "unconfirmed": unconfirmed,
        },
    )
    return found


def _programs(plan: Plan, run: Run, pairs: Mapping[str, Pair]) -> Iterator[tuple[Key, Candidate]]:
    for candidate in own_programs(plan):
        yield candidate.key, candidate
    for record in run.read_generations().values():
        candidate = candidate_of(record, pairs[record.pair_id])
        yield candidate.key, candidate


def _compared(keys: list[Key], screened: Mapping[Key, Verdict], confirmed: Mapping[Key, Verdict]) -> Iterator[Compared]:
    for key in keys:
        pair_id, role, index = key
        source = (pair_id, "source", 0)
        four = (screened[source], screened[key], confirmed[source], confirmed[key])
        times = [verdict.runtime_seconds for verdict in four]
        if role == "source" or any(time is None for time in times):
            continue
        slow, fast, slow_confirmed, fast_confirmed = (time or math.nan for time in times)
        name = "target" if role == "target" else f"sample {index}"
        yield Compared(pair_id, name, slow / fast, slow_confirmed / fast_confirmed)


def _without_nan(record: dict[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in record.items()}
