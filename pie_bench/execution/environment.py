"""An environment: compiler, flags, simulator, limits. What a number was measured in, and the hash that says so."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from pie_bench.config import Strict, load_named, names_in
from pie_bench.execution.sandbox.sandbox import Limits
from pie_bench.hashing import hash_of
from pie_bench.paths import ENVIRONMENTS_DIR

if TYPE_CHECKING:
    from pie_bench.execution.simulators.gem5.launch import Gem5
    from pie_bench.execution.simulators.qemu.build import Ruler


class ToolchainSpec(Strict):
    """The compiler as it is called; its version and the C and C++ libraries' sums become part of the hash."""

    compiler: Literal["g++", "g++-9"]
    flags: tuple[str, ...]


class CacheModel(Strict):
    """One cache, as cachegrind takes it."""

    size_bytes: int
    associativity: int
    line_bytes: int


class CachegrindSpec(Strict):
    """valgrind's cachegrind: pinned caches, and what each counted event costs in simulated seconds.

    Instructions of the dynamic loader wait for memory and for each other more than those of a program's loops: events
    before `main` may have costs of their own.
    """

    kind: Literal["cachegrind"]
    first_level_instruction: CacheModel
    first_level_data: CacheModel
    last_level: CacheModel
    seconds_per_event: Mapping[str, float] = Field(min_length=1)
    startup_seconds_per_event: Mapping[str, float] | None = None

    @property
    def startup_costs(self) -> Mapping[str, float]:
        """What events before `main` cost."""
        return self.startup_seconds_per_event or self.seconds_per_event


class Gem5Spec(Strict):
    """gem5 in syscall-emulation mode.

    `versions` are the releases that may serve (as `20.1`; the exact one is part of the hash); `golden_ticks` are, by
    version, the ticks that a fixed program takes: what shows that another build of gem5 measures the same.
    `max_host_seconds` stops a run by the clock, as PIE did (two minutes); results then depend on the machine.
    `parameters` are machine.py's.
    """

    kind: Literal["gem5"]
    versions: tuple[str, ...] = Field(min_length=1)
    images: tuple[str, ...]
    max_host_seconds: int | None = Field(default=None, ge=1)
    golden_ticks: Mapping[str, int]
    max_ticks: int = Field(ge=1)
    parameters: Mapping[str, Any]


class QemuSpec(Strict):
    """A timing model in QEMU's user-mode emulation (simulators/qemu).

    `tools` names the root file system with QEMU; the plugin is compiled there by the environment's own compiler.
    `parameters` are the machine, as gem5's; `fitted` is what it does not say. `least_startup_instructions` is what
    an empty program executes before `main`: no dynamic program's measurement may show fewer.
    """

    kind: Literal["qemu"]
    tools: str
    cpu: str
    kernel: str
    parameters: Mapping[str, Any]
    fitted: Mapping[str, float] = Field(default_factory=dict)
    least_startup_instructions: int = Field(ge=1)


class EnvironmentSpec(Strict):
    """An environment's YAML. The comparator is part of it: which outputs count as right is part of a number.

    `root` names the pinned root file system that programs are compiled, run and measured in; without one the host's
    compiler and libraries take its place, and results are that host's own.
    """

    environment: str
    description: str
    root: str | None = None
    toolchain: ToolchainSpec
    simulator: Annotated[CachegrindSpec | Gem5Spec | QemuSpec, Field(discriminator="kind")]
    comparator: Literal["paper", "strict"]
    program_environment: Mapping[str, str]
    max_instructions: int = Field(ge=1)
    compile_limits: Limits
    native_limits: Limits
    simulator_limits: Limits
    verify_one_in: int = Field(default=50, ge=1)


@dataclasses.dataclass(frozen=True)
class Environment:
    """An environment on this machine: the specification and the `facts` (versions and sums) it was found with.

    `root` is where its root file system lies here, `gem5` the gem5 that was chosen, `ruler` the plugin with its QEMU;
    what matters of them is among the facts.
    """

    spec: EnvironmentSpec
    facts: Mapping[str, str]
    root: Path | None = None
    gem5: Gem5 | None = None
    ruler: Ruler | None = None

    @property
    def name(self) -> str:
        return self.spec.environment

    @property
    def environment_id(self) -> str:
        """sha256 over everything that can change a measurement or a verdict."""
        spec = self.spec.model_dump(mode="json", exclude={"description", "verify_one_in"}, exclude_none=True)
        for where_from in ("versions", "images", "golden_ticks"):  # the version and the ticks found are among the facts
            spec["simulator"].pop(where_from, None)
        return hash_of({"spec": spec, "facts": dict(self.facts)})

    @property
    def simulation_id(self) -> str:
        """sha256 over everything that can change what the simulator counts: what measurements are kept by.

        How counts become seconds, how outputs are compared, and how programs are compiled (a binary has a sum of its
        own) are not in it, so measurements outlive a change of those.
        """
        spec = self.spec.model_dump(
            mode="json", include={"simulator", "program_environment", "max_instructions", "simulator_limits"}
        )
        for irrelevant in ("seconds_per_event", "startup_seconds_per_event", "versions", "images", "golden_ticks"):
            spec["simulator"].pop(irrelevant, None)
        return hash_of({"spec": spec, "facts": {k: v for k, v in self.facts.items() if k != "compiler"}})

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "environment_id": self.environment_id, "facts": dict(sorted(self.facts.items()))}


def environment_names() -> list[str]:
    return names_in(ENVIRONMENTS_DIR)


def load_environment_spec(name: str) -> EnvironmentSpec:
    """The environment called `name`; UserError for an unknown name or a broken file."""
    spec, _ = load_named("environment", name, ENVIRONMENTS_DIR, EnvironmentSpec)
    return spec
