"""The paper's metrics: by hand, by their invariants, and as `evaluate` modules."""

import itertools
import json
import math
import os
from fractions import Fraction
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pie_bench
from pie_bench.errors import UserError
from pie_bench.metrics.best_at_k import (
    METHODS,
    METRICS,
    Method,
    Samples,
    best_at_k,
    ks,
    percent_correct,
    percent_optimized,
    speedup,
)
from pie_bench.metrics.module import load_metric, metric_names

NAN = math.nan
# Three pairs whose sources take 2, 1 and 1 seconds.
RUNTIMES = [[1.0, NAN], [NAN, 0.95], [1.5, 0.5]]
SOURCES = [2.0, 1.0, 1.0]


def test_by_hand_in_the_papers_way() -> None:
    assert percent_correct(RUNTIMES, SOURCES, 1, "first") == pytest.approx(200 / 3)
    assert percent_correct(RUNTIMES, SOURCES, 2, "first") == 100
    assert percent_optimized(RUNTIMES, SOURCES, 1, "first") == pytest.approx(100 / 3)
    assert percent_optimized(RUNTIMES, SOURCES, 2, "first") == pytest.approx(200 / 3), "5 % faster is not optimised"
    assert speedup(RUNTIMES, SOURCES, 1, "first") == pytest.approx((2 + 1 + 1) / 3), "wrong and slower count as 1.0"
    assert speedup(RUNTIMES, SOURCES, 2, "first") == pytest.approx((2 + 1 / 0.95 + 2) / 3)


def test_by_hand_as_an_expectation() -> None:
    # One sample drawn from each pair's two: the mean of their effects.
    assert percent_correct(RUNTIMES, SOURCES, 1) == pytest.approx(100 * (0.5 + 0.5 + 1) / 3)
    assert percent_optimized(RUNTIMES, SOURCES, 1) == pytest.approx(100 * (0.5 + 0 + 0.5) / 3)
    assert speedup(RUNTIMES, SOURCES, 1) == pytest.approx(((2 + 1) / 2 + (1 + 1 / 0.95) / 2 + (1 + 2) / 2) / 3)
    # Two of four, effects 1, 1, 2, 4: the pairs of them have maxima 1, 2, 2, 4, 4, 4.
    assert speedup([[NAN, 0.5, 2.0, 0.25]], [1.0], 2) == pytest.approx((1 + 2 + 2 + 4 + 4 + 4) / 6)


# The speedups of best samples, with all samples: 2, 1 and 4; unfloored 2, 0.5 and 4 (the second only has a slower one).
BEST = Samples.of([[1.0, NAN], [2.0, 2.0], [0.5, 0.25]], [2.0, 1.0, 1.0], [1.0, 0.5, 0.5])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("speedup", 7 / 3),
        ("speedup_geometric", 2.0),
        ("speedup_harmonic", 3 / (1 / 2 + 1 + 1 / 4)),
        ("speedup_unfloored", 6.5 / 3),
        ("speedup_unfloored_geometric", (2 * 0.5 * 4) ** (1 / 3)),
        ("speedup_unfloored_harmonic", 3 / (1 / 2 + 2 + 1 / 4)),
        ("percent_correct", 100.0),
        ("percent_optimized", 200 / 3),
        ("percent_optimized_1.25", 200 / 3),
        ("percent_optimized_1.5", 200 / 3),
        ("percent_optimized_2", 200 / 3),
        ("percent_optimized_3", 100 / 3),
        ("percent_optimized_5", 0.0),
        ("percent_optimized_10", 0.0),
        ("fastest_over_human", (1.0 + 0.5 + 2.0) / 3),  # human: 2, 2 and 2 times as fast as the source
        ("percent_faster_than_human", 100 / 3),  # a tie is not faster
    ],
)
def test_every_metric_by_hand(name: str, expected: float) -> None:
    assert METRICS[name].compute(BEST, 2, "first") == pytest.approx(expected, rel=1e-12)
    assert METRICS[name].compute(BEST, 2, "best") == pytest.approx(expected, rel=1e-12)


def test_every_metric_is_tested_by_hand() -> None:
    (mark,) = test_every_metric_by_hand.pytestmark  # type: ignore[attr-defined]
    assert {name for name, _ in mark.args[1]} == METRICS.keys()


@pytest.mark.parametrize("method", METHODS)
def test_ties_and_all_wrong(method: Method) -> None:
    wrong = Samples.of([[NAN, NAN], [NAN, NAN]], [1.0, 2.0], [0.5, 1.0])
    same = Samples.of([[1.0, 1.0], [2.0, 2.0]], [1.0, 2.0], [1.0, 2.0])
    for name, metric in METRICS.items():
        for k in (1, 2):
            nothing = {"%": 0.0, "×": 0.5 if metric.needs_human else 1.0}[metric.unit]
            assert metric.compute(wrong, k, method) == nothing, name
            no_gain = 100.0 if name == "percent_correct" else 0.0 if metric.unit == "%" else 1.0
            assert metric.compute(same, k, method) == no_gain, name


def test_missing_samples_are_not_wrong_ones() -> None:
    uneven = Samples.of([[0.5, 0.5, 0.5], [0.5]], [1.0, 1.0])
    for metric in (METRICS["speedup"], METRICS["percent_correct"]):
        for method in METHODS:
            per_pair = metric.of_pairs(uneven, 2, method)
            assert not math.isnan(per_pair[0])
            assert math.isnan(per_pair[1]), "one sample is no best of two"
            assert math.isnan(metric.compute(uneven, 2, method))
            assert metric.compute(uneven, 1, method) == (2.0 if metric.name == "speedup" else 100.0)


def test_humans_that_failed_give_no_number() -> None:
    samples = Samples.of([[0.5]], [1.0], [NAN])
    assert math.isnan(METRICS["fastest_over_human"].compute(samples, 1))
    assert math.isnan(METRICS["percent_faster_than_human"].compute(samples, 1))


def test_ten_percent_is_enough() -> None:
    assert percent_optimized([[1.0]], [1.1], 1) == 100
    assert percent_optimized([[1.0]], [1.0999], 1) == 0


def test_without_enough_samples_there_is_no_number() -> None:
    with pytest.raises(ValueError, match="unknown method 'average'; known: best, first"):
        speedup([[1.0]], [1.0], 1, "average")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="2 pairs with samples, 1 sources"):
        speedup([[1.0], [1.0]], [1.0], 1)
    for metric in (percent_correct, percent_optimized, speedup):
        assert math.isnan(metric([[1.0, 1.0], [1.0]], [1.0, 1.0], 2))
        assert math.isnan(metric([], [], 1))
        with pytest.raises(ValueError, match="k of at least 1"):
            metric([[1.0]], [1.0], 0)


@pytest.mark.parametrize(("n", "expected"), [(1, [1]), (2, [1, 2]), (5, [1, 2, 4, 5]), (8, [1, 2, 4, 8])])
def test_which_ks(n: int, expected: list[int]) -> None:
    assert ks(n) == expected


seconds = st.floats(1e-4, 1e4)
samples = st.lists(st.one_of(st.just(NAN), seconds), min_size=4, max_size=4)
pairs = st.lists(st.tuples(samples, seconds), min_size=1, max_size=8)


@given(pairs, st.sampled_from(METHODS))
def test_invariants(rows: list[tuple[list[float], float]], method: Method) -> None:
    runtimes, sources = [row[0] for row in rows], [row[1] for row in rows]
    samples = Samples.of(runtimes, sources, [source / 2 for source in sources])
    for metric in METRICS.values():
        values = [metric.compute(samples, k, method) for k in (1, 2, 3, 4)]
        for fewer, more in itertools.pairwise(values):
            assert fewer <= more * (1 + 1e-9) + 1e-9, "more samples never make best@k worse"
        assert values[0] >= 0
        assert metric.unit == "×" or values[-1] <= 100 * (1 + 1e-12)
        backwards = samples.rows(slice(None, None, -1))
        assert metric.compute(backwards, 4, method) == pytest.approx(values[-1], rel=1e-9)
    assert percent_optimized(runtimes, sources, 4) <= percent_correct(runtimes, sources, 4) + 1e-9
    assert speedup([[source] for source in sources], sources, 1) == 1.0, "the source itself: exactly 1.0"
    of_means = [METRICS[name].compute(samples, 4) for name in ("speedup_harmonic", "speedup_geometric", "speedup")]
    assert of_means[0] <= of_means[1] * (1 + 1e-9)
    assert of_means[1] <= of_means[2] * (1 + 1e-9)


effects = st.lists(st.one_of(st.just(1.0), st.floats(0.01, 100)), min_size=1, max_size=10)


@given(effects, st.randoms(use_true_random=False))
def test_the_expectation_is_that_over_all_subsets_whatever_the_order(values: list[float], random: Random) -> None:
    n = len(values)
    shuffled = values.copy()
    random.shuffle(shuffled)
    for k in range(1, n + 1):
        subsets = [max(chosen) for chosen in itertools.combinations(values, k)]
        expected = math.fsum(subsets) / len(subsets)
        counts = np.array([n])
        assert best_at_k(np.array([values]), counts, k)[0] == pytest.approx(expected, rel=1e-9)
        assert best_at_k(np.array([shuffled]), counts, k)[0] == best_at_k(np.array([values]), counts, k)[0]
        assert best_at_k(np.array([values]), counts, k, "first")[0] == max(values[:k])


def test_as_evaluate_modules() -> None:
    assert metric_names() == ["fastest_over_human", "percent_correct", "percent_optimized", "pie", "speedup"]
    for name, function in (("percent_correct", percent_correct), ("speedup", speedup)):
        module = load_metric(name)
        for method in METHODS:
            computed = module.compute(predictions=RUNTIMES, references=SOURCES, method=method)
            assert computed == {
                f"{name}_{method}@{k}": pytest.approx(function(RUNTIMES, SOURCES, k, method)) for k in (1, 2)
            }
    module = load_metric("percent_optimized")
    only = module.compute(predictions=RUNTIMES, references=SOURCES, k=[2])
    assert only == {"percent_optimized_best@2": pytest.approx(200 / 3)}
    lower = module.compute(predictions=RUNTIMES, references=SOURCES, k=[2], threshold=1.05)
    assert lower == {"percent_optimized_1.05_best@2": 100.0}
    with pytest.raises(UserError, match="unknown metric 'sped_up'; did you mean speedup"):
        load_metric("sped_up")


def test_all_metrics_at_once_and_the_human_rewrites() -> None:
    humans = [1.0, 0.5, 1.0]
    everything = load_metric("pie").compute(predictions=RUNTIMES, references=SOURCES, humans=humans)
    samples = Samples.of(RUNTIMES, SOURCES, humans)
    assert everything == {
        f"{name}_best@{k}": pytest.approx(metric.compute(samples, k))
        for name, metric in METRICS.items()
        for k in (1, 2)
    }
    without = load_metric("pie").compute(predictions=RUNTIMES, references=SOURCES)
    assert without.keys() == {key for key in everything if "human" not in key}
    module = load_metric("fastest_over_human")
    beside = module.compute(predictions=RUNTIMES, references=SOURCES, humans=humans, k=[2])
    assert beside["fastest_over_human_best@2"] == pytest.approx((1.0 + 0.5 / 0.95 + 2.0) / 3)
    with pytest.raises(ValueError, match="needs humans"):
        module.compute(predictions=RUNTIMES, references=SOURCES)


@pytest.mark.parametrize("name", ["fastest_over_human", "percent_correct", "percent_optimized", "pie", "speedup"])
def test_from_a_clone_and_from_where_it_is_installed(
    name: str, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    import evaluate

    monkeypatch.chdir(pytestconfig.rootpath)
    given = {"predictions": [[0.5]], "references": [1.0]} | ({"humans": [0.5]} if "human" in name else {})
    computed = evaluate.load(f"pie_bench/metrics/{name}").compute(**given)
    monkeypatch.chdir("/")
    installed = Path(pie_bench.__file__).parent / "metrics" / name
    assert evaluate.load(str(installed)).compute(**given) == computed
    assert computed[f"{'speedup' if name == 'pie' else name}_best@1"] == {
        "percent_correct": 100.0,
        "percent_optimized": 100.0,
        "fastest_over_human": 1.0,
    }.get(name, 2.0)


@pytest.mark.pie_data
@pytest.mark.skipif(not os.environ.get("PIE_DATA_DIR"), reason="PIE_DATA_DIR is not set")
def test_the_human_row_of_published_times() -> None:
    rows = [json.loads(line) for line in (Path(os.environ["PIE_DATA_DIR"]) / "test.jsonl").open()]
    exact = [
        [sum(Fraction(row[f"{side}_code_tc2time"][t]) for t in row["tests"]) for row in rows] for side in ("src", "tgt")
    ]
    assert len(rows) == 33
    expected = float(sum(source / target for source, target in zip(*exact, strict=True)) / 33)
    times = [[float(seconds) for seconds in side] for side in exact]
    samples = Samples.of([[seconds] for seconds in times[1]], times[0])
    assert METRICS["speedup"].compute(samples, 1, "first") == pytest.approx(expected, rel=1e-9)
    published = sum(row["src_agg_runtime"] / row["tgt_agg_runtime"] for row in rows) / 33
    assert expected == pytest.approx(published, rel=1e-6), "the sums that the rows themselves give are rounded"
    assert METRICS["percent_optimized"].compute(samples, 1, "first") == 100.0
    assert METRICS["percent_correct"].compute(samples, 1, "first") == 100.0
