"""A run grows: more pairs or samples extend it, nothing is asked twice; a stale source of answers is noticed."""

import json
from pathlib import Path

import pytest

from pie_bench.cli.main import main
from pie_bench.data.load import PairDataset
from pie_bench.run.files import read_jsonl

OPTIONS = "--task pie_instruct --environment skylake".split()


def run(folder: Path, *options: str, model: str = "reference") -> int:
    return main(["run", *OPTIONS, "--model", model, "--run-dir", str(folder), *options])


def results(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())


def test_more_pairs_and_samples_continue_a_run(cache: Path, tiny: Path, tmp_path: Path, capsys) -> None:
    folder, dataset = tmp_path / "run", ("--dataset", str(tiny))
    assert run(folder, *dataset, "--limit", "1", "--samples", "1") == 0
    first = read_jsonl(folder / "generations.jsonl")
    verdicts = read_jsonl(folder / "verdicts.jsonl")
    assert run(folder, *dataset, "--limit", "2", "--samples", "2") == 0
    assert read_jsonl(folder / "generations.jsonl")[:1] == first
    assert len(read_jsonl(folder / "generations.jsonl")) == 4
    assert read_jsonl(folder / "verdicts.jsonl")[: len(verdicts)] == verdicts
    assert len(read_jsonl(folder / "verdicts.jsonl")) == 2 * 2 + 4
    assert (results(folder)["n_pairs"], results(folder)["n_samples"]) == (2, 2)
    assert run(tmp_path / "at once", *dataset, "--limit", "2", "--samples", "2") == 0
    assert (tmp_path / "at once" / "results.json").read_bytes() == (folder / "results.json").read_bytes()
    assert main(["score", str(folder)]) == 0, "what the manifest says is what the run covers"
    capsys.readouterr()
    assert run(folder, *dataset, "--limit", "1", "--samples", "2") == 2
    assert "holds more than is requested (pair added2" in capsys.readouterr().err
    assert run(folder, *dataset, "--limit", "2", "--samples", "1") == 2
    assert "holds more than is requested (2 samples a pair); runs only grow" in capsys.readouterr().err


def test_a_changed_file_of_answers_is_noticed(cache: Path, tmp_path: Path, mini: PairDataset, capsys) -> None:
    pair = mini.pairs[0]
    answers = tmp_path / "answers.jsonl"

    def record(code: str) -> None:
        ids = dict(zip(("src_id", "tgt_id"), pair.pair_id.split("-", 1), strict=True))
        answers.write_text(json.dumps(ids | {"completion": code}) + "\n")

    record("int main() {}")
    options = ("--limit", "1", "--samples", "1")
    assert run(tmp_path / "run", *options, model=f"replay:{answers}") == 0
    assert results(tmp_path / "run")["answered_prompts"] == "unknown"
    assert run(tmp_path / "run", *options, model=f"replay:{answers}") == 0
    record(pair.tgt_code)
    capsys.readouterr()
    assert run(tmp_path / "run", *options, model=f"replay:{answers}") == 2
    assert "its answers came from replay:" in capsys.readouterr().err
    assert run(tmp_path / "new", *options, model=f"replay:{answers}") == 0
    assert results(tmp_path / "new")["outcomes"] == {"ok": 1}


def test_answers_for_other_prompts_are_refused_or_said(cache: Path, tmp_path: Path, capsys) -> None:
    assert run(tmp_path / "run", "--limit", "1", "--samples", "1") == 0
    answers = tmp_path / "run" / "generations.jsonl"
    other = ["run", "--task", "pie_cot_k2", *OPTIONS[2:], "--model", f"replay:{answers}", "--limit", "1"]
    other += ["--samples", "1", "--run-dir", str(tmp_path / "other")]
    capsys.readouterr()
    assert main(other) == 2
    assert "1 of the 1 answers were given to other prompts" in capsys.readouterr().err
    assert main([*other, "--answers-for-other-prompts"]) == 0
    found = results(tmp_path / "other")
    assert (found["answered_prompts"], found["model_args"]) == ("other", {"answers_for_other_prompts": "true"})
    capsys.readouterr()
    assert main(["leaderboard", "submit", str(tmp_path / "other"), "--submitter", "x"]) == 2
    assert "answers were given to other prompts" in capsys.readouterr().err
    same = ["run", *OPTIONS, "--model", f"replay:{answers}", "--limit", "1", "--samples", "1"]
    assert main([*same, "--run-dir", str(tmp_path / "same")]) == 0
    assert results(tmp_path / "same")["answered_prompts"] == "these"


@pytest.mark.parametrize("word", ["unknown", "other"])
def test_results_say_whose_prompts_were_answered(word: str) -> None:
    from pie_bench.run.generation import Generation
    from pie_bench.stages.score import answered_prompts

    given = {"unknown": "unknown", "other": "0" * 64}[word]
    plain = Generation("a-b", 0, "x", "stop")
    assert answered_prompts([plain]) == "these"
    assert answered_prompts([plain, Generation("a-b", 1, "x", "stop", answers_prompt=given)]) == word
