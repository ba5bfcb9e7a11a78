"""The simulator that an environment names, and what it is on this machine."""

from __future__ import annotations

from pathlib import Path

from pie_bench.execution.environment import CachegrindSpec, Environment, EnvironmentSpec
from pie_bench.execution.sandbox.sandbox import Sandbox
from pie_bench.execution.simulators.simulator import Simulator


def simulator_facts(spec: EnvironmentSpec, sandbox: Sandbox, root: Path | None) -> dict[str, str]:
    """Everything about the simulator here that can change a measurement. Raises SandboxError when it does not run."""
    if isinstance(spec.simulator, CachegrindSpec):
        from pie_bench.execution.simulators.cachegrind import cachegrind_facts

        return cachegrind_facts(sandbox, spec, root)
    from pie_bench.execution.simulators.gem5.golden import gem5_facts
    from pie_bench.execution.simulators.gem5.launch import find_gem5

    return gem5_facts(find_gem5(spec.simulator, sandbox), spec)


def open_simulator(environment: Environment, sandbox: Sandbox) -> Simulator:
    """The simulator of an environment that was opened on this machine."""
    if isinstance(environment.spec.simulator, CachegrindSpec):
        from pie_bench.execution.simulators.cachegrind import CachegrindSimulator

        return CachegrindSimulator(environment, sandbox)
    from pie_bench.execution.simulators.gem5.launch import find_gem5
    from pie_bench.execution.simulators.gem5.simulator import Gem5Simulator

    return Gem5Simulator(environment, find_gem5(environment.spec.simulator, sandbox))
