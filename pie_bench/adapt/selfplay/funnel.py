"""How many programs each step of self-play keeps, and why the others were lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pie_bench.run.files import validated, write_json


@dataclass(frozen=True)
class Step:
    """A step that keeps `left` programs; `lost` counts the others by reason."""

    name: str
    left: int
    lost: Mapping[str, int] = field(default_factory=dict)


def narrowed(steps: Iterable[tuple[str, Iterable[str]]], outcomes: Iterable[str]) -> list[Step]:
    """Builds a funnel from all outcomes: each step loses those whose outcome is one of its reasons."""
    counts = Counter(outcomes)
    left = sum(counts.values())
    found = []
    for name, reasons in steps:
        lost = {reason: counts[reason] for reason in reasons if counts[reason]}
        left -= sum(lost.values())
        found.append(Step(name, left, lost))
    return found


def write_funnel(path: Path, steps: Iterable[Step]) -> None:
    """Writes the steps for `read_funnel`."""
    write_json(path, [asdict(step) for step in steps])


def read_funnel(path: Path) -> list[Step]:
    """The steps of a finished stage; empty for an unfinished one."""
    import json

    if not path.is_file():
        return []
    return [validated(Step, record) for record in json.loads(path.read_text(encoding="utf-8"))]


def rows(steps: Iterable[Step]) -> list[list[Any]]:
    """Table rows: step, number left, and the losses in words, largest first."""
    return [[step.name, step.left, ", ".join(_in_words(step.lost))] for step in steps]


def _in_words(lost: Mapping[str, int]) -> list[str]:
    by_count = sorted(lost.items(), key=lambda each: (-each[1], each[0]))
    return [f"{count} {why.replace('_', ' ')}" for why, count in by_count]
