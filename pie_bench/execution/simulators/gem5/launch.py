"""Where gem5 comes from: a binary of this machine, or a container image. Both serve machine.py's protocol."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from pie_bench.errors import UserError
from pie_bench.execution.environment import Gem5Spec
from pie_bench.execution.sandbox.sandbox import CHANNEL, Command, File, Limits, Sandbox, Served

BINARY_VARIABLE = "PIE_GEM5_BINARY"
MACHINE = Path(__file__).with_name("machine.py")
ROOT_INSIDE = "/root"  # the pinned root file system, as gem5 sees it; to the simulated program it is `/`
_FLAGS = ["--quiet", "--dump-config=", "--json-config=", "--dot-config="]


class Gem5(Protocol):
    """A gem5 that can be started with a job (see machine.py)."""

    description: str

    def serve(
        self, job: Mapping[str, Any], files: Mapping[str, bytes], root: Path, limits: Limits
    ) -> AbstractContextManager[Served]:
        """Starts gem5 on a job; its `files` are laid at their paths, the root file system at ROOT_INSIDE."""
        ...


class BinaryGem5:
    """gem5 built on this machine, run in the sandbox with nothing in reach but the job."""

    def __init__(self, binary: Path, sandbox: Sandbox):
        self._binary, self._sandbox = binary, sandbox
        self.description = f"the binary {binary}"

    @contextmanager
    def serve(self, job: Mapping[str, Any], files: Mapping[str, bytes], root: Path, limits: Limits) -> Iterator[Served]:
        inside = "/w/gem5"
        command = Command(
            argv=[inside, *_FLAGS, "--outdir=/tmp/m5out", "/w/machine.py", "/w/job.json", CHANNEL],
            files={
                "/w/machine.py": File(MACHINE.read_bytes()),
                "/w/job.json": File(json.dumps({**job, "root": f"{ROOT_INSIDE}/"}, sort_keys=True).encode()),
                **{path: File(content, executable=True) for path, content in files.items()},
            },
            environment={"PATH": "/usr/bin", "HOME": "/tmp", "LC_ALL": "C", "PYTHONDONTWRITEBYTECODE": "1"},
            shown={inside: self._binary, ROOT_INSIDE: root},
        )
        with self._sandbox.serve(command, limits, "server") as served:
            yield served


def find_gem5(spec: Gem5Spec, sandbox: Sandbox) -> Gem5:
    """The gem5 of this machine. UserError, with the remedies, when there is none."""
    binary = os.environ.get(BINARY_VARIABLE)
    if binary:
        path = Path(binary).expanduser().resolve()
        if not (path.is_file() and os.access(path, os.X_OK)):
            raise UserError(f"{BINARY_VARIABLE}={binary}: no program there; set it to a gem5 binary built for X86")
        return BinaryGem5(path, sandbox)
    raise UserError(f"no gem5: set {BINARY_VARIABLE}")
