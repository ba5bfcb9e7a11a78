"""A kind of simulator: how it is found on this machine, examined and opened.

One more simulator is one file or folder with a spec class (spec.py), a `SimulatorKind` and a `Simulator`
(simulator.py), and its line in the registry; from another package, an entry point in `pie_bench.simulators`.
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
    """One thing that was tried: `says` is what was found, or what is wrong and the remedy."""

    what: str
    usable: bool
    says: str
    is_environment: bool = False


class SimulatorKind(Protocol):
    """Made without arguments; it keeps nothing."""

    spec: type[SimulatorSpec]

    def find(self, spec: EnvironmentSpec, sandbox: Sandbox, root: Path | None) -> Found:
        """The simulator on this machine. SandboxError when it does not run, UserError when there is none."""
        ...

    def open(self, environment: Environment, sandbox: Sandbox) -> Simulator:
        """One that measures in an environment opened here (`environment.found` is what `find` gave)."""
        ...

    def examine(self, spec: EnvironmentSpec, sandbox: Sandbox) -> Iterator[Finding]:
        """What `pie-bench doctor` says of it, beside whether the environment can be used."""
        ...

    def version(self, facts: Mapping[str, str]) -> str:
        """The simulator and its version, for people, from the environment's facts."""
        ...


def kind_of(spec: SimulatorSpec) -> SimulatorKind:
    """The kind of simulator that an environment names. UserError as `registry.load`."""
    kind: type[SimulatorKind] = registry.load("simulators", spec.kind)
    return kind()


def open_simulator(environment: Environment, sandbox: Sandbox) -> Simulator:
    """The simulator of an environment that was opened on this machine."""
    return kind_of(environment.spec.simulator).open(environment, sandbox)
