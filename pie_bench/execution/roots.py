"""The root file systems that an environment needs, built if missing."""

from __future__ import annotations

from pathlib import Path

from pie_bench.errors import UserError
from pie_bench.execution.environment import load_environment_spec
from pie_bench.execution.rootfs import RootSpec, build_root, load_root_spec, root_path
from pie_bench.execution.sandbox.choose import choose_sandbox
from pie_bench.execution.sandbox.sandbox import Sandbox
from pie_bench.paths import roots_dir
from pie_bench.progress import Meter, shown


def roots_of(environment: str) -> tuple[RootSpec, ...]:
    """The environment's own first, then those of its simulator. UserError as for `load_environment_spec`."""
    spec = load_environment_spec(environment)
    names = (*((spec.root,) if spec.root is not None else ()), *spec.simulator.roots)
    return tuple(load_root_spec(name) for name in dict.fromkeys(names))


def build_roots(environment: str, sandbox: Sandbox | None = None) -> dict[str, Path]:
    """Builds the missing root file systems, with progress on standard error; returns the location of each.

    UserError if the simulator needs them mounted and the sandbox cannot do that, or if one cannot be built.
    """
    specs = roots_of(environment)
    mounts = load_environment_spec(environment).simulator.needs_mounts
    if specs and mounts and sandbox is not None and not sandbox.shows_roots:
        raise UserError(
            f"environment {environment}: the sandbox {sandbox.name} can only show this machine's root file system: use "
            "--environment skylake, or install bubblewrap (sudo apt-get install bubblewrap)"
        )
    paths = {}
    for spec in specs:
        path = root_path(spec, roots_dir())
        if not path.is_dir():
            meter = Meter(spec.root, sum(package.bytes for package in spec.packages), unit="B", scale=True)
            with shown(meter):
                path = _built(spec, sandbox or choose_sandbox(), meter)
        paths[spec.root] = path
    return paths


def _built(spec: RootSpec, sandbox: Sandbox, meter: Meter) -> Path:
    try:
        return build_root(spec, roots_dir(), sandbox, progress=meter.advance)
    except OSError as error:
        raise UserError(
            f"{roots_dir()}: the root file system {spec.root} cannot be built there ({error}); set PIE_BENCH_ROOTS "
            "to a folder with enough space"
        ) from None
