"""The contract of every sandbox: untrusted code runs here and nowhere else."""

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

# `emulated`: a program for another processor, which may do what a `payload` may, in an emulator.
Stage = Literal["compile", "payload", "emulated", "simulator"]


class SandboxError(PieBenchError):
    """The sandbox itself failed, rather than what ran in it: an `infra_error`, never the program's fault."""


class NotServedError(SandboxError):
    """The mechanism does not support `serve`: use one run per input instead."""


# As `memory_bytes`: sanitizers reserve more addresses than any limit allows. What they really use is limited, then.
ALL_ADDRESSES = 1 << 46


class Limits(Strict):
    """What one run may use. `cpu_seconds` and `wall_seconds` are backstops on host time; the others are exact."""

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

    `cpu_limit` and `wall_timeout`: it was stopped for exceeding that limit; `stalled`, with the latter: it was stopped
    early, because it only slept or, with `ALL_ADDRESSES`, filled too much memory. `user_seconds` is its CPU time
    outside the kernel, to 10 ms; None if the mechanism cannot tell.
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
    """What to run: `REPORT_PATH` in an argument stands for the path of a file returned as `Finished.report`.

    `root` is the file system that the command sees (its /usr and /etc/ld.so.cache); None: the host's /usr. `shown` maps
    paths inside to read-only folders and files of the host. Addresses are the same in every run unless
    `random_addresses`, which hides a simulator from its program.
    """

    argv: Sequence[str]
    stdin: bytes = b""
    files: Mapping[str, File] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    root: Path | None = None
    shown: Mapping[str, Path] = field(default_factory=dict)
    random_addresses: bool = False


REPORT_PATH = "{report}"
SERVER = "/w/server"  # server.cpp
PROGRAM = "/w/program"  # a program's path in every sandbox: argv[0] affects measurements
WALL_CLOCK = "stopped by the wall clock"  # although it was running: the machine was too busy
CHANNEL = "{channel}"


class Served(Protocol):
    """A process in the sandbox that forks a child for each input.

    Its standard input is a sequenced-packet socket. After a first packet (`send`, with whatever it expects), each
    packet is one byte, a tag, with four descriptors. A child installs these as its standard input, output, error and
    `report_descriptor` (for which `REPORT_PATH` stands), then the seccomp program `child_filter`; only then may
    untrusted code run that has seen the input. When the child has ended, the process sends its wait status, four bytes,
    optionally followed by the child's user time in microseconds, eight bytes, and is ready for the next. It exits when
    the socket is closed.
    """

    @property
    def report_descriptor(self) -> int: ...

    @property
    def child_filter(self) -> bytes: ...

    def send(self, message: bytes) -> None:
        """Sends one packet. Raises SandboxError if the process has ended."""
        ...

    def run(self, stdin: bytes, tag: bytes = b"\0") -> Finished:
        """Runs a child on the input until it ends, or for `wall_seconds`, after which nothing more can be run.

        Raises SandboxError if the process has ended.
        """
        ...

    def stderr(self) -> bytes:
        """What the process itself, rather than a child, has written to standard error."""
        ...


@dataclass(frozen=True)
class Connected:
    """A running command to talk to: `channel` is a stream socket to it, `stderr` returns its messages so far."""

    channel: socket.socket
    stderr: Callable[[], bytes]


class Sandbox(Protocol):
    """Runs one command that can reach nothing of the host except a read-only `/usr` and the given files.

    `shows_roots`: a command sees its `root` as its file system; otherwise it is started with the root's loader and
    libraries, and what it opens by name is the host's, as far as the rules allow. `accounts_cpu`: the kernel accounts
    the CPU time of what was run to this process's children. A class is instantiated without arguments (SandboxError if
    it cannot work), and may have a `remedy`, one line that says what it needs. A plug-in's sandbox chosen by name has
    `plugin`: its entry in the results (`registry.provenance`).
    """

    name: str
    shows_roots: bool
    accounts_cpu: bool

    def run(self, command: Command, limits: Limits, stage: Stage) -> Finished:
        """Runs to completion or to a limit. Raises SandboxError if the sandbox could not start the command."""
        ...

    def serve(self, command: Command, limits: Limits, stage: Stage = "simulator") -> AbstractContextManager[Served]:
        """Starts a command that serves inputs: a simulator, or `SERVER` followed by a program's command line. `limits`
        apply to it and each child.

        Raises NotServedError if the mechanism does not support this.
        """
        ...

    def connect(self, command: Command, limits: Limits) -> AbstractContextManager[Connected]:
        """Runs gem5 and talks to it: `CHANNEL` in an argument stands for the descriptor of its end.

        It exits when the channel is closed at the end of the block, or is killed a little later, with all its children.
        Descriptors can be passed over the channel.
        """
        ...
