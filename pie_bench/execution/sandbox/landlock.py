"""Landlock + seccomp + limits, without namespaces: works in containers, and where user namespaces are disabled.

Nothing is mounted. A rule set names what a program can open; it cannot open anything else, though it can learn that it
exists. As root, every run gets its own user.
"""

from __future__ import annotations

import marshal
import os
import pwd
import signal
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

from pie_bench.execution.sandbox import launcher, seccomp
from pie_bench.execution.sandbox.folder import CWD
from pie_bench.execution.sandbox.memory import content_of, memory_file
from pie_bench.execution.sandbox.process import Launch, rlimits
from pie_bench.execution.sandbox.sandbox import SandboxError
from pie_bench.execution.sandbox.unmounted import Job, UnmountedSandbox

_UIDS = range(60706, 61184)  # unused: neither Debian nor systemd assigns these
_PROGRAMS = ["/usr", "/lib", "/lib64", "/lib32", "/bin"]
_READABLE = ["/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/proc/sys/vm/overcommit_memory"]
_DEVICES = [f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom")]


class LandlockSandbox(UnmountedSandbox):
    """For root with Landlock's first version (Linux 5.13) or later, for others with its sixth (Linux 6.12)."""

    name = "landlock"
    serves_programs = True
    remedy = "needed: Linux 5.13 for root, 6.12 for others, with landlock among the kernel's lsm="

    def __init__(self) -> None:
        if os.uname().machine != "x86_64":
            raise SandboxError(f"made for x86-64, not {os.uname().machine}")
        abi = launcher.landlock_abi()
        if abi == 0:
            raise SandboxError("this kernel has no Landlock, or it is turned off")
        if abi < 6 and os.geteuid() != 0:
            raise SandboxError(
                f"Landlock's version here is {abi}; below 6, an ordinary user's other processes can be signalled"
            )

    def _user(self, stack: ExitStack) -> int | None:
        """A uid that no other run on this machine uses, reserved by an abstract socket that disappears with its
        process."""
        if os.geteuid() != 0:
            return None
        for uid in _UIDS:
            try:
                pwd.getpwuid(uid)
                continue
            except KeyError:
                lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                lock.bind(f"\0pie_bench-uid-{uid}")
            except OSError:
                lock.close()
                continue
            stack.enter_context(lock)
            return uid
        raise SandboxError(f"all of the user ids {_UIDS[0]} to {_UIDS[-1]} are taken")

    def _launch(self, job: Job, stack: ExitStack) -> Launch:
        path = str(job.folder.path)
        limits = rlimits(job.limits, job.stage)
        processes = max(1, job.limits.processes - 1)  # bubblewrap's count includes its own process
        limits["nproc"] = (processes, processes)
        if job.stage == "compile":
            limits["fsize"] = (job.limits.tmp_bytes, job.limits.tmp_bytes)
        needs_host = job.stage == "compile" or not job.roots  # needs a shell, or everything
        told = {
            "argv": job.argv,
            "name": job.name,
            "environment": job.environment,
            "uid": job.uid,
            "parent": os.getpid(),
            "limits": {name.upper(): limit for name, limit in limits.items()},
            "readable": [*(_PROGRAMS if needs_host else []), *job.roots, *_READABLE, path],
            "writable": [f"{path}/t"] if job.stage == "compile" else [],
            "writable_bytes": job.limits.tmp_bytes,
            "devices": _DEVICES,
            "filter": seccomp.filter_program(job.profile),
            "status": job.files.status,
            "serves": job.serves,
        }
        spec = stack.enter_context(memory_file("job", marshal.dumps(told)))
        inherited = [spec, job.files.status, *([job.files.report] if job.has_report else [])]
        line = [sys.executable, "-I", "-S", str(Path(launcher.__file__)), str(spec)]
        return Launch(line, job.files, inherited, cwd=CWD, stop=signal.SIGTERM, forks=job.stage == "compile")

    def _failure(self, launch: Launch) -> str | None:
        said = content_of(launch.streams.status).decode(errors="replace")
        return None if said == "ended" else said or "the launcher was ended"
