"""From a run to the board: submit, validate, verify, merge, render; here and on another machine."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pie_bench.cli.main import main
from pie_bench.errors import UserError
from pie_bench.leaderboard.bundle import pack
from pie_bench.run.files import read_jsonl, write_json
from pie_bench.run.run import Run
from tests.leaderboard.conftest import RUN
from tests.leaderboard.test_validate import half_of_all, parts_of


def command(*arguments: object) -> int:
    return main(["leaderboard", *map(str, arguments)])


def test_the_round_trip(
    finished_run: Path, tmp_path: Path, cache: Path, reviewer_key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, board = tmp_path / "bundle.zip", tmp_path / "board"
    assert command("submit", finished_run, "--submitter", "somebody", "--out", bundle) == 0
    assert f"next:   pie-bench leaderboard merge {bundle}" in capsys.readouterr().out
    assert command("validate", bundle) == 0
    assert "valid: reference on pie_instruct (pie, 2 pairs, 2 samples" in capsys.readouterr().out
    assert command("merge", bundle, "--leaderboard", board) == 0
    assert "(self-reported)" in capsys.readouterr().out
    assert command("verify", bundle, "--key", reviewer_key, "--leaderboard", board) == 0
    said = capsys.readouterr().out
    assert "verified: 8 of 8 programs compiled and measured again here (8 that decide the score)" in said
    assert "guards:   4 answers checked on new inputs, 0 flagged" in said
    assert command("merge", bundle, "--leaderboard", board) == 0
    assert "(verified)" in capsys.readouterr().out
    capsys.readouterr()
    assert command("reviewers", "--leaderboard", board) == 0
    assert "a reviewer, 1 verified" in capsys.readouterr().out
    (path,) = (board / "entries").iterdir()
    entry = json.loads(path.read_text())
    assert (entry["status"], entry["submitter"]) == ("verified", "somebody")
    assert (entry["verification"]["by"], len(entry["verification"]["programs"])) == ("a reviewer", 8)
    assert command("rebuild", "--check", "--leaderboard", board) == 0
    assert command("render", "--leaderboard", board) == 0
    assert "reference" in (board / "site" / "index.html").read_text()


def test_the_same_run_makes_the_same_bytes_wherever_it_lies(finished_run: Path, packed: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(finished_run, copy)
    lines = (copy / "verdicts.jsonl").read_text().splitlines(keepends=True)
    (copy / "verdicts.jsonl").write_text("".join(reversed(lines)))  # executed in another order
    again = pack(Run(copy), tmp_path / "b.zip", submitter="somebody", links=["https://example.org/run"])
    assert again.read_bytes() == packed.read_bytes()


def test_nothing_of_the_machine_is_in_it(packed: Path, finished_run: Path) -> None:
    manifest = parts_of(packed)["manifest.json"]
    assert "command" not in manifest
    assert "host" not in manifest
    assert str(finished_run.parent) not in json.dumps(parts_of(packed))


def test_a_path_is_no_public_name(cache: Path, finished_run: Path, tmp_path: Path) -> None:
    answers = finished_run / "generations.jsonl"
    arguments = [f"replay:{answers}" if part == "reference" else part for part in RUN]
    assert main(["run", *arguments, "--run-dir", str(tmp_path / "run")]) == 0
    assert command("submit", tmp_path / "run", "--submitter", "x", "--out", tmp_path / "b.zip") == 0
    parts = parts_of(tmp_path / "b.zip")
    assert parts["entry.json"]["model"] == parts["manifest.json"]["identity"]["model"] == "replay:generations.jsonl"
    assert str(tmp_path.parent) not in json.dumps(parts)


def test_an_adapted_model_is_named_by_base_and_recipe(cache: Path, finished_run: Path, tmp_path: Path) -> None:
    shutil.copytree(finished_run, tmp_path / "run")
    path = tmp_path / "run" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["settings"]["model"] = manifest["identity"]["model"] = "hf:out/model"
    manifest["generation"]["model_resolved"] = f"sha256:{'0' * 64} adapted tiny--lora transformers 5 prompting text"
    path.write_text(json.dumps(manifest))
    assert main(["score", str(tmp_path / "run")]) == 0
    assert command("submit", tmp_path / "run", "--submitter", "x", "--out", tmp_path / "b.zip") == 0
    parts = parts_of(tmp_path / "b.zip")
    assert parts["entry.json"]["model"] == parts["manifest.json"]["settings"]["model"] == "hf:tiny--lora"
    assert "out/model" not in json.dumps(parts)
    assert command("validate", tmp_path / "b.zip") == 0


def test_another_machine_measures_the_same(
    packed: Path, tiny: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """Another home, folder, cache and environment; nothing measured before, only the root file systems built."""
    (tmp_path / "home").mkdir()
    shutil.copy(packed, tmp_path / "home" / "theirs.zip")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIE_", "XDG_", "HF_"))}
    environment |= {"HOME": str(tmp_path / "home"), "PIE_BENCH_CACHE": str(tmp_path / "cache"), "LANG": "C"}
    environment |= {"PYTHONPATH": str(pytestconfig.rootpath), "SOMETHING": "else " * 50}
    environment |= {"PIE_BENCH_ROOTS": os.environ["PIE_BENCH_ROOTS"]}  # the sandbox's user cannot reach this folder
    environment |= {"PIE_DATA_DIR": str(shutil.copytree(tiny, tmp_path / "home" / "pie"))}
    arguments = "leaderboard verify theirs.zip --sample 100%".split()
    verified = subprocess.run(
        [sys.executable, "-m", "pie_bench.cli", *arguments],
        cwd=tmp_path / "home", env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert verified.returncode == 0, verified.stderr
    assert "8 of 8 programs compiled and measured again here" in verified.stdout
    assert "not signed: give --key" in verified.stdout


def test_a_consistent_lie_is_found_by_measuring(
    finished_run: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    liar = tmp_path / "liar"
    shutil.copytree(finished_run, liar)
    verdicts = read_jsonl(liar / "verdicts.jsonl")
    for verdict in verdicts:
        if verdict["role"] != "source":  # (the answers are the human rewrites: one program)
            half_of_all(verdict)
    (liar / "verdicts.jsonl").write_text("".join(json.dumps(verdict) + "\n" for verdict in verdicts))
    assert main(["score", str(liar)]) == 0
    assert command("submit", liar, "--submitter", "x", "--out", tmp_path / "x.zip") == 0
    assert command("validate", tmp_path / "x.zip") == 0
    assert command("verify", tmp_path / "x.zip", "--sample", "1%") == 2
    said = capsys.readouterr().err
    assert ": it says" in said
    assert said.strip().endswith("not verified")
    assert not (tmp_path / "x.zip.verified.json").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"infra_errors": 1}, "1 executions failed on our side"),
        ({"n_pairs": 0}, "no usable pair"),
        ({"sandbox": "unsafe"}, "sandbox: run with 'unsafe'"),
    ],
)
def test_runs_that_cannot_be_submitted(
    finished_run: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished_run, copy)
    results = json.loads((copy / "results.json").read_text())
    write_json(copy / "results.json", results | changes)
    with pytest.raises(UserError, match=message):
        pack(Run(copy), tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()


def test_a_run_without_or_with_broken_results(finished_run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished_run, copy)
    (copy / "results.json").write_text("{}")
    with pytest.raises(UserError, match=r"results\.json: task: Field required"):
        pack(Run(copy))
    (copy / "results.json").unlink()
    with pytest.raises(UserError, match="no results.json yet; run: pie-bench score"):
        pack(Run(copy))


@pytest.mark.parametrize("text", ["0%", "101%", "-1%", "some"])
def test_a_share_is_a_percentage(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command("verify", "x.zip", "--sample", text)
    assert "--sample" in capsys.readouterr().err


def test_an_environment_with_another_comparator_is_one_of_its_own(
    cache: Path, finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, bundle, board = tmp_path / "run", tmp_path / "bundle.zip", tmp_path / "board"
    other = [part.replace("skylake", "skylake+strict") for part in RUN]
    assert main(["run", *other, "--run-dir", str(run)]) == 0
    for folder in (finished_run, run):
        assert command("submit", folder, "--submitter", "somebody", "--out", bundle) == 0
        assert command("validate", bundle) == 0
        assert command("merge", bundle, "--leaderboard", board) == 0
        bundle.unlink()
    entries = [json.loads(path.read_text()) for path in (board / "entries").iterdir()]
    assert {entry["environment"] for entry in entries} == {"skylake", "skylake+strict"}
    assert len({entry["environment_id"] for entry in entries}) == 2
    assert command("rebuild", "--check", "--leaderboard", board) == 0
    assert command("render", "--leaderboard", board) == 0
    assert "skylake+strict" in (board / "site" / "index.html").read_text()
