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
from dataclasses import dataclass

from pie_bench.execution.sandbox import seccomp
from pie_bench.execution.sandbox.sandbox import (
    REPORT_PATH,
    Command,
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
--ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64 --symlink usr/bin /bin
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
            stdin = stack.enter_context(_memory_file("stdin", command.stdin))
            stdout, stderr, report, status = (
                stack.enter_context(_memory_file(name)) for name in ("stdout", "stderr", "report", "status")
            )
            line, inherited = self._line(command, limits, stage, stage, report, status, stack)
            ended = _run_to_end(line, stdin, stdout, stderr, inherited, limits.wall_seconds)
            err = _content(stderr)
            if not ended.wall_timeout:
                _check_started(_content(status), err)
            return _finished(ended, limits, _content(stdout), err, _content(report))

    @contextmanager
    def serve(self, command: Command, limits: Limits) -> Iterator[Served]:
        """The `Sandbox` contract's `serve`, on a sequenced-packet socket pair."""
        with ExitStack() as stack:
            stdout, stderr, report, status = (
                stack.enter_context(_memory_file(name)) for name in ("stdout", "stderr", "report", "status")
            )
            line, inherited = self._line(command, limits, "simulator", "server", report, status, stack)
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            stack.enter_context(ours)
            with theirs:
                process = _start(line, theirs.fileno(), stdout, stderr, inherited)
            stack.callback(_end, process)
            handle = os.pidfd_open(process.pid)
            stack.callback(os.close, handle)
            served = _Served(ours, handle, stderr, report, limits)
            try:
                yield served
            finally:
                ours.close()  # it ends by itself; if not, by force
                select.select([handle], [], [], 0 if served.is_stuck else _GRACE_SECONDS)

    def _line(
        self,
        command: Command,
        limits: Limits,
        stage: Stage,
        filter_name: seccomp.Filter,
        report: int,
        status: int,
        stack: ExitStack,
    ) -> tuple[list[str], list[int]]:
        """The command line that runs it inside, and the descriptors to inherit (open as long as `stack` is)."""
        os.fchmod(report, 0o666)  # reopened by its path, from inside, by the sandbox's uid
        filter_fd = seccomp.as_file(filter_name)
        stack.callback(os.close, filter_fd)
        options = [*_ISOLATION, *self._no_namespaces]
        if stage != "payload":  # compilers and valgrind keep temporary files; a program has nothing to write to
            options += ["--size", str(limits.tmp_bytes)] if self._can_limit_size else []
            options += ["--tmpfs", "/tmp"]
        inherited = [status, filter_fd]
        if any(REPORT_PATH in argument for argument in command.argv):
            inherited.append(report)
        for path, file in sorted(command.files.items()):
            fd = stack.enter_context(_memory_file("file", file.content))
            inherited.append(fd)
            options += ["--perms", "0555" if file.executable else "0444", "--ro-bind-data", str(fd), path]
        for key, value in sorted(command.environment.items()):
            options += ["--setenv", key, value]
        options += ["--seccomp", str(filter_fd), "--json-status-fd", str(status)]
        options += ["--chdir", "/tmp", "--remount-ro", "/dev", "--remount-ro", "/"]
        rlimits = [
            f"--nproc={limits.processes}",
            f"--as={limits.memory_bytes}",
            f"--cpu={limits.cpu_seconds}:{limits.cpu_seconds + 1}",
            f"--fsize={limits.output_bytes if stage == 'payload' else _REPORT_BYTES}",
            f"--stack={limits.stack_bytes}",
            "--nofile=64",
            "--core=0",
        ]
        argv = [argument.replace(REPORT_PATH, f"/proc/self/fd/{report}") for argument in command.argv]
        line = [self._setarch, "-R", self._bwrap, *options, "--", "/usr/bin/prlimit", *rlimits, *argv]
        return line, inherited


class _Served:
    """The contract's `Served`."""

    def __init__(self, control: socket.socket, handle: int, stderr: int, report: int, limits: Limits):
        self.report_descriptor = report
        self.child_filter = seccomp.filter_program("simulator")
        self.is_stuck = False
        self._control, self._handle, self._stderr, self._limits = control, handle, stderr, limits

    def send(self, message: bytes) -> None:
        try:
            self._control.send(message)
        except OSError:
            raise self._gone() from None

    def run(self, stdin: bytes, tag: bytes = b"\0") -> Finished:
        with ExitStack() as stack:
            files = [
                stack.enter_context(_memory_file(name, content))
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
            return _finished(ended, self._limits, *map(_content, files[1:]))

    def stderr(self) -> bytes:
        return _content(self._stderr)

    def _gone(self) -> SandboxError:
        select.select([self._handle], [], [], _GRACE_SECONDS)
        said = self.stderr().decode(errors="replace").strip().splitlines()
        return SandboxError(f"the process that serves inputs has ended: {said[-1] if said else 'no message'}")


@dataclass(frozen=True)
class _Ended:
    status: int  # as a shell gives it: 128 + the signal
    wall_seconds: float
    wall_timeout: bool


def _run_to_end(
    line: list[str], stdin: int, stdout: int, stderr: int, inherited: list[int], wall_seconds: float
) -> _Ended:
    start = time.monotonic()
    process = _start(line, stdin, stdout, stderr, inherited)
    try:
        handle = os.pidfd_open(process.pid)
        try:
            in_time = bool(select.select([handle], [], [], wall_seconds)[0])
        finally:
            os.close(handle)
    finally:
        _end(process)
    status = process.returncode if process.returncode >= 0 else 128 - process.returncode
    return _Ended(status, time.monotonic() - start, not in_time)


def _start(line: list[str], stdin: int, stdout: int, stderr: int, inherited: list[int]) -> subprocess.Popen[bytes]:
    drop = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    return subprocess.Popen(
        line,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        pass_fds=inherited,
        env={"PATH": "/usr/bin"},  # bubblewrap's own environment can be read from inside
        cwd="/",
        start_new_session=True,  # Ctrl-C at the terminal is the harness's to handle
        **drop,  # type: ignore[call-overload]
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


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


@contextmanager
def _memory_file(name: str, content: bytes = b"") -> Iterator[int]:
    fd = os.memfd_create(name)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


def _content(fd: int) -> bytes:
    return os.pread(fd, os.fstat(fd).st_size, 0)


def _find(program: str, package: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise SandboxError(f"{program} not found; install it: sudo apt-get install {package}")
    return path
