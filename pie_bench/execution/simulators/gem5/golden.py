"""One fixed program whose ticks show that this gem5 measures what other builds of the same version measure."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pie_bench.errors import UserError
from pie_bench.execution.environment import EnvironmentSpec, Gem5Spec
from pie_bench.execution.simulators.gem5.launch import MACHINE, Gem5
from pie_bench.execution.simulators.gem5.simulator import Session
from pie_bench.hashing import sha256

GOLDEN = Path(__file__).with_name("golden.elf")  # golden.S, assembled


def gem5_facts(gem5: Gem5, spec: EnvironmentSpec) -> dict[str, str]:
    """gem5's version, the golden program's ticks, and the sum of the machine's description.

    UserError when the ticks are not those known for the version: this gem5 measures something else.
    """
    assert isinstance(spec.simulator, Gem5Spec)
    version, ticks = golden_ticks(gem5, spec)
    known = spec.simulator.golden_ticks.get(version)
    if known is not None and known != ticks:
        raise UserError(
            f"{gem5.description}: gem5 {version} takes {ticks} ticks for the golden program, but {known} are known for "
            "this version; it is not the same simulator (a changed or specially configured build?)"
        )
    return {"gem5": version, "golden_ticks": str(ticks), "machine": sha256(MACHINE.read_bytes())}


def golden_ticks(gem5: Gem5, spec: EnvironmentSpec) -> tuple[str, int]:
    """gem5's version and the ticks of the golden program. Raises SandboxError when gem5 does not simulate it."""
    assert isinstance(spec.simulator, Gem5Spec)
    with tempfile.TemporaryDirectory() as empty, Session(gem5, GOLDEN.read_bytes(), {}, Path(empty), spec) as session:
        Path(empty).chmod(0o755)
        session.send(0, b"")
        _, ran = session.next_done()
        if ran.ended is None or ran.ended["code"] != 0:
            said = ran.stderr.strip().splitlines()
            raise UserError(
                f"{gem5.description}: cannot simulate the golden program: {said[-1] if said else ran.ended}"
            )
        return session.ready["version"], ran.ended["ticks"]
