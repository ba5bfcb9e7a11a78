"""A run on both kinds of tests: the paper's numbers stay the same, and those on stress inputs stand beside them."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pie_bench.cli.main import main
from pie_bench.errors import UserError
from pie_bench.leaderboard.bundle import write_bundle
from pie_bench.leaderboard.validate import validated
from pie_bench.report.table import print_results
from pie_bench.run.run import Run
from pie_bench.stages.finished import FinishedRun
from pie_bench.stages.plan import plan_of
from pie_bench.stages.score import score
from tests.leaderboard.test_validate import changed, parts_of, text_of

PAIR = "m008_laps_stream-m008_laps_c"  # the one that costs least
OPTIONS = f"--task pie_instruct --model reference --samples 1 --pairs {PAIR}".split()


@pytest.fixture(scope="module")
def finished(measured_cache: Path, pinned_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stress") / "both"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PIE_BENCH_CACHE", str(measured_cache))
        assert main(["run", *OPTIONS, "--tests", "both", "--run-dir", str(folder)]) == 0
    return folder


@pytest.fixture
def both(finished: Path, tmp_path: Path) -> Path:
    """A copy of a run on both kinds of tests, made once."""
    return Path(shutil.copytree(finished, tmp_path / "both"))


def test_both_kinds_of_tests_side_by_side(
    both: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = FinishedRun(both).results
    found = results.stress
    assert found is not None and (found.n_pairs, found.n_inputs) == (1, 9)
    assert found.on_paper_tests["speedup"] == results.metrics["speedup"]
    assert found.metrics["percent_correct"]["best@1"] == 100.0
    curves = {each.role: each for each in found.growth}
    assert set(curves) == {"source", "target", "candidate"} and len(curves["source"].points) == 5
    fit = curves["source"].fit
    assert fit is not None and fit.low < fit.exponent < fit.high and 0.5 < fit.exponent < 1.5
    # The same run without: the paper's numbers are the same to the last bit, and it can be added later.
    assert main(["run", *OPTIONS, "--run-dir", str(tmp_path / "paper")]) == 0
    paper = json.loads((tmp_path / "paper" / "results.json").read_text())
    whole = json.loads((both / "results.json").read_text())
    assert paper["stress"] is None and {**whole, "stress": None} == paper
    before = (both / "stress.jsonl").read_bytes()
    assert main(["run", *OPTIONS, "--run-dir", str(both)]) == 0
    assert (both / "stress.jsonl").read_bytes() == before, "nothing is judged twice"
    assert main(["analyse", "growth", str(both)]) == 0
    assert "human" in capsys.readouterr().out
    assert main(["report", str(both), "--out", str(tmp_path / "page.html")]) == 0
    assert "How time grows with the input" in (tmp_path / "page.html").read_text()


def test_a_run_with_stress_inputs_for_tests_is_another_run(both: Path, cache: Path, tmp_path: Path) -> None:
    assert main(["run", *OPTIONS, "--tests", "stress", "--run-dir", str(both)]) == 2
    assert main(["run", *OPTIONS, "--tests", "stress", "--run-dir", str(tmp_path / "stress")]) == 0
    results = FinishedRun(tmp_path / "stress").results
    assert results.dataset == "mini+stress" and results.stress is None
    on_both = FinishedRun(both).results.stress
    assert on_both is not None and results.metrics["speedup"] == on_both.metrics["speedup"]


def test_other_stress_inputs_are_another_run(both: Path, tmp_path: Path) -> None:
    run = Run(shutil.copytree(both, tmp_path / "copy"))
    manifest = json.loads(run.manifest_path.read_text())
    manifest["stress"]["sha256"] = "0" * 64
    run.manifest_path.write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="was begun with stress.sha256"):
        run.settle("stress", json.loads((both / "manifest.json").read_text())["stress"])


def test_incomplete_verdicts_give_no_number(both: Path, tmp_path: Path) -> None:
    run = Run(shutil.copytree(both, tmp_path / "copy"))
    lines = run.stress_path.read_text().splitlines(keepends=True)
    run.stress_path.write_text("".join(lines[:-1]))
    assert score(plan_of(run), run).stress is None


def test_the_table_says_what_numbers_are_made_of(both: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_results(FinishedRun(both).results)
    said = capsys.readouterr().out
    for part in ("\n tests ", "\n stress ", "human, stress", "stress: 9 inputs in all, pairs: 1"):
        assert part in said
    for part in ("won by start-up alone: 0 of ", "(Opt₀.₉₅)"):
        assert part in said
    for unknown in ("intervals over problems and samples", "heaviest", "problem's age"):
        assert unknown not in said, "of one problem, one pair and no dates nothing is known"


def test_parts_that_were_judged_on_stress_inputs_are_merged_with_it(
    both: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = Path(shutil.copytree(both, tmp_path / "again"))
    assert main(["merge", str(both), str(again), "--out", str(tmp_path / "all")]) == 0
    assert (tmp_path / "all" / "results.json").read_bytes() == (both / "results.json").read_bytes()
    lines = (again / "stress.jsonl").read_text().splitlines(keepends=True)
    for text, problem in (
        ("".join(lines[:-1]), f"not finished: 1 of 3 verdicts are missing (the first: pair {PAIR}, "),
        (
            "".join(lines).replace('"runtime_seconds": ', '"runtime_seconds": 1'),
            "on stress inputs; leave one of the runs out",
        ),
    ):
        (again / "stress.jsonl").write_text(text)
        assert main(["merge", str(both), str(again), "--out", str(tmp_path / "none")]) == 2
        assert problem in capsys.readouterr().err
    manifest = json.loads((again / "manifest.json").read_text())
    del manifest["stress"]
    (again / "manifest.json").write_text(json.dumps(manifest))
    assert main(["merge", str(both), str(again), "--out", str(tmp_path / "none")]) == 2
    assert "its set of stress inputs is None" in capsys.readouterr().err


def test_a_bundle_carries_what_was_judged_on_stress_inputs_and_it_is_measured_again(
    both: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tmp_path / "both.zip"
    assert main(["leaderboard", "submit", str(both), "--submitter", "somebody", "--out", str(bundle)]) == 0
    assert main(["leaderboard", "validate", str(bundle)]) == 0
    assert "tests: the dataset's own, and its stress inputs (3 verdicts)" in capsys.readouterr().out
    assert main(["leaderboard", "verify", str(bundle)]) == 0
    assert "verified: 3 of 3 programs" in capsys.readouterr().out
    parts = parts_of(bundle)
    stress = FinishedRun(both).results.stress
    assert stress is not None
    assert parts["entry.json"]["stress"]["metrics"] == stress.metrics and "growth" not in parts["entry.json"]["stress"]

    def refused(change: Callable[[dict[str, Any]], None]) -> str:
        tampered = copy.deepcopy(parts)
        change(tampered)
        write_bundle(tmp_path / "tampered.zip", text_of(tampered))
        with pytest.raises(UserError) as error, validated(tmp_path / "tampered.zip"):
            pass
        return str(error.value)

    def other_binary(found: dict[str, Any]) -> None:
        for record in found["stress.jsonl"]:
            record["binary_sha256"] = record["binary_sha256"][::-1]

    def rates(found: dict[str, Any]) -> None:
        found["manifest.json"]["kill_rates"]["problems"]["m008"]["made_from"] = "0" * 64

    assert "m008.made_from: not the sum" in refused(rates)
    assert "binary_sha256" in refused(other_binary)
    assert "stress.jsonl: pair" in refused(lambda found: found["stress.jsonl"].pop())
    assert "there, but not stress.jsonl" in refused(lambda found: found.pop("stress.jsonl"))
    assert "other stress inputs" in refused(lambda found: found["manifest.json"]["stress"].update(sha256="0" * 64))
    better = changed("results.json", "stress", "metrics", "speedup", "best@1", to=99.0)
    assert "results.json.stress.metrics.speedup" in refused(better)


def test_a_bundle_of_a_run_without_says_so(both: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (both / "stress.jsonl").unlink()
    assert main(["score", str(both)]) == 0
    bundle = tmp_path / "paper.zip"
    assert main(["leaderboard", "submit", str(both), "--submitter", "somebody", "--out", str(bundle)]) == 0
    assert main(["leaderboard", "validate", str(bundle)]) == 0
    assert "tests: the dataset's own only" in capsys.readouterr().out
    parts = parts_of(bundle)
    assert (
        "stress" not in parts["manifest.json"] and "stress.jsonl" not in parts and "stress" not in parts["entry.json"]
    )
