"""Two runs side by side: by hand, and as commands."""

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from pie_bench.cli.compare import print_comparison
from pie_bench.cli.main import main
from pie_bench.errors import UserError
from pie_bench.report.compare import Difference, compare
from pie_bench.run.results import Results
from pie_bench.stages.finished import FinishedRun
from tests.metrics.test_scores import WRONG, ok, pair
from tests.report.test_table import RESULTS


def results(*pairs: object, **changes: object) -> Results:
    return RESULTS.model_copy(update={"pairs": pairs, "n_samples": 1, **changes})


def difference(found: list[Difference], metric: str, time: str = "process") -> Difference:
    return next(d for d in found if (d.metric, d.method, d.time, d.k) == (metric, "best", time, 1))


def test_by_hand() -> None:
    answers = {"w": (ok(1.0), ok(2.0)), "t": (WRONG, WRONG), "l": (WRONG, ok(2.0))}
    a, b = (results(*(pair(name, ok(4.0), ok(1.0), given[run]) for name, given in answers.items())) for run in (0, 1))
    found = compare(a, b, "A", "B")
    assert (found.n_pairs, found.n_problems) == (3, 3)
    speedup = difference(list(found.differences), "speedup")
    assert (speedup.a, speedup.b, speedup.difference) == (2.0, pytest.approx(5 / 3), pytest.approx(1 / 3))
    assert (speedup.wins, speedup.ties, speedup.losses) == (1, 1, 1)
    assert speedup.low is not None
    assert speedup.low < 0 < (speedup.high or 0)
    assert not speedup.significant
    geometric = difference(list(found.differences), "speedup_geometric")
    assert geometric.is_ratio
    assert geometric.difference == pytest.approx(4 ** (1 / 3) / 4 ** (1 / 3))
    correct = difference(list(found.differences), "percent_correct")
    assert correct.difference == pytest.approx(100 * (1 - 2) / 3)
    assert (correct.low, correct.high, correct.smallest_detectable) == (-100.0, 100.0, None), "no share is beyond"


def test_a_run_against_itself_differs_in_nothing(run_a: FinishedRun) -> None:
    found = compare(run_a.results, run_a.results, "A", "A")
    for each in found.differences:
        assert each.difference == (1.0 if each.is_ratio else 0.0)
        assert (each.wins, each.losses) == (0, 0)
        assert (each.low, each.smallest_detectable, each.significant) == (None, None, False)


def test_swapping_the_runs_flips_the_sign(made: Path, run_a: FinishedRun) -> None:
    b = Results.model_validate_json((made / "b" / "results.json").read_text())
    there = compare(run_a.results, b, "A", "B").differences
    back = compare(b, run_a.results, "B", "A").differences
    for one, other in zip(there, back, strict=True):
        if not one.is_ratio:
            assert one.difference == pytest.approx(-(other.difference or 0.0))
        assert (one.wins, one.ties, one.losses) == (other.losses, other.ties, other.wins)
    assert {each.k for each in there} == {1, 2}, "as far as both have samples"


def test_what_is_significant_has_a_sign(capsys: pytest.CaptureFixture[str]) -> None:
    def run(*seconds: float) -> Results:
        return results(*(pair(f"p{n}", ok(4.0), ok(1.0), ok(each)) for n, each in enumerate(seconds)))

    fast, slow = run(1.0, 1.1, 1.2, 1.3), run(3.9, 4.0, 3.8, 3.9)
    for one, other, sign in ((fast, slow, "▲"), (slow, fast, "▼"), (run(4.0, 2.0, 4.0, 3.0), slow, " ")):
        found = compare(one, other, "A", "B")
        print_comparison(found, list(found.differences))
        (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith(" Speedup best@1")]
        assert f"] {sign} " in line


def test_only_what_can_be_compared_is() -> None:
    a = results(pair("x", ok(1.0), ok(1.0), ok(1.0)), pair("y", ok(1.0), ok(1.0), ok(1.0)))
    with pytest.raises(UserError, match="A and B are of different environments .*; run one of them again"):
        compare(a, a.model_copy(update={"environment_id": "f" * 64}), "A", "B")
    with pytest.raises(UserError, match="different datasets"):
        compare(a, a.model_copy(update={"dataset_fingerprint": "f" * 64}), "A", "B")
    with pytest.raises(UserError, match="no pair in common"):
        compare(a, results(pair("z", ok(1.0), ok(1.0), ok(1.0))), "A", "B")
    some = compare(a, results(pair("y", ok(1.0), ok(1.0), ok(1.0)), pair("z", WRONG, ok(1.0), ok(1.0))), "A", "B")
    assert (some.n_pairs, some.only_in_a, some.only_in_b) == (1, ("x",), ())


def test_as_a_command(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [str(made / "a"), str(made / "b")]
    assert main(["compare", *runs]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"A: pie_instruct · reference · {runs[0]}\nB: pie_instruct · reference · {runs[1]}\n")
    for text in ("30 pairs of 12 problems in both", "%Opt best@1", "Speedup* best@2", "W/T/L", "80 % power"):
        assert text in said
    assert main(["compare", *runs, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert main(["compare", *runs, "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == len(found["differences"]) == 4 * 2 * 2 * 2
    assert (rows[0]["task_a"], rows[0]["model_b"]) == ("pie_instruct", "reference")
    assert float(rows[0]["difference"]) == found["differences"][0]["difference"]


def test_runs_that_are_not_scored_or_of_an_older_version(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(made / "a", tmp_path / "a")
    path = tmp_path / "a" / "results.json"
    path.write_text(path.read_text().replace('"schema_version": 3', '"schema_version": 2'))
    assert main(["compare", str(tmp_path / "a"), str(made / "b")]) == 2
    assert "of version 2, this pie_bench reads 3; run: pie-bench score" in capsys.readouterr().err
    path.unlink()
    assert main(["compare", str(tmp_path / "a"), str(made / "b")]) == 2
    assert "no results.json yet; run: pie-bench score" in capsys.readouterr().err
    assert main(["compare", str(tmp_path), str(made / "b")]) == 2
    assert "not a run directory" in capsys.readouterr().err
