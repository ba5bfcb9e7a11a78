"""The analyses over a finished run, and their verb."""

import csv
import datetime
import io
import json
from pathlib import Path

import pytest

from pie_bench.cli.analyse import KINDS
from pie_bench.cli.main import main
from pie_bench.metrics.best_at_k import ks
from pie_bench.metrics.scores import best_sample
from pie_bench.report.analyses import ANALYSES, Analysis, contamination, paper_error_analysis
from pie_bench.report.paper import paper_numbers
from pie_bench.stages.finished import FinishedRun


@pytest.fixture
def tables(run_a: FinishedRun) -> dict[str, Analysis]:
    return {name: analysis(run_a) for name, analysis in ANALYSES.items()}


def test_the_verb_knows_all_of_them() -> None:
    assert list(KINDS) == list(ANALYSES)


def test_every_answer_is_in_one_class_and_named(run_a: FinishedRun, tables: dict[str, Analysis]) -> None:
    errors = tables["errors"]
    records = {record["class"]: record for record in errors.records()}
    answers = sum(len(pair.samples) for pair in run_a.usable)
    assert sum(record["answers"] for record in records.values()) == answers  # type: ignore[misc]
    assert sum(record["% of all"] for record in records.values()) == pytest.approx(100)  # type: ignore[misc]
    assert sum(record["% of failed"] or 0 for record in records.values()) == pytest.approx(100)  # type: ignore[misc]
    assert {name: len(members) for name, members in errors.behind.items()} == {
        name: record["answers"] for name, record in records.items() if record["answers"]
    }
    compile_errors = sum(sample.outcome == "compile_error" for pair in run_a.usable for sample in pair.samples)
    assert records["failed to compile"]["answers"] == compile_errors
    optimized = records["correct, at least 1.1× faster"]["answers"]
    assert optimized == round(answers * (run_a.results.score("percent_optimized", 1).value or 0) / 100)


def test_the_curve_has_the_scores_of_the_run(run_a: FinishedRun, tables: dict[str, Analysis]) -> None:
    records = tables["samples"].records()
    assert [record["k"] for record in records] == [1, 2, 3, 4] * 2
    for record in records:
        if record["k"] in ks(4):
            score = run_a.results.score("speedup", int(record["k"] or 0), method=str(record["method"]))
            assert (record["Speedup"], record["Speedup low"]) == (score.value, score.low)


def test_lengths_edits_and_human(run_a: FinishedRun, tables: dict[str, Analysis]) -> None:
    for record in tables["lengths"].records():
        assert record["pairs"] == 30
        assert -1 <= record["pearson low"] <= record["pearson"] <= record["pearson high"] <= 1  # type: ignore[operator]
    edits = tables["edits"]
    assert sum(record["human"] for record in edits.records()) == run_a.results.startup["human"].optimized  # type: ignore[misc]
    assert sum(record["answers"] for record in edits.records()) == run_a.results.startup["model"].optimized  # type: ignore[misc]
    assert sum(map(len, edits.behind.values())) == sum(share.optimized for share in run_a.results.startup.values())
    human = {record["metric"]: record for record in tables["human"].records()}
    assert human["Speedup"]["human"] == run_a.results.score("speedup", 1, of="human").value
    assert human["Speedup"]["best@4"] == run_a.results.score("speedup", 4).value


def test_suspicious_answers_are_optimized_ones(run_a: FinishedRun, tables: dict[str, Analysis]) -> None:
    pairs = {pair.pair_id: pair for pair in run_a.usable}
    for record in tables["suspicious"].records():
        assert record["after"] < record["before"]  # type: ignore[operator]
        sample = pairs[str(record["pair"])].samples[int(record["sample"] or 0)]
        assert sample.seconds
        assert record["speedup"] == pairs[str(record["pair"])].source.seconds / sample.seconds  # type: ignore[operator]
        assert record["speedup"] >= 1.1  # type: ignore[operator]


def test_the_best_sample_is_the_fastest_correct_one(run_a: FinishedRun) -> None:
    for pair in run_a.usable:
        best = best_sample(pair)
        times = [sample.seconds for sample in pair.samples if sample.seconds is not None]
        assert (None if best is None else pair.samples[best].seconds) == min(times, default=None)


@pytest.mark.parametrize("name", KINDS)
def test_tables_json_and_csv(name: str, made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(made / "a")
    assert main(["analyse", name, run]) == 0
    for_people = capsys.readouterr().out
    assert main(["analyse", name, run, "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert for_people.startswith(f"pie_instruct · reference · pie/test\n{table['title']}")
    assert (table["task"], table["model"]) == ("pie_instruct", "reference")
    assert main(["analyse", name, run, "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == len(table["rows"])
    assert all(list(row) == ["task", "model", *table["columns"]] for row in rows)


def test_all_at_once_is_no_csv(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyse", "all", str(made / "a")]) == 0
    assert "Appendix A.9" in capsys.readouterr().out
    assert main(["analyse", "all", str(made / "a"), "--json"]) == 0
    assert [table["name"] for table in json.loads(capsys.readouterr().out)] == list(KINDS)
    assert main(["analyse", "all", str(made / "a"), "--csv"]) == 2
    assert "--csv writes one table" in capsys.readouterr().err


def test_the_papers_numbers_are_consistent() -> None:
    numbers = paper_numbers()
    assert sum(paper_error_analysis().values()) == pytest.approx(100, abs=0.02)
    assert {row["table"] for row in numbers["rows"]} == {f"Table {i}" for i in (1, 2, 3, 4, 9, 10)}
    for row in numbers["rows"]:
        assert 0 <= row["percent_optimized"] <= row["percent_correct"] + 1e-9 <= 100 + 1e-9, row
        assert row["speedup"] >= 1
        assert row["k"] in (1, 8)
    best = {}
    for row in numbers["rows"]:
        best.setdefault((row["table"], row["method"], row["model"]), {})[row["k"]] = row["percent_optimized"]
    assert all(values[8] >= values[1] for values in best.values() if len(values) == 2)


def test_old_problems_beside_new_ones(run_a: FinishedRun, tables: dict[str, Analysis]) -> None:
    assert tables["contamination"].rows == (), "no date was given, and the dataset was not built from a recipe"
    found = contamination(run_a, datetime.date(1970, 1, 7))
    with_spread = [record for record in found.records() if record["difference low"] is not None]
    assert len(with_spread) >= 6
    for record in with_spread:
        assert record["difference low"] <= record["difference"] <= record["difference high"]  # type: ignore[operator]
        assert record["difference"] == pytest.approx(record["new"] - record["old"])  # type: ignore[operator]
    assert [record["metric"] for record in found.records()][:3] == [
        "%Opt, best@1",
        "Speedup, best@1",
        "%Correct, best@1",
    ]
    assert any("old: " in note and "of 6 problems" in note for note in found.notes)
    assert contamination(run_a, datetime.date(2000, 1, 1)).rows == (), "all are old"


def test_runs_that_differ_are_not_compared(made: Path, run_a: FinishedRun, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyse", "contamination", str(made / "a"), "--new", str(made / "b")]) == 2
    assert "its n_samples differs" in capsys.readouterr().err
    assert main(["analyse", "errors", str(made / "a"), "--since", "2020-01-01"]) == 2
    assert "only apply to the analysis contamination" in capsys.readouterr().err
