"""A run's results on stress inputs, as tables: both kinds of tests side by side, and how programs' times grow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pie_bench.metrics.best_at_k import METRICS
from pie_bench.run.results import Growth, Results, Stress

Row = tuple[str | int | float | None, ...]

SIDES = ("metric", "tests", "tests, no start-up", "stress", "stress low", "stress high", "stress, no start-up")
GROWTH = ("pair", "program", "sizes", "exponent", "low", "high")
_METRICS = ("percent_optimized", "speedup", "speedup_geometric", "percent_correct")
_ROLES = {"source": "slow", "target": "human", "candidate": "answer"}


def sides(results: Results) -> list[Row]:
    """The same pairs' metrics on the dataset's own tests and on stress inputs, at every k and for the human
    rewrites."""
    found = results.stress
    if found is None:
        return []
    model = [f"best@{k}" for k in sorted({score.k for score in found.scores if score.of == "model"})]
    rows: list[Row] = []
    for of, names in (("model", model), ("human", ["best@1"])):
        for at in names:
            for metric in _METRICS:
                label = f"{METRICS[metric].title}, {'human' if of == 'human' else at}"
                rows.append((label, *_values(found, metric, at, human=of == "human")))
    return rows


def _values(found: Stress, metric: str, at: str, *, human: bool) -> Iterator[float | None]:
    maps = (
        (found.human_on_paper_tests, found.human_on_paper_tests_without_startup)
        if human
        else (found.on_paper_tests, found.on_paper_tests_without_startup)
    )
    after = found.human_reference_without_startup if human else found.metrics_without_startup
    timed = METRICS[metric].uses_time
    key = (metric, at, "process", "human" if human else "model")
    score = next((s for s in found.scores if (s.metric, s.name, s.time, s.of) == key), None)
    yield maps[0].get(metric, {}).get(at)
    yield maps[1].get(metric, {}).get(at) if timed else None
    yield from (None, None, None) if score is None else (score.value, score.low, score.high)
    yield after.get(metric, {}).get(at) if timed else None


def growth(results: Results) -> list[Row]:
    """The fitted exponents of each pair's slow program, human rewrite and best answer, with their intervals."""
    curves: Sequence[Growth] = results.stress.growth if results.stress is not None else ()
    return [
        (
            each.pair_id,
            _ROLES[each.role],
            len(each.points),
            *((None, None, None) if each.fit is None else (each.fit.exponent, each.fit.low, each.fit.high)),
        )
        for each in curves
    ]
