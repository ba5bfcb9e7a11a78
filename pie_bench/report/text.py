"""Formats numbers for people, in tables of the terminal and the page; and embeds data in a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pie_bench.plain import plain


def cell_text(value: Any) -> str:
    """The text of a table cell: a dash for None, floats with two decimals or three digits."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.2f}" if value == 0 or 0.1 <= abs(value) < 1e6 else f"{value:.3g}"
    return plain(str(value))


def with_bounds_beside(
    columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
    """Merges columns `x`, `x low` and `x high` into one: `4.85 [1.92, 7.78]`."""
    merged = [name for name in columns if f"{name} low" in columns and f"{name} high" in columns]
    kept = [name for name in columns if name.removesuffix(" low").removesuffix(" high") not in merged or name in merged]

    def cell(record: Mapping[str, Any], name: str) -> Any:
        if name not in merged or record[f"{name} low"] is None:
            return record[name]
        low, high = (cell_text(record[f"{name} {end}"]) for end in ("low", "high"))
        return f"{cell_text(record[name])} [{low}, {high}]"

    records = [dict(zip(columns, row, strict=True)) for row in rows]
    return kept, [[cell(record, name) for name in kept] for record in records]


def embedded(value: Any) -> str:
    """JSON that is safe inside a script element: no text in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
