"""Entries and the board derived from them."""

import json
from pathlib import Path

import pytest

from pie_bench.cli.main import main
from pie_bench.errors import UserError
from pie_bench.leaderboard.entry import Entry, add_entry, refresh
from pie_bench.report.results import Results
from pie_bench.store import RunDirectory, write_json
from tests.report.test_table import RESULTS


@pytest.fixture
def finished(tmp_path: Path):
    """Makes a finished run with some results changed."""

    def make(name: str, **changes: object) -> RunDirectory:
        directory = RunDirectory(tmp_path / name)
        write_json(directory.manifest_path, {"created": "2026-01-02T03:04:05+00:00"})
        results: Results = RESULTS.model_copy(update=changes)
        write_json(directory.results_path, results.model_dump(mode="json"))
        return directory

    return make


def test_an_entry_says_what_was_measured_in_what(finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = tmp_path / "board"
    directory = finished("run")
    assert main(["leaderboard", "add", str(directory.path), "--leaderboard", str(board)]) == 0
    (path,) = (board / "entries").iterdir()
    assert str(path) in capsys.readouterr().out
    entry = Entry.model_validate_json(path.read_text())
    assert (entry.model, entry.date, entry.status) == ("smollm2", "2026-01-02", "self-reported")
    assert entry.metrics == RESULTS.metrics
    assert entry.environment_id == RESULTS.environment_id
    assert path.name == "pie_instruct--smollm2--mini-n2-p8--tttttt-dddddd-eeeeee.json"


def test_the_board_groups_what_can_be_compared_and_ranks_by_speedup(finished, tmp_path: Path) -> None:
    board = tmp_path / "board"
    slow, fast = ({**RESULTS.metrics, "speedup": {"best@1": value}} for value in (1.0, 3.0))
    for name, changes in {
        "a": {"model": "slow", "metrics": slow},
        "b": {"model": "fast", "metrics": fast},
        "c": {"model": "elsewhere", "environment_id": "f" * 64},
        "d": {"model": "on fewer pairs", "n_pairs": 3},
    }.items():
        add_entry(finished(name, **changes), board)
    groups = json.loads((board / "leaderboard.json").read_text())["groups"]
    assert [[row["model"] for row in group["rows"]] for group in groups] == [
        ["on fewer pairs"],
        ["fast", "slow"],
        ["elsewhere"],
    ]
    before = (board / "leaderboard.json").read_bytes()
    add_entry(finished("a", model="slow", metrics=slow), board)
    refresh(board)
    assert (board / "leaderboard.json").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"infra_errors": 1}, "1 executions failed on our side"),
        ({"n_pairs": 0}, "no usable pair"),
        ({"sandbox": "unsafe"}, "--unsafe, which no leaderboard takes"),
    ],
)
def test_what_cannot_be_entered(finished, tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        add_entry(finished("run", **changes), tmp_path / "board")
    assert not (tmp_path / "board").exists()


def test_runs_without_or_with_broken_results(finished, tmp_path: Path) -> None:
    directory = finished("run")
    directory.results_path.write_text("{}")
    with pytest.raises(UserError, match=r"results\.json: task: Field required"):
        add_entry(directory, tmp_path / "board")
    directory.results_path.unlink()
    with pytest.raises(UserError, match="no results.json yet; run: pie-bench score"):
        add_entry(directory, tmp_path / "board")


def test_a_broken_entry_is_named(tmp_path: Path) -> None:
    entries = tmp_path / "entries"
    entries.mkdir()
    (entries / "x.json").write_text("{")
    with pytest.raises(UserError, match=r"x\.json: not an entry"):
        refresh(tmp_path)


def test_the_shipped_board_is_what_its_entries_say(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    shipped = pytestconfig.rootpath / "leaderboard"
    (tmp_path / "entries").mkdir()
    for path in (shipped / "entries").glob("*.json"):
        (tmp_path / "entries" / path.name).write_bytes(path.read_bytes())
    refresh(tmp_path)
    assert (tmp_path / "leaderboard.json").read_text() == (shipped / "leaderboard.json").read_text()
