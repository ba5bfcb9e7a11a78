"""Leaderboard entries: one JSON file a run, and the board derived from all of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pie_bench.errors import UserError
from pie_bench.hashing import canonical_json
from pie_bench.report.finished import read_results
from pie_bench.report.results import Scores
from pie_bench.store import RunDirectory, write_json

# Rows are comparable only where all of these are the same; a run of the first n pairs is another benchmark.
_GROUPED_BY = {"task", "task_hash", "dataset", "dataset_fingerprint", "environment", "environment_id", "n_pairs"}
_ROW = {"model", "model_resolved", "status", "date", "n_samples", "metrics"}


class Entry(BaseModel):
    """What a leaderboard says of a run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = 1
    status: str = Field(default="self-reported", description="self-reported or verified")
    date: str = Field(description="day the run was begun, UTC")
    task: str
    task_hash: str
    model: str
    model_resolved: str
    dataset: str
    split: str
    dataset_fingerprint: str
    environment: str
    environment_id: str
    n_pairs: int
    n_problems: int
    n_samples: int
    metrics: Scores
    metrics_without_startup: Scores
    human_reference: Scores
    outcomes: dict[str, int]
    tokens: dict[str, int]
    versions: dict[str, str]

    @property
    def file_name(self) -> str:
        """Task, model, dataset and a piece of each hash: the same run always goes to the same file."""
        model, dataset = (re.sub(r"[^A-Za-z0-9._-]+", "_", name) for name in (Path(self.model).name, self.dataset))
        sums = "-".join(value[:6] for value in (self.task_hash, self.dataset_fingerprint, self.environment_id))
        return f"{self.task}--{model}--{dataset}-n{self.n_samples}-p{self.n_pairs}--{sums}.json"


def add_entry(directory: RunDirectory, leaderboard: Path) -> Path:
    """Writes a finished run's entry under `entries/` and refreshes `leaderboard.json`; returns the entry's path.

    UserError for a run without results, with errors of ours in it, or without a single usable pair.
    """
    manifest = directory.manifest()
    results = read_results(directory)
    if results.infra_errors:
        raise UserError(
            f"{directory.path}: {results.infra_errors} executions failed on our side; run the command again"
        )
    if results.sandbox == "unsafe":
        raise UserError(f"{directory.path}: was run with --unsafe, which no leaderboard takes; run it in a sandbox")
    if not results.n_pairs:
        raise UserError(f"{directory.path}: no usable pair, nothing to enter")
    fields: dict[str, Any] = {name: getattr(results, name) for name in Entry.model_fields if hasattr(results, name)}
    fields |= {"schema_version": 1, "date": manifest["created"][:10]}
    entry = Entry(**fields)
    path = leaderboard / "entries" / entry.file_name
    write_json(path, entry.model_dump(mode="json"))
    refresh(leaderboard)
    return path


def refresh(leaderboard: Path) -> None:
    """Rebuilds `leaderboard.json` from `entries/`: grouped by what makes rows comparable, best speedup first."""
    groups: dict[str, dict[str, Any]] = {}
    for path in sorted((leaderboard / "entries").glob("*.json")):
        try:
            entry = Entry.model_validate(json.loads(path.read_text()))
        except (ValidationError, json.JSONDecodeError) as error:
            raise UserError(f"{path}: not an entry: {str(error).splitlines()[0]}") from None
        group = entry.model_dump(mode="json", include=_GROUPED_BY)
        row = entry.model_dump(mode="json", include=_ROW) | {"entry": f"entries/{path.name}"}
        groups.setdefault(canonical_json(group), group | {"rows": []})["rows"].append(row)
    for group in groups.values():
        group["rows"].sort(key=lambda row: (-(row["metrics"].get("speedup", {}).get("best@1") or 0.0), row["entry"]))
    board = [group for _, group in sorted(groups.items())]
    write_json(leaderboard / "leaderboard.json", {"schema_version": 1, "groups": board})
