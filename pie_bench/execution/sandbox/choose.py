"""Which sandbox to use on this machine: decided by really running a program in it."""

from __future__ import annotations

from pie_bench.errors import UserError
from pie_bench.execution.sandbox.bubblewrap import BubblewrapSandbox
from pie_bench.execution.sandbox.sandbox import Command, Limits, Sandbox, SandboxError, Stage

_PROBE_LIMITS = Limits(
    cpu_seconds=10,
    wall_seconds=60,
    memory_bytes=1 << 30,
    output_bytes=1 << 20,
    stack_bytes=8 << 20,
    processes=16,
    tmp_bytes=1 << 20,
)
_STAGES: tuple[Stage, ...] = ("compile", "payload", "simulator")


def choose_sandbox() -> Sandbox:
    """A sandbox that works here. UserError with the remedy when there is none: foreign code never runs without."""
    try:
        sandbox = BubblewrapSandbox()
        for stage in _STAGES:
            finished = sandbox.run(Command(["/usr/bin/echo", "works"]), _PROBE_LIMITS, stage)
            if finished.stdout != b"works\n":
                raise SandboxError(f"bubblewrap: {finished.stderr.decode(errors='replace').strip() or 'no output'}")
    except SandboxError as error:
        raise UserError(
            f"no usable sandbox: {error} (needed: the package bubblewrap, and user namespaces allowed for ordinary "
            "users: sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0)"
        ) from None
    return sandbox
