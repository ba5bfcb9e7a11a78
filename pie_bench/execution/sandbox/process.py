"""Starts, awaits and ends sandboxed processes: what all mechanisms share."""

from __future__ import annotations

import ctypes
import math
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pie_bench.execution.sandbox import seccomp
from pie_bench.execution.sandbox.cgroups import Cgroups, find_cgroups
from pie_bench.execution.sandbox.memory import content_of, memory_file
from pie_bench.execution.sandbox.sandbox import (
    ALL_ADDRESSES,
    Finished,
    Limits,
    SandboxError,
    Served,
    Stage,
)

REPORT_BYTES = 64 << 20  # what a simulator may write in one file
_PR_SET_CHILD_SUBREAPER = 36
STALL_SECONDS = 10  # without CPU time or a runnable thread: it will never finish
_LOOK_SECONDS, _LOOK_SECONDS_AT_MEMORY = 1, 0.05
RESIDENT_BYTES = 2 << 30  # the most in memory of what may reserve any addresses (`ALL_ADDRESSES`)
_REPLY = struct.Struct("<iQ")  # from a process that serves inputs: wait status, user time in microseconds
GRACE_SECONDS = 10  # for processes that exit when their socket is closed, or when asked to


@dataclass(frozen=True)
class Streams:
    """A run's standard streams, its report and the mechanism's own messages, as memory files."""

    stdin: int
    stdout: int
    stderr: int
    report: int
    status: int


@contextmanager
def streams(stdin: bytes) -> Iterator[Streams]:
    """The streams, open for the duration of the block."""
    with ExitStack() as stack:
        files = [stack.enter_context(memory_file("stdin", stdin))]
        files += [stack.enter_context(memory_file(name)) for name in ("stdout", "stderr", "report", "status")]
        os.fchmod(files[3], 0o666)  # reopened by its path, from inside, by the sandbox's uid
        yield Streams(*files)


@dataclass(frozen=True)
class Launch:
    """A mechanism's command line with everything it needs.

    `stop` is the signal that ends it with everything it started; if that is not SIGKILL, whatever remains after a while
    is killed. If it `forks`, the total that its processes use is limited too, if the machine permits. `orphan`, called
    once it has begun, names a process that it leaves behind. That process ends by itself and is reaped, so that the CPU
    time of everything that ran is accounted to this process's children.
    """

    line: list[str]
    streams: Streams
    inherited: list[int] = field(default_factory=list)
    environment: Mapping[str, str] = field(default_factory=lambda: {"PATH": "/usr/bin"})
    cwd: str = "/"
    options: Mapping[str, Any] = field(default_factory=dict)  # for Popen
    stop: signal.Signals = signal.SIGKILL
    forks: bool = False
    orphan: Callable[[], int | None] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        if self.orphan is not None:
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        return subprocess.Popen(
            self.line,
            stdin=self.streams.stdin,
            stdout=self.streams.stdout,
            stderr=self.streams.stderr,
            pass_fds=self.inherited,
            env=dict(self.environment),  # a mechanism's own environment may be readable from inside
            cwd=self.cwd,
            start_new_session=True,  # only the harness handles Ctrl-C at the terminal
            **self.options,
        )

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """Ends it with everything it started."""
        if process.poll() is None and self.stop != signal.SIGKILL:
            os.killpg(process.pid, self.stop)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        left = self.orphan() if self.orphan is not None else None
        if left is not None:
            _wait_for(left)

    def run(self, limits: Limits) -> Ended:
        """Runs to completion, or until `wall_seconds` have passed."""
        start = time.monotonic()
        with ExitStack() as stack:
            cgroups = find_cgroups() if self.forks else ""
            add = stack.enter_context(cgroups.group(limits)) if isinstance(cgroups, Cgroups) else None
            process = self.start()
            stack.callback(self.end, process)
            if add is not None:
                add(process.pid)
            handle = os.pidfd_open(process.pid)
            stack.callback(os.close, handle)
            in_time, stalled = _ends(handle, process.pid, limits)
            left = self.orphan() if self.orphan is not None else None
            spent = [_user_seconds(pid) for pid in (process.pid, left) if pid is not None]
            user = None if None in spent else math.fsum(filter(None, spent))
        status = process.returncode if process.returncode >= 0 else 128 - process.returncode
        return Ended(status, time.monotonic() - start, not in_time, user, stalled)


def _user_seconds(pid: int) -> float | None:
    """User-mode CPU time of a process that has not been reaped yet, including that of the children it reaped."""
    try:
        fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[13])) / os.sysconf("SC_CLK_TCK")  # utime, cutime


def _wait_for(orphan: int) -> None:
    """Reaps the orphan if it is ours, waiting for a limited time."""
    with suppress(OSError):
        handle = os.pidfd_open(orphan)
        try:
            if select.select([handle], [], [], GRACE_SECONDS)[0]:
                os.waitpid(orphan, 0)
        finally:
            os.close(handle)


@dataclass(frozen=True)
class Ended:
    status: int  # as a shell reports it: 128 + the signal
    wall_seconds: float
    wall_timeout: bool
    user_seconds: float | None = None
    stalled: bool = False


def _ends(waited_for: Any, pid: int, limits: Limits) -> tuple[bool, bool]:
    """Waits until a descriptor is readable, which means that the process has ended. Returns whether it ended in time,
    and whether it did not because there was no point in waiting: it and all its descendants only slept for
    `STALL_SECONDS`, or, where their addresses are not limited, have more than `RESIDENT_BYTES` in memory."""
    end = time.monotonic() + limits.wall_seconds
    watched = limits.memory_bytes >= ALL_ADDRESSES
    look_seconds = _LOOK_SECONDS_AT_MEMORY if watched else _LOOK_SECONDS
    used, since = -1, time.monotonic()
    while (left := end - time.monotonic()) > 0:
        if select.select([waited_for], [], [], min(left, look_seconds))[0]:
            return True, False
        now, busy, resident = _activity(pid)
        if watched and resident > RESIDENT_BYTES:
            return False, True
        if busy or now != used:
            used, since = now, time.monotonic()
        elif time.monotonic() - since >= STALL_SECONDS:
            return False, True
    return False, False


def _activity(pid: int) -> tuple[int, bool, int]:
    """CPU time, in ticks, of a process and its descendants; whether any of their threads is running, runnable, or
    waiting for a disk (on a loaded machine, not getting the CPU is not the same as sleeping); and the bytes that they
    have in memory."""
    ticks, busy, pages, waiting = 0, False, 0, [pid]
    while waiting:
        process = Path("/proc", str(waiting.pop()), "task")
        try:
            threads = list(process.iterdir())
        except OSError:  # it has already ended
            busy = True
            continue
        shared = 0  # by its threads
        for thread in threads:
            try:
                fields = (thread / "stat").read_text().rpartition(")")[2].split()
                waiting += map(int, (thread / "children").read_text().split())
            except OSError:  # so has this one
                busy = True
                continue
            ticks += int(fields[11]) + int(fields[12])
            busy = busy or fields[0] in "RD"
            shared = int(fields[21])
        pages += shared
    return ticks, busy, pages * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def serving(launch: Launch, limits: Limits, stage: Stage) -> Iterator[Served]:
    """The `Sandbox` contract's `serve`, on a sequenced-packet socket pair."""
    with ExitStack() as stack:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        stack.enter_context(ours)
        with theirs:
            process = replace(launch, streams=replace(launch.streams, stdin=theirs.fileno())).start()
        stack.callback(launch.end, process)
        handle = os.pidfd_open(process.pid)
        stack.callback(os.close, handle)
        served = _Served(ours, handle, process.pid, launch.streams, limits, stage)
        try:
            yield served
        finally:
            ours.close()  # it exits by itself; if not, it is killed
            select.select([handle], [], [], 0 if served.is_stuck else GRACE_SECONDS)


class _Served:
    """The contract's `Served`."""

    def __init__(self, control: socket.socket, handle: int, pid: int, streams: Streams, limits: Limits, stage: Stage):
        self.report_descriptor = streams.report
        self.child_filter = seccomp.filter_program(stage)
        self.is_stuck = False
        self._control, self._handle, self._pid = control, handle, pid
        self._stderr, self._limits = streams.stderr, limits

    def send(self, message: bytes) -> None:
        try:
            self._control.send(message)
        except OSError:
            raise self._gone() from None

    def run(self, stdin: bytes, tag: bytes = b"\0") -> Finished:
        with streams(stdin) as files:
            start = time.monotonic()
            try:
                socket.send_fds(self._control, [tag], [files.stdin, files.stdout, files.stderr, files.report])
                ready, stalled = _ends(self._control, self._pid, self._limits)
                reply = self._control.recv(_REPLY.size) if ready else None
                self.is_stuck = reply is None
            except OSError:
                raise self._gone() from None
            if reply == b"":
                raise self._gone()
            status = os.waitstatus_to_exitcode(struct.unpack_from("<i", reply)[0]) if reply else -signal.SIGKILL
            code = status if status >= 0 else 128 - status
            user = _REPLY.unpack(reply)[1] / 1e6 if reply and len(reply) == _REPLY.size else None
            ended = Ended(code, time.monotonic() - start, reply is None, user, stalled)
            return finished_of(ended, self._limits, files)

    def stderr(self) -> bytes:
        return content_of(self._stderr)

    def _gone(self) -> SandboxError:
        select.select([self._handle], [], [], GRACE_SECONDS)
        return SandboxError(f"the process that serves inputs exited: {said_last(self.stderr())}")


def finished_of(ended: Ended, limits: Limits, files: Streams) -> Finished:
    """The contract's `Finished`."""
    return finished_with(ended, limits, *map(content_of, (files.stdout, files.stderr, files.report)))


def finished_with(ended: Ended, limits: Limits, stdout: bytes, stderr: bytes, report: bytes) -> Finished:
    """`finished_of`, given what was written."""
    code = ended.status if ended.status < 128 else None
    ended_by = None if code is not None else ended.status - 128
    return Finished(
        exit_code=code,
        signal=ended_by,
        stdout=stdout,
        stderr=stderr,
        report=report,
        wall_seconds=ended.wall_seconds,
        wall_timeout=ended.wall_timeout,
        # A program that ignores SIGXCPU is killed one CPU second later.
        cpu_limit=ended_by == signal.SIGXCPU
        or (ended_by == signal.SIGKILL and not ended.wall_timeout and ended.wall_seconds >= limits.cpu_seconds),
        user_seconds=ended.user_seconds,
        stalled=ended.stalled,
    )


def rlimits(limits: Limits, stage: Stage, *, is_gem5: bool = False) -> dict[str, tuple[int, int]]:
    """Soft and hard limits of each resource, by prlimit's names."""
    output = REPORT_BYTES if stage == "simulator" and not is_gem5 else limits.output_bytes
    return {
        "nproc": (limits.processes, limits.processes),
        "as": (limits.memory_bytes, limits.memory_bytes),
        "cpu": (limits.cpu_seconds, limits.cpu_seconds + 1),
        "fsize": (output, output),
        "stack": (limits.stack_bytes, limits.stack_bytes),
        "nofile": (64, 64),
        "core": (0, 0),
    }


def prlimit_options(limits: Mapping[str, tuple[int, int]]) -> list[str]:
    """`rlimits` as options of the command prlimit."""
    return [f"--{name}={soft}:{hard}" for name, (soft, hard) in limits.items()]


def find_program(program: str, package: str) -> str:
    """The program's path; SandboxError, with the package to install, if it is not found."""
    path = shutil.which(program)
    if path is None:
        raise SandboxError(f"{program} not found; install it: sudo apt-get install {package}")
    return path


def has_ended(harness: str) -> bool:
    """Whether the process with this id has ended, so that its remains can be removed."""
    return not Path("/proc", harness).exists()


def said_last(stderr: bytes) -> str:
    """The last line written to standard error."""
    lines = stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no message"


def check_can_enter(path: Path) -> None:
    """As root, the sandbox runs as another user, who must be able to reach what it is to be shown."""
    if os.geteuid() != 0:
        return
    closed = next((part for part in (path, *path.parents) if not part.stat().st_mode & 0o001), None)
    if closed is not None:
        raise SandboxError(
            f"{closed}: closed to other users, but the sandbox's user must reach {path}; move it to where everyone can "
            "enter (root file systems: set PIE_BENCH_ROOTS)"
        )
