"""The paper's metrics: by hand, by their invariants, and as `evaluate` modules."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pie_bench.errors import UserError
from pie_bench.metrics.best_at_k import ks, percent_correct, percent_optimized, speedup
from pie_bench.metrics.module import load_metric, metric_names

NAN = math.nan
# Three pairs whose sources take 2, 1 and 1 seconds.
RUNTIMES = [[1.0, NAN], [NAN, 0.95], [1.5, 0.5]]
SOURCES = [2.0, 1.0, 1.0]


def test_by_hand() -> None:
    assert percent_correct(RUNTIMES, SOURCES, 1) == pytest.approx(200 / 3)
    assert percent_correct(RUNTIMES, SOURCES, 2) == 100
    assert percent_optimized(RUNTIMES, SOURCES, 1) == pytest.approx(100 / 3)
    assert percent_optimized(RUNTIMES, SOURCES, 2) == pytest.approx(200 / 3), "5 % faster is not optimised"
    assert speedup(RUNTIMES, SOURCES, 1) == pytest.approx((2 + 1 + 1) / 3), "wrong and slower count as 1.0"
    assert speedup(RUNTIMES, SOURCES, 2) == pytest.approx((2 + 1 / 0.95 + 2) / 3)


def test_ten_percent_is_enough() -> None:
    assert percent_optimized([[1.0]], [1.1], 1) == 100
    assert percent_optimized([[1.0]], [1.0999], 1) == 0


def test_without_enough_samples_there_is_no_number() -> None:
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


@given(pairs)
def test_invariants(rows: list[tuple[list[float], float]]) -> None:
    runtimes, sources = [row[0] for row in rows], [row[1] for row in rows]
    for metric, low, high in ((percent_correct, 0, 100), (percent_optimized, 0, 100), (speedup, 1, math.inf)):
        values = [metric(runtimes, sources, k) for k in (1, 2, 3, 4)]
        assert values == sorted(values), "more samples never make Best@k worse"
        assert low <= values[0] <= values[-1] <= high * (1 + 1e-12)
        rows_reversed = metric(runtimes[::-1], sources[::-1], 4)
        assert rows_reversed == pytest.approx(values[-1], rel=1e-12)
    assert percent_optimized(runtimes, sources, 4) <= percent_correct(runtimes, sources, 4) + 1e-9
    assert speedup([[source] for source in sources], sources, 1) == 1.0, "the source itself: exactly 1.0"


def test_as_evaluate_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    assert metric_names() == ["fastest_over_human", "percent_correct", "percent_optimized", "pie", "speedup"]
    for name, function in (("percent_correct", percent_correct), ("speedup", speedup)):
        module = load_metric(name)
        computed = module.compute(predictions=RUNTIMES, references=SOURCES)
        assert computed == {f"{name}@{k}": pytest.approx(function(RUNTIMES, SOURCES, k)) for k in (1, 2)}
    only = load_metric("percent_optimized").compute(predictions=RUNTIMES, references=SOURCES, k=[2])
    assert only == {"percent_optimized@2": pytest.approx(200 / 3)}
    with pytest.raises(UserError, match="unknown metric 'sped_up'; did you mean speedup"):
        load_metric("sped_up")


def test_from_a_clone_by_path(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    import evaluate

    monkeypatch.chdir(pytestconfig.rootpath)
    metric = evaluate.load("pie_bench/metrics/speedup")
    assert metric.compute(predictions=[[0.5]], references=[1.0]) == {"speedup@1": 2.0}
