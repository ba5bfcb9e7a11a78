"""The ruler's plugin, compiled once: by the environment's own compiler, in the sandbox, kept by what it is made of.

Neither compiler nor QEMU nor library of the host is used: the compiler is the pinned root's (g++ 9), the decoder's
headers and library and QEMU itself are those of the root that the environment names as its `tools`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pie_bench.errors import UserError
from pie_bench.execution.environment import EnvironmentSpec
from pie_bench.execution.rootfs import build_root, find_root, load_root_spec
from pie_bench.execution.sandbox.sandbox import Command, File, Sandbox, SandboxError
from pie_bench.execution.simulators.qemu.spec import QemuSpec
from pie_bench.hashing import hash_of, sha256
from pie_bench.paths import roots_dir

TOOLS = "/qemu"  # where the root with QEMU is shown inside
LIBRARIES = f"{TOOLS}/usr/lib/x86_64-linux-gnu"
_SOURCES = Path(__file__).parent / "plugin"
_FLAGS = (
    "-std=c++17 -O3 -fPIC -shared -fvisibility=hidden -static-libstdc++ -static-libgcc -s -Wl,--build-id=none "
    f"-frandom-seed=ruler -I{TOOLS}/usr/include"
)


@dataclass(frozen=True)
class Ruler:
    """The plugin, as it is compiled here, and the root file system with QEMU."""

    plugin: Path
    tools: Path
    facts: Mapping[str, str]


def build_ruler(spec: EnvironmentSpec, root: Path, sandbox: Sandbox) -> Path:
    """Makes the root with QEMU and compiles the plugin, or finds them made; returns the plugin's path.

    UserError when a package cannot be had or the plugin does not compile.
    """
    assert isinstance(spec.simulator, QemuSpec)
    tools = build_root(load_root_spec(spec.simulator.tools), roots_dir(), sandbox)
    path = _plugin_path(spec)
    if not path.is_file():
        plugin = compile_plugin(spec, root, tools, sandbox)
        part = path.with_name(f".{path.name}.{os.getpid()}")
        part.write_bytes(plugin)
        part.chmod(0o644)
        part.replace(path)
    return path


def ready_ruler(spec: EnvironmentSpec, root: Path | None, sandbox: Sandbox) -> Ruler:
    """The plugin on this machine, compiled if it is not yet.

    UserError when the root file system with QEMU is not there, SandboxError when the plugin does not compile.
    """
    assert isinstance(spec.simulator, QemuSpec)
    if root is not None:
        find_root(load_root_spec(spec.simulator.tools), roots_dir())
        build_ruler(spec, root, sandbox)
    return find_ruler(spec, root)


def find_ruler(spec: EnvironmentSpec, root: Path | None) -> Ruler:
    """The plugin on this machine. UserError with the command that builds it when it is not there."""
    assert isinstance(spec.simulator, QemuSpec)
    if root is None:
        raise UserError(f"environment {spec.environment}: it names no root file system for programs")
    tools_spec = load_root_spec(spec.simulator.tools)
    tools, path = find_root(tools_spec, roots_dir()), _plugin_path(spec)
    if not path.is_file():
        raise UserError(
            f"{spec.environment}: its plugin is not compiled yet; compile it: "
            f"pie-bench environment build {spec.environment}"
        )
    facts = {"tools": tools_spec.tree_sha256, "plugin": _made_of(spec)}
    # A limit of native runs, which the plugin keeps too: it can change what is counted.
    return Ruler(path, tools, facts | {"memory": str(spec.native_limits.memory_bytes)})


def compile_plugin(spec: EnvironmentSpec, root: Path, tools: Path, sandbox: Sandbox) -> bytes:
    """The plugin as a shared library; the same bytes wherever it is compiled."""
    sources = {f"/w/{path.name}": File(path.read_bytes()) for path in source_files()}
    names = " ".join(name for name in sorted(sources) if name.endswith(".cpp"))
    script = f"{spec.toolchain.compiler} {_FLAGS} {names} {LIBRARIES}/libZydis.so.4.0 {_LINKED} -o /tmp/ruler.so"
    finished = sandbox.run(
        Command(
            ["/bin/sh", "-c", f"{script} && cat /tmp/ruler.so"],
            files=sources,
            environment={"PATH": "/usr/bin", "LC_ALL": "C"},
            root=root,
            shown={TOOLS: tools},
        ),
        spec.compile_limits,
        "compile",
    )
    if finished.exit_code != 0 or not finished.stdout:
        raise SandboxError(f"the ruler's plugin does not compile: {finished.stderr.decode(errors='replace')[:2000]}")
    return finished.stdout


_LINKED = f"-Wl,-rpath-link,{LIBRARIES}"


def source_files() -> list[Path]:
    """The plugin's sources, in the order of their names."""
    return sorted([*_SOURCES.glob("*.cpp"), *_SOURCES.glob("*.h")])


def _plugin_path(spec: EnvironmentSpec) -> Path:
    return roots_dir() / f"ruler-{_made_of(spec)[:16]}.so"


def _made_of(spec: EnvironmentSpec) -> str:
    """The sum of all that decides what the plugin does: sources, compiler, flags, libraries."""
    assert isinstance(spec.simulator, QemuSpec) and spec.root is not None
    roots = {name: load_root_spec(name).tree_sha256 for name in (spec.root, spec.simulator.tools)}
    return hash_of(
        {"sources": _source_sums(), "roots": roots, "compiler": spec.toolchain.compiler, "flags": [_FLAGS, _LINKED]}
    )


@functools.cache
def _source_sums() -> dict[str, str]:
    return {path.name: sha256(path.read_bytes()) for path in source_files()}
