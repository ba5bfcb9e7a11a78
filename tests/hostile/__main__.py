"""Prints which sandbox of this machine stops which attack, and how: `python -m tests.hostile [--environment boom]`.

In an environment for another processor, attacks run as its programs natively do: in QEMU, without the plugin.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from pie_bench.execution.environment import ToolchainSpec, load_environment_spec
from pie_bench.execution.executor import open_environment
from pie_bench.execution.roots import build_roots
from pie_bench.execution.sandbox.choose import MECHANISMS, choose_sandbox, probe_sandboxes
from pie_bench.execution.sandbox.sandbox import Finished, Sandbox
from pie_bench.execution.toolchain import Toolchain
from tests.hostile.test_attacks import ATTACKS, NOT_SHOWN, SECRET, SOURCE, attacked, attacked_in_emulator

Attacked = Callable[[Sandbox, str, Path], list[Finished]]  # by sandbox, attack, and the secret's place
HOST = ToolchainSpec(compiler="g++", flags=("-std=c++17", "-O3"))


def end_of(finished: Finished) -> str:
    """How an attack ended, in the words that it printed if there are any."""
    said = finished.stdout.decode(errors="replace").strip().removeprefix("stopped: ")
    if said == "Success":  # no call failed, and there was nothing to find
        return "nothing is there"
    return "**REACHED**" if "REACHED" in said else said or f"nothing is printed ({finished.how})"


def on_host() -> Attacked:
    """Attacks compiled by this machine's own compiler."""
    spec = load_environment_spec("skylake").model_copy(update={"toolchain": HOST})
    toolchain = Toolchain(spec.toolchain, spec.compile_limits, choose_sandbox())
    binary = compiled(toolchain)
    return lambda sandbox, attack, secret: attacked(sandbox, spec, toolchain, binary, attack, secret)


def in_emulator(name: str) -> Attacked:
    """Attacks in the environment of this name, which is for another processor."""
    sandbox = choose_sandbox()
    build_roots(name, sandbox)
    environment = open_environment(load_environment_spec(name), sandbox)
    spec = environment.spec
    binary = compiled(Toolchain(spec.toolchain, spec.compile_limits, sandbox, environment.root))
    return lambda sandbox, attack, secret: [attacked_in_emulator(sandbox, environment, binary, attack, secret)]


def compiled(toolchain: Toolchain) -> bytes:
    binary = toolchain.compile(SOURCE).binary
    if binary is None:
        sys.exit("the attacks do not compile")
    return binary


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--environment", metavar="E", help="one for another processor")
    environment = parser.parse_args(arguments).environment
    attack_it = on_host() if environment is None else in_emulator(environment)
    found = probe_sandboxes()
    titles = [*MECHANISMS, *(["works without"] if environment is None else [])]
    print(f"| attack | {' | '.join(titles)} |\n|{' --- |' * (len(titles) + 1)}")
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
                    cells.append(" / ".join(dict.fromkeys(map(end_of, attack_it(sandbox, attack, Path(secret.name))))))
                if environment is None:
                    cells.append(f"not shown: {NOT_SHOWN[attack]}" if attack in NOT_SHOWN else "yes")
                print(f"| {attack} | {' | '.join(cells)} |", flush=True)
        finally:
            bystander.kill()


if __name__ == "__main__":
    main(sys.argv[1:])
