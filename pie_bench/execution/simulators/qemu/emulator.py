"""The command line of QEMU's user-mode emulation: with the ruler's plugin, or without for native runs of programs for
another processor.

Both get the same processor, kernel release, stack and random bytes, so a program behaves the same in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pie_bench.execution.environment import Environment
from pie_bench.execution.sandbox.rooted import loader
from pie_bench.execution.sandbox.sandbox import PROGRAM, Command, File, Sandbox
from pie_bench.execution.simulators.qemu.build import TOOLS
from pie_bench.execution.simulators.qemu.spec import QemuSpec

# A foreign program looks for its libraries here only: a host's own folders for that processor must not affect counts.
ELSEWHERE = {"LD_LIBRARY_PATH": "/lib"}
_KERNEL = "5.1.0"  # what a program is told of its kernel where the simulator is not QEMU, which says so itself
_STACK_SLACK_BYTES = 1 << 20  # QEMU's stack holds a little more than the kernel's: a program that fits there fits here


def emulated(
    environment: Environment,
    sandbox: Sandbox,
    binary: bytes,
    stdin: bytes,
    stack_bytes: int,
    *,
    options: Sequence[str] = (),
    files: Mapping[str, File] | None = None,
) -> Command:
    """The command that runs a program in QEMU, with more `options` of QEMU and the `files` that they name."""
    spec, isa = environment.spec.simulator, environment.spec.toolchain.isa
    tools = environment.found.tools
    assert tools is not None
    cpu, kernel = (spec.cpu, spec.kernel) if isinstance(spec, QemuSpec) else (isa.emulated, _KERNEL)
    qemu = [f"{TOOLS}/usr/bin/{isa.qemu}", *options]
    qemu += ["-cpu", cpu, "-r", kernel]
    prefix = isa.prefix(environment.root, sandbox.shows_roots)
    if prefix is not None:  # where QEMU looks for the program's loader and libraries
        qemu += ["-L", str(prefix)]
    name = PROGRAM
    if isa.is_foreign:
        qemu += ["-E", *(f"{name}={value}" for name, value in ELSEWHERE.items())]
        # The name is the same in every sandbox because these C libraries scan it for slashes byte by byte.
        name = PROGRAM.rpartition("/")[2]
    qemu += ["-seed", "1", "-s", str(stack_bytes + _STACK_SLACK_BYTES), "-0", name, PROGRAM]
    return Command(
        argv=[*loader(Path(TOOLS)), *qemu],
        stdin=stdin,
        files={PROGRAM: File(binary, executable=True), **(files or {})},
        environment=environment.spec.program_environment,
        root=environment.root,
        shown={TOOLS: tools},
        random_addresses=True,
    )
