"""The embedded simulator: valgrind's cachegrind counts events, a calibrated linear model turns them into seconds.

The model predicts the gem5 times that PIE publishes (docs/methodology.md). Counts depend on the program, its
input, its libraries and valgrind alone: caches are given on the command line, address randomisation is off, argv[0],
environment and directory are fixed by the sandbox, and the C library is kept from choosing routines by the host's
processor.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from pie_bench.config import Strict
from pie_bench.execution.environment import Environment, EnvironmentSpec
from pie_bench.execution.sandbox.sandbox import (
    PROGRAM,
    REPORT_PATH,
    Command,
    File,
    Finished,
    NotServedError,
    Sandbox,
    SandboxError,
    Served,
)
from pie_bench.execution.simulators.fork_server import START_UP, Forking, forking, starts_unseeing
from pie_bench.execution.simulators.kind import Finding
from pie_bench.execution.simulators.simulator import Found, MeasurementMismatchError, Simulator, is_verified
from pie_bench.execution.simulators.spec import EventCosts, SimulatorSpec, Speed
from pie_bench.execution.simulators.startup import stopped_at_main
from pie_bench.execution.simulators.translations import OPTIONS, Translations, Translator, translator_in
from pie_bench.hashing import sha256
from pie_bench.run.measurement import Measurement

_log = logging.getLogger(__name__)
_REPEATED = 3
_UNSUPPORTED = (b"unhandled instruction bytes", b"the 'impossible' happened")

_Job = bytes | None  # an input; None is the start-up alone
_Run = tuple[Finished, dict[str, int]]  # with its counts
_NOTHING = Finished(None, None, b"", b"", b"", 0.0, wall_timeout=False, cpu_limit=False)


class CacheModel(Strict):
    """One cache, as cachegrind takes it."""

    size_bytes: int
    associativity: int
    line_bytes: int


class CachegrindSpec(SimulatorSpec):
    """valgrind's cachegrind: pinned caches, and what each counted event costs in simulated seconds.

    Instructions of the dynamic loader wait for memory and for each other more than those of a program's loops: events
    before `main` may have costs of their own.
    """

    labels: ClassVar[Mapping[str, str]] = {
        "Ir": "instructions",
        "I1mr": "instruction fetches that miss L1",
        "ILmr": "instruction fetches that miss the last level",
        "Dr": "data reads",
        "D1mr": "data reads that miss L1",
        "DLmr": "data reads that miss the last level",
        "Dw": "data writes",
        "D1mw": "data writes that miss L1",
        "DLmw": "data writes that miss the last level",
        "Bc": "conditional branches",
        "Bcm": "mispredicted conditional branches",
        "Bi": "indirect branches",
        "Bim": "mispredicted indirect branches",
    }
    instructions = "Ir"
    after_counting = frozenset({"seconds_per_event", "startup_seconds_per_event"})
    speed = Speed(program=1.0, test=0.3, simulated_second=20.0)  # docs/models.md says how measured

    kind: Literal["cachegrind"]
    first_level_instruction: CacheModel
    first_level_data: CacheModel
    last_level: CacheModel
    seconds_per_event: Mapping[str, float] = Field(min_length=1)
    startup_seconds_per_event: Mapping[str, float] | None = None

    @property
    def costs(self) -> EventCosts:
        return EventCosts(self.seconds_per_event, self.startup_seconds_per_event or self.seconds_per_event)


class Cachegrind:
    """The `SimulatorKind`: valgrind is where the programs are compiled, in the root file system or on the host."""

    spec = CachegrindSpec

    def find(self, spec: EnvironmentSpec, sandbox: Sandbox, root: Path | None) -> Found:
        finished = sandbox.run(
            Command(["/usr/bin/valgrind", "--version"], environment={"PATH": "/usr/bin"}, root=root),
            spec.simulator_limits,
            "simulator",
        )
        if finished.exit_code != 0:
            raise SandboxError("valgrind does not run in the sandbox; install it: sudo apt-get install valgrind")
        return Found({"valgrind": finished.stdout.decode().strip()})

    def open(self, environment: Environment, sandbox: Sandbox) -> Simulator:
        return CachegrindSimulator(environment, sandbox)

    def examine(self, spec: EnvironmentSpec, sandbox: Sandbox) -> Iterator[Finding]:
        return iter(())

    def version(self, facts: Mapping[str, str]) -> str:
        return facts["valgrind"]


class CachegrindSimulator:
    """The `Simulator` contract on cachegrind.

    Valgrind starts and the program gets to its `main` once; a child is forked there for each input (fork_server.py).
    One input in 50, chosen by its sum, is simulated alone too, and so is the first of all; a child that fails is never
    believed. Programs that cannot be forked are simulated alone.
    """

    rounds_long_double = True

    def __init__(self, environment: Environment, sandbox: Sandbox, fork: bool = True):
        self.simulation_id = environment.simulation_id
        assert isinstance(environment.spec.simulator, CachegrindSpec)
        self._ruler = environment.spec.simulator
        self._environment, self._root = environment, environment.root
        self._spec, self._sandbox, self._limits = environment.spec, sandbox, environment.spec.simulator_limits
        self._forks, self._fork_known_to_work = fork, False

    def measure(self, binary: bytes, inputs: Sequence[bytes]) -> Iterator[Measurement]:
        """One measurement an input, in order; the start-up is measured once."""
        binary_sha256 = sha256(binary)
        server = forking(binary) if self._forks and len(inputs) > 1 else None
        jobs: list[_Job] = [None, *inputs]
        with closing(self._run_forked(binary, server, jobs) if server else self._run_apart(binary, jobs)) as runs:
            _, startup_counters = next(runs)
            for data, (finished, counters) in zip(inputs, runs, strict=True):
                outcome, detail = self._classify(finished, counters)
                yield Measurement(
                    binary_sha256=binary_sha256,
                    input_sha256=sha256(data),
                    simulation_id=self.simulation_id,
                    outcome=outcome,
                    exit_code=finished.exit_code,
                    stdout_sha256=sha256(finished.stdout),
                    counters=counters,
                    startup_counters=startup_counters,
                    detail=detail,
                )

    def seconds(self, counters: Mapping[str, int], startup_counters: Mapping[str, int]) -> float:
        """Simulated seconds of event counts: those of the start-up at their own costs, the rest at the others."""
        before, after = self._ruler.costs.startup, self._ruler.costs.after_main
        return sum(
            after[event] * (counters.get(event, 0) - startup_counters.get(event, 0))
            + before.get(event, 0.0) * startup_counters.get(event, 0)
            for event in sorted(after)
        )

    @cached_property
    def _translator(self) -> Translator | None:
        return translator_in(self._root)

    def _run_apart(self, binary: bytes, jobs: Sequence[_Job]) -> Generator[_Run, None, None]:
        for job in jobs:
            yield self._run_alone(binary, job)

    def _run_alone(self, binary: bytes, job: _Job) -> _Run:
        program = binary if job is not None else stopped_at_main(binary)
        if program is None:
            return _NOTHING, {}
        finished = self._sandbox.run(self._command(program, stdin=job or b""), self._limits, "simulator")
        counters = parse_counters(finished.report)
        if job is None and not counters:  # taking it for no start-up at all would be a wrong number
            raise SandboxError("the simulator gave no counts of the program's start-up")
        return finished, counters

    def _run_forked(self, binary: bytes, server: Forking, jobs: Sequence[_Job]) -> Generator[_Run, None, None]:
        done, stopped = 0, False
        translator, translations = self._translator, Translations()
        options = ["--trace-syscalls=yes", *(OPTIONS if translator else [])]
        try:
            with self._sandbox.serve(self._command(server.binary, *options), self._limits) as process:
                process.send(server.message(process.report_descriptor, process.child_filter, translator))
                for index, job in enumerate(jobs):
                    run = self._run_child(binary, server, process, index, job)
                    if run is None:
                        break
                    done += 1
                    yield run
                    if stopped := run[0].wall_timeout:  # and the server with it
                        break
                    if translator and done < len(jobs):
                        for packet in translations.packets(run[0].stderr):
                            process.send(packet)
        except NotServedError as error:
            _log.warning("%s", error)
            self._forks = False
        except SandboxError as error:
            _log.warning("%s; program %s goes on with one simulation a process", error, sha256(binary)[:12])
        if stopped:
            yield from self._run_forked(binary, server, jobs[done:])
        else:
            yield from self._run_apart(binary, jobs[done:])

    def _run_child(self, binary: bytes, server: Forking, process: Served, index: int, job: _Job) -> _Run | None:
        """A forked simulation, checked; None when this program, or under this valgrind any, is not to be forked."""
        finished = process.run(job or b"", START_UP if job is None else b"\0")
        if index == 0 and not starts_unseeing(process.stderr()):
            _log.info("program %s does more than start before main: one simulation a process", sha256(binary)[:12])
            return None
        if finished.wall_timeout or finished.cpu_limit:
            return finished, {}
        counted, added = parse_counters(finished.report), server.counted(index)
        run = finished, {event: count - added.get(event, 0) for event, count in counted.items()}
        failed = finished.exit_code != 0 or not counted
        if not failed and self._fork_known_to_work and not self._is_verified(binary, job):
            return run
        alone = self._run_alone(binary, job)
        if failed:  # what is said of a failure is what a run alone says
            return alone if alone[0].exit_code != 0 else None
        # A program that reads the clock, say, counts differently every time: that is not the fork's doing.
        if not _same(run, alone) and all(_same(alone, self._run_alone(binary, job)) for _ in range(_REPEATED)):
            message = self._mismatch(binary, job, run, alone)
            if self._fork_known_to_work:
                raise MeasurementMismatchError(message)
            _log.warning("%s; simulations are not forked from here on", message)
            self._forks = False
            return None
        self._fork_known_to_work |= job is not None
        return run

    def _is_verified(self, binary: bytes, job: _Job) -> bool:
        return is_verified(binary, _named(job).encode(), self._spec.verify_one_in)

    def _mismatch(self, binary: bytes, job: _Job, forked: _Run, alone: _Run) -> str:
        def told(run: _Run) -> str:
            counts = " ".join(f"{event}={count}" for event, count in run[1].items())
            return f"exit code {run[0].exit_code}, output {sha256(run[0].stdout)[:12]}, {counts}"

        return (
            "a forked simulation differs from one alone (please report this): "
            f"program {sha256(binary)}, {_named(job)}; forked: {told(forked)}; alone: {told(alone)}; "
            f"environment {self._environment.name} {dict(sorted(self._environment.facts.items()))}"
        )

    def _command(self, binary: bytes, *options: str, stdin: bytes = b"") -> Command:
        return Command(
            argv=[*_command_line(self._ruler), *options, PROGRAM],
            stdin=stdin,
            files={PROGRAM: File(binary, executable=True)},
            environment=self._spec.program_environment,
            root=self._root,
        )

    def _classify(self, finished: Finished, counters: Mapping[str, int]) -> tuple[str, str]:
        if finished.wall_timeout or finished.cpu_limit:
            return "infra_error", f"the simulator was stopped after {finished.wall_seconds:.0f} s"
        line = next((x for x in finished.stderr.splitlines() if any(mark in x for mark in _UNSUPPORTED)), None)
        if line is not None:
            return "unsupported", line.decode(errors="replace")
        if not counters:
            return "infra_error", f"the simulator gave no counts (exit code {finished.exit_code})"
        if counters["Ir"] > self._spec.max_instructions:
            return "instruction_limit", f"{counters['Ir']} instructions"
        if finished.signal is not None or finished.exit_code != 0:
            return "runtime_error", f"exit code {finished.exit_code}, signal {finished.signal} in the simulator"
        return "ok", ""


def parse_counters(report: bytes) -> dict[str, int]:
    """Event totals of a cachegrind output file (its lines `events:` and `summary:`); empty when it is not complete.

    A program shares valgrind's address space and may write there what it likes.
    """
    events = re.search(rb"^events: (.*)$", report, re.MULTILINE)
    summary = re.search(rb"^summary: (.*)$", report[report.rfind(b"\nsummary:") + 1 :], re.MULTILINE)
    if events is None or summary is None:
        return {}
    names, counts = events[1].decode(errors="replace").split(), summary[1].split()
    if "Ir" not in names or len(names) != len(counts) or not all(re.fullmatch(rb"\d{1,18}", count) for count in counts):
        return {}
    return dict(zip(names, map(int, counts), strict=True))


def _named(job: _Job) -> str:
    return "start-up" if job is None else f"input {sha256(job)}"


def _same(one: _Run, other: _Run) -> bool:
    return (one[0].exit_code, one[0].signal, one[0].stdout, one[1]) == (
        other[0].exit_code,
        other[0].signal,
        other[0].stdout,
        other[1],
    )


def _command_line(spec: CachegrindSpec) -> list[str]:
    def cache(model: CacheModel) -> str:
        return f"{model.size_bytes},{model.associativity},{model.line_bytes}"

    return [
        "/usr/bin/valgrind",
        "--tool=cachegrind",
        "--cache-sim=yes",
        "--branch-sim=yes",
        f"--I1={cache(spec.first_level_instruction)}",
        f"--D1={cache(spec.first_level_data)}",
        f"--LL={cache(spec.last_level)}",
        f"--cachegrind-out-file={REPORT_PATH}",
        "--vgdb=no",
    ]
