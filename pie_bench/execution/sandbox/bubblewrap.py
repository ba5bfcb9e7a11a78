"""bubblewrap + seccomp + rlimits, with the uid dropped before it starts.

Everything goes in and out through memory files (memfd): no host path but `/usr` is visible inside, nothing is written
to the host's disk, and what a program sees of its streams (regular files of block size 4096) is the same everywhere.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pie_bench.execution.sandbox import seccomp
from pie_bench.execution.sandbox.memory import content_of, memory_file
from pie_bench.execution.sandbox.sandbox import (
    CHANNEL,
    REPORT_PATH,
    Command,
    Connected,
    Finished,
    Limits,
    SandboxError,
    Served,
    Stage,
)

_NOBODY = 65534
_REPORT_BYTES = 64 << 20
_GRACE_SECONDS = 10  # for what ends by itself when its socket is closed

_ISOLATION = """
--unshare-all --unshare-user --die-with-parent --new-session --clearenv
--uid 65534 --gid 65534 --hostname sandbox
--symlink usr/lib /lib --symlink usr/lib64 /lib64 --symlink usr/bin /bin
--proc /proc --dev /dev --dir /w --dir /tmp
""".split()


class BubblewrapSandbox:
    """The `Sandbox` contract on bubblewrap (Debian's package `bubblewrap`), for root and ordinary users alike."""

    name = "bubblewrap"

    def __init__(self) -> None:
        self._bwrap = _find("bwrap", "bubblewrap")
        self._setarch = _find("setarch", "util-linux")
        _find("prlimit", "util-linux")
        known = subprocess.run([self._bwrap, "--help"], capture_output=True, text=True, check=False).stdout
        # Since 0.8 and 0.7. Without: the seccomp filters refuse new namespaces too; /tmp can grow to half of memory.
        self._no_namespaces = ["--disable-userns"] if "--disable-userns" in known else []
        self._can_limit_size = "--size" in known

    def run(self, command: Command, limits: Limits, stage: Stage) -> Finished:
        """Runs to the end or a limit. Raises SandboxError when the command could not be started."""
        with ExitStack() as stack:
            prepared = self._prepare(command, limits, stage, stage, stack)
            ended = _run_to_end(prepared, limits.wall_seconds)
            if not ended.wall_timeout:
                _check_started(content_of(prepared.status), content_of(prepared.stderr))
            return _finished(ended, limits, *map(content_of, (prepared.stdout, prepared.stderr, prepared.report)))

    @contextmanager
    def serve(self, command: Command, limits: Limits) -> Iterator[Served]:
        """The `Sandbox` contract's `serve`, on a sequenced-packet socket pair."""
        with ExitStack() as stack:
            prepared = self._prepare(command, limits, "simulator", "server", stack)
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            stack.enter_context(ours)
            with theirs:
                process = _start(replace(prepared, stdin=theirs.fileno()))
            stack.callback(_kill, process)
            handle = os.pidfd_open(process.pid)
            stack.callback(os.close, handle)
            served = _Served(ours, handle, prepared, limits)
            try:
                yield served
            finally:
                ours.close()  # it ends by itself; if not, by force
                select.select([handle], [], [], 0 if served.is_stuck else _GRACE_SECONDS)

    @contextmanager
    def connect(self, command: Command, limits: Limits) -> Iterator[Connected]:
        """The `Sandbox` contract's `connect`."""
        with ExitStack() as stack:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            stack.enter_context(ours)
            with theirs:
                argv = [argument.replace(CHANNEL, str(theirs.fileno())) for argument in command.argv]
                prepared = self._prepare(replace(command, argv=argv), limits, "simulator", "gem5", stack)
                prepared.inherited.append(theirs.fileno())
                process = _start(prepared)
            stack.callback(_kill, process)
            yield Connected(ours, lambda: content_of(prepared.stderr))

    def _prepare(
        self, command: Command, limits: Limits, stage: Stage, profile: seccomp.Filter, stack: ExitStack
    ) -> _Prepared:
        """The command line that runs it inside, and descriptors that are open as long as `stack` is."""

        def file(name: str, content: bytes = b"") -> int:
            return stack.enter_context(memory_file(name, content))

        stdin = file("stdin", command.stdin)
        stdout, stderr, report, status = (file(name) for name in ("stdout", "stderr", "report", "status"))
        os.fchmod(report, 0o666)  # reopened by its path, from inside, by the sandbox's uid
        filter_fd = seccomp.as_file(profile)
        stack.callback(os.close, filter_fd)
        options = [*_ISOLATION, *self._no_namespaces, *_root_options(command.root)]
        if stage != "payload":  # compilers and simulators keep temporary files; a program has nothing to write to
            options += ["--size", str(limits.tmp_bytes)] if self._can_limit_size else []
            options += ["--tmpfs", "/tmp"]
        inherited = [status, filter_fd]
        if any(REPORT_PATH in argument for argument in command.argv):
            inherited.append(report)
        for path, given in sorted(command.files.items()):
            fd = file("file", given.content)
            inherited.append(fd)
            options += ["--perms", "0555" if given.executable else "0444", "--ro-bind-data", str(fd), path]
        for path, shown in sorted(command.shown.items()):
            _check_can_enter(shown)
            options += ["--ro-bind", str(shown), path]
        for key, value in sorted(command.environment.items()):
            options += ["--setenv", key, value]
        options += ["--seccomp", str(filter_fd), "--json-status-fd", str(status)]
        options += ["--chdir", "/tmp", "--remount-ro", "/dev", "--remount-ro", "/"]
        rlimits = [
            f"--nproc={limits.processes}",
            f"--as={limits.memory_bytes}",
            f"--cpu={limits.cpu_seconds}:{limits.cpu_seconds + 1}",
            f"--fsize={limits.output_bytes if stage == 'payload' or profile == 'gem5' else _REPORT_BYTES}",
            f"--stack={limits.stack_bytes}",
            "--nofile=64",
            "--core=0",
        ]
        argv = [argument.replace(REPORT_PATH, f"/proc/self/fd/{report}") for argument in command.argv]
        line = [self._setarch, "-R", self._bwrap, *options, "--", "/usr/bin/prlimit", *rlimits, *argv]
        return _Prepared(line, stdin, stdout, stderr, report, status, inherited)


@dataclass(frozen=True)
class _Prepared:
    """bubblewrap's command line and the descriptors that go with it."""

    line: list[str]
    stdin: int
    stdout: int
    stderr: int
    report: int
    status: int
    inherited: list[int]


class _Served:
    """The contract's `Served`."""

    def __init__(self, control: socket.socket, handle: int, prepared: _Prepared, limits: Limits):
        self.report_descriptor = prepared.report
        self.child_filter = seccomp.filter_program("simulator")
        self.is_stuck = False
        self._control, self._handle, self._stderr, self._limits = control, handle, prepared.stderr, limits

    def send(self, message: bytes) -> None:
        try:
            self._control.send(message)
        except OSError:
            raise self._gone() from None

    def run(self, stdin: bytes, tag: bytes = b"\0") -> Finished:
        with ExitStack() as stack:
            files = [
                stack.enter_context(memory_file(name, content))
                for name, content in (("stdin", stdin), ("stdout", b""), ("stderr", b""), ("report", b""))
            ]
            os.fchmod(files[3], 0o666)
            start = time.monotonic()
            try:
                socket.send_fds(self._control, [tag], files)
                ready = select.select([self._control], [], [], self._limits.wall_seconds)[0]
                reply = self._control.recv(4) if ready else None
                self.is_stuck = reply is None
            except OSError:
                raise self._gone() from None
            if reply == b"":
                raise self._gone()
            status = os.waitstatus_to_exitcode(struct.unpack("<i", reply)[0]) if reply else -signal.SIGKILL
            ended = _Ended(status if status >= 0 else 128 - status, time.monotonic() - start, reply is None)
            return _finished(ended, self._limits, *map(content_of, files[1:]))

    def stderr(self) -> bytes:
        return content_of(self._stderr)

    def _gone(self) -> SandboxError:
        select.select([self._handle], [], [], _GRACE_SECONDS)
        said = self.stderr().decode(errors="replace").strip().splitlines()
        return SandboxError(f"the process that serves inputs has ended: {said[-1] if said else 'no message'}")


def _check_can_enter(path: Path) -> None:
    """For root the sandbox runs as another user, who must be able to reach what it is to be shown."""
    if os.geteuid() != 0:
        return
    closed = next((part for part in (path, *path.parents) if not part.stat().st_mode & 0o001), None)
    if closed is not None:
        raise SandboxError(
            f"{closed}: closed to other users, and the sandbox's user must reach {path}; put it where everyone can "
            "enter (root file systems: set PIE_BENCH_ROOTS)"
        )


def _root_options(root: Path | None) -> list[str]:
    if root is None:
        return ["--ro-bind", "/usr", "/usr"]
    _check_can_enter(root)
    options = ["--ro-bind", str(root / "usr"), "/usr"]
    cache = root / "etc" / "ld.so.cache"
    return [*options, "--ro-bind", str(cache), "/etc/ld.so.cache"] if cache.exists() else options


@dataclass(frozen=True)
class _Ended:
    status: int  # as a shell gives it: 128 + the signal
    wall_seconds: float
    wall_timeout: bool


def _start(prepared: _Prepared) -> subprocess.Popen[bytes]:
    drop = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    return subprocess.Popen(
        prepared.line,
        stdin=prepared.stdin,
        stdout=prepared.stdout,
        stderr=prepared.stderr,
        pass_fds=prepared.inherited,
        env={"PATH": "/usr/bin"},  # bubblewrap's own environment can be read from inside
        cwd="/",
        start_new_session=True,  # Ctrl-C at the terminal is the harness's to handle
        **drop,  # type: ignore[call-overload]
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Ends bubblewrap, and with it its process namespace: everything that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _run_to_end(prepared: _Prepared, wall_seconds: float) -> _Ended:
    start = time.monotonic()
    process = _start(prepared)
    try:
        handle = os.pidfd_open(process.pid)
        try:
            in_time = bool(select.select([handle], [], [], wall_seconds)[0])
        finally:
            os.close(handle)
    finally:
        _kill(process)
    status = process.returncode if process.returncode >= 0 else 128 - process.returncode
    return _Ended(status, time.monotonic() - start, not in_time)


def _finished(ended: _Ended, limits: Limits, stdout: bytes, stderr: bytes, report: bytes) -> Finished:
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
        # A program that ignores SIGXCPU is killed a CPU second later.
        cpu_limit=ended_by == signal.SIGXCPU
        or (ended_by == signal.SIGKILL and not ended.wall_timeout and ended.wall_seconds >= limits.cpu_seconds),
    )


def _check_started(status: bytes, stderr: bytes) -> None:
    """bubblewrap reports the command's exit as JSON lines; without that, what ended was bubblewrap itself."""
    lines = [json.loads(line) for line in status.decode().splitlines()]
    if not any("exit-code" in line for line in lines):
        said = stderr.decode(errors="replace").strip().splitlines()
        raise SandboxError(f"bubblewrap could not run the command: {said[-1] if said else 'no message'}")


def _find(program: str, package: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise SandboxError(f"{program} not found; install it: sudo apt-get install {package}")
    return path
