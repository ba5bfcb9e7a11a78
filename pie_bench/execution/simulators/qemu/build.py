"""The ruler's plugin: compiled once by a pinned compiler in the sandbox, and stored under the hash of its inputs.

Nothing of the host is used: the compiler (g++ 9) comes from a pinned root file system; QEMU and the decoder's headers
and library come from the root that the environment names as its `tools`.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pie_bench.errors import UserError
from pie_bench.execution.environment import EnvironmentSpec
from pie_bench.execution.isa import HOST_COMPILER, HOST_ROOT, Isa
from pie_bench.execution.rootfs import build_root, find_root, load_root_spec
from pie_bench.execution.sandbox.sandbox import Command, File, Sandbox, SandboxError
from pie_bench.execution.simulators.qemu.spec import QemuSpec
from pie_bench.hashing import hash_of, sha256
from pie_bench.paths import roots_dir

TOOLS = "/qemu"  # where the root with QEMU is mounted
LIBRARIES = f"{TOOLS}/usr/lib/x86_64-linux-gnu"
_SOURCES = Path(__file__).parent / "plugin"
_FLAGS = (
    "-std=c++17 -O3 -fPIC -shared -fvisibility=hidden -static-libstdc++ -static-libgcc -s -Wl,--build-id=none "
    f"-frandom-seed=ruler -I{TOOLS}/usr/include"
)


@dataclass(frozen=True)
class Ruler:
    """The plugin as compiled on this machine, and the root file system with QEMU."""

    plugin: Path
    tools: Path
    facts: Mapping[str, str]


def build_ruler(spec: EnvironmentSpec, sandbox: Sandbox) -> Path:
    """Builds the root with QEMU and compiles the plugin unless they exist; returns the plugin's path.

    Raises UserError if a package cannot be downloaded, SandboxError if the plugin does not compile.
    """
    assert isinstance(spec.simulator, QemuSpec)
    tools = build_root(load_root_spec(spec.simulator.tools), roots_dir(), sandbox)
    path = _plugin_path(spec)
    if not path.is_file():
        plugin = compile_plugin(spec, tools, sandbox)
        part = path.with_name(f".{path.name}.{os.getpid()}")
        part.write_bytes(plugin)
        part.chmod(0o644)
        part.replace(path)
    return path


def ready_ruler(spec: EnvironmentSpec, root: Path | None, sandbox: Sandbox) -> Ruler:
    """The plugin on this machine, compiled if necessary.

    Raises UserError if the root file system with QEMU is missing, SandboxError if the plugin does not compile.
    """
    assert isinstance(spec.simulator, QemuSpec)
    if root is not None:
        find_root(load_root_spec(spec.simulator.tools), roots_dir())
        build_ruler(spec, sandbox)
    return find_ruler(spec, root)


def find_ruler(spec: EnvironmentSpec, root: Path | None) -> Ruler:
    """The plugin on this machine. If it is missing, raises UserError with the command that builds it."""
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
    facts = {"tools": tools_spec.tree_sha256, "plugin": _made_of(spec, counted_as(spec.toolchain.isa))}
    # The plugin enforces this limit of native runs too, so it can change the counts.
    return Ruler(path, tools, facts | {"memory": str(spec.native_limits.memory_bytes)})


def compile_plugin(spec: EnvironmentSpec, tools: Path, sandbox: Sandbox) -> bytes:
    """The plugin as a shared library, byte-identical wherever it is compiled."""
    isa = spec.toolchain.isa
    sources = {f"/w/{path.name}": File(path.read_bytes()) for path in source_files(isa)}
    names = " ".join(name for name in sorted(sources) if name.endswith(".cpp"))
    libraries = " ".join(f"{LIBRARIES}/{library}" for library in isa.libraries)
    script = f"{HOST_COMPILER} {_FLAGS} {names} {libraries} {_LINKED} -o /tmp/ruler.so"
    finished = sandbox.run(
        Command(
            ["/bin/sh", "-c", f"{script} && cat /tmp/ruler.so"],
            files=sources,
            environment={"PATH": "/usr/bin", "LC_ALL": "C"},
            root=build_root(load_root_spec(HOST_ROOT), roots_dir(), sandbox),
            shown={TOOLS: tools},
        ),
        spec.compile_limits,
        "compile",
    )
    if finished.exit_code != 0 or not finished.stdout:
        raise SandboxError(f"the ruler's plugin does not compile: {finished.stderr.decode(errors='replace')[:2000]}")
    return finished.stdout


_LINKED = f"-Wl,-rpath-link,{LIBRARIES}"


def source_files(isa: Isa) -> list[Path]:
    """The plugin's sources for an instruction set, shared and specific, sorted by name."""
    folders = [_SOURCES, *(_SOURCES / folder for folder in isa.folders)]
    return sorted(
        (path for folder in folders for path in folder.glob("*.[ch]*") if path.suffix in (".cpp", ".h")),
        key=lambda path: path.name,
    )


def _plugin_path(spec: EnvironmentSpec) -> Path:
    return roots_dir() / f"ruler-{_made_of(spec, source_sums(spec.toolchain.isa))[:16]}.so"


def _made_of(spec: EnvironmentSpec, sources: Mapping[str, str]) -> str:
    """A hash of everything that decides what the plugin does: sources, compiler, flags, libraries."""
    assert isinstance(spec.simulator, QemuSpec)
    roots = {name: load_root_spec(name).tree_sha256 for name in (HOST_ROOT, spec.simulator.tools)}
    return hash_of({"sources": sources, "roots": roots, "compiler": HOST_COMPILER, "flags": [_FLAGS, _LINKED]})


@functools.cache
def source_sums(isa: Isa) -> dict[str, str]:
    """The hashes of the plugin's sources, by name."""
    return {path.name: sha256(path.read_bytes()) for path in source_files(isa)}


def counted_as(isa: Isa) -> Mapping[str, str]:
    """The hashes of the sources under which measurements are stored: those of earlier sources that count the same, as
    `counts_as.json` lists them (found by comparing counts, docs/processors.md), if it was written for the present
    sources; else the present ones'.
    """
    sums = source_sums(isa)
    path = _SOURCES / isa.name / "counts_as.json"
    if path.is_file():
        told = json.loads(path.read_text())
        if told["sources"] == hash_of(sums):
            return cast("Mapping[str, str]", told["count_as"])
    return sums
