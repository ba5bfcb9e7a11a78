"""What an environment says of the timing model in QEMU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from pie_bench.execution.simulators.spec import SimulatorSpec

CYCLES, INSTRUCTIONS, PAGES = "cycles", "instructions", "pages"


class QemuSpec(SimulatorSpec):
    """A timing model in a plugin of QEMU's user-mode emulation (docs/ruler.md).

    `tools` names the root file system with QEMU; the plugin is compiled there by the environment's own compiler.
    `parameters` are the machine, as gem5's; `fitted` is what it does not say. `least_startup_instructions` is what
    an empty program executes before `main`: no dynamic program's measurement may show fewer.
    """

    labels: ClassVar[Mapping[str, str]] = {
        CYCLES: "cycles",
        INSTRUCTIONS: "instructions",
        PAGES: "peak memory, pages of 4 KiB",
    }

    kind: Literal["qemu"]
    tools: str
    cpu: str
    kernel: str
    parameters: Mapping[str, Any]
    fitted: Mapping[str, float] = Field(default_factory=dict)
    least_startup_instructions: int = Field(ge=1)

    @property
    def roots(self) -> tuple[str, ...]:
        return (self.tools,)
