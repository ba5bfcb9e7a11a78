"""The contract of every sandbox: foreign code runs here and nowhere else."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from pydantic import Field

from pie_bench.config import Strict
from pie_bench.errors import PieBenchError

Stage = Literal["compile", "payload", "simulator", "server"]


class SandboxError(PieBenchError):
    """The sandbox itself failed, not what ran in it: an `infra_error`, never the program's fault."""


class Limits(Strict):
    """What one run may use. `cpu_seconds` and `wall_seconds` are backstops on host time; all others are exact."""

    cpu_seconds: int = Field(ge=1)
    wall_seconds: int = Field(ge=1)
    memory_bytes: int = Field(ge=1 << 20)
    output_bytes: int = Field(ge=1)
    stack_bytes: int = Field(ge=1 << 16)
    processes: int = Field(ge=1)
    tmp_bytes: int = Field(ge=1 << 12)


@dataclass(frozen=True)
class File:
    """A file that the sandboxed program sees, read-only."""

    content: bytes
    executable: bool = False


@dataclass(frozen=True)
class Finished:
    """How a run ended. `exit_code` is None after a signal; `report` is what was written to `REPORT_PATH`.

    `cpu_limit` and `wall_timeout` say that it was stopped for using up that limit.
    """

    exit_code: int | None
    signal: int | None
    stdout: bytes
    stderr: bytes
    report: bytes
    wall_seconds: float
    wall_timeout: bool
    cpu_limit: bool


@dataclass(frozen=True)
class Command:
    """What to run: `REPORT_PATH` in an argument stands for the path of a file that comes back as `Finished.report`.

    `root` is the file system that the command sees (its /usr and /etc/ld.so.cache); None shows the host's /usr.
    `shown` are folders and files of the host, read-only, by the path they have inside.
    """

    argv: Sequence[str]
    stdin: bytes = b""
    files: Mapping[str, File] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    root: Path | None = None
    shown: Mapping[str, Path] = field(default_factory=dict)


REPORT_PATH = "{report}"
CHANNEL = "{channel}"


@dataclass(frozen=True)
class Served:
    """A command that runs and answers: `channel` is a stream socket to it, `stderr` what it has said so far."""

    channel: socket.socket
    stderr: Callable[[], bytes]


class Sandbox(Protocol):
    """Runs one command with nothing of the host in reach but a read-only `/usr` and the given files."""

    name: str

    def run(self, command: Command, limits: Limits, stage: Stage) -> Finished:
        """Runs to the end or a limit. Raises SandboxError when the sandbox could not start the command."""
        ...

    def serve(self, command: Command, limits: Limits, stage: Stage) -> AbstractContextManager[Served]:
        """Runs a command that is talked with: `CHANNEL` in an argument stands for its end's descriptor.

        It is killed, with all its children, when the block ends. Descriptors can be passed over the channel.
        """
        ...
