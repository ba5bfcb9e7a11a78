"""What numbers are made of, by hand on a few pairs and as invariants."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pie_bench.metrics.honesty import HEAVIEST, honesty
from pie_bench.run.results import Guards, Honesty, PairResult, SampleResult, Scores
from tests.metrics.test_scores import OURS, WRONG, ok, pair

# a: real work; b: start-up alone; c: no correct answer; d: changes input and output only.
PAIRS = [
    pair("a", ok(4.0, 1.0), ok(2.0, 1.0), ok(2.0, 1.0), WRONG, problem="p"),
    pair("b", ok(3.0, 2.0), ok(1.5, 0.5), ok(1.2, 0.2), WRONG, problem="p"),
    pair("c", ok(3.0, 1.0), ok(1.0, 0.5), WRONG, OURS, problem="q"),
    pair("d", ok(2.0, 0.1), ok(1.0, 0.1), ok(1.0, 0.1), ok(2.0, 0.1), problem="r"),
]


def block(pairs: list[PairResult] = PAIRS, **more: object) -> dict[str, Honesty]:
    given = {"by_io_alone": {}, "guards": None, "dates": {}} | more
    return honesty(pairs, **given)  # type: ignore[arg-type,return-value]


def test_by_hand() -> None:
    found = block(by_io_alone={"model": ["d", "c"], "human": ["b", "d"]})
    model, human = found["model"], found["human"]
    assert (model.optimized, model.by_startup_alone, model.by_io_alone) == (3, 1, 1), "c has no optimised answer"
    assert model.percent_startup_or_io == pytest.approx(200 / 3, rel=1e-5)
    assert (human.optimized, human.by_startup_alone, human.by_io_alone) == (4, 1, 1), "b is start-up already"
    assert model.speedup == pytest.approx((2 + 2.5 + 1 + 2) / 4)
    assert (model.percent_of_heaviest, model.speedup_without_heaviest) == (100.0, None), "there are only four"
    assert model.heaviest_pairs == ("b", "a", "d", "c")
    # a: 2.0 against 2.0; b: 1.2 against 1.5; c: the source, 3.0, against 1.0; d: 1.0 against 1.0
    assert model.percent_near_human == 75.0
    assert human.percent_near_human is None
    assert (model.speedup_guarded, model.memory_ratio, model.ages) == (None, None, None)


def test_percentiles_among_the_problems_programs() -> None:
    found = block()["model"]
    # p has 1.5, 2, 3, 4: a's 2.0 is as fast as three of four or faster, b's 1.2 than all
    assert (found.n_ranked, found.percentile) == (2, 87.5)
    assert found.over_fastest == pytest.approx((1.5 / 2 * 1.5 / 1.2 * 1.0) ** (1 / 3), rel=1e-5)


def test_the_heaviest_pairs_weight() -> None:
    pairs = [pair(f"h{i}", ok(10.0), ok(5.0), ok(1.0)) for i in range(HEAVIEST)]
    pairs += [pair(f"l{i}", ok(10.0), ok(5.0), ok(5.0)) for i in range(10)]
    found = block(pairs)["model"]
    assert found.percent_of_heaviest == pytest.approx(100 * 100 / 120, rel=1e-5)
    assert (found.speedup, found.speedup_without_heaviest) == (6.0, 2.0)


def test_guarded_numbers_are_those_of_most_samples() -> None:
    metrics: Scores = {"speedup": {"best@1": 1.1, "best@16": 1.9, "first@2": 3.0}, "percent_optimized": {"best@2": 5.0}}
    counts = dict.fromkeys(("checked", "unchecked", "n_guard_inputs", "by_sanitizer", "by_guard_input"), 0)
    removed = ("speedups_removed", "speedups_removed_by_sanitizer", "speedups_removed_by_guard_input")
    guards = Guards(**counts, **dict.fromkeys(removed, 0), findings=(), metrics=metrics, metrics_without_startup={})
    found = block(guards=guards)
    assert (found["model"].speedup_guarded, found["model"].percent_optimized_guarded) == (1.9, 5.0)
    assert found["human"].speedup_guarded is None


def test_old_and_new_problems() -> None:
    older, newer = block(dates={"a": 100, "b": 100, "c": 300, "d": 200})["model"].ages or (None, None)
    assert older is not None and newer is not None
    assert (older.n_pairs, newer.n_pairs, older.boundary) == (2, 2, 200)
    assert (older.speedup, newer.speedup) == (2.25, 1.5)
    assert block(dates={"a": 100, "b": 100})["model"].ages is None, "one date tells nothing apart"


def test_no_pairs_give_no_numbers() -> None:
    assert block([]) == {}


def test_drawing_samples_anew_widens_an_interval() -> None:
    """Samples that differ within pairs; an interval over problems alone would have no width."""
    pairs = [pair(f"x{i}", ok(4.0), ok(2.0), ok(1.0), ok(4.0)) for i in range(12)]
    interval = block(pairs)["model"].two_way["speedup"]
    assert interval.value == 2.5 and interval.low < 2.2 < 2.8 < interval.high
    human = block(pairs)["human"].two_way["speedup"]
    assert (human.low, human.value, human.high) == (2.0, 2.0, 2.0)


times = st.floats(0.1, 10.0)
samples = st.one_of(st.just(WRONG), times.map(ok))


@st.composite
def some_pairs(draw: st.DrawFn) -> list[PairResult]:
    return [
        pair(
            f"x{i}",
            ok(draw(times)),
            ok(draw(times)),
            draw(samples),
            draw(samples),
            problem=f"p{draw(st.integers(0, 4))}",
        )
        for i in range(draw(st.integers(1, 14)))
    ]


@settings(max_examples=20)
@given(some_pairs())
def test_shares_are_shares_and_intervals_hold_their_value(pairs: list[PairResult]) -> None:
    found = block(pairs, by_io_alone={"model": [each.pair_id for each in pairs], "human": []})
    for each in found.values():
        for share in (each.percent_startup_or_io, each.percent_of_heaviest, each.percent_near_human, each.percentile):
            assert share is None or 0 <= share <= 100
        assert each.by_startup_alone + each.by_io_alone <= each.optimized
        for interval in each.two_way.values():
            assert interval.low <= interval.high and all(map(math.isfinite, (interval.low, interval.high)))


def test_samples_are_floored() -> None:
    slower = SampleResult(outcome="ok", seconds=9.0, startup_seconds=0.0)
    assert block([pair("a", ok(3.0), ok(1.0), slower)])["model"].speedup == 1.0
