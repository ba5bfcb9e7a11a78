"""Compiles inside the sandbox, because source text is untrusted input (`#include "/etc/passwd"`, `.incbin`)."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pie_bench.execution import precompiled
from pie_bench.execution.environment import ToolchainSpec
from pie_bench.execution.isa import HOST_COMPILER, HOST_ROOT
from pie_bench.execution.rootfs import find_root, load_root_spec
from pie_bench.execution.sandbox.sandbox import PROGRAM, Command, File, Finished, Limits, Sandbox, SandboxError
from pie_bench.hashing import hash_of, sha256
from pie_bench.paths import roots_dir

_TEMPORARY = re.compile(r"/tmp/cc\w{6}")  # g++ picks these at random, but the linker's messages must not differ
_LOG_CHARACTERS = 4000
_SERVER = Path(__file__).parent / "sandbox" / "server.cpp"
_SOURCE = f"{PROGRAM}.cpp"
_BESIDE = "/w/beside.cpp"
# In the program (`__FILE__`) the folder is /w, whatever the sandbox calls it. Sandboxes leave quoted text alone.
_NAMED = "-ffile-prefix-map=/w/='/w/'"
_SANITIZERS = (
    *("-O1", "-g1", "-D_GLIBCXX_ASSERTIONS", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
    "-fno-sanitize=vptr",  # asks for pipes, and a contest's program has no class hierarchy worth it
)
_HEADER_BYTES = 256 << 20  # g++ 9 makes 94 MB
_PLACE = re.compile(rf"{re.escape(_SOURCE)}:(\d+)(?: \(discriminator \d+\))?")  # addr2line's format
T = TypeVar("T")


@dataclass(frozen=True)
class Compiled:
    """`binary` is None if there is none; `outcome` then says why: `compile_error` or `compile_timeout`."""

    binary: bytes | None
    log: str
    outcome: str = "ok"

    @property
    def binary_sha256(self) -> str | None:
        return sha256(self.binary) if self.binary is not None else None


class Toolchain:
    """g++ with an environment's flags, from the host or from a `root`; programs load libraries from the same place."""

    def __init__(self, spec: ToolchainSpec, limits: Limits, sandbox: Sandbox, root: Path | None = None):
        self._spec, self._limits, self._sandbox, self.root = spec, limits, sandbox, root
        self.isa = spec.isa
        self._made: dict[str, Any] = {}
        self._making_header = threading.Lock()

    @property
    def flags(self) -> tuple[str, ...]:
        return self._spec.flags

    def like(self, *, root: Path | None = None, **changed: Any) -> Toolchain:
        """This toolchain with parts of its spec, or its root, changed."""
        spec = self._spec.model_copy(update=changed)
        return Toolchain(spec, self._limits, self._sandbox, root or self.root)

    def compile(self, code: str, *more_flags: str, beside: str | None = None) -> Compiled:
        """Compiles one C++ source text. The file's name is fixed, so equal sources give equal binaries.

        `beside` is the text of an additional source file, which is our own.
        Raises SandboxError if the compiler could not be run or was stopped by the wall clock.
        """
        sources = {_SOURCE: code} | ({_BESIDE: beside} if beside is not None else {})
        if not more_flags and precompiled.begins_with_it(code):
            header = self._header()
            finished = self._compile(sources, (), header) if header is not None else None
            # Messages are those of the ordinary way.
            if finished is not None and finished.exit_code == 0 and not finished.stderr:
                return Compiled(finished.stdout, "")
        finished = self._compile(sources, more_flags)
        if finished.wall_timeout:
            said = f"stopped after {finished.wall_seconds:.0f} s of wall time"
            if self._works():  # the source made it wait for something that never came: #include "/dev/ptmx"
                return Compiled(None, said, "compile_timeout")
            raise SandboxError(f"the compiler was {said}")
        log = _TEMPORARY.sub("/tmp/cc…", finished.stderr.decode(errors="replace"))[:_LOG_CHARACTERS]
        if finished.exit_code == 0:
            return Compiled(finished.stdout, log)
        if finished.cpu_limit or "CPU time limit exceeded" in log:  # in the driver, or in a compiler it started
            return Compiled(None, f"stopped after {self._limits.cpu_seconds} CPU seconds\n{log}", "compile_timeout")
        return Compiled(None, log, "compile_error")

    def _compile(self, sources: Mapping[str, str], more_flags: Sequence[str], header: Path | None = None) -> Finished:
        shown = {precompiled.PLACE: header} if header is not None else {}
        flags = [*self._spec.flags, *more_flags, *(f"-I{place}/" for place in shown), _NAMED]
        line = f"{self._spec.compiler} {' '.join([*flags, *sources])} -o /tmp/program && cat /tmp/program"
        return self._build(line, sources, shown=shown)

    def _header(self) -> Path | None:
        """The folder with the precompiled header; None where there is none. Only a root's own, which never changes."""
        if self.root is None:
            return None
        made_of = [self.root.name, self._spec.compiler, self._spec.flags, self._sandbox.name]
        folder = roots_dir() / f"header-{hash_of(made_of)[:16]}"
        with self._making_header:
            return self._once(
                precompiled.INCLUDE,
                lambda _: precompiled.find_or_make(folder, self._precompile, self._compiles_alike),
            )

    def _precompile(self) -> bytes:
        flags = " ".join([*self._spec.flags, _NAMED])
        line = f"{self._spec.compiler} {flags} -x c++-header {_SOURCE} -o /tmp/header && cat /tmp/header"
        sizes = {"tmp_bytes": _HEADER_BYTES, "output_bytes": _HEADER_BYTES}
        finished = self._build(line, {_SOURCE: precompiled.INCLUDE}, limits=self._limits.model_copy(update=sizes))
        if finished.exit_code != 0:
            raise SandboxError(f"{self._spec.compiler} cannot precompile a header: {finished.stderr[:200]!r}")
        return finished.stdout

    def _compiles_alike(self, header: Path) -> bool:
        """Whether a program is the same with the header as without."""
        with_it, without = (self._compile({_SOURCE: precompiled.TRIAL}, (), each) for each in (header, None))
        return (with_it.exit_code, with_it.stdout) == (0, without.stdout)

    def _works(self) -> bool:
        """Whether an empty program compiles right now."""
        finished = self._build(f"{self._spec.compiler} {_SOURCE} -o /tmp/program", {_SOURCE: "int main() {}"})
        return finished.exit_code == 0

    def disassemble(self, binary: bytes) -> str:
        """`objdump -dw` of a program, by the toolchain's own binutils. SandboxError if there are none."""
        finished = self._run(["/bin/sh", "-c", f"{self.isa.binutils}objdump -dw {PROGRAM}"], {PROGRAM: binary})
        if finished.exit_code != 0:
            said = finished.stderr.decode(errors="replace").strip()[:300] or "it was stopped"
            raise SandboxError(f"objdump: {said}; is binutils installed?")
        return finished.stdout.decode(errors="replace")

    def source_lines(self, binary: bytes, addresses: Sequence[int]) -> list[list[int | None]]:
        """The source lines of addresses in a program compiled with `-g`: for each address the line of the innermost
        function first, then of those that it was inlined into; None for lines of other files.

        Uses the toolchain's own binutils. SandboxError if there are none.
        """
        asked = "".join(f"{address:#x}\n" for address in addresses).encode()
        script = f"{self.isa.binutils}addr2line -a -i -e {PROGRAM} < /w/addresses"
        finished = self._run(["/bin/sh", "-c", script], {PROGRAM: binary, "/w/addresses": asked})
        if finished.exit_code != 0:
            said = finished.stderr.decode(errors="replace").strip()[:300] or "it was stopped"
            raise SandboxError(f"addr2line: {said}; is binutils installed?")
        found: list[list[int | None]] = []
        for line in finished.stdout.decode(errors="replace").splitlines():
            if line.startswith("0x"):
                found.append([])
            elif found:
                at = _PLACE.fullmatch(line)
                found[-1].append(int(at[1]) if at is not None else None)
        if len(found) != len(addresses):
            raise SandboxError(f"addr2line: answers to {len(found)} of {len(addresses)} addresses")
        return found

    def server(self) -> bytes | None:
        """The sandbox's `SERVER`, compiled once; None if the toolchain cannot link statically."""
        return self._once(_SERVER.read_text(), lambda text: self.compile(text, "-static").binary)

    def disassembled(self, code: str) -> str:
        """The `disassemble` of one of our own source texts, computed once."""
        return self._once(code, lambda code: self.disassemble(self.compile(code).binary or b""))

    def _once(self, code: str, make: Callable[[str], T]) -> T:
        """The result of `make` for one of our own texts. (Concurrent threads may compute it twice, with the same
        result.)"""
        if code not in self._made:
            self._made[code] = make(code)
        made: T = self._made[code]
        return made

    def _build(self, script: str, sources: Mapping[str, str], **more: Any) -> Finished:
        files = {path: text.encode(errors="replace") for path, text in sources.items()}
        return self._run(["/bin/sh", "-c", script], files, **more)

    def _run(
        self,
        argv: list[str],
        files: Mapping[str, bytes],
        *,
        shown: Mapping[str, Path] | None = None,
        limits: Limits | None = None,
    ) -> Finished:
        environment = {"PATH": "/usr/bin", "LC_ALL": "C"}
        contents = {path: File(content) for path, content in files.items()}
        command = Command(argv, files=contents, environment=environment, root=self.root, shown=shown or {})
        return self._sandbox.run(command, limits or self._limits, "compile")

    def facts(self) -> dict[str, str]:
        """The compiler's version and, without a root (which is hashed as a whole), the hashes of the libraries."""
        compiler = self._spec.compiler
        libraries = self.isa.host_libraries if self.root is None else ()
        asked = " ".join(f"; {compiler} -print-file-name={library}" for library in libraries)
        finished = self._sandbox.run(
            Command(
                ["/bin/sh", "-c", f"{compiler} --version | head -n 1{asked}"],
                environment={"PATH": "/usr/bin"},
                root=self.root,
            ),
            self._limits,
            "compile",
        )
        if finished.exit_code != 0 or not finished.stdout:  # that is head's exit code
            raise SandboxError(f"{compiler} does not run in the sandbox; install it: sudo apt-get install {compiler}")
        version, *paths = finished.stdout.decode().splitlines()
        facts = {"compiler": version}
        for library, path in zip(libraries, paths, strict=True):
            facts[library] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        return facts


def host_toolchain(toolchain: Toolchain) -> Toolchain:
    """The toolchain for what runs on this machine and is not measured (checkers, sanitized programs): the given one or,
    if that targets another processor, the pinned one for this machine's, with the same flags.

    UserError if that root file system is not built.
    """
    if not toolchain.isa.is_foreign:
        return toolchain
    return toolchain.like(compiler=HOST_COMPILER, root=find_root(load_root_spec(HOST_ROOT), roots_dir()))


def sanitizing_toolchain(toolchain: Toolchain) -> Toolchain:
    """A toolchain whose programs end at undefined behaviour, at invalid accesses and at misuse of the library."""
    kept = (flag for flag in toolchain.flags if not flag.startswith("-O"))
    return toolchain.like(flags=(*kept, *_SANITIZERS))
