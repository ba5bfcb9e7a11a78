"""The Python API, as its documentation shows it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pie_bench


def test_a_run_from_python(cache: Path, tmp_path: Path) -> None:
    options = {"dataset": "mini", "limit": 2, "samples": 1, "environment": "skylake"}
    run = pie_bench.evaluate(task="pie_instruct", model="reference", run_dir=tmp_path / "run", **options)
    assert isinstance(run, pie_bench.FinishedRun)
    assert run.results.n_pairs == 2
    answers = run.answers()
    assert [answer.outcome for answer in answers] == ["ok", "ok"]
    assert all(answer.speedup is not None and answer.speedup > 1.1 for answer in answers)
    assert answers[0].code is not None and "main" in answers[0].code
    table = run.to_pandas()
    assert list(table.columns)[:2] == ["pair_id", "sample_index"] and len(table) == 2
    assert "pie_instruct" in run._repr_html_() and "pie_instruct" in repr(run)
    before = (tmp_path / "run" / "generations.jsonl").read_bytes()
    again = pie_bench.evaluate(task="pie_instruct", model="reference", run_dir=tmp_path / "run", **options)
    assert again.results == run.results == pie_bench.open_run(tmp_path / "run").results
    assert (tmp_path / "run" / "generations.jsonl").read_bytes() == before, "nothing is asked twice"
    assert pie_bench.score(tmp_path / "run").results == run.results


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"task": "pie_instruc"}, "did you mean pie_instruct"),
        ({"model": "referenc"}, "did you mean reference"),
        ({"environment": "skylak"}, "did you mean skylake"),
        ({"dataset": "min"}, "did you mean mini"),
        ({"model_args": {"x": 1}}, "--model-args x: reference models take none"),
        ({"sandbox": "bublewrap"}, "did you mean bubblewrap"),
    ],
)
def test_mistakes_are_reported_before_anything_is_done(changes: dict, said: str, cache: Path, tmp_path: Path) -> None:
    options = {"task": "pie_instruct", "model": "reference", "environment": "skylake", "limit": 1} | changes
    with pytest.raises(pie_bench.UserError, match=re.escape(said)):
        pie_bench.evaluate(**options, run_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_dataset_is_built_from_python(tmp_path: Path) -> None:
    rows = [
        {
            "submission_id": f"s{n}",
            "problem_id": "p",
            "user_id": "u",
            "date": n,
            "code": f"int main() {{ return {n}; }}",
        }
        for n in range(2)
    ]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    times = [{"submission_id": "s0", "seconds": {"0": 2.0}}, {"submission_id": "s1", "seconds": {"0": 1.0}}]
    (tmp_path / "times.jsonl").write_text("".join(json.dumps(row) + "\n" for row in times))
    (tmp_path / "t" / "p").mkdir(parents=True)
    (tmp_path / "t" / "p" / "input.0.txt").write_text("1\n")
    (tmp_path / "t" / "p" / "output.0.txt").write_text("1\n")
    (tmp_path / "recipe.yaml").write_text(
        "dataset: mine\nsources: [{kind: jsonl, path: mine.jsonl, defaults: {language: C++, status: Accepted}}]\n"
        "tests: [{kind: folder, path: t, origin: merged}]\ncheck: {native: false}\n"
        "times: {path: times.jsonl, environment: elsewhere}\nsplits: {val: 0, test: 0}\n"
    )
    manifest = pie_bench.build_dataset(tmp_path / "recipe.yaml", tmp_path / "out")
    assert manifest["rows"] == {"train": 1, "train_hq": 1}
    stats = pie_bench.dataset_stats(tmp_path / "out")
    assert isinstance(stats, pie_bench.DatasetStats)
    assert [split.median_speedup for split in stats.splits] == [2.0]
    assert pie_bench.load_dataset(tmp_path / "out", "train").pairs[0].pair_id == "s0-s1"
    with pytest.raises(pie_bench.UserError, match="no such recipe"):
        pie_bench.build_dataset("nowhere.yaml", tmp_path / "out")


def test_importing_it_is_cheap() -> None:
    script = "import sys, pie_bench; print([m for m in ('numpy', 'pydantic', 'datasets') if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"
    assert {"evaluate", "open_run", "FinishedRun"} <= set(dir(pie_bench))
    with pytest.raises(AttributeError, match="no attribute 'evalute'"):
        _ = pie_bench.evalute
