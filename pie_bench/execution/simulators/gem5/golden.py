"""A fixed program whose ticks prove that this gem5 measures the same as other builds of its version."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from pie_bench.errors import PieBenchError, UserError
from pie_bench.execution.environment import EnvironmentSpec
from pie_bench.execution.sandbox.sandbox import Sandbox
from pie_bench.execution.simulators.gem5.launch import MACHINE, Gem5, gem5_candidates
from pie_bench.execution.simulators.gem5.simulator import Session
from pie_bench.execution.simulators.gem5.spec import Gem5Spec


def find_gem5(spec: EnvironmentSpec, sandbox: Sandbox) -> tuple[Gem5, dict[str, str]]:
    """The first suitable gem5 of this machine, with its version, golden ticks, and the version of machine.py.

    UserError, with every remedy, if there is none: no gem5, only other versions, or one whose ticks for the golden
    program differ from those known for its version or show a fault.
    """
    assert isinstance(spec.simulator, Gem5Spec)
    problems = []
    for candidate in gem5_candidates(spec, sandbox):
        if isinstance(candidate, str):
            problems.append(candidate)
            continue
        try:
            version, ticks = golden_ticks(candidate, spec)
        except PieBenchError as error:
            problems.append(str(error))
            continue
        problem = not_usable(spec.simulator, version, ticks)
        if problem is None:
            facts = {"gem5": version, "golden_ticks": str(ticks), "machine": machine_version()}
            return candidate, facts
        problems.append(f"{candidate.description}: {problem}")
    raise UserError(f"no usable gem5:  {'; '.join(problems)}")


def machine_version() -> str:
    """The version in machine.py: changed whenever the same program would take a different number of ticks."""
    found = re.search(r"^VERSION = (\d+)", MACHINE.read_text(), flags=re.M)
    assert found is not None
    return found[1]


def not_usable(spec: Gem5Spec, version: str, ticks: int) -> str | None:
    """Why a gem5 of this version and golden ticks is unsuitable for this environment; None if it is suitable."""
    if not any(f"{version}.".startswith(f"{release}.") for release in spec.versions):
        return f"is gem5 {version}, but this environment accepts {', '.join(spec.versions)}"
    if ticks in spec.faulty_ticks:
        return f"gem5 {version} has a fault: {spec.faulty_ticks[ticks]}"
    known = spec.golden_ticks.get(version)
    if known is not None and known != ticks:
        return (
            f"gem5 {version} takes {ticks} ticks for the golden program, but {known} are known for this version: it "
            "is not the same simulator (a changed build?)"
        )
    return None


def golden_ticks(gem5: Gem5, spec: EnvironmentSpec) -> tuple[str, int]:
    """gem5's version and the ticks of the golden program. Raises SandboxError if gem5 does not simulate it."""
    with tempfile.TemporaryDirectory() as empty:
        Path(empty).chmod(0o755)  # an empty root file system that the sandbox's user can enter
        golden = Path(__file__).with_name(f"golden_{spec.toolchain.isa.name}.elf")  # golden_….S, assembled
        with Session(gem5, golden.read_bytes(), {}, Path(empty), spec) as session:
            session.send(0, b"")
            _, ran = session.next_done()
            version = session.ready["version"]
    if ran.ended is None or ran.ended["code"] != 0:
        said = ran.stderr.strip().splitlines()
        raise UserError(f"{gem5.description}: cannot simulate the golden program: {said[-1] if said else ran.ended}")
    return version, ran.ended["ticks"]
