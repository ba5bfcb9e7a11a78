"""`Results` as a program reads them: by name, by k, as frames, in a notebook."""

import doctest
import json
import math

import pytest

from pie_bench.run import results as module
from pie_bench.run.results import HEADLINE, Results
from tests.report.test_table import RESULTS


def test_each_number_has_one_name() -> None:
    assert (RESULTS.speedup.best_at[1], RESULTS.speedup.first_at[1]) == (1.0625, 1.25)
    assert RESULTS.metrics["speedup"]["best@1"] == RESULTS.speedup.best_at[1] == RESULTS.score("speedup", 1).value
    assert RESULTS.metrics["speedup"]["first@1"] == RESULTS.score("speedup", 1, method="first").value
    assert RESULTS.percent_optimized.best_at == {1: 12.5, 2: 25.0}
    assert RESULTS.human.speedup.best_at == {1: 3.656}


def test_values_have_their_intervals_and_a_missing_number_is_nan() -> None:
    score = RESULTS.speedup.score(k=1)
    assert (score.name, score.value, score.low, score.high) == ("best@1", 1.0625, 1.0125, 1.1125)
    assert RESULTS.speedup.score(method="first").name == "first@2", "all samples, unless said otherwise"
    assert RESULTS.speedup.without_startup.score(1).time == "after_main"
    assert math.isnan(RESULTS.percent_correct.best_at[2])
    with pytest.raises(KeyError, match="no best@3 of speedup; known k: 1, 2"):
        RESULTS.speedup.score(3)
    with pytest.raises(KeyError, match="no speed of the model; known: percent_correct, "):
        RESULTS.metric("speed")
    with pytest.raises(KeyError, match="no pair was usable"):
        _ = RESULTS.model_copy(update={"scores": ()}).human.speedup


def test_a_made_up_run_holds_the_same_everywhere(run_a) -> None:
    results = run_a.results
    for name in HEADLINE:
        values = results.metric(name)
        n = results.n_samples
        assert values.best_at[n] == values.first_at[n], "with all samples the two are equal"
        assert {f"best@{k}": v for k, v in values.best_at.items()} | {
            f"first@{k}": v for k, v in values.first_at.items()
        } == results.metrics[name]


def test_frames(run_a) -> None:
    results = run_a.results
    samples, pairs, scores = (results.to_pandas(rows) for rows in ("samples", "pairs", "scores"))
    assert len(samples) == sum(len(pair.samples) for pair in results.pairs)
    assert len(pairs) == len(results.pairs)
    assert len(scores) == len(results.scores)
    for frame in (samples, pairs, scores):
        assert set(frame["task"]) == {results.task}
        assert set(frame["model"]) == {results.model}
    usable = pairs[pairs["source_outcome"] == "ok"]
    best = usable["best_speedup"].fillna(1.0).clip(lower=1.0)
    assert best.mean() == pytest.approx(results.speedup.best_at[results.n_samples])
    correct = samples.groupby("pair_id")["outcome"].apply(lambda outcomes: (outcomes == "ok").any())
    assert 100 * correct[usable["pair_id"]].mean() == pytest.approx(results.percent_correct.best_at[results.n_samples])


def test_a_notebook_shows_the_headline_and_runs_nothing() -> None:
    hostile = RESULTS.model_copy(update={"model": "<script>alert(1)</script>"})
    shown = hostile._repr_html_()
    assert "<script>" not in shown
    assert "pie_instruct, &lt;script&gt;" in shown
    assert "<th>best@1</th><td>12.5 [8.5, 16.5]</td><td>1.062 [1.012, 1.113]</td>" in shown
    assert repr(RESULTS).startswith("Results(pie_instruct, smollm2, mini/test, skylake: 8 pairs of 6 problems: ")
    assert str(RESULTS) == repr(RESULTS)


def test_results_of_another_version_are_refused() -> None:
    old = RESULTS.model_dump(mode="json") | {"schema_version": 2}
    old["scores"][0]["method"] = "default"
    with pytest.raises(ValueError, match="schema_version"):
        Results.model_validate_json(json.dumps(old))


def test_the_examples_in_the_documentation() -> None:
    assert doctest.testmod(module).failed == 0
    assert doctest.testmod(module).attempted >= 4
