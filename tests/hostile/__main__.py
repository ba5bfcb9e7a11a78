"""Prints which sandbox of this machine stops which attack, and how: `python -m tests.hostile`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from pie_bench.execution.environment import ToolchainSpec, load_environment_spec
from pie_bench.execution.sandbox.choose import MECHANISMS, choose_sandbox, probe_sandboxes
from pie_bench.execution.toolchain import Toolchain
from tests.hostile.test_attacks import ATTACKS, NOT_SHOWN, SECRET, SOURCE, attacked

HOST = ToolchainSpec(compiler="g++", flags=("-std=c++17", "-O3"))


def main() -> None:
    spec = load_environment_spec("skylake").model_copy(update={"toolchain": HOST})
    binary = Toolchain(spec.toolchain, spec.compile_limits, choose_sandbox()).compile(SOURCE).binary
    if binary is None:
        sys.exit("the attacks do not compile")
    found = probe_sandboxes()
    print(f"| attack | {' | '.join(MECHANISMS)} | works without |\n|{' --- |' * (len(MECHANISMS) + 2)}")
    os.environ["PIE_TEST_KEY"] = SECRET
    with tempfile.NamedTemporaryFile("w") as secret, subprocess.Popen(["/bin/sleep", "600"]) as bystander:
        secret.write(SECRET)
        secret.flush()
        for attack in ATTACKS:
            cells = []
            for sandbox in found.values():
                if isinstance(sandbox, str):
                    cells.append("not tried")
                    continue
                finished = attacked(sandbox, spec, binary, attack, Path(secret.name))
                said = finished.stdout.decode(errors="replace").strip().removeprefix("stopped: ")
                cells.append("**REACHED**" if "REACHED" in said else said or f"ended by signal {finished.signal}")
            without = f"not shown: {NOT_SHOWN[attack]}" if attack in NOT_SHOWN else "yes"
            print(f"| {attack} | {' | '.join(cells)} | {without} |")
        bystander.kill()


if __name__ == "__main__":
    main()
