"""Instruction sets: everything that depends on the one that programs are compiled for.

One more is its row here, its folder beside the plugin's sources (simulators/qemu/plugin/; isa.h says what is in it),
and a root file system with its cross compiler, its libraries and QEMU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# What is not measured is compiled for the host and runs there: checkers, sanitized programs, the plugin.
HOST_ROOT, HOST_COMPILER = "debian-11", "g++-9"


@dataclass(frozen=True, eq=False)
class Isa:
    """An instruction set.

    `compilers` are those that compile for it; `binutils` is what the names of objdump and its like begin with.
    `sysroot` is the folder of a root file system where a foreign one's loader and libraries lie; `host_libraries` are
    what programs load of a host without a root. `qemu` is the emulator, `folders` those of the plugin's sources that
    are its own, `libraries` what the plugin is linked with for its sake.

    `instructions` are those that no compiler puts into a program's own code: a pattern of bytes, and objdump's name.
    `compilers_own` is a program with the functions that may hold them all the same. Sources: gem5's m5ops
    (pseudo-instructions), the processors' manuals.

    A program runs natively, in QEMU if it is foreign, `slowdown` times as long as on a processor of its own, at most.
    """

    name: str
    title: str
    compilers: tuple[str, ...]
    qemu: str
    folders: tuple[str, ...]
    instructions: Mapping[str, tuple[bytes, str]]
    binutils: str = ""
    sysroot: str | None = None
    libraries: tuple[str, ...] = ()
    compilers_own: str = "int main() {}"
    slowdown: int = 1
    host_libraries: tuple[str, ...] = ()

    @property
    def is_foreign(self) -> bool:
        """Whether its programs need an emulator on the machines that the package runs on."""
        return self.sysroot is not None

    def prefix(self, root: Path | None, seen: bool) -> Path | None:
        """Where QEMU is to look first for what a program opens by name: its loader and libraries.

        `seen` says that the command sees `root` as its file system; else it is looked for where that lies.
        """
        place = root if root is not None and not seen else Path("/")
        if self.sysroot is not None:
            return place / self.sysroot
        return None if seen else root


X86_64 = Isa(
    name="x86_64",
    title="x86-64",
    compilers=("g++", "g++-9"),
    qemu="qemu-x86_64",
    folders=("x86_64",),
    libraries=("libZydis.so.4.0",),
    instructions={
        "gem5 pseudo-instruction": (rb"\x0f\x04", "(bad)"),
        "cpuid": (rb"\x0f\xa2", "cpuid"),
        "rdtsc": (rb"\x0f\x31", "rdtsc"),
        "rdtscp": (rb"\x0f\x01\xf9", "rdtscp"),
        "rdpmc": (rb"\x0f\x33", "rdpmc"),
        "syscall": (rb"\x0f\x05", "syscall"),
        "sysenter": (rb"\x0f\x34", "sysenter"),
        "int $0x80": (rb"\xcd\x80", "int"),
    },
    # libgcc's, behind __builtin_cpu_supports and target_clones: they ask for the processor, and only they may.
    compilers_own='int main() { return !__builtin_cpu_supports("sse2"); }',
    host_libraries=("libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2"),
)
# Counters that user code can read: cycle, time, instret (0xc00 to 0xc02) and the 29 after them.
_RISCV_COUNTER = rb"[\x73\xf3].[\x00-\xff][\xc0\xc1]"
RISCV64 = Isa(
    name="riscv64",
    title="RISC-V",
    compilers=("riscv64-linux-gnu-g++-12",),
    binutils="riscv64-linux-gnu-",
    sysroot="usr/riscv64-linux-gnu",
    qemu="qemu-riscv64",
    folders=("riscv64", "generic"),
    instructions={
        "ecall": (rb"\x73\x00\x00\x00", "ecall"),
        "rdcycle": (_RISCV_COUNTER, "rdcycle"),
        "rdtime": (_RISCV_COUNTER, "rdtime"),
        "rdinstret": (_RISCV_COUNTER, "rdinstret"),
        "csrr": (_RISCV_COUNTER, "csrr"),
        # gem5's: opcode 0x7b, which custom instructions share
        "gem5 pseudo-instruction": (rb"[\x7b\xfb]...", ".4byte"),
    },
    slowdown=10,
)
AARCH64 = Isa(
    name="aarch64",
    title="AArch64",
    compilers=("aarch64-linux-gnu-g++-12",),
    binutils="aarch64-linux-gnu-",
    sysroot="usr/aarch64-linux-gnu",
    qemu="qemu-aarch64",
    folders=("aarch64", "generic"),
    instructions={
        "svc": (rb"[\x01\x21\x41\x61\x81\xa1\xc1\xe1].[\x00-\x1f]\xd4", "svc"),
        # the counters and timers (c14) and what tells of the processor (c0)
        "mrs of a counter": (rb"[\x00-\xff][\xe0-\xef]\x3b\xd5", "mrs"),
        "mrs of an identification": (rb"[\x00-\xff][\x00-\x0f][\x38\x3b]\xd5", "mrs"),
        "gem5 pseudo-instruction": (rb"[\x10\x11].[\x00-\xff]\xff", ".inst"),
    },
    slowdown=10,
)
ISAS = {isa.name: isa for isa in (X86_64, RISCV64, AARCH64)}
COMPILERS = {compiler: isa for isa in ISAS.values() for compiler in isa.compilers}


def isa_of(compiler: str) -> Isa:
    """The instruction set that a compiler compiles for. KeyError for one that no environment may name."""
    return COMPILERS[compiler]
