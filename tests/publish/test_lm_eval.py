"""lm-eval's own code reads what is exported for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pie_bench.cli.main import main
from pie_bench.publish.lm_eval import lm_eval_results, sanitized
from pie_bench.run.files import read_jsonl
from pie_bench.stages.finished import FinishedRun


def test_the_numbers_are_those_of_the_run(run_a: FinishedRun) -> None:
    exported = lm_eval_results(run_a)
    numbers = exported["results"][run_a.results.task]
    for k, value in run_a.results.speedup.best_at.items():
        assert numbers[f"speedup,best@{k}"] == value
        assert exported["pie_bench"]["intervals"][f"speedup,best@{k}"][0] == run_a.results.speedup.score(k).low
    assert numbers["percent_correct,first@1"] == run_a.results.percent_correct.first_at[1]
    assert exported["n-samples"][run_a.results.task]["effective"] == run_a.results.n_pairs
    assert exported["task_hashes"] == {run_a.results.task: run_a.results.task_hash}


def test_files_lie_where_lm_eval_puts_them(
    run_a: FinishedRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(run_a.path), "--format", "lm-eval", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    (folder,) = tmp_path.iterdir()
    assert folder.name == sanitized(run_a.results.model)
    results, samples = sorted(folder.iterdir())
    assert said == f"results: {results}\nsamples: {samples}\n"
    assert json.loads(results.read_text()) == lm_eval_results(run_a)
    assert samples.name.startswith(f"samples_{run_a.results.task}_")
    lines = read_jsonl(samples)
    assert [line["doc_id"] for line in lines] == list(range(len(run_a.results.pairs)))
    assert all(len(line["resps"][0]) == len(line["filtered_resps"]) == 4 for line in lines)
    correct = sum(outcome == "ok" for line in lines for outcome in line["outcome"])
    assert correct == run_a.results.outcomes["ok"]


def test_a_models_name_makes_one_folder() -> None:
    assert sanitized("hf:org/model") == "hf__org__model"


def test_lm_eval_prints_it_as_a_table(run_a: FinishedRun) -> None:
    utils = pytest.importorskip("lm_eval.utils", reason="lm-eval is not installed")
    table = utils.make_table(lm_eval_results(run_a))
    (line,) = (line for line in table.splitlines() if "best@4" in line and "|speedup " in line)
    assert f"{run_a.results.speedup.best_at[4]:.4f}" in line
