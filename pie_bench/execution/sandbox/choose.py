"""Chooses the sandbox for this machine by actually running a program in it."""

from __future__ import annotations

import os
import sys

from pie_bench import registry
from pie_bench.errors import UserError
from pie_bench.execution.sandbox.sandbox import Command, Limits, Sandbox, SandboxError, Stage
from pie_bench.execution.sandbox.sweep import sweep
from pie_bench.execution.sandbox.unsafe import UnsafeSandbox

MECHANISMS = tuple(registry.BUILT_IN["sandboxes"])
"""The package's own, in order of preference. Those from plug-ins are only used if requested by name."""
UNSAFE = "unsafe"
VARIABLE = "PIE_BENCH_SANDBOX"

_PROBE_LIMITS = Limits(
    cpu_seconds=10,
    wall_seconds=60,
    memory_bytes=1 << 30,
    output_bytes=1 << 20,
    stack_bytes=8 << 20,
    processes=16,
    tmp_bytes=1 << 20,
)
_STAGES: tuple[Stage, ...] = ("compile", "payload", "emulated", "simulator")


def probe_sandboxes() -> dict[str, Sandbox | str]:
    """Every mechanism that works here, by name in order of preference; for the others the reason and the remedy.

    Those from plug-ins come last.
    """
    names = dict.fromkeys((*MECHANISMS, *registry.registered("sandboxes")))
    return {name: probe_sandbox(name) for name in names}


def probe_sandbox(name: str) -> Sandbox | str:
    """One mechanism or, if it does not work here, the reason and the remedy. A program is actually run in every stage.

    UserError for an unknown name, or a plug-in that cannot be imported.
    """
    found = registry.find("sandboxes", name, also={UNSAFE: None})
    mechanism = found.load()
    try:
        sandbox: Sandbox = mechanism()
        for stage in _STAGES:
            finished = sandbox.run(Command(["/usr/bin/echo", "works"]), _PROBE_LIMITS, stage)
            if finished.stdout != b"works\n":
                raise SandboxError(f"{name}: {finished.stderr.decode(errors='replace').strip() or 'no output'}")
    except SandboxError as error:
        remedy = getattr(mechanism, "remedy", None)
        return f"{error} ({remedy})" if remedy else str(error)
    except AttributeError as error:
        if found.built_in:
            raise
        raise found.broken(f"no sandbox: {error}") from error
    if not found.built_in:
        sandbox.plugin = registry.provenance("sandboxes", name)  # type: ignore[attr-defined]
    return sandbox


def choose_sandbox(name: str | None = None, *, unsafe: bool = False) -> Sandbox:
    """The mechanism called `name` (default: the one in PIE_BENCH_SANDBOX), or the first that works here.

    UserError with every mechanism's reason and remedy if there is none: untrusted code never runs unsandboxed, unless
    `unsafe` allows it. Even then a safe mechanism is preferred.
    """
    sweep()
    name = name or os.environ.get(VARIABLE) or None
    if name == UNSAFE:
        if not unsafe:
            raise UserError("the sandbox unsafe isolates nothing: add --unsafe if you really want that")
        return _unsafe("asked for by name")
    refused = {}
    for tried in [name] if name is not None else MECHANISMS:
        found = probe_sandbox(tried)
        if not isinstance(found, str):
            return found
        refused[tried] = found
    reasons = "; ".join(f"{tried}: {reason}" for tried, reason in refused.items())
    if unsafe and name is None:
        return _unsafe(f"no usable sandbox: {reasons}")
    raise UserError(f"no usable sandbox: {reasons}; pie-bench doctor says more; --unsafe runs without")


def _unsafe(why: str) -> Sandbox:
    print(
        f"warning: UNSAFE, {why}; programs run with limits only: they can read this user's files, use the network and "
        "end its processes",
        file=sys.stderr,
    )
    return UnsafeSandbox()
