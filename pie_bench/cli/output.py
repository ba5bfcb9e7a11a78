"""`--json` and `--csv`: the same numbers for programs, unrounded, on standard output."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pie_bench.plain import plain
from pie_bench.report.text import cell_text


def add_formats(parser: argparse.ArgumentParser) -> None:
    """Adds `--json` and `--csv`, which replace the table."""
    formats = parser.add_mutually_exclusive_group()
    formats.add_argument("--json", dest="format", action="store_const", const="json", help="print JSON")
    formats.add_argument("--csv", dest="format", action="store_const", const="csv", help="print CSV")


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False))


def print_csv(records: Iterable[Mapping[str, Any]], columns: Iterable[str]) -> None:
    """One line per record under a header line; None becomes an empty cell."""
    writer = csv.DictWriter(sys.stdout, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _as_text(value) for name, value in record.items()} for record in records)


def _as_text(value: Any) -> Any:
    """Makes a spreadsheet treat a cell as text, whatever it begins with: `=1+1` becomes `'=1+1`."""
    if not isinstance(value, str):
        return value
    shown = plain(value)
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@")) else shown


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], most: int = 25) -> None:
    """Prints a table for people: text left-aligned, numbers right-aligned and rounded, only the first rows."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(columns):
        numeric = any(isinstance(row[number], (int, float)) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", no_wrap=True)
        if number < len(columns) - 1:  # only the last column shrinks on a narrow terminal
            table.columns[-1].min_width = max(len(name), *(len(_cell(row[number])) for row in rows))
        elif not numeric:
            table.columns[-1].max_width = 48
    for row in rows[:most]:
        table.add_row(*map(_cell, row))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    console.print(table)
    if len(rows) > most:
        console.print(f"… and {len(rows) - most} more rows: --csv prints all")


def _cell(value: Any) -> str:
    from rich.markup import escape

    return escape(cell_text(value))
