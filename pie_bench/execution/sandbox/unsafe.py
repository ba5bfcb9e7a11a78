"""No sandbox at all: a process of the harness's own user, with limits. Only used if requested by name."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack

from pie_bench.execution.sandbox.folder import CWD
from pie_bench.execution.sandbox.process import Launch, find_program, prlimit_options, rlimits
from pie_bench.execution.sandbox.unmounted import Job, UnmountedSandbox


class UnsafeSandbox(UnmountedSandbox):
    """Runs commands with resource limits and nothing else: they can reach the host's files, network and processes."""

    name = "unsafe"

    def __init__(self) -> None:
        setarch = [find_program("setarch", "util-linux"), "-R"]
        fixes_addresses = subprocess.run([*setarch, "/usr/bin/true"], capture_output=True, check=False).returncode == 0
        self._start = setarch if fixes_addresses else []  # a container may refuse it
        self._start = [*self._start, find_program("prlimit", "util-linux")]

    def _launch(self, job: Job, stack: ExitStack) -> Launch:
        # The kernel counts processes per user, not per run.
        limited = {name: limit for name, limit in rlimits(job.limits, job.stage).items() if name != "nproc"}
        line = [*self._start, *prlimit_options(limited), *job.argv]
        inherited = [job.files.report] if job.has_report else []
        return Launch(line, job.files, inherited, job.environment, CWD, forks=job.stage == "compile")
