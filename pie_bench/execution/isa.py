"""Instruction sets: everything that depends on the one that programs are compiled for.

Adding one takes a row here, a folder next to the plugin's sources (simulators/qemu/plugin/; isa.h lists its contents),
and a root file system with its cross compiler, libraries and QEMU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Whatever is not measured is compiled for and runs on the host: checkers, sanitized programs, the plugin.
HOST_ROOT, HOST_COMPILER = "debian-11", "g++-9"


@dataclass(frozen=True, eq=False)
class Isa:
    """An instruction set.

    `compilers` target it; `binutils` is the prefix of its objdump and the like. `sysroot` is the folder in a root file
    system with a foreign ISA's loader and libraries; `host_libraries` are those that programs load from a host without
    a root. `qemu` is the emulator, `folders` the plugin's sources specific to this ISA, `libraries` what the plugin
    links with for it. `emulated` is the processor that QEMU shows a program where the simulator is not QEMU.

    `gem5` begins the names of gem5's classes for this ISA; `exits` is the code of `exit_group(0)`, three instructions.

    `instructions` are those that no compiler emits in a program's own code: a byte pattern, and objdump's name.
    `compilers_own` is a program with the functions that may contain them nevertheless. Sources: gem5's m5ops
    (pseudo-instructions), the processors' manuals.

    A program runs natively or, if foreign, in QEMU, which takes at most `slowdown` times as long as its own processor.
    """

    name: str
    title: str
    compilers: tuple[str, ...]
    qemu: str
    folders: tuple[str, ...]
    gem5: str
    exits: bytes
    instructions: Mapping[str, tuple[bytes, str]]
    binutils: str = ""
    sysroot: str | None = None
    emulated: str = ""
    libraries: tuple[str, ...] = ()
    compilers_own: str = "int main() {}"
    slowdown: int = 1
    host_libraries: tuple[str, ...] = ()

    @property
    def is_foreign(self) -> bool:
        """Whether the machines that the package runs on need an emulator for its programs."""
        return self.sysroot is not None

    def prefix(self, root: Path | None, seen: bool) -> Path | None:
        """The folder in which QEMU first looks for what a program opens by name: its loader and libraries.

        `seen`: the command sees `root` as its file system; otherwise the folder is at `root`'s location on the host.
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
    emulated="max",
    folders=("x86_64",),
    gem5="X86",
    exits=bytes.fromhex("bf00000000 b8e7000000 0f05"),  # mov edi, 0; mov eax, 231; syscall
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
    # libgcc's, behind __builtin_cpu_supports and target_clones: they query the processor, and only they may.
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
    emulated="rv64",
    folders=("riscv64", "generic"),
    gem5="Riscv",
    exits=bytes.fromhex("13050000 9308e005 73000000"),  # li a0, 0; li a7, 94; ecall
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
    emulated="neoverse-n1",
    folders=("aarch64", "generic"),
    gem5="Arm",
    exits=bytes.fromhex("000080d2 c80b80d2 010000d4"),  # mov x0, 0; mov x8, 94; svc 0
    instructions={
        "svc": (rb"[\x01\x21\x41\x61\x81\xa1\xc1\xe1].[\x00-\x1f]\xd4", "svc"),
        # the counters and timers (c14) and processor identification (c0)
        "mrs of a counter": (rb"[\x00-\xff][\xe0-\xef]\x3b\xd5", "mrs"),
        "mrs of an identification": (rb"[\x00-\xff][\x00-\x0f][\x38\x3b]\xd5", "mrs"),
        "gem5 pseudo-instruction": (rb"[\x10\x11].[\x00-\xff]\xff", ".inst"),
    },
    slowdown=10,
)
ISAS = {isa.name: isa for isa in (X86_64, RISCV64, AARCH64)}
COMPILERS = {compiler: isa for isa in ISAS.values() for compiler in isa.compilers}


def isa_of(compiler: str) -> Isa:
    """The instruction set that a compiler targets. KeyError for a compiler that no environment may name."""
    return COMPILERS[compiler]
