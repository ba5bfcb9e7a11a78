"""Uses a root file system without mounting it: its programs are started by its own loader, with its own libraries.

The output is byte for byte the same as where the root is mounted: the compiler is told where its headers and libraries
are (`--sysroot`), what to call them (`-ffile-prefix-map`), and to start its parts through the loader.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from pie_bench.execution.isa import COMPILERS, ISAS

_TOOLS = tuple(f"{isa.binutils}{name}" for isa in ISAS.values() for name in ("objdump", "addr2line"))
_CALLED = ("as", "ld")  # by a compiler, under these names


def loader(root: Path) -> list[str]:
    """The command prefix that starts a program of the root, or one compiled for it."""
    return [f"{root}/lib64/ld-linux-x86-64.so.2", "--library-path", f"{root}/usr/lib/x86_64-linux-gnu"]


def write_tools(folder: Path, root: Path) -> None:
    """Puts the root's compiler and binutils into `folder`, under their names, callable from outside."""
    start, wrapper = shlex.join(loader(root)), ",".join(loader(root))
    programs = root / "usr" / "bin"
    folder.mkdir()
    compile_ = f'{start} {{}} --sysroot={root} -B"$(dirname "$0")/" -wrapper {wrapper} -ffile-prefix-map={root}/=/ "$@"'
    lines = {name: compile_.format(programs / name) for name in COMPILERS}
    lines |= {name: f'{start} {programs / name} "$@"' for name in _TOOLS}
    for name, line in lines.items():
        if (programs / name).exists():
            _write_script(folder / name, line)
    for isa in ISAS.values():
        assembler, linker = (programs / f"{isa.binutils}{name}" for name in _CALLED)
        if linker.exists() and not (folder / "ld").exists():
            _write_script(folder / "ld", f'{start} {linker} "$@"')
            (folder / "as").symlink_to(assembler)  # started by the wrapper
    folder.chmod(0o555)


def _write_script(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\nexec {line}\n")
    path.chmod(0o555)
