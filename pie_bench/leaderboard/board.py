"""The folder `leaderboard/`: its `entries/`, and two derived files: `leaderboard.json`, the board, and `schema.json`,
made from the types."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pie_bench.errors import UserError
from pie_bench.hashing import canonical_json
from pie_bench.leaderboard.entry import SCHEMA_VERSION, Entry, check_consistent, read_entry
from pie_bench.leaderboard.signing import check_signature, read_reviewers
from pie_bench.run.files import write_json

# Rows are only comparable if all of these are equal; a run of the first n pairs is a different benchmark.
_GROUPED_BY = {"task", "task_hash", "dataset", "dataset_fingerprint", "environment", "environment_id", "n_pairs"}
_ROW = {"model", "model_resolved", "status", "source", "submitter", "date", "n_samples", "metrics"}


def read_entries(leaderboard: Path) -> dict[str, Entry]:
    """The entries by file name. UserError, naming file and field, for an invalid one: with a name that does not match
    its content, with contradictory numbers, or verified without a reviewer's signature."""
    entries = {}
    reviewers = read_reviewers(leaderboard)
    for path in sorted((leaderboard / "entries").glob("*.json")):
        entry = read_entry(path.read_bytes(), str(path))
        if path.name != entry.file_name:
            raise UserError(f"{path}: the name does not match the content; it should be {entry.file_name}")
        check_consistent(entry, str(path))
        check_signature(entry, reviewers, str(path))
        entries[path.name] = entry
    return entries


def derived(entries: Mapping[str, Entry]) -> dict[str, Any]:
    """The contents of `leaderboard.json` and `schema.json`, by file name: groups of comparable entries, each sorted by
    `best@1` speedup (published rows: by `first@1`, the only one they have), with entries without one last."""
    groups: dict[str, dict[str, Any]] = {}
    for name, entry in sorted(entries.items()):
        group = entry.model_dump(mode="json", include=_GROUPED_BY)
        row = entry.model_dump(mode="json", include=_ROW) | {"entry": f"entries/{name}"}
        if entry.guards is not None:
            row["metrics_guarded"] = entry.guards.get("metrics")
        groups.setdefault(canonical_json(group), group | {"rows": []})["rows"].append(row)
    for group in groups.values():
        group["rows"].sort(key=lambda row: (_rank(row["metrics"].get("speedup", {})), row["entry"]))
    board = [group for _, group in sorted(groups.items())]
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | Entry.model_json_schema()
    return {
        "leaderboard.json": {"schema_version": SCHEMA_VERSION, "groups": board},
        "schema.json": schema | {"title": f"pie_bench leaderboard entry, version {SCHEMA_VERSION}"},
    }


def rebuild(leaderboard: Path) -> int:
    """Regenerates the derived files; returns the number of entries. UserError as for `read_entries`."""
    entries = read_entries(leaderboard)
    for name, value in derived(entries).items():
        write_json(leaderboard / name, value)
    return len(entries)


def check(leaderboard: Path) -> int:
    """Raises UserError if a derived file differs from what `rebuild` would write; returns the number of entries."""
    entries = read_entries(leaderboard)
    for name, value in derived(entries).items():
        try:
            same = json.loads((leaderboard / name).read_text()) == json.loads(json.dumps(value))
        except (OSError, ValueError):
            same = False
        if not same:
            raise UserError(f"{leaderboard / name}: out of date; run: pie-bench leaderboard rebuild")
    return len(entries)


def put(entry: Entry, leaderboard: Path) -> Path:
    """Adds an entry and rebuilds; returns its file. Adding the same entry again changes nothing; a verified one
    replaces its self-reported version. UserError if the board has anything else for this run."""
    path = leaderboard / "entries" / entry.file_name
    if path.exists():
        old = read_entry(path.read_bytes(), str(path))
        ours, theirs = (e.model_dump(exclude={"status", "verification"}) for e in (entry, old))
        if ours != theirs:
            field = next(name for name in ours if ours[name] != theirs[name])
            raise UserError(f"{path}: has a different entry for this run ({field}); withdraw that entry first")
        if old.status == "verified" and entry.status != "verified":
            entry = old
    write_json(path, entry.model_dump(mode="json"))
    rebuild(leaderboard)
    return path


def _rank(speedups: Mapping[str, float | None]) -> tuple[bool, float]:
    value = speedups.get("best@1", speedups.get("first@1"))
    return value is None, -(value or 0.0)
