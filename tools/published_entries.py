#!/usr/bin/env python3
"""Writes the paper's published rows as leaderboard entries (status `published`) and rebuilds the board.

usage: python tools/published_entries.py [LEADERBOARD]

Each names the table that it comes from. They form a separate group: nothing measured here is ranked against them. The
paper's Best@k is over the first k samples, so its numbers are `first@k`; with all samples best@k is the same number,
and is given as well.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from pie_bench.leaderboard.board import rebuild
from pie_bench.leaderboard.entry import Entry
from pie_bench.paths import leaderboard_dir
from pie_bench.report.paper import paper_numbers
from pie_bench.run.files import write_json
from pie_bench.run.results import HEADLINE, Method, Score


def published_entries() -> Iterator[Entry]:
    """An entry for each method and model in the paper's tables, with all its k."""
    paper = paper_numbers()
    grouped: dict[tuple[str, str], list[dict[str, float]]] = {}
    tables: dict[tuple[str, str], str] = {}
    for row in paper["rows"]:
        key = (row["model"], row["method"])
        if tables.setdefault(key, row["table"]) == row["table"]:  # a later table that repeats a row adds nothing
            grouped.setdefault(key, []).append(row)
    for (model, method), rows in grouped.items():
        name = f"{model}, {method}" if model else method
        n_samples = max(int(row["k"]) for row in rows)
        numbers: list[tuple[str, Method, int, float]] = [
            (metric, way, int(row["k"]), row[metric])
            for row in rows
            for metric in HEADLINE
            for way in (("best", "first") if row["k"] == n_samples else ("first",))
        ]
        yield Entry(
            status="published",
            source=f"{paper['source']}, {tables[model, method]}",
            date="2024-01-01",
            links=("https://arxiv.org/abs/2302.07867",),
            task="as published",
            task_hash=None,
            model=name,
            model_resolved=name,
            dataset="pie",
            split="test",
            dataset_fingerprint=None,
            environment="gem5 v20.1, the authors' own harness",
            environment_id=None,
            n_pairs=paper["pairs"],
            n_problems=paper["problems"],
            n_samples=n_samples,
            metrics={
                metric: {f"{way}@{k}": value for name, way, k, value in numbers if name == metric}
                for metric in HEADLINE
            },
            scores=tuple(
                Score(
                    metric=metric,
                    k=k,
                    method=way,
                    time="process",
                    of="model",
                    value=value,
                    low=None,
                    high=None,
                    n_pairs=paper["pairs"],
                )
                for metric, way, k, value in numbers
            ),
        )


def main() -> None:
    leaderboard = Path(sys.argv[1]) if len(sys.argv) > 1 else leaderboard_dir(None)
    for entry in published_entries():
        write_json(leaderboard / "entries" / entry.file_name, entry.model_dump(mode="json"))
    print(f"{rebuild(leaderboard)} entries")


if __name__ == "__main__":
    main()
