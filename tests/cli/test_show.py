"""`show`: on stdout exactly the bytes that a model gets, on stderr the reasons."""

import json
from pathlib import Path

import pytest

from pie_bench.cli.main import main
from pie_bench.paths import TASKS_DIR
from pie_bench.task import task_names

GOLDEN = Path(__file__).parents[1] / "golden" / "prompts"


@pytest.mark.parametrize("task", task_names())
def test_the_prompt_is_what_the_model_gets(task: str, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    golden = sorted(GOLDEN.glob(f"{task}.v*.m003*.txt"))[0]
    assert main(["show", "--task", task, "--pair", "m003_tree-m003_table"]) == 0
    assert capsys.readouterr().out == golden.read_text()


def test_it_says_why_the_examples_were_chosen(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--task", "pie_retrieval_k2", "--pair", "4", "--messages"]) == 0
    said = capsys.readouterr()
    (message,) = json.loads(said.out)
    assert message["role"] == "user"
    assert message["content"] == (GOLDEN / "pie_retrieval_k2.v1.m003.txt").read_text()
    assert "2 examples, the nearest of 39 sources by tfidf:\n  similarity 0." in said.err
    assert main(["show", "--task", "pie_cot_k2"]) == 0
    assert "2 examples, drawn from mini/train with seed 0:\n  m101_beads_brute" in capsys.readouterr().err


def test_each_sample_has_its_own_tag(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for sample, tag in (("1", "10/10"), ("2", "9/10"), ("3", "8/10"), ("4", "10/10")):
        assert main(["show", "--task", "pie_perf_cond_mixed", "--sample", sample]) == 0
        assert f"we want to optimize {tag}. ###" in capsys.readouterr().out


def test_sources_nearer_but_of_the_same_problem_are_counted(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], mini, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training set that contains the pair's own problem: what is passed over is reported."""
    data = tmp_path / "pie"
    data.mkdir()
    (data / "test.jsonl").write_text((mini.folder / "test.jsonl").read_text())
    (data / "train.jsonl").write_text(
        (mini.folder / "train.jsonl").read_text() + (mini.folder / "test.jsonl").read_text()
    )
    (data / "merged_test_cases").symlink_to(mini.folder / "merged_test_cases")
    monkeypatch.setenv("PIE_DATA_DIR", str(data))
    assert main(["show", "--task", "pie_retrieval_k1", "--dataset", "pie", "--pair", "m003_tree-m003_table"]) == 0
    said = capsys.readouterr()
    assert "passed over: 1 nearer ones of the pair's own problem" in said.err
    assert said.out == (GOLDEN / "pie_retrieval_k1.v1.m003.txt").read_text()


def test_unknown_pairs(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--task", "pie_instruct", "--pair", "m003_tree-m003_tabel"]) == 2
    assert "did you mean m003_tree-m003_table" in capsys.readouterr().err
    assert main(["show", "--task", "pie_instruct", "--pair", "0"]) == 2


def test_tasks_and_groups_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.yaml").write_text("include: pie_instruct.yaml\ntask: mine\nversion: 1\ndescription: My own\n")
    assert main(["tasks", "--include-path", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    folders = [line for line in lines if line.endswith(":")]
    assert folders == [f"{TASKS_DIR}:", f"{tmp_path}:"]
    names = [line.split()[0] for line in lines if line not in folders]
    assert sorted(names) == sorted(["mine", *task_names(), "pie_all", "pie_prompting"])
    assert next(line for line in lines if line.startswith("mine ")).endswith(" My own")
    assert any("group: pie_instruct, pie_fewshot_k2, pie_cot_k2," in line for line in lines)
