"""The table at the end of several tasks, one row each."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from pie_bench.metrics.best_at_k import METRICS
from pie_bench.plain import plain, shown_name
from pie_bench.report.table import format_value
from pie_bench.run.results import HEADLINE, Results


def print_summary(finished: Sequence[tuple[Results, Path]], file: IO[str] | None = None) -> None:
    """Prints every task's scores at its largest k, and the location of its results."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(file=file, highlight=False, width=None if file is None and sys.stdout.isatty() else 120)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("task", "model", ""):
        table.add_column(name)
    for name in HEADLINE:
        table.add_column(METRICS[name].title, justify="right")
    table.add_column("pairs", justify="right")
    for results, _ in finished:
        k = results.n_samples
        cells = [format_value(name, results.score(name, k).value) if results.scores else "–" for name in HEADLINE]
        table.add_row(
            escape(shown_name(results.task)), escape(results.model_shown), f"best@{k}", *cells, str(results.n_pairs)
        )
    console.print(table)
    for results, path in finished:
        console.print(plain(f"{results.task}: {path}"), soft_wrap=True, markup=False)
