"""gem5's part of an environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from pie_bench.execution.simulators.spec import SimulatorSpec


class Gem5Spec(SimulatorSpec):
    """gem5 in syscall-emulation mode.

    `versions` are the accepted releases (as `20.1`; the exact one is part of the hash); `golden_ticks` maps versions to
    the ticks of a fixed program, which prove that another build of gem5 measures the same; `faulty_ticks` says what is
    wrong with a build that takes so many. `max_host_seconds` stops a run by the clock, like PIE (two minutes); results
    then depend on the machine. `parameters` are machine.py's. `tools` names the root file system with the QEMU that
    lists the system calls of start-ups.
    """

    labels: ClassVar[Mapping[str, str]] = {
        "instructions": "instructions",
        "cycles": "cycles",
        "ipc": "instructions per cycle",
        "branches": "branches",
        "branch_mispredictions": "mispredicted branches",
        "l1i_misses": "L1 instruction misses",
        "l1d_misses": "L1 data misses",
        "l2_misses": "L2 misses",
        "l3_misses": "L3 misses",
    }
    where_from = frozenset({"versions", "images", "golden_ticks", "faulty_ticks", "tools"})

    kind: Literal["gem5"]
    tools: str
    versions: tuple[str, ...] = Field(min_length=1)
    images: tuple[str, ...]
    max_host_seconds: int | None = Field(default=None, ge=1)
    golden_ticks: Mapping[str, int]
    faulty_ticks: Mapping[int, str] = Field(default_factory=dict)
    max_ticks: int = Field(ge=1)
    parameters: Mapping[str, Any]

    @property
    def roots(self) -> tuple[str, ...]:
        return (self.tools,)
