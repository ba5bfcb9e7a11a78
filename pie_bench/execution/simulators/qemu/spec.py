"""What an environment says about the timing model in QEMU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from pie_bench.execution.isa import HOST_ROOT
from pie_bench.execution.simulators.spec import SimulatorSpec

CYCLES, INSTRUCTIONS, PAGES = "cycles", "instructions", "pages"
_UNITS = {"GHz": 10**9, "MHz": 10**6, "Hz": 1}


class QemuSpec(SimulatorSpec):
    """A timing model in a plugin of QEMU's user-mode emulation (docs/ruler.md).

    `tools` names the root file system that holds QEMU and the headers and libraries of the plugin, which the pinned
    x86-64 compiler (isa.py) compiles. `parameters` describe the machine in gem5's terms; `fitted` holds the numbers
    that these do not give. `least_startup_instructions` is what an empty program executes before `main`; a dynamically
    linked program that shows fewer is rejected.
    """

    labels: ClassVar[Mapping[str, str]] = {
        CYCLES: "cycles",
        INSTRUCTIONS: "instructions",
        "branches": "branches",
        "mispredicted_conditional": "mispredicted conditional branches",
        "mispredicted_indirect": "mispredicted indirect branches",
        "l1i_misses": "fetches that miss L1",
        "l1d_misses": "data accesses that miss L1",
        "l2_misses": "misses of L2",
        "l3_misses": "misses of L3 (memory is asked)",
        "page_faults": "page faults",
        PAGES: "peak memory, pages of 4 KiB",
        "stall_mispredict": "cycles lost to mispredictions",
        "stall_fetch": "cycles waiting for code",
        "stall_memory": "cycles waiting for loads",
        "stall_stores": "cycles waiting for stores",
        "stall_window": "cycles with the window full",
        "stall_execute": "cycles waiting for execution",
        "stall_trap": "cycles in page faults and system calls",
        "uops": "micro-operations",
        "loads": "loads",
        "stores": "stores",
        "forwarded_loads": "loads served by a store before them",
        "order_violations": "loads that ran ahead of a store to their address",
        "missed_targets": "branches with an unknown target",
        "dram_row_hits": "memory accesses to an open row",
        "dram_row_conflicts": "memory accesses to another row",
    }
    pages = PAGES
    profiles = True
    needs_mounts = False

    kind: Literal["qemu"]
    tools: str
    cpu: str
    kernel: str
    parameters: Mapping[str, Any]
    fitted: Mapping[str, float] = Field(default_factory=dict)
    least_startup_instructions: int = Field(ge=1)

    @property
    def roots(self) -> tuple[str, ...]:
        return (self.tools, HOST_ROOT)

    @property
    def stalls(self) -> Mapping[str, float]:
        seconds = period_ps(self.parameters["clock"]) / 10**12
        return {name: seconds for name in self.labels if name.startswith("stall_")}


def period_ps(clock: str) -> int:
    """The cycle time of a clock such as `3.5GHz`, in whole picoseconds, as gem5 counts it."""
    unit = next(unit for unit in _UNITS if clock.endswith(unit))
    return round(10**12 / (float(clock.removesuffix(unit)) * _UNITS[unit]))
