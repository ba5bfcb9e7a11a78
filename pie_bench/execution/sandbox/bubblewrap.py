"""bubblewrap + seccomp + rlimits, with the uid dropped before it starts.

All data goes in and out through memory files (memfd). No host path but `/usr` is visible inside, nothing is written to
the host's disk, and a program sees the same streams everywhere (regular files with block size 4096).
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from pie_bench.execution.sandbox import seccomp
from pie_bench.execution.sandbox.memory import content_of, memory_file
from pie_bench.execution.sandbox.process import (
    GRACE_SECONDS,
    Launch,
    check_can_enter,
    find_program,
    finished_of,
    prlimit_options,
    rlimits,
    said_last,
    serving,
    streams,
)
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

_ISOLATION = """
--unshare-all --unshare-user --die-with-parent --new-session --clearenv
--uid 65534 --gid 65534 --hostname sandbox
--symlink usr/lib /lib --symlink usr/lib64 /lib64 --symlink usr/bin /bin
--proc /proc --dev /dev --dev-bind /dev/null /dev/pts/ptmx --dir /w --dir /tmp
""".split()  # a compiler that reads from a new terminal would wait forever


class BubblewrapSandbox:
    """The `Sandbox` contract on bubblewrap (Debian's package `bubblewrap`), for root and ordinary users alike."""

    name = "bubblewrap"
    remedy = (
        "needed: the package bubblewrap, and user namespaces allowed for ordinary users: "
        "sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0"
    )
    shows_roots = True
    accounts_cpu = True

    def __init__(self) -> None:
        self._bwrap = find_program("bwrap", "bubblewrap")
        self._setarch = find_program("setarch", "util-linux")
        find_program("prlimit", "util-linux")
        known = subprocess.run([self._bwrap, "--help"], capture_output=True, text=True, check=False).stdout
        # Since 0.8 and 0.7. Older versions: the seccomp filters refuse new namespaces too; /tmp can grow to half of
        # memory.
        self._no_namespaces = ["--disable-userns"] if "--disable-userns" in known else []
        self._can_limit_size = "--size" in known

    def run(self, command: Command, limits: Limits, stage: Stage) -> Finished:
        """Runs to completion or to a limit. Raises SandboxError if the command could not be started."""
        with ExitStack() as stack:
            launch = self._prepare(command, limits, stage, stage, stack)
            ended = launch.run(limits)
            if not ended.wall_timeout:
                _check_started(content_of(launch.streams.status), content_of(launch.streams.stderr))
            return finished_of(ended, limits, launch.streams)

    @contextmanager
    def serve(self, command: Command, limits: Limits, stage: Stage = "simulator") -> Iterator[Served]:
        """The `Sandbox` contract's `serve`, on a sequenced-packet socket pair."""
        if stage == "payload":  # the server counts among the processes
            limits = limits.model_copy(update={"processes": limits.processes + 1})
        with ExitStack() as stack:
            launch = self._prepare(command, limits, stage, "server", stack)
            yield stack.enter_context(serving(launch, limits, stage))

    @contextmanager
    def connect(self, command: Command, limits: Limits) -> Iterator[Connected]:
        """The `Sandbox` contract's `connect`."""
        with ExitStack() as stack:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            stack.enter_context(ours)
            with theirs:
                argv = [argument.replace(CHANNEL, str(theirs.fileno())) for argument in command.argv]
                launch = self._prepare(replace(command, argv=argv), limits, "simulator", "gem5", stack)
                launch.inherited.append(theirs.fileno())
                process = launch.start()
            stack.callback(launch.end, process)
            try:
                yield Connected(ours, lambda: content_of(launch.streams.stderr))
            finally:
                ours.close()  # it exits by itself; if not, it is killed
                with suppress(subprocess.TimeoutExpired):
                    process.wait(GRACE_SECONDS)

    def _prepare(
        self, command: Command, limits: Limits, stage: Stage, profile: seccomp.Filter, stack: ExitStack
    ) -> Launch:
        """The command line that runs it inside, and descriptors that stay open as long as `stack`."""
        files = stack.enter_context(streams(command.stdin))
        filter_fd = seccomp.as_file(profile)
        stack.callback(os.close, filter_fd)
        options = [*_ISOLATION, *self._no_namespaces, *_root_options(command.root)]
        if stage in ("compile", "simulator"):  # they need temporary files; programs may not write
            options += ["--size", str(limits.tmp_bytes)] if self._can_limit_size else []
            options += ["--tmpfs", "/tmp"]
        inherited = [files.status, filter_fd]
        if any(REPORT_PATH in argument for argument in command.argv):
            inherited.append(files.report)
        for path, given in sorted(command.files.items()):
            fd = stack.enter_context(memory_file("file", given.content))
            inherited.append(fd)
            options += ["--perms", "0555" if given.executable else "0444", "--ro-bind-data", str(fd), path]
        for path, shown in sorted(command.shown.items()):
            check_can_enter(shown)
            options += ["--ro-bind", str(shown), path]
        for key, value in sorted(command.environment.items()):
            options += ["--setenv", key, value]
        options += ["--seccomp", str(filter_fd), "--json-status-fd", str(files.status)]
        options += ["--chdir", "/tmp", "--remount-ro", "/dev", "--remount-ro", "/"]
        limited = prlimit_options(rlimits(limits, stage, is_gem5=profile == "gem5"))
        argv = [argument.replace(REPORT_PATH, f"/proc/self/fd/{files.report}") for argument in command.argv]
        fixed = [] if command.random_addresses else [self._setarch, "-R"]
        line = [*fixed, self._bwrap, *options, "--", "/usr/bin/prlimit", *limited, *argv]
        drop = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        return Launch(
            line, files, inherited, options=drop, forks=stage == "compile", orphan=lambda: _first_process(files.status)
        )


def _first_process(status: int) -> int | None:
    """The process inside that reaps the others; bubblewrap does not wait for it."""
    for line in content_of(status).decode().splitlines():
        with suppress(ValueError):  # cut off: bubblewrap was killed
            if "child-pid" in (said := json.loads(line)):
                return int(said["child-pid"])
    return None


def _root_options(root: Path | None) -> list[str]:
    if root is None:
        return ["--ro-bind", "/usr", "/usr"]
    check_can_enter(root)
    options = ["--ro-bind", str(root / "usr"), "/usr"]
    cache = root / "etc" / "ld.so.cache"
    return [*options, "--ro-bind", str(cache), "/etc/ld.so.cache"] if cache.exists() else options


def _check_started(status: bytes, stderr: bytes) -> None:
    """bubblewrap reports the command's exit as JSON lines; without one, bubblewrap itself ended."""
    lines = [json.loads(line) for line in status.decode().splitlines()]
    if not any("exit-code" in line for line in lines):
        raise SandboxError(f"bubblewrap could not run the command: {said_last(stderr)}")
