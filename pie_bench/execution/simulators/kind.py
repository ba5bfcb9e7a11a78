"""A kind of simulator: how to find, examine and open it on this machine.

Adding a simulator takes one file or folder with a spec class (spec.py), a `SimulatorKind` and a `Simulator`
(simulator.py), plus a line in the registry or, in another package, an entry point in `pie_bench.simulators`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pie_bench import registry
from pie_bench.execution.environment import Environment, EnvironmentSpec
from pie_bench.execution.sandbox.sandbox import Sandbox
from pie_bench.execution.simulators.simulator import Found, Simulator
from pie_bench.execution.simulators.spec import SimulatorSpec


@dataclass(frozen=True)
class Finding:
    """The result of one check: `says` is what was found, or what is wrong and the remedy."""

    what: str
    usable: bool
    says: str
    is_environment: bool = False


class SimulatorKind(Protocol):
    """Instantiated without arguments; stateless."""

    spec: type[SimulatorSpec]

    def find(self, spec: EnvironmentSpec, sandbox: Sandbox, root: Path | None) -> Found:
        """Finds the simulator on this machine. SandboxError if it does not run, UserError if there is none."""
        ...

    def open(self, environment: Environment, sandbox: Sandbox) -> Simulator:
        """Opens a simulator for an environment opened here (`environment.found` is what `find` returned)."""
        ...

    def examine(self, spec: EnvironmentSpec, sandbox: Sandbox) -> Iterator[Finding]:
        """What `pie-bench doctor` reports about it, besides whether the environment can be used."""
        ...

    def version(self, facts: Mapping[str, str]) -> str:
        """The simulator and its version, for display, from the environment's facts."""
        ...


def kind_of(spec: SimulatorSpec) -> SimulatorKind:
    """The kind of simulator that an environment names. UserError as for `registry.load`."""
    kind: type[SimulatorKind] = registry.load("simulators", spec.kind)
    return kind()


def open_simulator(environment: Environment, sandbox: Sandbox) -> Simulator:
    """Opens the simulator of an environment that was opened on this machine."""
    return kind_of(environment.spec.simulator).open(environment, sandbox)
