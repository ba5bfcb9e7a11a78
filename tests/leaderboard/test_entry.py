"""Entries: what a run says, and what no file may say."""

import json
from typing import Any

import pytest

from pie_bench.errors import UserError
from pie_bench.leaderboard.entry import Entry, entry_of, read_entry, strict_json
from pie_bench.run.manifest import Manifest, Settings
from tests.report.test_table import RESULTS

HASHES = {"task_hash": "a" * 64, "dataset_fingerprint": "d" * 64, "environment_id": "e" * 64}
MANIFEST = Manifest(settings=Settings(task="t", model="m"), identity={}, created="2026-01-02T03:04:05+00:00")


def made(**changes: Any) -> Entry:
    """An entry of made-up results."""
    return entry_of(RESULTS.model_copy(update=HASHES), MANIFEST, submitter="somebody").model_copy(update=changes)


def test_an_entry_says_what_was_measured_in_what() -> None:
    entry = made()
    assert (entry.model, entry.date, entry.status, entry.submitter) == (
        "smollm2",
        "2026-01-02",
        "self-reported",
        "somebody",
    )
    assert entry.metrics == RESULTS.metrics
    assert entry.scores == RESULTS.scores, "with intervals, by both methods"
    assert (entry.environment_id, entry.sandbox) == ("e" * 64, "bubblewrap")
    assert entry.cpu_hours is None, "not recorded"
    hashed = RESULTS.model_copy(update=HASHES)
    assert entry_of(hashed, MANIFEST.model_copy(update={"cpu_seconds": 90.0}), submitter="somebody").cpu_hours == 0.025


def test_what_is_written_reads_back_the_same() -> None:
    entry = made()
    assert read_entry(json.dumps(entry.model_dump(mode="json")).encode(), "x") == entry


def test_a_files_name_distinguishes_runs_that_differ_in_anything() -> None:
    entry = made()
    assert entry.file_name.startswith("pie_instruct--smollm2--mini-n2-p8--")
    others = [
        made(model="elsewhere/smollm2"),
        made(model_resolved="weights.gguf@sha256:1"),
        made(model_args={"temperature": "default"}),
        made(submitter="somebody else"),
        made(environment_id="f" * 64),
    ]
    assert len({one.file_name for one in (entry, *others)}) == 6
    assert made(date="2027-01-01", status="verified", links=("https://a.b",)).file_name == entry.file_name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": 4}, "schema_version: it is 4, this pie_bench reads 3; update pie_bench"),
        (
            {"schema_version": 2},
            "it is 2, this pie_bench reads 3; recreate it: pie-bench score RUN_DIR, then: pie-bench",
        ),
        ({"schema_version": True}, "schema_version: it is True"),
        ({"status": "best"}, "status: Input should be"),
        ({"rank": 1}, "rank: Extra inputs are not permitted"),
        ({"n_pairs": "8"}, "n_pairs: Input should be a valid integer"),
        ({"n_pairs": 0}, "n_pairs: Input should be greater"),
        ({"task_hash": "abc"}, "task_hash: String should match"),
        ({"task_hash": None}, "task_hash: only published numbers are so"),
        ({"source": "my blog"}, "source: only published numbers are so"),
        ({"status": "published"}, "published: such an entry has a source, but no hashes"),
        ({"status": "verified"}, "verification: required for the status verified"),
        ({"cost_usd": -1.0}, "cost_usd: Input should be greater"),
        ({"cost_usd": float("nan")}, "NaN is not a JSON number"),
        ({"cost_usd": float("inf")}, "Infinity is not a JSON number"),
        ({"submitter": "a\nb"}, "submitter: String should match"),
        ({"links": ["javascript:alert(1)"]}, "links.0: String should match"),
        ({"date": "yesterday"}, "date: String should match"),
        ({"outcomes": {"ok": -1}}, "outcomes.ok: Input should be greater"),
        ({"commit": "main"}, "commit: String should match"),
    ],
)
def test_what_no_entry_may_say(changes: dict, message: str) -> None:
    raw = made().model_dump(mode="json") | changes
    with pytest.raises(UserError, match=message):
        read_entry(json.dumps(raw).encode(), "entry.json")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff{}", "not UTF-8 at byte 0"),
        (b'{"a": 1e999}', "1e999 is not a JSON number"),
        (b'{"a": 1, "a": 2}', "a: given twice"),
        (b"[" * 100_000, "broken JSON"),
        (b"{", "broken JSON"),
        (b"[" + b"1," * 3_000_000 + b"1]", "3000001 values, more than are read"),
    ],
)
def test_json_is_read_as_the_standard_has_it(data: bytes, message: str) -> None:
    with pytest.raises(UserError, match=f"^x: .*{message}"):
        strict_json(data, "x")


def test_only_an_object_is_an_entry() -> None:
    with pytest.raises(UserError, match=r"^x: not an entry: list"):
        read_entry(b"[]", "x")
