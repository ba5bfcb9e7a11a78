"""How reliable a number is: intervals by a bootstrap that resamples problems, not pairs.

Pairs of one problem are alike (the test split has 978 pairs of 41 problems), so the resampling unit is the problem with
all its pairs. The interval is studentised (bootstrap-t): for each resample, the distance of its mean from the observed
one is divided by the resample's own standard error. docs/statistics.md compares its coverage in simulations with that
of percentile and BCa intervals, which are too narrow here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any  # numpy.ndarray of float64

RESAMPLES = 10_000
SEED = 0
LEVEL = 0.95
POWER = 0.8
# With fewer problems, resamples repeat too few of them for a bootstrap; Student's t is used instead.
FEWEST_PROBLEMS = 10
_BATCH = 1_000  # resamples at once, to limit memory


@dataclass(frozen=True)
class Intervals:
    """Means over pairs with their standard errors and intervals, one array entry per column of `values`.

    NaN where undefined: no pairs, a NaN among the values, a single problem. `few` marks columns whose spread comes from
    a few problems or none, so that many resamples have no spread: their bounds are Student's t, or NaN if all problems
    agree exactly, which says nothing about the spread.
    """

    mean: Array
    standard_error: Array
    low: Array
    high: Array
    few: Array


@dataclass(frozen=True)
class Difference:
    """A difference of two means with its 95 % interval, and the true difference detectable with 80 % power."""

    value: float
    low: float
    high: float
    detectable: float


def clusters_of(problem_ids: Sequence[str]) -> Array:
    """Problems numbered from 0 in sorted order, one number per pair."""
    _, numbers = np.unique(np.asarray(problem_ids, dtype=object).astype(str), return_inverse=True)
    return numbers


def effective_problems(clusters: Array) -> float:
    """(Σn)²/Σn² over problems of n pairs: the equivalent number of equally large problems."""
    sizes = np.bincount(clusters).astype(float)
    return float(sizes.sum() ** 2 / (sizes**2).sum()) if len(sizes) else 0.0


def intervals(values: Array, clusters: Array, *, resamples: int = RESAMPLES, seed: int = SEED) -> Intervals:
    """95 % intervals of the means of `values` (pairs × columns), clustered by `clusters` (pairs).

    All columns share the resamples. The same arguments give the same result.
    """
    values = np.asarray(values, dtype=float)
    columns = values.shape[1]
    nothing = np.full(columns, np.nan)
    problems = int(clusters.max(initial=-1)) + 1
    if not problems:
        return Intervals(nothing, nothing, nothing, nothing, np.ones(columns, dtype=bool))
    sizes = np.bincount(clusters, minlength=problems).astype(float)
    # Centred on the mean, to avoid small differences of large numbers.
    means = np.array([math.fsum(column) for column in values.T]) / len(values)
    sums = (clusters == np.arange(problems)[:, None]).astype(float) @ (values - means)
    if problems < 2:
        return Intervals(means, nothing, nothing, nothing, np.ones(columns, dtype=bool))
    standard_error = _jackknife(sums, sizes)
    constant = ~(standard_error > 1e-12 * np.maximum(1.0, np.abs(means)))
    standard_error = np.where(constant & ~np.isnan(standard_error), 0.0, standard_error)
    low_t = high_t = np.full(columns, _student_t(0.5 + LEVEL / 2, problems - 1))
    few = constant
    if problems >= FEWEST_PROBLEMS:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):  # small products: on a busy machine BLAS threads wait for each other for seconds
            t = _studentised(sums, sizes, standard_error, resamples, seed)
        few = np.isinf(t).mean(axis=0) > 0.5 - LEVEL / 2
        with np.errstate(invalid="ignore"):
            low_t = np.where(few, low_t, np.quantile(t, 0.5 + LEVEL / 2, axis=0))
            high_t = np.where(few, high_t, -np.quantile(t, 0.5 - LEVEL / 2, axis=0))
    with np.errstate(invalid="ignore"):
        low, high = means - low_t * standard_error, means + high_t * standard_error
    return Intervals(
        means, standard_error, np.where(constant, np.nan, low), np.where(constant, np.nan, high), few | constant
    )


def difference(first: Array, first_clusters: Array, second: Array, second_clusters: Array) -> Difference:
    """The mean of `second` minus that of `first`, for pairs of different problems: Welch's interval, with each mean's
    standard error clustered by problem.

    NaN bounds if a side has fewer than two problems, or if neither side has any spread.
    """
    sides = [
        intervals(values[:, None], clusters)
        for values, clusters in ((first, first_clusters), (second, second_clusters))
    ]
    counts = [int(clusters.max(initial=-1)) + 1 for clusters in (first_clusters, second_clusters)]
    value = float(sides[1].mean[0] - sides[0].mean[0])
    variances = [float(side.standard_error[0]) ** 2 for side in sides]
    total = sum(variances)
    if min(counts) < 2 or not total > 0:
        return Difference(value, math.nan, math.nan, math.nan)
    degrees = total**2 / sum(variance**2 / (count - 1) for variance, count in zip(variances, counts, strict=True))
    t = float(_student_t(0.5 + LEVEL / 2, degrees))
    error = math.sqrt(total)
    detectable = (t + float(_student_t(POWER, degrees))) * error
    return Difference(value, value - t * error, value + t * error, detectable)


def smallest_detectable(standard_error: float, problems: int) -> float:
    """The true difference that a comparison with this standard error detects (at 5 %) with 80 % power."""
    if problems < 2:
        return math.nan
    return (_student_t(0.5 + LEVEL / 2, problems - 1) + _student_t(POWER, problems - 1)) * standard_error


def binomial_interval(share: float, trials: int) -> tuple[float, float]:
    """The exact 95 % interval (Clopper–Pearson) of a share (0 to 1) of `trials`.

    For shares based on a few problems: with problems as trials, as if all pairs of a problem were equal.
    """
    from scipy.special import betaincinv

    tail, cases = 0.5 - LEVEL / 2, share * trials
    low = betaincinv(cases, trials - cases + 1, tail) if cases > 0 else 0.0
    high = betaincinv(cases + 1, trials - cases, 1 - tail) if cases < trials else 1.0
    return float(low), float(high)


def _jackknife(sums: Array, sizes: Array) -> Array:
    """Standard error of the ratio Σ sums / Σ sizes by leave-one-problem-out; exact on problems of unequal size."""
    without = (sums.sum(axis=0) - sums) / (sizes.sum() - sizes)[:, None]
    problems = len(sizes)
    return np.sqrt((problems - 1) / problems * ((without - without.mean(axis=0)) ** 2).sum(axis=0))


def _studentised(sums: Array, sizes: Array, observed: Array, resamples: int, seed: int) -> Array:
    """(resample's mean − mean) / resample's standard error, `resamples` × columns; infinite if the resample has no
    spread.

    `observed` is the standard error over all problems: a standard error that is mere rounding next to it counts as
    zero.
    """
    problems = len(sizes)
    generator = np.random.default_rng(seed)
    chances = np.full(problems, 1 / problems)
    squares, products = sums**2, sums * sizes[:, None]
    parts = []
    for start in range(0, resamples, _BATCH):
        drawn = generator.multinomial(problems, chances, size=min(_BATCH, resamples - start)).astype(float)
        pairs = (drawn @ sizes)[:, None]
        means = drawn @ sums / pairs
        variance = drawn @ squares - 2 * means * (drawn @ products) + means**2 * (drawn @ sizes**2)[:, None]
        standard_error = np.sqrt(np.maximum(variance, 0.0) * problems / (problems - 1)) / pairs
        with np.errstate(divide="ignore", invalid="ignore"):
            t = means / standard_error
        parts.append(np.where(standard_error > 1e-6 * observed, t, np.copysign(np.inf, means)))
    return np.concatenate(parts)


def _student_t(probability: float, degrees: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))
