"""An environment (compiler, flags, simulator, limits) defines how a number was measured; its hash identifies it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SerializeAsAny, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from pie_bench import registry
from pie_bench.config import Located, Strict, names_in
from pie_bench.defaults import DEFAULT_ENVIRONMENT
from pie_bench.errors import UserError, unknown_name
from pie_bench.execution.checker import CHECKER, STANDARD, Comparator, checker_sources, is_comparator, shown_comparator
from pie_bench.execution.isa import Isa, isa_of
from pie_bench.execution.sandbox.sandbox import Limits
from pie_bench.execution.simulators.simulator import Found
from pie_bench.execution.simulators.spec import SimulatorSpec, spec_class
from pie_bench.hashing import hash_of
from pie_bench.paths import ENVIRONMENTS_DIR

_GONE = "cachegrind"  # the environments of an earlier ruler: cachegrind, cachegrind-host, cachegrind-host-strict


class ToolchainSpec(Strict):
    """How the compiler is called; its version and the hashes of the C and C++ libraries become part of the
    environment's id."""

    compiler: Literal["g++", "g++-9", "riscv64-linux-gnu-g++-12", "aarch64-linux-gnu-g++-12"]
    flags: tuple[str, ...]

    @property
    def isa(self) -> Isa:
        """The instruction set that it compiles for."""
        return isa_of(self.compiler)


class EnvironmentSpec(Strict):
    """An environment's YAML. The comparator belongs to it, because numbers depend on which outputs count as right.
    Every environment can be combined with another comparator, as `NAME+COMPARATOR`, which makes it a different
    environment.

    `root` names the pinned root file system in which programs are compiled, run and measured. Without it the host's
    compiler and libraries are used, and results are specific to that host.
    """

    environment: str
    description: str
    root: str | None = None
    toolchain: ToolchainSpec
    simulator: SerializeAsAny[SimulatorSpec]
    comparator: Comparator = STANDARD
    program_environment: Mapping[str, str]
    max_instructions: int = Field(ge=1)
    compile_limits: Limits
    native_limits: Limits
    simulator_limits: Limits
    verify_one_in: int = Field(default=50, ge=1)

    @model_validator(mode="after")
    def _foreign_ones_have_a_root(self) -> EnvironmentSpec:
        if self.toolchain.isa.is_foreign and self.root is None:
            raise ValueError(f"{self.toolchain.compiler} needs a root: the file system with its libraries")
        return self

    @field_validator("simulator", mode="before")
    @classmethod
    def _of_its_kind(cls, value: Any) -> Any:
        kind = value.get("kind") if isinstance(value, Mapping) else None
        if not isinstance(kind, str):
            return value  # the base class reports what is missing
        try:
            return spec_class(kind).model_validate(value)
        except UserError as error:
            unknown = PydanticCustomError("simulator", "{problem}", {"problem": str(error)})
            problem = InitErrorDetails(type=unknown, loc=("kind",), input=value)
            raise ValidationError.from_exception_data("simulator", [problem]) from None


@dataclasses.dataclass(frozen=True)
class Environment:
    """An environment on this machine: the specification and the `facts` (versions and hashes) found here.

    `root` is where its root file system is on this machine, `found` the simulator on this machine; whatever matters
    about both is among the facts.
    """

    spec: EnvironmentSpec
    facts: Mapping[str, str]
    root: Path | None = None
    found: Found = dataclasses.field(default_factory=Found)

    @property
    def name(self) -> str:
        return self.spec.environment

    @property
    def environment_id(self) -> str:
        """SHA-256 over everything that can change a measurement or a verdict."""
        spec = self.spec.model_dump(mode="json", exclude={"description", "verify_one_in"}, exclude_none=True)
        for field in self.spec.simulator.where_from:
            spec["simulator"].pop(field, None)
        facts = dict(self.facts)
        if self.spec.comparator.startswith(CHECKER):  # the checkers' content matters, not their location
            spec["comparator"] = CHECKER
            facts["checkers"] = hash_of(checker_sources(self.spec.comparator))
        return hash_of({"spec": spec, "facts": facts})

    @property
    def simulation_id(self) -> str:
        """SHA-256 over everything that can change the simulator's counts: the key of measurements.

        It does not cover how outputs are compared or how programs are compiled (a binary has its own hash), so
        measurements outlive changes to those.
        """
        spec = self.spec.model_dump(
            mode="json", include={"simulator", "program_environment", "max_instructions", "simulator_limits"}
        )
        for field in self.spec.simulator.where_from:
            spec["simulator"].pop(field, None)
        return hash_of({"spec": spec, "facts": {k: v for k, v in self.facts.items() if k != "compiler"}})

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "environment_id": self.environment_id, "facts": dict(sorted(self.facts.items()))}


def environment_names() -> list[str]:
    """The names of all environments: the package's, then those of plug-ins."""
    return [*names_in(ENVIRONMENTS_DIR), *sorted(_of_other_packages())]


def load_environment_spec(name: str) -> EnvironmentSpec:
    """The environment that `--environment` names: one of `environment_names()`, or a YAML file; either may be followed
    by `+COMPARATOR`.

    A file may include files next to it and any of the package's own; its key `environment` must equal the file's name.
    UserError, with file and line, for an unknown name or a broken file.
    """
    name, comparator = _with_comparator(name)
    if comparator:
        spec = load_environment_spec(name)
        if spec.comparator == comparator:
            return spec
        if comparator.startswith(CHECKER):
            checker_sources(comparator)  # raises if there are none
        named = f"{spec.environment}+{shown_comparator(comparator)}"
        return spec.model_copy(update={"comparator": comparator, "environment": named})
    if _is_file_name(name):
        path = Path(name).expanduser()
    elif name.startswith(_GONE):
        raise UserError(f"environment {name} is gone; use its successor: {DEFAULT_ENVIRONMENT}")
    elif name in names_in(ENVIRONMENTS_DIR):
        path = ENVIRONMENTS_DIR / f"{name}.yaml"
    elif (found := registry.find_if_there("environments", name)) is not None and registry.is_import_string(name):
        path = registry.path_of(found)
    else:
        others = _of_other_packages()
        if name not in others:
            raise unknown_name("environment", name, environment_names())
        path = others[name]
    if not path.is_file():
        raise UserError(f"{path}: no such file; --environment takes a name or a YAML file")
    located = Located(path, ENVIRONMENTS_DIR)
    spec = located.validate(EnvironmentSpec)
    if spec.environment != path.stem:
        raise UserError(f"{located.where('environment')}: environment: expected {path.stem!r}, the name of the file")
    return spec


def absolute_environment(name: str) -> str:
    """Makes a file's path absolute, so that a run can be resumed from elsewhere; names stay as they are."""
    name, comparator = _with_comparator(name)
    if comparator.startswith(CHECKER):
        comparator = CHECKER + str(Path(comparator.removeprefix(CHECKER)).expanduser().resolve())
    name = str(Path(name).expanduser().resolve()) if _is_file_name(name) else name
    return f"{name}+{comparator}" if comparator else name


def _with_comparator(name: str) -> tuple[str, str]:
    """Splits `NAME+COMPARATOR`; the comparator is empty if none is named."""
    before, plus, checkers = name.partition(f"+{CHECKER}")
    if plus:
        return before, CHECKER + checkers
    before, _, last = name.rpartition("+")
    return (before, last) if before and is_comparator(last) else (name, "")


def _is_file_name(name: str) -> bool:
    return "/" in name or name.endswith((".yaml", ".yml"))


def _of_other_packages() -> dict[str, Path]:
    """The files of environments from plug-ins (an entry point each: a YAML file, or a folder of them)."""
    found: dict[str, Path] = {}
    for added in registry.registered("environments").values():
        path = registry.path_of(added)
        files = [path / f"{name}.yaml" for name in names_in(path)] if path.is_dir() else [path]
        for file in files:
            if file.stem in found or file.stem in names_in(ENVIRONMENTS_DIR):
                raise added.broken(f"{file}: there is another environment {file.stem}")
            found[file.stem] = file
    return found
