"""Intervals: their coverage in a simulation with a known truth, and what they give for little data."""

import math

import numpy as np
import pytest

from pie_bench.metrics.statistics import (
    FEWEST_PROBLEMS,
    binomial_interval,
    clusters_of,
    difference,
    effective_problems,
    intervals,
    smallest_detectable,
)

PROBLEMS, PAIRS = 41, 978


def drawn(generator: np.random.Generator, icc: float, *, unequal: bool, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Normal values with mean 0 and variance 1 of pairs in problems with this intra-class correlation."""
    weights = generator.lognormal(0, 0.6, PROBLEMS) if unequal else np.ones(PROBLEMS)
    sizes = np.maximum(1, np.round(weights / weights.sum() * PAIRS)).astype(int)
    clusters = np.repeat(np.arange(PROBLEMS), sizes)
    of_problem = generator.normal(size=(PROBLEMS, columns))[clusters]
    return np.sqrt(icc) * of_problem + np.sqrt(1 - icc) * generator.normal(size=(len(clusters), columns)), clusters


@pytest.mark.parametrize(("icc", "unequal"), [(0.1, False), (0.3, True)])
def test_the_interval_covers_the_truth_as_often_as_it_says(icc: float, unequal: bool) -> None:
    """Shares of 31 %, and means of log-normal speedups with a floor of 1, both as skewed as the real ones."""
    generator = np.random.default_rng(20)
    hits, naive_hits, tried = np.zeros(2), 0, 0
    z = np.random.default_rng(1).normal(size=2_000_000)
    truths = np.array([(z > 0.5).mean(), np.maximum(1, np.exp(0.9 * z + 0.3)).mean()])
    for repeat in range(25):
        latent, clusters = drawn(generator, icc, unequal=unequal, columns=40)
        for place, values in enumerate([(latent > 0.5).astype(float), np.maximum(1, np.exp(0.9 * latent + 0.3))]):
            found = intervals(values, clusters, resamples=1_000, seed=repeat)
            hits[place] += ((found.low <= truths[place]) & (truths[place] <= found.high)).sum()
            if not place:
                error = 1.96 * values.std(axis=0) / math.sqrt(len(values))
                naive_hits += (abs(values.mean(axis=0) - truths[0]) <= error).sum()
        tried += latent.shape[1]
    coverage = hits / tried
    assert tried == 1000
    assert (coverage >= 0.93).all(), coverage
    assert (coverage <= 0.97).all(), coverage
    assert naive_hits / tried < 0.85, "taking pairs for independent is what this is there to avoid"


def test_it_is_the_same_every_time_and_other_seeds_give_nearly_the_same() -> None:
    values, clusters = drawn(np.random.default_rng(0), 0.2, unequal=True, columns=1)
    first, again, other = (intervals(values, clusters, seed=seed) for seed in (0, 0, 1))
    assert (first.low == again.low).all()
    assert (first.high == again.high).all()
    assert first.low != other.low
    width = first.high - first.low
    assert abs(first.low - other.low) < 0.05 * width
    order = np.random.default_rng(3).permutation(len(clusters))
    shuffled = intervals(values[order], clusters[order])
    assert shuffled.low == pytest.approx(first.low, abs=1e-9)


def test_alike_pairs_widen_the_interval() -> None:
    generator = np.random.default_rng(5)
    widths = []
    for icc in (0.0, 0.1, 0.5):
        values, clusters = drawn(generator, icc, unequal=False, columns=20)
        found = intervals(values, clusters, resamples=2_000)
        widths.append(float((found.high - found.low).mean()))
    assert widths == sorted(widths)
    assert widths[2] > 2 * widths[0]


def test_too_few_values_have_no_interval() -> None:
    some = np.array([[1.0], [2.0], [4.0]])
    one_problem = intervals(some, np.array([0, 0, 0]))
    assert one_problem.mean == pytest.approx(7 / 3)
    assert math.isnan(one_problem.low[0])
    alike = intervals(np.ones((40, 1)), np.arange(40))
    assert (alike.mean, alike.standard_error) == (1.0, 0.0)
    assert math.isnan(alike.low[0])
    assert alike.few[0]
    nothing = intervals(np.empty((0, 2)), np.empty(0, dtype=int))
    assert np.isnan(nothing.mean).all()
    missing = intervals(np.array([[math.nan], [1.0]]), np.array([0, 1]))
    assert math.isnan(missing.mean[0])
    assert math.isnan(missing.low[0])


def test_few_problems_get_students_t() -> None:
    values = np.array([[1.0], [3.0], [2.0], [6.0]])
    found = intervals(values, np.arange(4))
    assert len(values) < FEWEST_PROBLEMS
    half = 3.182446 * values.std(ddof=1) / 2
    assert (found.low[0], found.high[0]) == (pytest.approx(3 - half), pytest.approx(3 + half))


def test_a_share_that_rests_on_two_problems_is_marked() -> None:
    values = np.zeros((400, 2))
    values[:2, 0] = 1  # both in problem 0
    values[np.random.default_rng(0).random(400) < 0.5, 1] = 1
    found = intervals(values, np.repeat(np.arange(40), 10))
    assert found.few.tolist() == [True, False]
    assert np.isfinite(found.low[0])


def test_exact_binomial_intervals() -> None:
    assert binomial_interval(0.0, 41) == (0.0, pytest.approx(1 - 0.025 ** (1 / 41)))
    assert binomial_interval(1.0, 8) == (pytest.approx(0.025 ** (1 / 8)), 1.0)
    assert binomial_interval(0.5, 10) == (pytest.approx(0.187086, abs=1e-6), pytest.approx(0.812914, abs=1e-6))


def test_the_smallest_detectable_effect_is_detected_four_times_in_five() -> None:
    generator = np.random.default_rng(8)
    noise, clusters = drawn(generator, 0.2, unequal=False, columns=600)
    standard_errors = intervals(noise, clusters, resamples=10).standard_error
    effect = smallest_detectable(float(standard_errors.mean()), PROBLEMS)
    found = intervals(noise + effect, clusters, resamples=1_000)
    assert 0.75 <= (found.low > 0).mean() <= 0.86


def test_problems_are_numbered_in_order_and_weighed() -> None:
    assert clusters_of(["p2", "p1", "p2", "p10"]).tolist() == [2, 0, 2, 1]
    assert effective_problems(np.array([0, 1, 2])) == pytest.approx(3)
    assert effective_problems(np.array([0, 0, 0, 1])) == pytest.approx(16 / 10)


def test_the_interval_of_a_difference_covers_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(18)
    covered = found = 0
    for _ in range(300):
        sides = []
        for problems, mean in ((30, 0.0), (12, 1.0)):
            clusters = np.repeat(np.arange(problems), generator.integers(1, 9, problems))
            values = mean + generator.normal(size=problems)[clusters] + generator.normal(size=len(clusters))
            sides += [values, clusters]
        between = difference(*sides)
        covered += between.low <= 1.0 <= between.high
        found += between.low > 0
        assert between.low < between.value < between.high
    assert 0.90 <= covered / 300 <= 0.985
    assert found > 150


def test_a_difference_of_too_little_has_no_interval() -> None:
    one, two = np.zeros(3, dtype=int), np.array([0, 1, 1])
    for values, clusters in ((np.array([1.0, 2.0, 3.0]), one), (np.ones(3), two)):
        between = difference(values, clusters, np.ones(3), two)
        assert between.value == pytest.approx(1 - values.mean())
        assert math.isnan(between.low)
        assert math.isnan(between.high)
