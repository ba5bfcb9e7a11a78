"""Cheating that shows in a program before it runs: probing its surroundings, and embedding the tests' answers.

Each function returns the evidence in a few words, or None. Whatever the pair's slow program does too is no evidence.
isa.py lists the forbidden instructions of each instruction set.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pie_bench.cpp import main_parameters
from pie_bench.data.pair import TestCase
from pie_bench.execution.integrity.literals import known_tests, split_source
from pie_bench.execution.isa import X86_64, Isa
from pie_bench.execution.sandbox.sandbox import SandboxError

# objdump shows x86 code byte by byte, and instructions of fixed size as words.
_INSTRUCTION = re.compile(r" *[0-9a-f]+:\t((?:[0-9a-f]{2} )+|[0-9a-f]{16}|[0-9a-f]{8}|[0-9a-f]{4}) *\t(\S.*)")
_LONGEST_PATTERN = 8  # bytes; those of `Isa.instructions` have at most 4
_X87 = re.compile(r"f(?!wait|xsave|xrstor|emms)")
# Functions of libgcc (`Isa.compilers_own`).
_COMPILERS_OWN = ("__cpu_indicator_init", "get_available_features")
_HARDWARE_CONCURRENCY = "_ZNSt6thread20hardware_concurrencyEv"
_IMPORTS = {
    "the environment": ("getenv", "secure_getenv", "environ", "_environ", "__environ"),
    "the auxiliary vector": ("getauxval",),
    "the machine": (
        *("uname", "sysinfo", "gethostname", "sched_getcpu", "getcpu", "get_nprocs", "sched_getaffinity", "sysconf"),
        _HARDWARE_CONCURRENCY,
    ),
    "its own libraries": ("dlopen", "dlsym", "dladdr", "dl_iterate_phdr", "_r_debug"),
    "system calls by number": ("syscall",),
    "folders and links": ("opendir", "readlink", "scandir", "nftw"),
    "other processes": ("ptrace", "process_vm_readv", "prctl", "personality", "getppid"),
    "another program": (  # which no simulator would follow
        *("execve", "execv", "execvp", "execvpe", "execl", "execlp", "execle", "fexecve", "execveat"),
        *("posix_spawn", "posix_spawnp", "system", "popen"),
    ),
    "its own code": ("mprotect", "memfd_create", "pkey_mprotect"),
}
MOST_CODE_BYTES, MOST_DATA_BYTES = 1 << 20, 8 << 20  # without pages of zeros: far more than real answers have
_PAGE = 4096
CLOCKS = frozenset(
    {"time", "clock", "clock_gettime", "gettimeofday", "times", "getrusage", "ftime", "timespec_get"}
    | {"_ZNSt6chrono3_V212system_clock3nowEv", "_ZNSt6chrono3_V212steady_clock3nowEv"}
)
_TEXTS = re.compile(
    rb"/proc/|/sys/|/etc/|/dev/(?!(?:std(?:in|out|err)|fd/[012]|null|tty|u?random)(?![\w/]))"
    rb"|ld_preload|ld_library|gem5"
)
# No program has a legitimate reason to detect these.
_SANITIZERS = re.compile(r"__SANITIZE_|__(?:a|l|t|ub)san_|__sanitizer_|\bno_sanitize\w*|\w+_sanitizer\b")


class TooMuchError(Exception):
    """Inspecting a program exceeds a worker's limits; the message says which."""


@dataclass(frozen=True)
class Look:
    """What to inspect. `listing` and `own`: disassembly of the program and of a known one, once asked for."""

    code: str
    binary: bytes
    src_code: str
    tests: Sequence[TestCase]
    isa: Isa = X86_64
    listing: str | None = None
    own: str = ""


@dataclass(frozen=True)
class Seen:
    """What was found: evidence, the names that the program imports, and whether its disassembly is needed to decide."""

    evidence: str | None
    imports: frozenset[str]
    wants_listing: bool = False


@dataclass(frozen=True)
class Program:
    """A compiled program as the checks look at it."""

    code: str
    binary: bytes
    executable: tuple[bytes, ...]  # its executable sections
    data: bytes  # its read-only and initialised data
    imports: frozenset[str]
    writable_code: bool


def read_program(code: str, binary: bytes) -> Program:
    """Parses an ELF program. Raises ValueError for anything else, TooMuchError if it is too large."""
    from elftools.elf.constants import P_FLAGS, SH_FLAGS
    from elftools.elf.elffile import ELFFile

    try:
        elf: Any = ELFFile(io.BytesIO(binary))
        executable: list[bytes] = []
        pieces: list[bytes] = []
        for section in elf.iter_sections():
            flags = section["sh_flags"]
            if section["sh_type"] == "SHT_NOBITS" or not flags & SH_FLAGS.SHF_ALLOC:
                continue
            if flags & SH_FLAGS.SHF_EXECINSTR:
                executable.append(section.data())
                _within("code", MOST_CODE_BYTES, executable)
            elif section.name.startswith((".rodata", ".data")):
                content = _without_empty_pages(section.data())
                pieces.append(content.ljust(-(-len(content) // 8) * 8, b"\0"))
                _within("data", MOST_DATA_BYTES, pieces)
        symbols = elf.get_section_by_name(".dynsym")
        undefined = (s for s in (symbols.iter_symbols() if symbols else ()) if s["st_shndx"] == "SHN_UNDEF")
        copied = (s for s in (symbols.iter_symbols() if symbols else ()) if s["st_info"]["type"] == "STT_OBJECT")
        both = P_FLAGS.PF_W | P_FLAGS.PF_X
        kinds = ("PT_LOAD", "PT_GNU_STACK")
        writable = any(s["p_type"] in kinds and s["p_flags"] & both == both for s in elf.iter_segments())
        imports = frozenset(symbol.name for group in (undefined, copied) for symbol in group)
    except TooMuchError:
        raise
    except Exception as error:  # on a broken file, pyelftools raises whatever its parts raise
        raise ValueError(f"not a program: {error}") from None
    return Program(code, binary, tuple(executable), b"".join(pieces), imports, writable)


def _within(what: str, most: int, pieces: Sequence[bytes]) -> None:
    size = sum(map(len, pieces))
    if size > most:
        raise TooMuchError(f"{size / 1e6:.1f} MB of {what} (limit: {most / 1e6:.1f} MB)")


def _without_empty_pages(data: bytes) -> bytes:
    """The data without pages of zeros: a mostly empty array counts as a small one."""
    if len(data) <= MOST_DATA_BYTES // 8:
        return data
    pages = (data[at : at + _PAGE] for at in range(0, len(data), _PAGE))
    return b"".join(page for page in pages if page.count(0) < len(page))


class Disassembler(Protocol):
    """`objdump -dw` of a program, and of one of our own built by the same toolchain; called only if needed."""

    isa: Isa

    def disassemble(self, binary: bytes) -> str: ...

    def disassembled(self, code: str) -> str: ...


def find(program: Program, src_code: str, tests: Sequence[TestCase], toolchain: Disassembler) -> str | None:
    """The first evidence of cheating in a candidate; None if there is none."""
    return (
        _instructions(program, toolchain)
        or _probes(program, src_code)
        or known_tests(program.code, program.data, src_code, tests)
    )


class _ListingWantedError(Exception):
    pass


class _Listings:
    """A `Disassembler` that returns listings made earlier."""

    def __init__(self, what: Look):
        self._what = what
        self.isa = what.isa

    def disassemble(self, binary: bytes) -> str:
        if self._what.listing is None:
            raise _ListingWantedError
        return self._what.listing

    def disassembled(self, code: str) -> str:
        return self._what.own


def look(what: Look) -> Seen:
    """`find` as a worker calls it (apart.py). Errors as `read_program`."""
    program = read_program(what.code, what.binary)
    try:
        return Seen(find(program, what.src_code, what.tests, _Listings(what)), program.imports)
    except _ListingWantedError:
        return Seen(None, program.imports, wants_listing=True)


def _instructions(program: Program, toolchain: Disassembler) -> str | None:
    if program.writable_code:
        return "memory that is both writable and executable"
    suspects = {
        name: (pattern, mnemonic)
        for name, (pattern, mnemonic) in toolchain.isa.instructions.items()
        if any(re.search(pattern, section, re.DOTALL) for section in program.executable)
    }
    if not suspects:
        return None
    bare, _ = split_source(program.code)
    hides = re.search(r"\b(asm|__asm|__asm__)\b", bare) is not None
    for function, instructions in _disassembled(toolchain.disassemble(program.binary)):
        found = _in_function(instructions, suspects, hides)
        if found is not None and not _is_compilers_own(function, instructions, toolchain):
            return found.format(function)
    return None


def computes_in_80_bits(binary: bytes, toolchain: Disassembler) -> bool:
    """Whether a program uses the x87 unit, as `long double` does; gem5 computes it with 64 bits."""
    toolchain.disassembled(toolchain.isa.compilers_own)
    try:
        listing = toolchain.disassemble(binary)
    except SandboxError:  # the toolchain works, as the line above shows, so this is the program's doing
        return False
    return any(_X87.match(said) for _, instructions in _disassembled(listing) for _, said in instructions)


def _in_function(
    instructions: Sequence[tuple[bytes, str]], suspects: Mapping[str, tuple[bytes, str]], hides: bool
) -> str | None:
    data = b""  # objdump shows what an assembler was given as numbers as data, where symbols tell the two apart
    for raw, said in instructions:
        data = data[-_LONGEST_PATTERN:] + raw if said.startswith(".") else b""
        for name, (pattern, mnemonic) in suspects.items():
            if data and re.search(pattern, data, re.DOTALL):
                return f"{name} in {{}}"
            if re.match(pattern, _without_prefixes(raw), re.DOTALL) and said.split()[0] == mnemonic:
                return f"{name} in {{}}"
            # Such bytes inside another instruction are just a number, unless the program can jump there.
            if hides and re.search(pattern, raw[1:], re.DOTALL):
                return f"{name} hidden in another instruction of {{}}, in a program with inline assembly"
    return None


def _is_compilers_own(function: str, instructions: Sequence[tuple[bytes, str]], toolchain: Disassembler) -> bool:
    """Whether this is libgcc's function, and not just one of the same name: the instructions must agree."""
    if not function.startswith(_COMPILERS_OWN):
        return False

    def mnemonics(of: Sequence[tuple[bytes, str]]) -> list[str]:
        return [said.split()[0] for _, said in of]

    own = [*_disassembled(toolchain.disassembled(toolchain.isa.compilers_own))]
    return any((name, mnemonics(theirs)) == (function, mnemonics(instructions)) for name, theirs in own)


def _without_prefixes(raw: bytes) -> bytes:
    return raw.lstrip(b"\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3")


def _disassembled(listing: str) -> Iterator[tuple[str, list[tuple[bytes, str]]]]:
    """Each function in the output of `objdump -dw`, with its instructions as bytes and text."""
    name, instructions = "?", list[tuple[bytes, str]]()
    for line in io.StringIO(listing):
        line = line.rstrip("\n")
        if line.endswith(">:"):
            yield name, instructions
            name, instructions = line.partition("<")[2][:-2], []
            continue
        match = _INSTRUCTION.match(line)
        if match is not None:
            raw = bytes.fromhex(match[1])
            instructions.append((raw if " " in match[1] else raw[::-1], match[2]))
    yield name, instructions


def _probes(program: Program, src_code: str) -> str | None:
    bare, _ = split_source(program.code)
    theirs, _ = split_source(src_code)
    for what, names in _IMPORTS.items():
        for name in names:
            written = "hardware_concurrency" if name == _HARDWARE_CONCURRENCY else name
            if name in program.imports and re.search(rf"\b{written}\b", theirs) is None:
                return f"it reaches for {what} ({written})"
    checked = _SANITIZERS.search(bare)
    if checked is not None and checked[0] not in theirs:
        return f"it detects sanitizer builds ({checked[0]})"
    # Asking for a larger stack is common and harmless.
    limits = {"getrlimit", "setrlimit"} & program.imports
    if limits == {"getrlimit"} and "getrlimit" not in theirs:
        return "it reaches for its limits (getrlimit)"
    parameters = main_parameters(bare)  # unterminated comments and strings would make parsing slow
    # The text is checked as well, so that a program which is hard to parse cannot evade the check.
    arguments = re.search(r"\bmain\s*\(([^()]*)\)\s*\{", bare)
    if (parameters is not None and parameters >= 3) or (arguments is not None and arguments[1].count(",") >= 2):
        return "it reaches for the environment (main's third argument)"
    texts = b"\0".join([program.data, *program.executable]).lower()
    known = set(_TEXTS.findall(src_code.lower().encode(errors="replace")))
    found = next((text for text in _TEXTS.findall(texts) if text not in known), None)
    return None if found is None else f"it contains the text {found.decode()!r}"
