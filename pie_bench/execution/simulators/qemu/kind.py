"""The timing model in QEMU as a kind of simulator: a plugin compiled once per machine, and a pinned QEMU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pie_bench.execution.environment import Environment, EnvironmentSpec
from pie_bench.execution.sandbox.sandbox import Sandbox
from pie_bench.execution.simulators.kind import Finding
from pie_bench.execution.simulators.qemu.build import ready_ruler
from pie_bench.execution.simulators.qemu.simulator import QemuSimulator
from pie_bench.execution.simulators.qemu.spec import QemuSpec
from pie_bench.execution.simulators.simulator import Found, Simulator


class QemuKind:
    """The `SimulatorKind`."""

    spec = QemuSpec

    def find(self, spec: EnvironmentSpec, sandbox: Sandbox, root: Path | None) -> Found:
        """Finds the plugin, compiling it the first time."""
        ruler = ready_ruler(spec, root, sandbox)
        return Found(ruler.facts, handle=ruler, tools=ruler.tools)

    def open(self, environment: Environment, sandbox: Sandbox) -> Simulator:
        return QemuSimulator(environment, sandbox)

    def examine(self, spec: EnvironmentSpec, sandbox: Sandbox) -> Iterator[Finding]:
        return iter(())

    def version(self, facts: Mapping[str, str]) -> str:
        return f"timing model in QEMU ({facts['plugin'][:12]})"
