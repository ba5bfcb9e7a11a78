"""Prints which sandbox of this machine stops which attack, and how: `python -m tests.hostile`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from pie_bench.execution.environment import ToolchainSpec, load_environment_spec
from pie_bench.execution.sandbox.choose import MECHANISMS, choose_sandbox, probe_sandboxes
from pie_bench.execution.sandbox.sandbox import Finished
from pie_bench.execution.toolchain import Toolchain
from tests.hostile.test_attacks import ATTACKS, NOT_SHOWN, SECRET, SOURCE, attacked

HOST = ToolchainSpec(compiler="g++", flags=("-std=c++17", "-O3"))


def end_of(finished: Finished) -> str:
    """How an attack ended, in the words that it printed if there are any."""
    said = finished.stdout.decode(errors="replace").strip().removeprefix("stopped: ")
    if said == "Success":  # no call failed, and there was nothing to find
        return "nothing is there"
    return "**REACHED**" if "REACHED" in said else said or f"nothing is printed ({finished.how})"


def main() -> None:
    spec = load_environment_spec("skylake").model_copy(update={"toolchain": HOST})
    toolchain = Toolchain(spec.toolchain, spec.compile_limits, choose_sandbox())
    binary = toolchain.compile(SOURCE).binary
    if binary is None:
        sys.exit("the attacks do not compile")
    found = probe_sandboxes()
    print(f"| attack | {' | '.join(MECHANISMS)} | works without |\n|{' --- |' * (len(MECHANISMS) + 2)}")
    os.environ["PIE_TEST_KEY"] = SECRET
    with tempfile.NamedTemporaryFile("w") as secret, subprocess.Popen(["/bin/sleep", "600"]) as bystander:
        secret.write(SECRET)
        secret.flush()
        try:
            for attack in ATTACKS:
                cells = []
                for sandbox in found.values():
                    if isinstance(sandbox, str):
                        cells.append("not tried")
                        continue
                    ends = attacked(sandbox, spec, toolchain, binary, attack, Path(secret.name))
                    cells.append(" / ".join(dict.fromkeys(map(end_of, ends))))
                without = f"not shown: {NOT_SHOWN[attack]}" if attack in NOT_SHOWN else "yes"
                print(f"| {attack} | {' | '.join(cells)} | {without} |", flush=True)
        finally:
            bystander.kill()


if __name__ == "__main__":
    main()
