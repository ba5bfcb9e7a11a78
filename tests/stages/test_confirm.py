"""Two rulers in one run: what is measured again, and what is reported about it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pie_bench.cli.main import main
from pie_bench.run.verdict import Outcome, Role, Verdict
from pie_bench.stages.confirm import Key, worth_confirming
from pie_bench.stages.plan import Settings, make_plan


def verdict(pair_id: str, role: Role, index: int, seconds: float | None, outcome: Outcome = "ok") -> Verdict:
    return Verdict(pair_id, role, index, "environment", outcome, runtime_seconds=seconds)


def test_what_can_change_a_number_is_measured_again() -> None:
    plan = make_plan(Settings(task="pie_instruct", model="reference", limit=2))
    first, second = (pair.pair_id for pair in plan.pairs)
    verdicts = [
        verdict(first, "source", 0, 1.0),
        verdict(first, "target", 0, 0.25),
        verdict(first, "candidate", 0, 1.5),  # slower: nobody's best
        verdict(first, "candidate", 1, 0.5),
        verdict(first, "candidate", 2, None, "wrong_output"),
        verdict(first, "candidate", 3, 0.4),
        verdict(first, "candidate", 4, 1 / 1.12),  # near 1.1×
        verdict(first, "candidate", 5, 1 / 1.3),
        verdict(second, "source", 0, None, "wrong_output"),  # in no metric
        verdict(second, "candidate", 0, 1.0),
    ]
    chosen = worth_confirming(plan, {v.key: v for v in verdicts})
    expected: set[Key] = {
        (first, "source", 0),
        (first, "target", 0),
        (first, "candidate", 1),
        (first, "candidate", 3),
        (first, "candidate", 4),
    }
    assert set(chosen) == expected
    assert len(chosen) == len(expected)


def test_a_run_is_confirmed_in_another_environment(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--task", "pie_instruct", "--model", "reference", "--limit", "1", "--samples", "1"]
    assert main(["run", *options, "--run-dir", str(tmp_path / "run"), "--confirm", "skylake"]) == 0
    said = capsys.readouterr().out
    assert "confirmed in skylake" in said
    assert "optimised or not: the same for 2 of 2" in said
    record = json.loads((tmp_path / "run" / "confirmation-skylake.json").read_text())
    assert record["unconfirmed"] == []
    assert [one["program"] for one in record["programs"]] == ["target", "sample 0"]
    for one in record["programs"]:  # another compiler and C library, the same kind of ruler
        assert one["screened_speedup"] == pytest.approx(one["confirmed_speedup"], rel=0.5)
        assert one["confirmed_speedup"] > 1.1


def test_an_unknown_environment_is_found_before_anything_is_asked(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--task", "pie_instruct", "--model", "reference", "--confirm", "gem5-skylak"]
    assert main(["run", *options, "--run-dir", str(tmp_path / "run")]) == 2
    assert "did you mean gem5-skylake" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
