"""What mechanisms without mounts share: each run's files are in its own folder (folder.py)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace

from pie_bench.execution.sandbox import seccomp
from pie_bench.execution.sandbox.folder import CWD, Folder, run_folder
from pie_bench.execution.sandbox.process import Launch, Streams, check_can_enter, finished_of, serving, streams
from pie_bench.execution.sandbox.rooted import loader
from pie_bench.execution.sandbox.sandbox import (
    REPORT_PATH,
    SERVER,
    Command,
    Connected,
    Finished,
    Limits,
    NotServedError,
    SandboxError,
    Served,
    Stage,
)


@dataclass(frozen=True)
class Job:
    """A command as it is actually run: `argv` and `environment` with the folder's names and the report's path."""

    name: str  # the program, under its original name
    argv: list[str]
    environment: dict[str, str]
    limits: Limits
    stage: Stage
    profile: seccomp.Filter
    files: Streams
    has_report: bool
    folder: Folder
    uid: int | None
    roots: tuple[str, ...] = ()  # host folders that it needs instead of the host's programs and libraries
    serves: bool = False  # it is run for each input, by what launches it


@dataclass(frozen=True)
class _Outside:
    """The contract's `Served`, with original names in what programs say."""

    served: Served
    command: Command
    folder: Folder

    @property
    def report_descriptor(self) -> int:
        return self.served.report_descriptor

    @property
    def child_filter(self) -> bytes:
        return self.served.child_filter

    def send(self, message: bytes) -> None:
        self.served.send(message)

    def run(self, stdin: bytes, tag: bytes = b"\0") -> Finished:
        finished = self.served.run(stdin, tag)
        return replace(finished, stderr=self.folder.outside(finished.stderr, self.command))

    def stderr(self) -> bytes:
        return self.served.stderr()


class UnmountedSandbox(ABC):
    """The `Sandbox` contract, except `connect` (gem5).

    A root file system, and anything else shown, stays at its location: a command's paths are rewritten, and programs
    are started by the root's loader.
    """

    name: str
    shows_roots = False
    accounts_cpu = True
    serves_programs = False

    @abstractmethod
    def _launch(self, job: Job, stack: ExitStack) -> Launch:
        """How to start the job; whatever must outlive it goes on the stack."""

    def _user(self, stack: ExitStack) -> int | None:
        """The uid for a run; None for the harness's own."""
        return None

    def _failure(self, launch: Launch) -> str | None:
        """What went wrong in the mechanism itself, if anything."""
        return None

    def run(self, command: Command, limits: Limits, stage: Stage) -> Finished:
        """Runs to completion or to a limit. Raises SandboxError if the command could not be started."""
        with ExitStack() as stack:
            job = self._job(command, limits, stage, stage, stack)
            launch = self._launch(job, stack)
            ended = launch.run(limits)
            failure = None if ended.wall_timeout else self._failure(launch)
            if failure is not None:
                raise SandboxError(f"{self.name} could not run the command: {failure}")
            finished = finished_of(ended, limits, job.files)
            return replace(finished, stderr=job.folder.outside(finished.stderr, command))

    @contextmanager
    def serve(self, command: Command, limits: Limits, stage: Stage = "simulator") -> Iterator[Served]:
        """The `Sandbox` contract's `serve`, on a sequenced-packet socket pair. A program is served by what launches it,
        if that can, instead of by `SERVER`: what it may open includes files of its own process."""
        with ExitStack() as stack:
            if stage == "simulator":
                launch = self._launch(self._job(command, limits, stage, "server", stack), stack)
                yield stack.enter_context(serving(launch, limits, stage))
                return
            if not self.serves_programs:
                raise NotServedError(f"the sandbox {self.name} runs a program once for each input")
            files = {path: given for path, given in command.files.items() if path != SERVER}
            command = replace(command, argv=command.argv[1:], files=files)
            job = replace(self._job(command, limits, stage, stage, stack), serves=True)
            served = stack.enter_context(serving(self._launch(job, stack), limits, stage))
            yield _Outside(served, command, job.folder)

    def connect(self, command: Command, limits: Limits) -> AbstractContextManager[Connected]:
        """Unsupported: gem5 needs folders of its own."""
        raise SandboxError(
            f"gem5 does not run in the sandbox {self.name}: install bubblewrap (sudo apt-get install bubblewrap), "
            "or use gem5's container"
        )

    def _job(self, command: Command, limits: Limits, stage: Stage, profile: seccomp.Filter, stack: ExitStack) -> Job:
        uid = self._user(stack)
        files = stack.enter_context(streams(command.stdin))
        folder = stack.enter_context(run_folder(command, uid, stage))
        environment = {key: folder.inside(value) for key, value in sorted(command.environment.items())}
        environment["PWD"] = CWD  # as bubblewrap does
        if stage == "compile":
            environment["TMPDIR"] = str(folder.path / "t")
        report = f"/proc/self/fd/{files.report}"
        argv = [folder.inside(argument).replace(REPORT_PATH, report) for argument in command.argv]
        for place, shown in command.shown.items():
            argv = [argument.replace(f"{place}/", f"{shown}/") for argument in argv]
        if command.root is not None and stage == "payload":
            argv = [*loader(command.root), *argv]
        if command.root is not None and stage == "compile":
            environment["PATH"] = f"{folder.path / 'b'}:{environment.get('PATH', '/usr/bin')}"
        has_report = any(REPORT_PATH in argument for argument in command.argv)
        roots = [path for path in (command.root, *command.shown.values()) if path is not None]
        if uid is not None:
            for path in roots:
                check_can_enter(path)
        needed = tuple(str(path) for path in roots)
        return Job(command.argv[0], argv, environment, limits, stage, profile, files, has_report, folder, uid, needed)
