"""What a run's numbers are made of, as pure functions of its pairs' results. docs/what-speedup-means.md explains
them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np

from pie_bench.metrics.best_at_k import METRICS, OPTIMIZED_SPEEDUP, best_at_k
from pie_bench.metrics.scores import best_sample, memory_beside_time, samples_of, startup_shares
from pie_bench.run.results import AgeGroup, Guards, Honesty, Interval, Of, PairResult, SampleResult

HEAVIEST = 10
NEARLY_HUMAN = 0.95
_FEWEST_PROGRAMS = 4  # per problem, for a percentile among them to be meaningful
_RESAMPLES, _SEED = 2000, 0
_TAIL = 2.5  # per cent, on each side
_TWO_WAY = ("percent_optimized", "speedup", "percent_correct")


def honesty(
    pairs: Sequence[PairResult],
    by_io_alone: Mapping[Of, Collection[str]],
    guards: Guards | None,
    dates: Mapping[str, int],
    weak: Collection[str] | None = None,
) -> dict[Of, Honesty]:
    """For the model's answers (the best for each pair) and the human rewrites.

    `by_io_alone`: pairs whose faster program differs from the slow one only in input and output; `dates`: the date of a
    pair's problem, in seconds since 1970, if known; `weak`: problems whose tests are weak. Unknown values are None.
    """
    if not pairs:
        return {}
    starts, memory = startup_shares(pairs), memory_beside_time(pairs)
    found: dict[Of, Honesty] = {}
    for of in ("model", "human"):
        programs = {pair.pair_id: _program(pair, of) for pair in pairs}
        speedups = {pair.pair_id: _speedup(pair, programs[pair.pair_id]) for pair in pairs}
        startup = set(starts[of].by_startup_alone)
        optimized = {name for name, value in speedups.items() if value >= OPTIMIZED_SPEEDUP}
        io = (set(by_io_alone.get(of, ())) & optimized) - startup
        heaviest = sorted(speedups, key=lambda name: (-speedups[name], name))[:HEAVIEST]
        percentiles = _percentiles(pairs, programs)
        over_fastest = _over_fastest(pairs, programs)
        found[of] = Honesty(
            optimized=starts[of].optimized,
            by_startup_alone=len(startup),
            by_io_alone=len(io),
            percent_startup_or_io=_percent(len(startup) + len(io), starts[of].optimized),
            heaviest_pairs=tuple(heaviest),
            percent_of_heaviest=_percent(math.fsum(speedups[name] for name in heaviest), math.fsum(speedups.values())),
            speedup=_mean(list(speedups.values())),
            speedup_without_heaviest=_mean([value for name, value in speedups.items() if name not in heaviest]),
            speedup_guarded=_guarded(guards, "speedup") if of == "model" else None,
            percent_optimized_guarded=_guarded(guards, "percent_optimized") if of == "model" else None,
            memory_ratio=None if memory is None else memory[of].ratio,
            percent_near_human=_near_human(pairs, programs) if of == "model" else None,
            n_ranked=len(percentiles),
            percentile=_rounded(median(percentiles)) if percentiles else None,
            over_fastest=over_fastest,
            two_way=_two_way(pairs, of),
            **_of_weak(pairs, speedups, weak),
            ages=_ages(pairs, speedups, dates),
        )
    return found


def _program(pair: PairResult, of: Of) -> SampleResult | None:
    if of == "human":
        return pair.target if pair.target.outcome == "ok" else None
    index = best_sample(pair)
    return None if index is None else pair.samples[index]


def _speedup(pair: PairResult, program: SampleResult | None) -> float:
    """Never below 1: one can always keep the slow program."""
    if program is None or not program.seconds or not pair.source.seconds:
        return 1.0
    return max(1.0, pair.source.seconds / program.seconds)


def _of_weak(
    pairs: Sequence[PairResult], speedups: Mapping[str, float], weak: Collection[str] | None
) -> dict[str, Any]:
    """What the pairs of problems with weak tests have in the numbers."""
    if weak is None:
        return {}
    in_weak = [speedups[pair.pair_id] for pair in pairs if pair.problem_id in weak]
    others = [speedups[pair.pair_id] for pair in pairs if pair.problem_id not in weak]
    return {
        "weak_problems": tuple(sorted({pair.problem_id for pair in pairs if pair.problem_id in weak})),
        "optimized_in_weak": sum(value >= OPTIMIZED_SPEEDUP for value in in_weak),
        "speedup_without_weak": _mean(others),
    }


def _near_human(pairs: Sequence[PairResult], programs: Mapping[str, SampleResult | None]) -> float | None:
    """Opt₀.₉₅: percentage of pairs whose best program reaches at least 95 % of the human rewrite's speed."""
    known = [pair for pair in pairs if pair.target.outcome == "ok" and pair.target.seconds]
    near = 0
    for pair in known:
        program = programs[pair.pair_id]
        seconds = min(pair.source.seconds or math.inf, (program.seconds if program else None) or math.inf)
        near += (pair.target.seconds or 0.0) / seconds >= NEARLY_HUMAN
    return _percent(near, len(known))


def _accepted(pairs: Sequence[PairResult]) -> dict[str, list[float]]:
    """Seconds of the distinct programs known for each problem: those of the run's own pairs."""
    found: dict[str, set[float]] = {}
    for pair in pairs:
        for program in (pair.source, pair.target):
            if program.outcome == "ok" and program.seconds:
                found.setdefault(pair.problem_id, set()).add(program.seconds)
    return {problem: sorted(seconds) for problem, seconds in found.items()}


def _percentiles(pairs: Sequence[PairResult], programs: Mapping[str, SampleResult | None]) -> list[float]:
    """For each pair, the share of its problem's accepted programs that are no faster than its best program."""
    accepted = _accepted(pairs)
    found = []
    for pair in pairs:
        known, program = accepted.get(pair.problem_id, []), programs[pair.pair_id]
        if len(known) >= _FEWEST_PROGRAMS:
            seconds = min(pair.source.seconds or math.inf, (program.seconds if program else None) or math.inf)
            found.append(100 * sum(each >= seconds for each in known) / len(known))
    return found


def _over_fastest(pairs: Sequence[PairResult], programs: Mapping[str, SampleResult | None]) -> float | None:
    """Geometric mean of the fastest known program's time over the best program's."""
    accepted = _accepted(pairs)
    logs = []
    for pair in pairs:
        program = programs[pair.pair_id]
        if program is not None and program.seconds and accepted.get(pair.problem_id):
            logs.append(math.log(accepted[pair.problem_id][0] / program.seconds))
    return _rounded(math.exp(math.fsum(logs) / len(logs))) if logs else None


def _guarded(guards: Guards | None, metric: str) -> float | None:
    values = guards.metrics.get(metric, {}) if guards is not None else {}
    best = {int(name.partition("@")[2]): value for name, value in values.items() if name.startswith("best@")}
    return best[max(best)] if best else None


def _two_way(pairs: Sequence[PairResult], of: Of) -> dict[str, Interval]:
    """95 % intervals of best@1 when resampling problems *and* samples (percentile bootstrap): whole problems with
    replacement, then samples within each drawn pair."""
    samples = samples_of(pairs, "process", of)
    counts = samples.counts
    if not counts.min(initial=1):
        return {}
    problems = sorted({pair.problem_id for pair in pairs})
    if len(problems) < 2:
        return {}
    number = {problem: index for index, problem in enumerate(problems)}
    clusters = np.array([number[pair.problem_id] for pair in pairs])
    sizes = np.bincount(clusters).astype(float)
    generator = np.random.default_rng(_SEED)
    weights = generator.multinomial(len(problems), np.full(len(problems), 1 / len(problems)), size=_RESAMPLES)
    # The mean of a pair's resampled samples only needs how often each was drawn; all metrics share the draws.
    effects = {name: METRICS[name].scale * METRICS[name].effect(samples) for name in _TWO_WAY}
    effects = {name: np.where(np.isnan(values), 0.0, values) for name, values in effects.items()}
    sums: dict[str, Any] = {name: np.zeros((_RESAMPLES, len(problems))) for name in _TWO_WAY}
    for row, count in enumerate(counts.tolist()):
        drawn = generator.multinomial(count, np.full(count, 1 / count), size=_RESAMPLES) / count
        for name in _TWO_WAY:
            sums[name][:, clusters[row]] += drawn @ effects[name][row, :count]
    pairs_drawn = weights @ sizes
    found = {}
    for name in _TWO_WAY:
        means = (weights * sums[name]).sum(axis=1) / pairs_drawn
        low, high = np.percentile(means, (_TAIL, 100 - _TAIL))
        value = float(best_at_k(effects[name], counts, 1).mean())
        found[name] = Interval(value=_rounded(value), low=_rounded(float(low)), high=_rounded(float(high)))
    return found


def _ages(
    pairs: Sequence[PairResult], speedups: Mapping[str, float], dates: Mapping[str, int]
) -> tuple[AgeGroup, AgeGroup] | None:
    """Older and newer pairs, split at the median date of the problems; None if fewer than two dates are known."""
    known = [pair for pair in pairs if pair.pair_id in dates]
    of_problems = sorted({(dates[pair.pair_id], pair.problem_id) for pair in known})
    if len({date for date, _ in of_problems}) < 2:
        return None
    boundary = of_problems[len(of_problems) // 2][0]
    if boundary == of_problems[0][0]:
        boundary = min(date for date, _ in of_problems if date > boundary)
    groups = []
    for newer in (False, True):
        values = [speedups[pair.pair_id] for pair in known if (dates[pair.pair_id] >= boundary) == newer]
        groups.append(
            AgeGroup(
                boundary=boundary,
                n_pairs=len(values),
                speedup=_mean(values),
                percent_optimized=_percent(sum(value >= OPTIMIZED_SPEEDUP for value in values), len(values)),
            )
        )
    return groups[0], groups[1]


def _percent(part: float, whole: float) -> float | None:
    return _rounded(100 * part / whole) if whole else None


def _mean(values: Sequence[float]) -> float | None:
    return _rounded(math.fsum(values) / len(values)) if values else None


def _rounded(value: float) -> float:
    # Sums may differ in the last bit between processors; what is written must not.
    return float(f"{value:.6g}")
