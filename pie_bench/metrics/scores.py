"""From pairs to every number of a run: metric × k × method × time, each with its interval."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from pie_bench.metrics.best_at_k import MEANS, METHODS, METRICS, OPTIMIZED_SPEEDUP, Metric, Samples, floored, ks
from pie_bench.run.results import Memory, Of, PairResult, SampleResult, Score, Scores, StartupShare, Time

TIMES: tuple[Time, ...] = ("process", "after_main")


def seconds_of(sample: SampleResult, time: Time) -> float:
    """Simulated seconds of a program; NaN if it is not correct."""
    if sample.seconds is None:
        return math.nan
    return sample.seconds if time == "process" else sample.seconds - (sample.startup_seconds or 0.0)


def samples_of(pairs: Sequence[PairResult], time: Time, of: Of = "model") -> Samples:
    """The pairs' answers as arrays, one row per pair; for `human` the rewrite is the only answer.

    What failed on our side does not count as a sample. All pairs must have a measured source.
    """

    def answers(pair: PairResult) -> list[float]:
        samples = pair.samples if of == "model" else (pair.target,)
        return [seconds_of(sample, time) for sample in samples if sample.outcome != "infra_error"]

    return Samples.of(
        [answers(pair) for pair in pairs],
        [seconds_of(pair.source, time) for pair in pairs],
        [seconds_of(pair.target, time) for pair in pairs],
    )


def usable_pairs(pairs: Iterable[PairResult]) -> list[PairResult]:
    """Pairs whose source was measured: otherwise there is no baseline."""
    return [pair for pair in pairs if pair.source.outcome == "ok"]


def all_scores(pairs: Sequence[PairResult], added: Sequence[Metric] = ()) -> list[Score]:
    """Every number over these pairs, for model and human rewrites, in a fixed order; `added`: plug-in metrics."""
    if not pairs:
        return []
    most = max(len(pair.samples) for pair in pairs)
    scores: list[Score] = []
    ks_of: dict[Of, list[int]] = {"model": ks(most), "human": [1]}
    for of, wanted in ks_of.items():
        for needs_human in (False, True):
            metrics = [m for m in (*METRICS.values(), *added) if m.needs_human == needs_human]
            measured = [pair for pair in pairs if not needs_human or pair.target.outcome == "ok"]
            if measured and not (needs_human and of == "human"):
                scores += scores_of(metrics, measured, wanted, of)
    return scores


def scores_of(metrics: Sequence[Metric], pairs: Sequence[PairResult], wanted: Sequence[int], of: Of) -> list[Score]:
    """These metrics at these k over these pairs, by both methods and both times, each with its interval."""
    import numpy as np

    from pie_bench.metrics.statistics import clusters_of, intervals

    clusters = clusters_of([pair.problem_id for pair in pairs])
    columns = []
    keys: list[tuple[Metric, dict[str, Any]]] = []
    for time in TIMES:
        samples = samples_of(pairs, time, of)
        for metric in metrics:
            for method in METHODS:
                for k in wanted:
                    forward, _ = MEANS[metric.mean]
                    columns.append(forward(metric.of_pairs(samples, k, method)))
                    keys.append((metric, {"k": k, "method": method, "time": time, "of": of, "n_pairs": len(pairs)}))
    found = intervals(np.array(columns).T, clusters)
    problems = int(clusters.max()) + 1
    bounds = zip(found.mean, found.low, found.high, found.few, strict=True)
    return [
        _score(metric, key, float(mean), float(low), float(high), problems if few else None)
        for (metric, key), (mean, low, high, few) in zip(keys, bounds, strict=True)
    ]


def _score(
    metric: Metric, key: dict[str, Any], mean: float, low: float, high: float, few_problems: int | None
) -> Score:
    from pie_bench.metrics.statistics import binomial_interval

    _, back = MEANS[metric.mean]
    value, low, high = float(back(mean)), *sorted((float(back(low)), float(back(high))))
    if metric.unit == "%":
        if few_problems is not None and few_problems > 1 and not math.isnan(value):
            low, high = (100 * bound for bound in binomial_interval(value / 100, few_problems))
        low, high = max(low, 0.0), min(high, 100.0)
    else:
        low = max(low, 1.0 if metric.effect is floored else 0.0)
    # Sums may differ in the last bit between processors; what is written must not.
    return Score(metric=metric.name, value=_rounded(value, 12), low=_rounded(low, 6), high=_rounded(high, 6), **key)


def _rounded(value: float, digits: int) -> float | None:
    return None if math.isnan(value) else float(f"{value:.{digits}g}")


def interval_facts(pairs: Sequence[PairResult]) -> dict[str, Any]:
    """How the intervals over these pairs are computed."""
    from pie_bench.metrics import statistics

    clusters = statistics.clusters_of([pair.problem_id for pair in pairs])
    problems = len(set(clusters.tolist()))
    few = problems < statistics.FEWEST_PROBLEMS
    return {
        "level": statistics.LEVEL,
        "clustered_by": "problem_id",
        "problems": problems,
        "effective_problems": round(statistics.effective_problems(clusters), 3) if problems else 0,
        "method": "jackknife, Student's t" if few else "bootstrap-t",
        "resamples": 0 if few else statistics.RESAMPLES,
        "seed": statistics.SEED,
    }


def scores_by_name(scores: Iterable[Score], metrics: Sequence[str], *, of: Of, time: Time) -> Scores:
    """{metric: {"best@1": value, …, "first@1": value, …}}; empty for metrics without scores."""
    found: Scores = {name: {} for name in metrics}
    for score in scores:
        if (score.of, score.time) == (of, time) and score.metric in found:
            found[score.metric][score.name] = score.value
    return found


def startup_shares(pairs: Sequence[PairResult]) -> dict[Of, StartupShare]:
    """For how many pairs "optimised" (any sample) depends on start-up alone."""

    def optimized(of: Of, time: Time) -> list[bool]:
        samples = samples_of(pairs, time, of)
        effects = METRICS["percent_optimized"].effect(samples)
        return [bool(row[:count].max(initial=0.0)) for row, count in zip(effects, samples.counts.tolist(), strict=True)]

    shares: dict[Of, StartupShare] = {}
    for of in ("model", "human"):
        whole, after = optimized(of, "process"), optimized(of, "after_main")
        alone = tuple(p.pair_id for p, w, a in zip(pairs, whole, after, strict=True) if w and not a)
        shares[of] = StartupShare(optimized=sum(whole), by_startup_alone=alone)
    return shares


def best_sample(pair: PairResult) -> int | None:
    """The index of the fastest correct answer; None if none is correct."""
    times = [(seconds_of(s, "process"), index) for index, s in enumerate(pair.samples) if s.outcome == "ok"]
    return min(times)[1] if times else None


def memory_beside_time(pairs: Iterable[PairResult]) -> dict[Of, Memory] | None:
    """Peak memory of the fastest correct answers and of the human rewrites; None if the sources' is unknown."""
    ratios: dict[Of, list[float]] = {"model": [], "human": []}
    known = [pair for pair in pairs if pair.source.peak_memory_bytes]
    for pair in known:
        best = best_sample(pair)
        programs: dict[Of, SampleResult | None] = {
            "model": None if best is None else pair.samples[best],
            "human": pair.target,
        }
        for of, program in programs.items():
            if program is not None and program.peak_memory_bytes:
                ratios[of].append(program.peak_memory_bytes / (pair.source.peak_memory_bytes or 1))
    return {of: _memory(found) for of, found in ratios.items()} if known else None


def _memory(ratios: Sequence[float]) -> Memory:
    mean = math.exp(math.fsum(map(math.log, ratios)) / len(ratios)) if ratios else math.nan
    threshold = OPTIMIZED_SPEEDUP
    return Memory(
        n_pairs=len(ratios),
        ratio=_rounded(mean, 12),
        less=sum(ratio <= 1 / threshold for ratio in ratios),
        more=sum(ratio >= threshold for ratio in ratios),
    )
