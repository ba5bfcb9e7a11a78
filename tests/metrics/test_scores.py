"""From pairs to every number, and what depends on start-up."""

import math

import pytest

from pie_bench.errors import UserError
from pie_bench.metrics.best_at_k import METRICS, ks
from pie_bench.metrics.named import metric_named
from pie_bench.metrics.scores import (
    all_scores,
    interval_facts,
    memory_beside_time,
    scores_by_name,
    startup_shares,
)
from pie_bench.registry import BUILT_IN
from pie_bench.run.results import PairResult, SampleResult, Score
from pie_bench.stages.finished import FinishedRun


def ok(seconds: float, startup: float = 0.0) -> SampleResult:
    return SampleResult(outcome="ok", seconds=seconds, startup_seconds=startup)


WRONG = SampleResult(outcome="wrong_output", seconds=None, startup_seconds=None)
OURS = SampleResult(outcome="infra_error", seconds=None, startup_seconds=None)


def pair(
    name: str, source: SampleResult, target: SampleResult, *samples: SampleResult, problem: str = ""
) -> PairResult:
    return PairResult(
        pair_id=name,
        problem_id=problem or name,
        source=source,
        target=target,
        recorded_source_seconds=None,
        recorded_target_seconds=None,
        samples=samples,
    )


def find(scores: list[Score], metric: str, k: int, method: str, time: str = "process", of: str = "model") -> Score:
    key = (metric, k, method, time, of)
    (found,) = [score for score in scores if (score.metric, score.k, score.method, score.time, score.of) == key]
    return found


# Start-up takes 1 of 3 seconds of the source of a; b's answer saves start-up alone.
PAIRS = [
    pair("a", ok(3.0, 1.0), ok(1.5, 1.0), ok(2.0, 1.0), WRONG),
    pair("b", ok(3.0, 2.0), ok(1.5, 0.5), WRONG, ok(1.2, 0.2)),
]


def test_both_methods_and_both_times_by_hand() -> None:
    scores = all_scores(PAIRS)
    assert find(scores, "speedup", 1, "first").value == pytest.approx((1.5 + 1) / 2)
    assert find(scores, "speedup", 1, "best").value == pytest.approx(((1.5 + 1) / 2 + (1 + 2.5) / 2) / 2)
    assert find(scores, "speedup", 2, "first").value == pytest.approx((1.5 + 2.5) / 2)
    assert find(scores, "speedup", 2, "best", "after_main").value == pytest.approx((2 / 1 + 1 / 1) / 2)
    assert find(scores, "speedup", 1, "best", of="human").value == pytest.approx(2.0)
    assert find(scores, "speedup", 1, "best", "after_main", of="human").value == pytest.approx((2 / 0.5 + 1 / 1) / 2)
    assert find(scores, "percent_faster_than_human", 2, "best").value == 50.0
    wanted = {(name, k) for name in METRICS for k in ks(2)}
    assert {(score.metric, score.k) for score in scores if score.of == "model"} == wanted


def test_optimised_by_start_up_alone() -> None:
    shares = startup_shares(PAIRS)
    assert (shares["model"].optimized, shares["model"].by_startup_alone) == (2, ("b",))
    assert (shares["human"].optimized, shares["human"].by_startup_alone) == (2, ("b",))


def test_failures_of_ours_are_no_samples() -> None:
    scores = all_scores([pair("a", ok(2.0), ok(1.0), OURS, ok(1.0)), pair("b", ok(2.0), WRONG, ok(1.0), ok(1.0))])
    assert find(scores, "speedup", 1, "first").value == 2.0
    two = find(scores, "speedup", 2, "first")
    assert (two.value, two.low, two.high) == (None, None, None)
    assert find(scores, "fastest_over_human", 1, "best").n_pairs == 1, "only where the rewrite was measured"
    assert find(scores, "speedup", 1, "best").n_pairs == 2


def test_shares_at_a_bound_and_means_without_spread() -> None:
    scores = all_scores([pair(str(i), ok(1.0), ok(0.5), ok(1.0)) for i in range(20)])
    nothing = find(scores, "percent_optimized", 1, "best")
    assert (nothing.value, nothing.low) == (0.0, 0.0)
    assert nothing.high == pytest.approx(100 * (1 - 0.025 ** (1 / 20)), rel=1e-5)
    exact = find(scores, "speedup", 1, "best")
    assert (exact.value, exact.low, exact.high) == (1.0, None, None)


def test_without_a_pair_there_is_no_score() -> None:
    assert all_scores([]) == []
    assert interval_facts([])["problems"] == 0


def test_each_number_under_its_own_name_and_unknown_metrics() -> None:
    scores = all_scores(PAIRS)
    picked = scores_by_name(scores, ["speedup"], of="model", time="process")
    assert picked == {"speedup": {"best@1": 1.5, "best@2": 2.0, "first@1": 1.25, "first@2": 2.0}}
    with pytest.raises(UserError, match="unknown metric 'speed_up'; did you mean speedup"):
        metric_named("speed_up")


def test_the_registry_knows_every_metric() -> None:
    assert BUILT_IN["metrics"].keys() == METRICS.keys()


def test_every_score_of_a_run_is_inside_its_interval(run_a: FinishedRun) -> None:
    for score in run_a.results.scores:
        assert score.value is not None
        if score.low is not None and score.high is not None:
            assert score.low <= score.value * (1 + 1e-6)
            assert score.value <= score.high * (1 + 1e-6)
            assert score.low >= 0
            assert METRICS[score.metric].unit == "×" or score.high <= 100
    assert run_a.results.interval["method"] == "bootstrap-t"
    assert math.isclose(run_a.results.interval["problems"], 12)
    lookup = run_a.results.score("speedup", 4, method="first", time="after_main")
    assert lookup.metric == "speedup"
    with pytest.raises(KeyError):
        run_a.results.score("speedup", 3)


def test_peak_memory_is_that_of_the_fastest_correct_answer() -> None:
    def uses(size: int | None, seconds: float) -> SampleResult:
        return SampleResult(outcome="ok", seconds=seconds, startup_seconds=0.0, peak_memory_bytes=size)

    pairs = [
        pair("a", uses(100, 3.0), uses(50, 1.0), uses(10, 2.0), uses(400, 1.0)),
        pair("b", uses(100, 3.0), WRONG, WRONG, uses(100, 1.0)),
    ]
    found = memory_beside_time(pairs)
    assert found is not None
    assert (found["model"].n_pairs, found["model"].ratio, found["model"].less, found["model"].more) == (2, 2.0, 0, 1)
    assert (found["human"].n_pairs, found["human"].ratio, found["human"].less) == (1, 0.5, 1)
    assert memory_beside_time(PAIRS) is None
