"""The guards on a finished run: raw and guarded numbers, kept, resumed, and part of a bundle."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest

from pie_bench.cli.main import main
from pie_bench.data.load import load_dataset
from pie_bench.execution.executor import Executor
from pie_bench.execution.integrity.guards import Guards
from pie_bench.execution.sandbox.sandbox import SandboxError
from pie_bench.run.files import read_jsonl
from pie_bench.run.results import Results
from pie_bench.run.run import Run
from pie_bench.stages.guard import MIN_TESTS, guards_by_default
from pie_bench.stages.plan import plan_of

OPTIONS = "--task pie_instruct --dataset pie --samples 2 --limit 1 --environment skylake".split()
SHRUNK = """```cpp
%s
static int past_the_end = [] {
    volatile int i = 2; int* a = (int*)__builtin_malloc(8);
    volatile int s = a[i]; __builtin_free(a); return (int)s;
}();
```"""


@pytest.fixture
def cheated(cache: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run of two answers to one pair: the human rewrite with an out-of-bounds read, and unchanged."""
    monkeypatch.setenv("PIE_DATA_DIR", str(tiny))  # a bundle's dataset has a name
    pair = load_dataset("pie").pairs[0]
    texts = (SHRUNK % pair.tgt_code, f"```cpp\n{pair.tgt_code}\n```")
    answers = tmp_path / "answers.jsonl"
    assert main(["generate", *OPTIONS, "--model", "reference", "--run-dir", str(tmp_path / "prompts")]) == 0
    records = read_jsonl(tmp_path / "prompts" / "generations.jsonl")
    answers.write_text("".join(json.dumps(r | {"text": text}) + "\n" for r, text in zip(records, texts, strict=True)))
    assert main(["run", *OPTIONS, "--model", f"replay:{answers}", "--run-dir", str(tmp_path / "run")]) == 0
    return tmp_path / "run"


def cpu_seconds(run: Path) -> float:
    spent = Run(run).read_manifest().cpu_seconds
    assert spent is not None
    return spent


def test_numbers_raw_and_guarded(cheated: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    before, spent = json.loads((cheated / "results.json").read_text()), cpu_seconds(cheated)
    assert before["guards"] is None
    capsys.readouterr()
    assert main(["guard", str(cheated), "--inputs", "3"]) == 0
    said = capsys.readouterr().out
    assert "guards: 2 answers checked, 1 flagged (1 by sanitizers, 0 on" in said
    assert "sample 0: test 0: line " in said
    assert "insufficient space for an object of type 'int'" in said
    after = json.loads((cheated / "results.json").read_text())
    guards = after["guards"]
    assert after["honesty"]["model"]["speedup_guarded"] == guards["metrics"]["speedup"]["best@2"]
    assert {**after, "guards": None, "honesty": before["honesty"]} == before, "the raw numbers stay what they are"
    assert (guards["checked"], guards["unchecked"], guards["speedups_removed"]) == (2, 0, 1)
    assert after["metrics"]["percent_correct"] == dict.fromkeys(("best@1", "best@2", "first@1", "first@2"), 100.0)
    assert guards["metrics"]["percent_correct"] == {
        **{"best@1": 50.0, "best@2": 100.0},
        **{"first@1": 0.0, "first@2": 100.0},
    }
    assert guards["metrics"]["speedup"]["first@1"] == 1.0
    assert cpu_seconds(cheated) > spent + 0.2, "sanitized builds"
    lines = (cheated / "guards.jsonl").read_bytes()
    assert main(["guard", str(cheated)]) == 0
    assert (cheated / "guards.jsonl").read_bytes() == lines, "nothing is checked twice"
    capsys.readouterr()
    assert main(["score", str(cheated)]) == 0
    assert "1 speedups removed" in capsys.readouterr().out
    assert main(["analyse", "guards", str(cheated)]) == 0
    assert "%Correct best@1: 100 → 50" in capsys.readouterr().out
    assert main(["analyse", "guards", str(cheated), "--csv"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header == "task,model,pair,sample,speedup,found by,evidence"
    assert ",sanitizer,test 0: line " in row
    bundle = tmp_path / "bundle.zip"
    assert main(["leaderboard", "submit", str(cheated), "--submitter", "x", "--out", str(bundle)]) == 0
    assert main(["leaderboard", "merge", str(bundle), "--leaderboard", str(tmp_path / "board")]) == 0
    (entry,) = (tmp_path / "board" / "entries").iterdir()
    assert json.loads(entry.read_text())["guards"]["by_sanitizer"] == 1


def _with_few_inputs(executor: Executor, guards_of: Callable[..., Guards], *of: Any, n: int) -> Guards:
    return guards_of(executor, *of, n=2)  # each costs seconds


def test_a_run_is_guarded_if_told_to_or_if_it_has_many_tests(
    cheated: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Executor, "guards_of", partialmethod(_with_few_inputs, Executor.guards_of))
    run = Run(cheated)
    plan = plan_of(run)
    assert not guards_by_default(plan)
    many = replace(plan.pairs[0], tests=tuple(map(str, range(MIN_TESTS))))
    assert guards_by_default(replace(plan, pairs=[many]))
    settings = json.loads(run.manifest_path.read_text())["settings"]
    again = ["run", *OPTIONS, "--model", settings["model"], "--run-dir", str(cheated)]
    capsys.readouterr()
    assert main([*again, "--guard"]) == 0
    said = capsys.readouterr().out
    assert "guards: 2 answers checked, 1 flagged (1 by sanitizers" in said
    assert "guarded" in said
    findings = run.guards_path.read_bytes()
    assert main(again) == 0, "and goes on to, once it has"
    assert run.guards_path.read_bytes() == findings
    assert Results.model_validate_json(run.results_path.read_text()).guards is not None


def test_a_pair_that_cannot_be_guarded_is_left_unchecked(cheated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any, **options: Any) -> Guards:
        raise SandboxError("no sanitizers here")

    monkeypatch.setattr(Executor, "guards_of", broken)
    run = Run(cheated)
    settings = json.loads(run.manifest_path.read_text())["settings"]
    assert main(["run", *OPTIONS, "--model", settings["model"], "--run-dir", str(cheated), "--guard"]) == 0
    guards = Results.model_validate_json(run.results_path.read_text()).guards
    assert guards is not None
    assert (guards.checked, guards.unchecked) == (0, 2)


def test_a_finding_on_another_program_has_no_effect(cheated: Path) -> None:
    assert main(["guard", str(cheated), "--inputs", "1"]) == 0
    records = read_jsonl(cheated / "guards.jsonl")
    for record in records:
        record["code_sha256"] = "0" * 64
    (cheated / "guards.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    assert main(["score", str(cheated)]) == 0
    guards = json.loads((cheated / "results.json").read_text())["guards"]
    assert (guards["checked"], guards["unchecked"], guards["findings"]) == (0, 2, [])


def test_a_run_without_verdicts_is_not_guarded(cheated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = cheated.parent / "copy"
    shutil.copytree(cheated, copy)
    (copy / "verdicts.jsonl").unlink()
    assert main(["guard", str(copy)]) == 2
    assert "programs have no verdict yet" in capsys.readouterr().err
    assert not (copy / "guards.jsonl").exists()
