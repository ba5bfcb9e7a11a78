"""gem5 as a kind of simulator: a local binary, or one from a container image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pie_bench.errors import PieBenchError
from pie_bench.execution.environment import Environment, EnvironmentSpec
from pie_bench.execution.rootfs import find_root, load_root_spec
from pie_bench.execution.sandbox.sandbox import Sandbox
from pie_bench.execution.simulators.gem5.golden import find_gem5, golden_ticks, not_usable
from pie_bench.execution.simulators.gem5.launch import gem5_candidates
from pie_bench.execution.simulators.gem5.simulator import Gem5Simulator
from pie_bench.execution.simulators.gem5.spec import Gem5Spec
from pie_bench.execution.simulators.kind import Finding
from pie_bench.execution.simulators.simulator import Found, Simulator
from pie_bench.paths import roots_dir


class Gem5Kind:
    """The `SimulatorKind`."""

    spec = Gem5Spec

    def find(self, spec: EnvironmentSpec, sandbox: Sandbox, root: Path | None) -> Found:
        assert isinstance(spec.simulator, Gem5Spec)
        tools = find_root(load_root_spec(spec.simulator.tools), roots_dir())
        gem5, facts = find_gem5(spec, sandbox)
        return Found(facts, gem5.description, gem5.accounts_cpu, gem5, tools)

    def open(self, environment: Environment, sandbox: Sandbox) -> Simulator:
        return Gem5Simulator(environment, environment.found.handle, sandbox)

    def examine(self, spec: EnvironmentSpec, sandbox: Sandbox) -> Iterator[Finding]:
        """Every way to a gem5, with its version and the ticks of the golden program."""
        assert isinstance(spec.simulator, Gem5Spec)
        what = f"gem5 of {spec.environment}"
        for candidate in gem5_candidates(spec, sandbox):
            if isinstance(candidate, str):
                yield Finding(what, False, candidate)
                continue
            try:
                version, ticks = golden_ticks(candidate, spec)
            except PieBenchError as error:
                yield Finding(what, False, f"{candidate.description}: {error}")
                continue
            problem = not_usable(spec.simulator, version, ticks)
            known = "as known" if version in spec.simulator.golden_ticks else "none known for this version"
            says = f"gem5 {version}, golden program {ticks} ticks ({known})"
            yield Finding(what, problem is None, f"{candidate.description}: {problem or says}")

    def version(self, facts: Mapping[str, str]) -> str:
        return f"gem5 {facts['gem5']}"
