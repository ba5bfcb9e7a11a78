"""Which programs the report profiles."""

from __future__ import annotations

from pathlib import Path

from pie_bench.metrics.scores import best_sample, seconds_of
from pie_bench.stages.finished import FinishedRun
from pie_bench.stages.profile import programs_shown


def test_the_pairs_with_the_largest_speedups(made: Path) -> None:
    run = FinishedRun(made / "a")
    speedups = {}
    for result in run.usable:
        best = best_sample(result)
        if best is not None:
            seconds = seconds_of(result.samples[best], "process")
            speedups[result.pair_id] = seconds_of(result.source, "process") / seconds
    first = max(speedups, key=lambda pair_id: speedups[pair_id])
    shown = programs_shown(run, 1)
    assert {pair_id for pair_id, _, _ in shown} == {first}
    assert [role for _, role, _ in shown] == ["source", "target", "candidate"]
    assert programs_shown(run, 0) == []
    everything = programs_shown(run, len(run.usable))
    assert {pair_id for pair_id, _, _ in everything} >= set(speedups)
    assert all(run.verdicts[key].outcome == "ok" for key in everything)
