"""A simulator's part of an environment, and what is known about it without running it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pie_bench import registry
from pie_bench.config import Strict

PAGE_BYTES = 4096


class SimulatorSpec(Strict):
    """Base of a simulator's part of an environment. A subclass adds its fields, and defines:

    - `labels`: the names of its counters; `instructions`: the counter of executed instructions;
    - `where_from`: fields that only say where to find it, excluded from all ids (what was found is among the facts);
    - `pages`: the counter of 4 KiB pages in use at once, at most;
    - `profiles`: whether it can tell where in a program the cycles go;
    - `needs_mounts`: whether the environment's root file system must be mounted for it.
    """

    labels: ClassVar[Mapping[str, str]] = {}
    instructions: ClassVar[str] = "instructions"
    where_from: ClassVar[frozenset[str]] = frozenset()
    pages: ClassVar[str | None] = None
    profiles: ClassVar[bool] = False
    needs_mounts: ClassVar[bool] = True

    kind: str

    @property
    def stalls(self) -> Mapping[str, float]:
        """Counters of stall cycles, by what was waited for, with the seconds per cycle."""
        return {}

    @property
    def roots(self) -> tuple[str, ...]:
        """Root file systems that the simulator needs besides the environment's own."""
        return ()


def spec_class(kind: str) -> type[SimulatorSpec]:
    """The spec class of a kind of simulator. UserError for an unknown kind, or an invalid plug-in."""
    found = registry.find("simulators", kind)
    spec = getattr(found.load(), "spec", None)
    if not (isinstance(spec, type) and issubclass(spec, SimulatorSpec)):
        raise found.broken("its `spec` is not a subclass of SimulatorSpec")
    return spec
