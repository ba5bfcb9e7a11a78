"""Inspecting untrusted bytes in separate processes with limits on memory and CPU time.

A program's contents decide how long inspecting it takes, and what third-party parsers do with it. A worker is reused as
long as it answers; one that exceeds its limits dies, and the program that it was inspecting is to blame.
"""

from __future__ import annotations

import json
import pickle
import resource
import signal
import struct
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from pie_bench.execution.integrity.forbidden import (
    Disassembler,
    Look,
    Seen,
    TooMuchError,
    look,
)
from pie_bench.execution.pool import lasts
from pie_bench.execution.sandbox.sandbox import SandboxError

MEMORY_BYTES = 512 << 20  # beyond what the libraries take
CPU_SECONDS = 10  # per program
_LENGTH = struct.Struct("<Q")


class Apart:
    """Workers, as many as there are threads that ask. They end when this is closed or the process ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[subprocess.Popen[bytes]] = []

    def __reduce__(self) -> tuple[Any, ...]:
        return Apart, ()

    def look(self, what: Look) -> Seen:
        """Raises TooMuchError if it kills two workers in a row, ValueError if it is not a program, SandboxError if no
        worker can be started."""
        for last in (False, True):
            worker = self._worker()
            try:
                said = _asked(worker, what)
            except (OSError, EOFError):
                how = _ended(worker)
                if last:
                    raise TooMuchError(how) from None
                continue
            with self._lock:
                self._idle.append(worker)
            if "too much" in said:
                raise TooMuchError(said["too much"])
            if "no program" in said:
                raise ValueError(said["no program"])
            return Seen(said["evidence"], frozenset(said["imports"]), said["wants_listing"])
        raise AssertionError("the second time returns or raises")

    def close(self) -> None:
        """Ends the idle workers."""
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            _end(worker)

    def _worker(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        worker = subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        lasts(worker)
        try:
            _receive(worker.stdout)  # "ready"
        except (OSError, EOFError):
            raise SandboxError(
                f"cannot start the process that analyses programs: it ended with {_ended(worker)}"
            ) from None
        return worker


def evidence_of(what: Look, apart: Apart, toolchain: Disassembler) -> Seen:
    """Evidence in a candidate, looked for in a separate process. Errors as `Apart.look`; also SandboxError if not even
    a known program can be disassembled here."""
    seen = apart.look(what)
    if not seen.wants_listing:
        return seen
    own = toolchain.disassembled(what.isa.compilers_own)  # known to work, so a failure after it is the candidate's
    try:
        listing = toolchain.disassemble(what.binary)
    except SandboxError as error:
        return Seen(f"it cannot be disassembled ({error})", seen.imports)
    return apart.look(replace(what, listing=listing, own=own))


def _asked(worker: subprocess.Popen[bytes], what: Look) -> dict[str, Any]:
    _send(worker.stdin, pickle.dumps(what))
    said: dict[str, Any] = json.loads(_receive(worker.stdout))
    return said


def _ended(worker: subprocess.Popen[bytes]) -> str:
    status = _end(worker)
    return f"{CPU_SECONDS} s of CPU time" if status == -signal.SIGXCPU else f"the worker died ({status})"


def _end(worker: subprocess.Popen[bytes]) -> int:
    for pipe in (worker.stdin, worker.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:
                continue
    try:
        return worker.wait(CPU_SECONDS)
    except subprocess.TimeoutExpired:
        worker.kill()
        return worker.wait()


def _send(pipe: IO[bytes] | None, data: bytes) -> None:
    assert pipe is not None
    pipe.write(_LENGTH.pack(len(data)) + data)
    pipe.flush()


def _receive(pipe: IO[bytes] | None) -> bytes:
    assert pipe is not None
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    data = pipe.read(_LENGTH.unpack(head)[0])
    if len(data) < _LENGTH.unpack(head)[0]:
        raise EOFError
    return data


def main() -> None:
    """The worker: reads requests from standard input and answers on standard output until the input ends."""
    import elftools.elf.elffile
    import numpy
    import tree_sitter_cpp

    assert elftools and numpy and tree_sitter_cpp  # imported first, so that their memory is outside the limit
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the harness ends it
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY_BYTES, taken + MEMORY_BYTES))
    _send(sys.stdout.buffer, b"ready")
    while True:
        try:
            what: Look = pickle.loads(_receive(sys.stdin.buffer))
        except EOFError:
            return
        used = resource.getrusage(resource.RUSAGE_SELF)
        most = int(used.ru_utime + used.ru_stime) + 1 + CPU_SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))
        said: dict[str, Any]
        try:
            seen = look(what)
            said = {**vars(seen), "imports": sorted(seen.imports)}
        except ValueError as error:
            said = {"no program": str(error)}
        except TooMuchError as error:
            said = {"too much": str(error)}
        except (MemoryError, RecursionError):
            said = {"too much": f"{MEMORY_BYTES >> 20} MB of memory"}
        _send(sys.stdout.buffer, json.dumps(said).encode())
