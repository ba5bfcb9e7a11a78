"""What an environment says of its simulator, and what is known of one without running it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pie_bench import registry
from pie_bench.config import Strict

PAGE_BYTES = 4096


@dataclass(frozen=True)
class Speed:
    """Seconds of one core that judging takes, roughly: a program compiled, a test started, a second simulated."""

    program: float
    test: float
    simulated_second: float


class SimulatorSpec(Strict):
    """Base of a simulator's part of an environment. A subclass adds its fields, and says:

    - `labels`: what its counters are called; `instructions`: the counter of executed instructions;
    - `where_from`: fields that only say where to find it: no part of any id (what was found is among the facts);
    - `pages`: the counter of pages of 4 KiB in use at once, at most;
    - `profiles`: whether it knows where in a program the cycles go;
    - `needs_mounts`: whether the environment's root file system must be mounted for it;
    - `speed`: for estimates, None where nothing is known of it.
    """

    labels: ClassVar[Mapping[str, str]] = {}
    instructions: ClassVar[str] = "instructions"
    where_from: ClassVar[frozenset[str]] = frozenset()
    pages: ClassVar[str | None] = None
    profiles: ClassVar[bool] = False
    needs_mounts: ClassVar[bool] = True
    speed: ClassVar[Speed | None] = None

    kind: str

    @property
    def stalls(self) -> Mapping[str, float]:
        """Counters of cycles in which nothing was finished, by what was waited for, with the seconds of a cycle."""
        return {}

    @property
    def roots(self) -> tuple[str, ...]:
        """Root file systems that the simulator needs beside the environment's own."""
        return ()


def spec_class(kind: str) -> type[SimulatorSpec]:
    """The spec class of a kind of simulator. UserError for an unknown kind, or a plug-in that is none."""
    found = registry.find("simulators", kind)
    spec = getattr(found.load(), "spec", None)
    if not (isinstance(spec, type) and issubclass(spec, SimulatorSpec)):
        raise found.broken("its `spec` is no subclass of SimulatorSpec")
    return spec
