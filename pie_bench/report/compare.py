"""Compares two runs: paired by pair, with intervals clustered by problem."""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict, Field

from pie_bench.errors import UserError
from pie_bench.metrics.best_at_k import METHODS, METRICS, ks
from pie_bench.metrics.scores import TIMES, interval_facts, samples_of, usable_pairs
from pie_bench.run.results import HEADLINE, Method, PairResult, Results, Time

COMPARED = (*HEADLINE, "speedup_geometric")
_SAME = 1e-9  # relative: a smaller difference is a tie


class Difference(BaseModel):
    """One metric of A and B over the same pairs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str
    k: int
    method: Method
    time: Time
    a: float | None
    b: float | None
    difference: float | None = Field(description="A − B; for the geometric mean A / B")
    low: float | None = Field(description="bounds of its 95 % interval")
    high: float | None
    wins: int = Field(description="pairs on which A is better")
    ties: int
    losses: int
    smallest_detectable: float | None = Field(
        description="true difference that these pairs would show with 80 % power; for the geometric mean a factor"
    )

    @property
    def is_ratio(self) -> bool:
        return METRICS[self.metric].mean == "geometric"

    @property
    def significant(self) -> bool:
        """Whether the interval excludes "no difference"."""
        none = 1.0 if self.is_ratio else 0.0
        return self.low is not None and self.high is not None and not self.low <= none <= self.high


class Comparison(BaseModel):
    """Run A against run B, over the pairs they share."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    a: str = Field(description="run A's folder or name")
    b: str
    task_a: str
    task_b: str
    model_a: str
    model_b: str
    dataset: str
    environment: str
    environment_id: str
    n_pairs: int
    n_problems: int
    only_in_a: tuple[str, ...]
    only_in_b: tuple[str, ...]
    interval: dict[str, str | float | int]
    differences: tuple[Difference, ...]

    def records(self) -> list[dict[str, str | float | None]]:
        """The differences as table rows, each with the names of tasks and models."""
        names = {name: getattr(self, name) for name in ("task_a", "model_a", "task_b", "model_b")}
        return [names | each.model_dump() for each in self.differences]


def compare(a: Results, b: Results, name_a: str, name_b: str) -> Comparison:
    """Raises UserError if the two differ in environment or data, or share no pair."""
    for what, ours, theirs in (
        ("dataset", a.dataset_fingerprint, b.dataset_fingerprint),
        ("environment", a.environment_id, b.environment_id),
    ):
        if ours != theirs:
            raise UserError(
                f"{name_a} and {name_b} are of different {what}s ({ours[:12]} and {theirs[:12]}) and cannot be "
                f"compared; run one of them again in the other's {what}"
            )
    pairs_a, pairs_b = ({pair.pair_id: pair for pair in usable_pairs(run.pairs)} for run in (a, b))
    common = sorted(pairs_a.keys() & pairs_b.keys())
    if not common:
        raise UserError(f"{name_a} and {name_b} have no pair in common")
    chosen_a, chosen_b = [pairs_a[pair_id] for pair_id in common], [pairs_b[pair_id] for pair_id in common]
    return Comparison(
        a=name_a,
        b=name_b,
        task_a=a.task,
        task_b=b.task,
        model_a=a.model_shown,
        model_b=b.model_shown,
        dataset=f"{a.dataset}/{a.split}",
        environment=a.environment,
        environment_id=a.environment_id,
        n_pairs=len(common),
        n_problems=len({pair.problem_id for pair in chosen_a}),
        only_in_a=tuple(sorted(pairs_a.keys() - pairs_b.keys())),
        only_in_b=tuple(sorted(pairs_b.keys() - pairs_a.keys())),
        interval=interval_facts(chosen_a),
        differences=tuple(_differences(chosen_a, chosen_b, ks(min(a.n_samples, b.n_samples)))),
    )


def _differences(pairs_a: list[PairResult], pairs_b: list[PairResult], wanted: list[int]) -> list[Difference]:
    import numpy as np

    from pie_bench.metrics import statistics

    clusters = statistics.clusters_of([pair.problem_id for pair in pairs_a])
    problems = int(clusters.max()) + 1
    keys, columns = [], []
    for time in TIMES:
        samples = [samples_of(pairs, time) for pairs in (pairs_a, pairs_b)]
        for name in COMPARED:
            metric = METRICS[name]
            for method in METHODS:
                for k in wanted:
                    values = [metric.of_pairs(each, k, method) for each in samples]
                    if metric.mean == "geometric":
                        values = [np.log(value) for value in values]
                    keys.append({"metric": name, "k": k, "method": method, "time": time})
                    columns.append(values)
    found = statistics.intervals(np.array([x - y for x, y in columns]).T, clusters)
    differences = []
    for column, (key, (x, y)) in enumerate(zip(keys, columns, strict=True)):
        back = math.exp if METRICS[str(key["metric"])].mean == "geometric" else float
        tie = np.isclose(x, y, rtol=_SAME, atol=_SAME)
        detectable = statistics.smallest_detectable(float(found.standard_error[column]), problems)
        numbers = {
            "a": math.fsum(x) / len(x),
            "b": math.fsum(y) / len(y),
            "difference": float(found.mean[column]),
            "low": float(found.low[column]),
            "high": float(found.high[column]),
            "smallest_detectable": detectable or math.nan,  # no spread says nothing of what could be found
        }
        if METRICS[str(key["metric"])].unit == "%":  # Student's t on few problems can exceed 0 and 100
            numbers["low"], numbers["high"] = max(numbers["low"], -100.0), min(numbers["high"], 100.0)
            if numbers["smallest_detectable"] > 100.0:
                numbers["smallest_detectable"] = math.nan
        rounded = {name: None if math.isnan(v) else float(f"{back(v):.9g}") for name, v in numbers.items()}
        differences.append(
            Difference(
                **key,  # type: ignore[arg-type]
                **rounded,  # type: ignore[arg-type]
                wins=int((~tie & (x > y)).sum()),
                ties=int(tie.sum()),
                losses=int((~tie & (x < y)).sum()),
            )
        )
    return differences
