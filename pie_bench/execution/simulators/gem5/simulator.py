"""gem5, the paper's ruler: simulated ticks of a Skylake core, with start-up simulated once per program.

machine.py describes the machine and explains the fork server; this is the harness's side.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pie_bench.execution.environment import Environment, EnvironmentSpec
from pie_bench.execution.sandbox.memory import content_of, memory_file
from pie_bench.execution.sandbox.sandbox import PROGRAM, Sandbox, SandboxError
from pie_bench.execution.simulators.gem5.launch import Gem5
from pie_bench.execution.simulators.gem5.spec import Gem5Spec
from pie_bench.execution.simulators.gem5.startup import stopped_at_entry, stopped_at_main
from pie_bench.execution.simulators.gem5.statistics import parse_statistics
from pie_bench.execution.simulators.gem5.unseeing import starts_unseeing
from pie_bench.execution.simulators.qemu.emulator import ELSEWHERE, emulated
from pie_bench.execution.simulators.simulator import MeasurementMismatchError, is_verified
from pie_bench.hashing import sha256
from pie_bench.run.measurement import Measurement

SECONDS_PER_TICK = 1e-12  # gem5's ticks are picoseconds
_ENDED = "exiting with last active thread context"
_LIMIT = "simulate() limit reached"
_MAIN = "at main"
_SAID = re.compile(r"(?:panic|fatal): (.*?)(?:Memory Usage|Program aborted|$)", re.DOTALL)
_CANNOT = ("nrecognized", "nimplemented", "nknown instruction")
_FAULT = ("fault", "unmapped address", "Out of memory")
_SAID_CHARACTERS = 300


@dataclass(frozen=True)
class _Ran:
    """The end of one child: how the simulation ended (None if gem5 itself did), what the program and gem5 wrote."""

    ended: Mapping[str, Any] | None
    counters: Mapping[str, int]
    stdout: bytes
    stderr: str
    status: int


class Gem5Simulator:
    """The `Simulator` contract on gem5. Thread-safe; all threads share this machine's cores."""

    rounds_long_double = True

    def __init__(self, environment: Environment, gem5: Gem5, sandbox: Sandbox):
        assert isinstance(environment.spec.simulator, Gem5Spec) and environment.root is not None
        self.simulation_id = environment.simulation_id
        self._environment, self._gem5, self._sandbox = environment, gem5, sandbox
        self._spec: Gem5Spec = environment.spec.simulator
        self._cores = threading.BoundedSemaphore(os.cpu_count() or 1)

    def seconds(self, counters: Mapping[str, int]) -> float:
        """Simulated seconds of a whole process."""
        return counters.get("ticks", 0) * SECONDS_PER_TICK

    def measure(self, binary: bytes, inputs: Sequence[bytes]) -> Iterator[Measurement]:
        """One measurement per input, in order. Raises MeasurementMismatchError if a separate simulation differs."""
        checked = [data for data in inputs if is_verified(binary, data, self._environment.spec.verify_one_in)]
        alone = dict(zip(checked, self._alone(binary, checked), strict=True)) if checked else {}
        with self._session(binary, fork=True) as session:
            startup = self._startup(session)
            for data, ran in self._all(session, inputs):
                if data in alone:
                    self._compare(binary, data, forked=ran, alone=alone[data])
                yield self._measurement(binary, data, ran, startup)

    def _all(self, session: Session, inputs: Sequence[bytes]) -> Iterator[tuple[bytes, _Ran]]:
        """Runs every input, as many at once as there are free cores, and yields the results in order."""
        waiting = list(range(len(inputs)))
        done: dict[int, _Ran] = {}
        running: set[int] = set()
        next_out = 0
        try:
            while next_out < len(inputs):
                # The first child waits for a core; more are started only if cores are idle.
                while waiting and self._cores.acquire(blocking=not running):
                    running.add(waiting[0])
                    session.send(waiting[0], inputs[waiting.pop(0)])
                number, ran = session.next_done()
                running.discard(number)
                self._cores.release()
                done[number] = ran
                while next_out in done:
                    yield inputs[next_out], done.pop(next_out)
                    next_out += 1
        finally:
            for _ in running:
                self._cores.release()

    def _startup(self, session: Session) -> Mapping[str, int]:
        """Counters up to the start of `main`, with empty stdin; empty for a program without a known `main`."""
        if not session.knows_main:
            return {}
        with self._cores:
            session.send(-1, b"", main=True)
            _, ran = session.next_done()
        if ran.ended is None or ran.ended["cause"] != _MAIN:
            how = ran.ended["cause"] if ran.ended is not None else ran.stderr.strip().splitlines()[-1:]
            raise SandboxError(f"gem5 did not reach the start of main: {how}")
        return ran.counters

    def _alone(self, binary: bytes, inputs: Sequence[bytes]) -> list[_Ran]:
        """Simulates each input from the program's first instruction."""
        with self._session(binary, fork=False) as session:
            return [ran for _, ran in self._all(session, inputs)]

    def _compare(self, binary: bytes, data: bytes, *, forked: _Ran, alone: _Ran) -> None:
        if (alone.ended, alone.counters, alone.stdout) != (forked.ended, forked.counters, forked.stdout):
            raise MeasurementMismatchError(
                f"gem5 counted otherwise in a process of its own: program {sha256(binary)}, input {sha256(data)}, "
                f"forked {forked.ended} {dict(sorted(forked.counters.items()))}, "
                f"alone {alone.ended} {dict(sorted(alone.counters.items()))}, "
                f"facts {dict(self._environment.facts)}; please report this with the program and the input"
            )

    @contextlib.contextmanager
    def _session(self, binary: bytes, *, fork: bool) -> Iterator[Session]:
        root = self._environment.spec.toolchain.isa.prefix(self._environment.root, seen=False)
        assert root is not None
        with self._cores:  # this simulates the start-up
            copies = self._copies(binary) if fork else {}
            session = Session(self._gem5, binary, copies, root, self._environment.spec)
        with session:
            yield session

    def _copies(self, binary: bytes) -> dict[str, bytes]:
        """Copies of the program that end at its fork point and at `main`, if they can be made.

        The fork point is `main` if nothing before it can depend on the input: QEMU lists the system calls of the
        start-up, and only those that load libraries and allocate memory are allowed. Otherwise it is the entry point.
        """
        isa = self._environment.spec.toolchain.isa
        at_main = stopped_at_main(binary, isa)
        copies = {"stopped_at_main": at_main, "stopped_at_fork": stopped_at_entry(binary, isa)}
        if at_main is not None and starts_unseeing(self._trace(at_main)):
            copies["stopped_at_fork"] = at_main
        return {name: copy for name, copy in copies.items() if copy is not None}

    def _trace(self, binary: bytes) -> bytes:
        limits = self._environment.spec.simulator_limits
        command = emulated(self._environment, self._sandbox, binary, b"", limits.stack_bytes, options=["-strace"])
        return self._sandbox.run(command, limits, "simulator").stderr

    def _measurement(self, binary: bytes, data: bytes, ran: _Ran, startup: Mapping[str, int]) -> Measurement:
        output_limit = self._environment.spec.simulator_limits.output_bytes
        outcome, detail, exit_code = classify(ran.ended, ran.stderr, ran.status, len(ran.stdout), output_limit)
        return Measurement(
            binary_sha256=sha256(binary),
            input_sha256=sha256(data),
            simulation_id=self.simulation_id,
            outcome=outcome,
            exit_code=exit_code,
            stdout_sha256=sha256(ran.stdout),
            counters=ran.counters,
            startup_counters=startup,
            detail=detail,
        )


def parse_report(report: bytes, status: int) -> tuple[dict[str, Any] | None, dict[str, int]]:
    """How a child's simulation ended (None if gem5 itself did, with wait `status`), and its counters.

    SandboxError if it is not in machine.py's format.
    """
    line, _, statistics = report.partition(b"\n")
    counters = parse_statistics(statistics.decode(errors="replace"))
    if status != 0 or not line:
        return None, counters
    try:
        ended = json.loads(line)
        del ended["host_seconds"]  # the only inexact value in it
        exact = {name: ended[name] for name in ("ticks", "instructions")}
        if type(ended["cause"]) is not str or {type(ended["code"]), *map(type, exact.values())} != {int}:
            raise ValueError("a value of another type")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise SandboxError(f"gem5 wrote no report that can be read: {error}") from None
    return ended, counters | exact


def classify(
    ended: Mapping[str, Any] | None, stderr: str, status: int, written: int, output_limit: int
) -> tuple[str, str, int | None]:
    """Outcome, detail and exit code of one simulation; `ended` is None when gem5 itself ended, with wait `status`."""
    if ended is None:
        match = _SAID.search(stderr)
        said = " ".join(match[1].split())[:_SAID_CHARACTERS] if match is not None else ""
        if written >= output_limit or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXFSZ):
            return "output_limit", f"over {output_limit} bytes of output", None
        if any(mark in said for mark in _CANNOT):
            return "unsupported", said, None
        if any(mark in said for mark in _FAULT):
            return "runtime_error", said, None
        last = stderr.strip().splitlines()[-1:] or ["no message"]
        return "infra_error", f"gem5 ended with status {status}: {last[0]}", None
    if ended["cause"] == _LIMIT:
        return "instruction_limit", f"{ended['instructions']} instructions, {ended['ticks']} ticks", None
    if ended["cause"] != _ENDED:  # m5 pseudo-instructions end a simulation with causes of their own
        return "forbidden", f"the program ended the simulation itself: {ended['cause']}", None
    if ended["code"] != 0:
        return "runtime_error", f"exit code {ended['code']} in the simulator", ended["code"]
    return "ok", "", 0


class Session:
    """A running machine.py: inputs go in, results come out, in the order in which they are done.

    `copies` are the program's copies that end where it is to be forked and at `main` (see startup.py), by machine.py's
    names.
    """

    def __init__(self, gem5: Gem5, binary: bytes, copies: Mapping[str, bytes], root: Path, spec: EnvironmentSpec):
        assert isinstance(spec.simulator, Gem5Spec)
        job: dict[str, Any] = {
            "isa": spec.toolchain.isa.gem5,
            "parameters": spec.model_dump(mode="json")["simulator"]["parameters"],
            "program": PROGRAM,
            "argv": [PROGRAM],
            "environment": {**spec.program_environment, **(ELSEWHERE if spec.toolchain.isa.is_foreign else {})},
            "tick_limit": spec.simulator.max_ticks,
            "host_second_limit": spec.simulator.max_host_seconds,
        }
        files = {PROGRAM: binary}
        for name, copy in copies.items():
            job[name] = next((path for path, content in files.items() if content == copy), f"/w/{name}")
            files[job[name]] = copy
        self._wall_seconds = spec.simulator_limits.wall_seconds
        self._buffer = b""
        self._streams: dict[int, tuple[int, int, int]] = {}
        with contextlib.ExitStack() as stack:
            self._served = stack.enter_context(gem5.serve(job, files, root, spec.simulator_limits))
            self._channel = self._served.channel
            self.ready: dict[str, Any] = self._message()["ready"]
            self._stack = stack.pop_all()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        for streams in self._streams.values():
            for descriptor in streams:
                os.close(descriptor)

    @property
    def knows_main(self) -> bool:
        before_main = self.ready.get("before_main")
        return before_main is not None and before_main["cause"] == _ENDED

    def send(self, number: int, data: bytes, *, main: bool = False) -> None:
        with contextlib.ExitStack() as stack:
            stdin = stack.enter_context(memory_file("stdin", data))
            streams = tuple(os.memfd_create(name) for name in ("stdout", "stderr", "report"))
            self._streams[number] = streams  # type: ignore[assignment]
            message = json.dumps({"run": number, "main": main}).encode()
            try:
                socket.send_fds(self._channel, [message], [stdin, *streams])
            except OSError as error:
                raise SandboxError(f"gem5 exited: {error}") from None

    def next_done(self) -> tuple[int, _Ran]:
        message = self._message()
        number, status = message["done"], message["status"]
        stdout, stderr, report = self._streams.pop(number)
        try:
            ended, counters = parse_report(content_of(report), status)
            said = content_of(stderr).decode(errors="replace")
            return number, _Ran(ended, counters, content_of(stdout), said, status)
        finally:
            for descriptor in (stdout, stderr, report):
                os.close(descriptor)

    def _message(self) -> dict[str, Any]:
        end = time.monotonic() + self._wall_seconds
        while b"\n" not in self._buffer:
            if not select.select([self._channel], [], [], max(0.0, end - time.monotonic()))[0]:
                raise SandboxError(f"gem5 said nothing for {self._wall_seconds} s and was stopped")
            received = self._channel.recv(1 << 16)
            if not received:
                said = self._served.stderr().decode(errors="replace").strip().splitlines()
                raise SandboxError(f"gem5 exited without an answer: {said[-1] if said else 'no message'}")
            self._buffer += received
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer
