"""Faults of the input: counted by kind, with file and line of the first few of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

NAMED = 20  # of each kind


@dataclass
class Found:
    """One kind of fault: its count, how many submissions are lost to it, and where the first ones are."""

    count: int = 0
    lost: int = 0
    named: list[str] = field(default_factory=list)


@dataclass
class Findings:
    """Faults by kind, including those that lose nothing (e.g. a negative time on a row that was not accepted)."""

    kinds: dict[str, Found] = field(default_factory=dict)

    def add(self, what: str, where: str | None = None, *, count: int = 1, lost: int = 0) -> None:
        found = self.kinds.setdefault(what, Found())
        found.count += count
        found.lost += lost
        if where is not None and len(found.named) < NAMED:
            found.named.append(where)

    def wants_names(self, what: str) -> int:
        """How many more locations of this kind to record."""
        return NAMED - len(self.kinds.get(what, Found()).named)

    @property
    def lost(self) -> int:
        return sum(found.lost for found in self.kinds.values())

    def to_json(self) -> list[dict[str, Any]]:
        return [
            {"what": what, "count": found.count, "lost": found.lost, "named": found.named}
            for what, found in sorted(self.kinds.items())
        ]

    @staticmethod
    def merged(records: Iterable[Iterable[Mapping[str, Any]]]) -> Findings:
        """Merges the findings of several parts, in order."""
        whole = Findings()
        for record in records:
            for kind in record:
                found = whole.kinds.setdefault(kind["what"], Found())
                found.count += kind["count"]
                found.lost += kind["lost"]
                found.named += kind["named"][: NAMED - len(found.named)]
        return whole
