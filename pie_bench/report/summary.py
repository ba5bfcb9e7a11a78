"""The table at the end of several tasks, one row each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO

from pie_bench.report.results import Results
from pie_bench.report.table import _cell, _title


def print_summary(finished: Sequence[tuple[Results, Path]], file: IO[str] | None = None) -> None:
    """Every task's scores at its largest k, and where its results are."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(file=file, highlight=False, width=None if file is None else 120)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("task")
    table.add_column("Best@k")
    names = list(dict.fromkeys(name for results, _ in finished for name in results.metrics))
    for name in names:
        table.add_column(_title(name), justify="right")
    table.add_column("pairs", justify="right")
    for results, _ in finished:
        key = f"best@{results.n_samples}"
        cells = [_cell(name, results.metrics.get(name, {}), key) for name in names]
        table.add_row(results.task, key.removeprefix("best@"), *cells, str(results.n_pairs))
    console.print(table)
    for results, path in finished:
        console.print(f"{results.task}: {path}", soft_wrap=True)
