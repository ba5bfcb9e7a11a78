"""The simulator that an environment names: found on this machine with all that can change a measurement."""

from __future__ import annotations

from pathlib import Path

from pie_bench.execution.environment import CachegrindSpec, Environment, EnvironmentSpec, QemuSpec
from pie_bench.execution.sandbox.sandbox import Sandbox
from pie_bench.execution.simulators.simulator import Simulator


def with_simulator(spec: EnvironmentSpec, facts: dict[str, str], sandbox: Sandbox, root: Path | None) -> Environment:
    """The environment on this machine, the simulator's facts added to `facts`.

    Raises SandboxError when the simulator does not run, UserError when there is none.
    """
    if isinstance(spec.simulator, CachegrindSpec):
        from pie_bench.execution.simulators.cachegrind import cachegrind_facts

        return Environment(spec, facts | cachegrind_facts(sandbox, spec, root), root)
    if isinstance(spec.simulator, QemuSpec):
        from pie_bench.execution.simulators.qemu.build import find_ruler

        ruler = find_ruler(spec, root)
        return Environment(spec, {**facts, **ruler.facts}, root, ruler=ruler)
    from pie_bench.execution.simulators.gem5.golden import find_gem5

    gem5, more = find_gem5(spec, sandbox)
    return Environment(spec, facts | more, root, gem5)


def open_simulator(environment: Environment, sandbox: Sandbox) -> Simulator:
    """The simulator of an environment that was opened on this machine."""
    if isinstance(environment.spec.simulator, CachegrindSpec):
        from pie_bench.execution.simulators.cachegrind import CachegrindSimulator

        return CachegrindSimulator(environment, sandbox)
    if isinstance(environment.spec.simulator, QemuSpec):
        from pie_bench.execution.simulators.qemu.simulator import QemuSimulator

        return QemuSimulator(environment, sandbox)
    from pie_bench.execution.simulators.gem5.simulator import Gem5Simulator

    assert environment.gem5 is not None
    return Gem5Simulator(environment, environment.gem5, sandbox)
