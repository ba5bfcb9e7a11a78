"""The board: derived from the entries, and from nothing else."""

import json
from pathlib import Path

import pytest

from pie_bench.cli.main import main
from pie_bench.errors import UserError
from pie_bench.leaderboard.board import check, derived, put, rebuild
from pie_bench.leaderboard.signing import FILE, make_key, signed, signer
from pie_bench.paths import leaderboard_dir
from pie_bench.report.paper import paper_numbers
from tests.leaderboard.conftest import list_reviewers
from tests.leaderboard.test_entry import made
from tools.published_entries import published_entries

LEADERBOARD_DIR = leaderboard_dir(None)

FIELDS = {
    "date": "2026-02-03", "bundle_sha256": "b" * 64, "environment_id": "e" * 64, "seed": "0", "of": 24, "carrying": 1,
    "programs": ("p candidate 0",), "guards_checked": 1, "guards_flagged": (), "environment_facts": {},
}  # fmt: skip


def speedup(value: float | None) -> dict:
    """An entry's metrics with this speedup."""
    return {**made().metrics, "speedup": {"best@1": value, "first@1": None if value is None else 9 - value}}


def test_the_board_groups_what_can_be_compared_and_ranks_by_speedup(tmp_path: Path) -> None:
    for entry in (
        made(model="slow", scores=(), metrics=speedup(1.0)),
        made(model="fast", scores=(), metrics=speedup(3.0)),
        made(model="unknown", scores=(), metrics=speedup(None)),
        made(model="slower than nothing", scores=(), metrics=speedup(0.5)),
        made(model="elsewhere", environment_id="f" * 64),
        made(model="on fewer pairs", n_pairs=3),
    ):
        put(entry, tmp_path)
    groups = json.loads((tmp_path / "leaderboard.json").read_text())["groups"]
    assert sorted([row["model"] for row in group["rows"]] for group in groups) == [
        ["elsewhere"],
        ["fast", "slow", "slower than nothing", "unknown"],
        ["on fewer pairs"],
    ]
    unknown = next(row for group in groups for row in group["rows"] if row["model"] == "unknown")
    assert unknown["metrics"]["speedup"] == {"best@1": None, "first@1": None}, "not known is not zero"


def test_merging_an_entry_again_changes_nothing_and_a_different_one_is_refused(tmp_path: Path) -> None:
    path = put(made(), tmp_path)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*.json") if p.name != FILE}
    put(made(), tmp_path)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*.json") if p.name != FILE} == before
    with pytest.raises(UserError, match=r"has a different entry for this run \(metrics\); withdraw that entry first"):
        put(made(scores=(), metrics=speedup(9.0)), tmp_path)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*.json") if p.name != FILE} == before
    list_reviewers(tmp_path, {"a reviewer": make_key(tmp_path / "key")})
    by = signer(tmp_path / "key", tmp_path)
    verified = made(status="verified", verification=signed(FIELDS, made(), by))
    assert put(verified, tmp_path) == path
    put(made(), tmp_path)
    assert json.loads(path.read_text())["status"] == "verified", "a verified entry stays so"


def test_a_broken_or_misnamed_entry_is_named(tmp_path: Path) -> None:
    path = put(made(), tmp_path)
    path.rename(path.with_name("x.json"))
    with pytest.raises(UserError, match=r"x\.json: the name does not match the content"):
        rebuild(tmp_path)
    path.with_name("x.json").write_text("{")
    with pytest.raises(UserError, match=r"x\.json: broken JSON"):
        rebuild(tmp_path)


def test_an_edited_board_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(made(), tmp_path)
    assert main(["leaderboard", "rebuild", "--check", "--leaderboard", str(tmp_path)]) == 0
    for name in ("leaderboard.json", "schema.json"):
        whole = (tmp_path / name).read_text()
        (tmp_path / name).write_text(whole.replace("3", "4", 1))
        assert main(["leaderboard", "rebuild", "--check", "--leaderboard", str(tmp_path)]) == 2
        assert f"{name}: out of date; run: pie-bench leaderboard rebuild" in capsys.readouterr().err
        assert main(["leaderboard", "rebuild", "--leaderboard", str(tmp_path)]) == 0
        assert (tmp_path / name).read_text() == whole


def test_the_shipped_board_and_schema_are_what_its_entries_and_types_say() -> None:
    assert check(LEADERBOARD_DIR) >= 45
    # Byte for byte: spurious changes would otherwise be part of every pull request.
    for name, value in derived({}).items():
        if name == "schema.json":
            text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
            assert (LEADERBOARD_DIR / name).read_text() == text


def test_the_papers_rows_are_on_it_each_once_with_its_table() -> None:
    published = list(published_entries())
    for entry in published:
        assert json.loads((LEADERBOARD_DIR / "entries" / entry.file_name).read_text()) == entry.model_dump(mode="json")
    numbers = {
        (row["table"], row["model"], row["method"], row["k"], row["speedup"], row["percent_correct"])
        for row in paper_numbers()["rows"]
    }
    shown = sum(name.startswith("first@") for entry in published for name in entry.metrics["speedup"])
    assert shown == len(numbers)
    best = next(e for e in published if e.model == "GPT-3.5, Fine-tuned, HQ + Self-Play")
    assert best.source is not None
    assert best.source.endswith("Table 4")
    assert best.metrics["speedup"] == {"first@1": 3.02, "best@8": 6.86, "first@8": 6.86}, "with all samples equal"
    groups = derived({entry.file_name: entry for entry in published})["leaderboard.json"]["groups"]
    assert len(groups) == 1
    assert groups[0]["environment_id"] is None
