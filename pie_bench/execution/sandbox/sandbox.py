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

Stage = Literal["compile", "payload", "simulator"]


class SandboxError(PieBenchError):
    """The sandbox itself failed, not what ran in it: an `infra_error`, never the program's fault."""


class NotServedError(SandboxError):
    """The mechanism has no `serve`: a run each instead."""


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

    `cpu_limit` and `wall_timeout` say that it was stopped for using up that limit; `stalled`, beside the latter, that
    it only waited, and was stopped early. `user_seconds` is its CPU time outside the kernel, to 10 ms; None where the
    mechanism cannot tell.
    """

    exit_code: int | None
    signal: int | None
    stdout: bytes
    stderr: bytes
    report: bytes
    wall_seconds: float
    wall_timeout: bool
    cpu_limit: bool
    user_seconds: float | None = None
    stalled: bool = False

    @property
    def how(self) -> str:
        """How it ended, in words."""
        return f"signal {self.signal}" if self.signal else f"exit code {self.exit_code}"


@dataclass(frozen=True)
class Command:
    """What to run: `REPORT_PATH` in an argument stands for the path of a file that comes back as `Finished.report`.

    `root` is the file system that the command sees (its /usr and /etc/ld.so.cache); None shows the host's /usr.
    `shown` are folders and files of the host, read-only, by the path they have inside. Addresses are the same in every
    run, unless `random_addresses`: for a simulator that its program is not to find.
    """

    argv: Sequence[str]
    stdin: bytes = b""
    files: Mapping[str, File] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    root: Path | None = None
    shown: Mapping[str, Path] = field(default_factory=dict)
    random_addresses: bool = False


REPORT_PATH = "{report}"
SERVER = "/w/server"
PROGRAM = "/w/program"  # where a program lies in every sandbox: argv[0] is part of what is measured
WALL_CLOCK = "stopped by the wall clock"  # though it ran: the machine was too busy
CHANNEL = "{channel}"


class Served(Protocol):
    """A process in the sandbox that forks a child for each input.

    Its standard input is a sequenced-packet socket. After a first packet (`send`: whatever it expects) each packet is
    one byte, a tag, with four descriptors, which a child puts in place of its standard input, output, error and
    `report_descriptor` (what `REPORT_PATH` stands for); it then installs the seccomp program `child_filter`, and only
    then may foreign code run that has seen the input. When the child has ended the process sends its wait status,
    four bytes, and may add the child's CPU time outside the kernel, eight bytes, in microseconds; it is then ready for
    the next. It ends when the socket is closed.
    """

    report_descriptor: int
    child_filter: bytes

    def send(self, message: bytes) -> None:
        """One packet. Raises SandboxError when the process has ended."""
        ...

    def run(self, stdin: bytes, tag: bytes = b"\0") -> Finished:
        """Lets a child have the input and waits for its end, or `wall_seconds`: after that nothing more can be run.

        Raises SandboxError when the process has ended.
        """
        ...

    def stderr(self) -> bytes:
        """What the process itself, not a child, has written to standard error."""
        ...


@dataclass(frozen=True)
class Connected:
    """A command that runs and answers: `channel` is a stream socket to it, `stderr` what it has said so far."""

    channel: socket.socket
    stderr: Callable[[], bytes]


class Sandbox(Protocol):
    """Runs one command with nothing of the host in reach but a read-only `/usr` and the given files.

    `shows_roots`: a command sees its `root` as its file system; otherwise it is started with the root's loader and
    libraries, and what it opens by name is the host's, as far as the rules allow. `accounts_cpu`: the kernel adds the
    CPU time of what was run to that of this process's children. A class is made without arguments (SandboxError where
    it cannot work), and may have a `remedy`, a line that says what it needs. One of another package that was chosen by
    name has `plugin`: what results say of it (`registry.provenance`).
    """

    name: str
    shows_roots: bool
    accounts_cpu: bool

    def run(self, command: Command, limits: Limits, stage: Stage) -> Finished:
        """Runs to the end or a limit. Raises SandboxError when the sandbox could not start the command."""
        ...

    def serve(self, command: Command, limits: Limits, stage: Stage = "simulator") -> AbstractContextManager[Served]:
        """Starts a command that serves inputs, by itself or as `SERVER` does for the program that follows it; `limits`
        hold for it and each child.

        Raises NotServedError where the mechanism cannot.
        """
        ...

    def connect(self, command: Command, limits: Limits) -> AbstractContextManager[Connected]:
        """Runs gem5, which is talked with: `CHANNEL` in an argument stands for its end's descriptor.

        It ends when the channel is closed at the block's end, or is killed a little later, with all its children.
        Descriptors can be passed over the channel.
        """
        ...
