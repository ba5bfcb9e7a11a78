"""The same programs on two processors: by hand, and as a command."""

import json
import shutil
from pathlib import Path

import pytest

from pie_bench.cli.main import main
from pie_bench.errors import UserError
from pie_bench.report.processors import across_processors
from pie_bench.run.results import Results
from pie_bench.run.verdict import Verdict
from tests.metrics.test_scores import WRONG, ok, pair
from tests.report.test_compare import results


def on(environment: str, *pairs: object) -> Results:
    return results(*pairs, environment=environment, environment_id=environment.ljust(64, "0"))


def verdict(pair_id: str, role: str, code: str, **counters: float) -> Verdict:
    return Verdict(
        pair_id=pair_id,
        role=role,  # type: ignore[arg-type]
        sample_index=0,
        environment_id="e",
        outcome="ok",
        code_sha256=code,
        counters=counters,
    )


def test_by_hand() -> None:
    a = on(
        "a",
        pair("p", ok(4.0), ok(1.0), ok(2.0)),
        pair("q", ok(4.0), ok(2.0), WRONG),
        pair("r", ok(3.0), ok(2.9), ok(1.0)),
    )
    b = on(
        "b",
        pair("p", ok(4.0), ok(4.0), ok(2.0)),
        pair("q", ok(8.0), ok(2.0), ok(1.0)),
        pair("r", ok(2.9), ok(1.0), ok(1.0)),
    )
    found = across_processors(a, b, "A", "B")
    assert [(each.pair_id, each.role, each.a, each.b) for each in found.programs] == [
        ("p", "target", 4.0, 1.0),
        ("q", "target", 2.0, 4.0),
        ("r", "target", pytest.approx(3.0 / 2.9), 2.9),
    ], "of answers nobody knows here whether they are the same"
    assert [each.pair_id for each in found.changed] == ["p", "r"], "what differs most first"
    assert found.rank_correlation == pytest.approx(-0.5)
    assert found.wrong_on_one == ()
    assert len(found.records()) == 3


def test_answers_count_where_both_judged_the_same_text() -> None:
    a = on("a", pair("p", ok(4.0), ok(1.0), ok(2.0)), pair("q", ok(4.0), ok(2.0), WRONG))
    b = on("b", pair("p", ok(8.0), ok(1.0), ok(2.0)), pair("q", ok(8.0), ok(2.0), ok(1.0)))
    ours = {v.key: v for v in (verdict("p", "source", "s", l3_misses=10), verdict("p", "candidate", "c", l3_misses=5))}
    ours |= {v.key: v for v in (verdict("q", "candidate", "d"),)}
    theirs = {**ours, ("p", "source", 0): verdict("p", "source", "s", l3_misses=40)}
    found = across_processors(a, b, "A", "B", (ours, theirs))
    answer = next(each for each in found.programs if each.role == "candidate")
    assert (answer.name, answer.a, answer.b, answer.counters) == ("p, answer 0", 2.0, 4.0, {"l3_misses": (2.0, 8.0)})
    assert found.wrong_on_one == ("q, candidate 0",)
    other = {**theirs, ("p", "candidate", 0): verdict("p", "candidate", "another text")}
    assert all(each.role == "target" for each in across_processors(a, b, "A", "B", (ours, other)).programs)


def test_only_what_can_be_compared_is() -> None:
    a, b = on("a", pair("p", ok(1.0), ok(1.0), ok(1.0))), on("b", pair("q", ok(1.0), ok(1.0), ok(1.0)))
    with pytest.raises(UserError, match="no program in common"):
        across_processors(a, b, "A", "B")
    with pytest.raises(UserError, match="different datasets"):
        across_processors(a, a.model_copy(update={"dataset_fingerprint": "f" * 64}), "A", "B")


def test_the_command(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(made / "b", tmp_path / "b")
    results_file = tmp_path / "b" / "results.json"
    told = json.loads(results_file.read_text()) | {"environment": "boom", "environment_id": "b" * 64}
    results_file.write_text(json.dumps(told))
    command = ["compare", str(made / "a"), str(tmp_path / "b")]
    assert main(command) == 0
    assert "B: boom" in capsys.readouterr().out
    assert main([*command, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["environment_b"] == "boom" and said["programs"]
    assert main([*command, "--csv"]) == 0
    assert capsys.readouterr().out.startswith("pair_id,")
