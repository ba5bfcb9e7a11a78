"""The paper's metrics (Section 4) at best@k and first@k, as pure functions over arrays.

`runtimes` has one row per pair: the simulated seconds of its samples in order, NaN for an incorrect sample. Rows may
differ in length: samples that failed on our side are left out. An *effect* is the value of one sample, e.g. its
speedup. The effects of a pair's n samples give two numbers, with two names:

`best@k`    the exact expectation of the best effect over all subsets of k of the n samples: with the effects sorted
            ascending, Σ_{r=k..n} C(r−1, k−1)/C(n, k) · e₍ᵣ₎. It does not depend on the order and uses every sample;
`first@k`   the best effect of the first k samples (the paper's Best@k).

With k = n they are equal. Both are NaN for a pair with fewer than k samples, and so is the mean over any pairs that
include such a pair: NaN rather than a wrong number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pie_bench.run.results import Method

Array = Any  # numpy.ndarray of float64; numpy is imported without its types
Runtimes = Sequence[Sequence[float]]
Mean = Literal["arithmetic", "geometric", "harmonic"]

METHODS: tuple[Method, ...] = ("best", "first")
OPTIMIZED_SPEEDUP = 1.1  # "at least 10 % faster"
THRESHOLDS = (1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)


def ks(n: int) -> list[int]:
    """The k at which scores are given: 1, 2, 4, … below n, and n itself."""
    return sorted({1 << i for i in range(n.bit_length()) if 1 << i <= n} | {n})


@dataclass(frozen=True)
class Samples:
    """The samples of all pairs as one array.

    `runtimes` (pairs × largest number of samples): seconds, NaN if incorrect; `counts` (pairs): how many samples a row
    has, the rest being padding; `sources` and `humans` (pairs): seconds of the pair's own two programs (humans NaN if
    the rewrite is not correct here, or unknown).
    """

    runtimes: Array
    counts: Array
    sources: Array
    humans: Array

    @staticmethod
    def of(runtimes: Runtimes, sources: Sequence[float], humans: Sequence[float] | None = None) -> Samples:
        """From one list per pair. ValueError if the numbers of sources and pairs differ."""
        if len(runtimes) != len(sources) or (humans is not None and len(humans) != len(runtimes)):
            raise ValueError(f"{len(runtimes)} pairs with samples, {len(sources)} sources: not the same number")
        counts = np.array([len(row) for row in runtimes], dtype=int)
        padded = np.full((len(runtimes), max(1, counts.max(initial=0))), np.nan)
        for row, samples in zip(padded, runtimes, strict=True):
            row[: len(samples)] = samples
        known = np.full(len(runtimes), np.nan) if humans is None else np.asarray(humans, dtype=float)
        return Samples(padded, counts, np.asarray(sources, dtype=float), known)

    def rows(self, keep: Array) -> Samples:
        """Selects pairs by a mask or indices."""
        return Samples(self.runtimes[keep], self.counts[keep], self.sources[keep], self.humans[keep])


Effect = Callable[[Samples], Array]


def correct(samples: Samples) -> Array:
    """1 for a correct sample, else 0."""
    return np.where(np.isnan(samples.runtimes), 0.0, 1.0)


def unfloored(samples: Samples) -> Array:
    """source / sample, below 1 if the answer is slower; 1 if it is incorrect (it then has no meaningful time)."""
    ratio = samples.sources[:, None] / samples.runtimes
    return np.where(np.isnan(ratio), 1.0, ratio)


def floored(samples: Samples) -> Array:
    """source / sample if the sample is correct and faster, else 1.0: one can always keep the slow program."""
    return np.maximum(unfloored(samples), 1.0)


def faster_by(threshold: float) -> Effect:
    """1 for a correct sample whose speedup is at least `threshold`, else 0."""

    def effect(samples: Samples) -> Array:
        return np.where(floored(samples) >= threshold, 1.0, 0.0)

    return effect


def over_human(samples: Samples) -> Array:
    """The human rewrite's seconds / the sample's or, if the slow program has to be kept, / the source's."""
    return floored(samples) * (samples.humans / samples.sources)[:, None]


def faster_than_human(samples: Samples) -> Array:
    """1 for a correct sample faster than the human rewrite, else 0."""
    effect = np.where(samples.runtimes < samples.humans[:, None], 1.0, 0.0)
    return np.where(np.isnan(samples.humans)[:, None], np.nan, effect)


def best_at_k(effects: Array, counts: Array, k: int, method: Method = "best") -> Array:
    """best@k or first@k of every pair; `effects` (pairs × samples) is padded beyond `counts` samples per row."""
    if k < 1:
        raise ValueError(f"best@k needs k of at least 1, not {k}")
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; known: {', '.join(METHODS)}")
    if method == "first":
        values = effects[:, :k].max(axis=1) if effects.size else effects[:, 0]
        return np.where(counts < k, np.nan, values)
    values = np.full(len(effects), np.nan)
    for n in np.unique(counts[counts >= k]):
        rows = counts == n
        values[rows] = np.sort(effects[rows, :n], axis=1) @ _weights(int(n), k)
    return values


def _weights(n: int, k: int) -> Array:
    """The probability that the r-th smallest of n is the largest of k drawn without replacement, r = 1…n."""
    return np.array([math.comb(r - 1, k - 1) / math.comb(n, k) for r in range(1, n + 1)])


def mean(values: Array, kind: Mean = "arithmetic") -> float:
    """Mean over pairs; NaN without pairs, or if any value is NaN."""
    if not len(values):
        return math.nan
    forward, back = MEANS[kind]
    return float(back(math.fsum(forward(values)) / len(values)))


# Every mean is an arithmetic mean of transformed values, transformed back.
MEANS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "arithmetic": (lambda x: x, lambda x: x),
    "geometric": (np.log, np.exp),
    "harmonic": (lambda x: 1.0 / x, lambda x: 1.0 / x),
}


@dataclass(frozen=True)
class Metric:
    """A number computed for a run: an effect, how it is averaged over pairs, and its unit (`%` or `×`)."""

    name: str
    title: str
    effect: Effect
    unit: Literal["%", "×"]
    mean: Mean = "arithmetic"
    uses_time: bool = True
    needs_human: bool = False

    @property
    def scale(self) -> float:
        return 100.0 if self.unit == "%" else 1.0

    def of_pairs(self, samples: Samples, k: int, method: Method = "best") -> Array:
        """best@k (or first@k) of every pair, in the metric's unit."""
        return self.scale * best_at_k(self.effect(samples), samples.counts, k, method)

    def compute(self, samples: Samples, k: int, method: Method = "best") -> float:
        """The mean over pairs of `of_pairs`."""
        return mean(self.of_pairs(samples, k, method), self.mean)


def percent_at_least(threshold: float) -> Metric:
    """Share of pairs with a correct sample of at least this speedup; %Opt at 1.1."""
    suffix = "" if threshold == OPTIMIZED_SPEEDUP else f"_{threshold:g}"
    title = "%Opt" if threshold == OPTIMIZED_SPEEDUP else f"%≥{threshold:g}×"
    return Metric(f"percent_optimized{suffix}", title, faster_by(threshold), "%")


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        percent_at_least(OPTIMIZED_SPEEDUP),
        Metric("speedup", "Speedup", floored, "×"),
        Metric("percent_correct", "%Correct", correct, "%", uses_time=False),
        Metric("speedup_geometric", "Speedup (geometric)", floored, "×", "geometric"),
        Metric("speedup_harmonic", "Speedup (harmonic)", floored, "×", "harmonic"),
        Metric("speedup_unfloored", "Speedup, no floor", unfloored, "×"),
        Metric("speedup_unfloored_geometric", "Speedup, no floor (geometric)", unfloored, "×", "geometric"),
        Metric("speedup_unfloored_harmonic", "Speedup, no floor (harmonic)", unfloored, "×", "harmonic"),
        *(percent_at_least(threshold) for threshold in THRESHOLDS[1:]),
        Metric("fastest_over_human", "Fastest over human", over_human, "×", needs_human=True),
        Metric("percent_faster_than_human", "%Faster than human", faster_than_human, "%", needs_human=True),
    )
}


def percent_optimized(
    runtimes: Runtimes,
    source_runtimes: Sequence[float],
    k: int,
    method: Method = "best",
    threshold: float = OPTIMIZED_SPEEDUP,
) -> float:
    """%Opt: share of pairs, in percent, with a correct sample that is at least 10 % faster than the source."""
    return percent_at_least(threshold).compute(Samples.of(runtimes, source_runtimes), k, method)


def speedup(runtimes: Runtimes, source_runtimes: Sequence[float], k: int, method: Method = "best") -> float:
    """Speedup: mean over pairs of the best sample's speedup; 1.0 if none is correct and faster."""
    return METRICS["speedup"].compute(Samples.of(runtimes, source_runtimes), k, method)


def percent_correct(runtimes: Runtimes, source_runtimes: Sequence[float], k: int, method: Method = "best") -> float:
    """%Correct: share of pairs, in percent, with at least one correct sample."""
    return METRICS["percent_correct"].compute(Samples.of(runtimes, source_runtimes), k, method)
