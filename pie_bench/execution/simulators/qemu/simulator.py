"""The ruler: a timing model of the simulated processor, in a plugin for QEMU's user-mode emulation.

QEMU executes the program; the plugin (plugin/, C++) sees every instruction and memory access and times them. Counts
depend only on the program, its input and its libraries: QEMU's processor, kernel release, stack and random bytes are
set on the command line, the clock and the random numbers that a program asks for are simulated, and the sandbox fixes
argv[0], the environment and the working directory. Neither the host nor its load has any effect.

The program runs once up to the point where it first looks at its input, the clock, its process or anything else that
differs between runs. There it is forked for each input, inside QEMU's own process (plugin/server.cpp): everything
before that point is the same for all inputs. Start-up is what is counted before `main`, or before the program's entry
point if that first look comes earlier.

The plugin ends access to anything that is not the program's own (see plugin/guest.h) as `forbidden`, with the address
or call as evidence; the harness rejects impossible counts.
"""

from __future__ import annotations

import dataclasses
import logging
import secrets
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pie_bench.execution.elf import code_address, entry_address, lowest_code, main_address, of_elf
from pie_bench.execution.environment import Environment
from pie_bench.execution.sandbox.sandbox import (
    REPORT_PATH,
    Command,
    File,
    Finished,
    NotServedError,
    Sandbox,
    SandboxError,
    Served,
)
from pie_bench.execution.simulators.qemu.build import Ruler
from pie_bench.execution.simulators.qemu.emulator import emulated
from pie_bench.execution.simulators.qemu.report import Report, ReportError, parse_report
from pie_bench.execution.simulators.qemu.spec import CYCLES, INSTRUCTIONS, QemuSpec, period_ps
from pie_bench.execution.simulators.simulator import CyclesByAddress, is_verified
from pie_bench.hashing import sha256
from pie_bench.run.measurement import Measurement

_PLUGIN, _MACHINE, _OWN = "/w/ruler.so", "/w/machine", "/w/own"
_MOST_INSTRUCTIONS_A_CYCLE = 8  # what the simulated core commits
_log = logging.getLogger(__name__)

_Run = tuple[Finished, Report | None]


class QemuSimulator:
    """The `Simulator` contract on the timing model.

    The first input of every program, and one in `verify_one_in` of the others (chosen by hash), are also measured in a
    process of their own. If a forked measurement differs, all of the program's inputs are measured in separate
    processes, and those measurements count.
    """

    rounds_long_double = False

    def __init__(self, environment: Environment, sandbox: Sandbox, fork: bool = True):
        ruler = environment.found.handle
        assert isinstance(environment.spec.simulator, QemuSpec) and isinstance(ruler, Ruler)
        self.simulation_id = environment.simulation_id
        self._spec, self._ruler_spec = environment.spec, environment.spec.simulator
        self._environment, self._sandbox, self._forks = environment, sandbox, fork
        self._limits = environment.spec.simulator_limits
        self._period_ps = period_ps(self._ruler_spec.parameters["clock"])
        self._plugin = ruler.plugin.read_bytes()
        self._machine = machine_file(self._ruler_spec.parameters, self._ruler_spec.fitted)

    def measure(self, binary: bytes, inputs: Sequence[bytes]) -> Iterator[Measurement]:
        """One measurement per input, in order."""
        main = main_offset(binary)
        # A static program runs no dynamic loader.
        least = self._ruler_spec.least_startup_instructions if main is not None and is_dynamic(binary) else 0
        runs: Iterator[_Run]
        if self._forks and len(inputs) > 1:
            runs = self._run_forked(binary, main, inputs)
        else:
            runs = (self._run_alone(binary, main, data) for data in inputs)
        for data, (finished, report) in zip(inputs, runs, strict=True):
            yield self._measurement(binary, data, finished, report, least)

    def seconds(self, counters: Mapping[str, int]) -> float:
        """Simulated seconds of a whole process."""
        return counters.get(CYCLES, 0) * self._period_ps / 10**12

    def profile(self, binary: bytes, data: bytes, own: Sequence[tuple[int, int]]) -> CyclesByAddress | None:
        """Where a program's cycles go; None unless it exits with code 0.

        An instruction is charged the cycles between the previous instruction's retirement and its own.
        """
        key, code = secrets.token_bytes(16), code_address(binary)
        if code is None:
            return None
        options = [f"report={REPORT_PATH}", f"profile={_OWN}"]
        command = self._command(binary, main_offset(binary), key, *options, stdin=data)
        ranges = "".join(f"{begin - code} {end - code}\n" for begin, end in sorted(own))
        command = dataclasses.replace(command, files={**command.files, _OWN: File(ranges.encode())})
        report = _report_of(self._sandbox.run(command, self._limits, "simulator"), key)
        if report is None or (report.outcome, report.detail) != ("exited", "0"):
            return None
        elsewhere = report.lines.get("elsewhere", 0)
        own_cycles, called = (
            {int(place) + code: cycles for place, cycles in counted.items() if place != "elsewhere"}
            for counted in (report.lines, report.called)
        )
        return CyclesByAddress(own_cycles, called, elsewhere)

    def _run_alone(self, binary: bytes, main: int | None, data: bytes) -> _Run:
        key = secrets.token_bytes(16)
        command = self._command(binary, main, key, f"report={REPORT_PATH}", stdin=data)
        finished = self._sandbox.run(command, self._limits, "simulator")
        return finished, _report_of(finished, key)

    def _run_forked(self, binary: bytes, main: int | None, inputs: Sequence[bytes]) -> Iterator[_Run]:
        done, key = 0, secrets.token_bytes(16)
        try:
            with self._sandbox.serve(self._command(binary, main, key, "serve=1"), self._limits) as process:
                process.send(process.child_filter)
                for index, data in enumerate(inputs):
                    run = self._run_child(binary, main, process, key, index, data)
                    if run is None:
                        break
                    done += 1
                    yield run
                    if run[0].wall_timeout:  # the server was stopped as well
                        break
        except NotServedError as error:
            _log.warning("%s", error)
            self._forks = False
        except SandboxError as error:
            _log.info("%s; program %s goes on with one simulation a process", error, sha256(binary)[:12])
        for data in inputs[done:]:
            yield self._run_alone(binary, main, data)

    def _run_child(
        self, binary: bytes, main: int | None, process: Served, key: bytes, index: int, data: bytes
    ) -> _Run | None:
        """A forked run, checked; None if this program must not be forked."""
        finished = process.run(data)
        run = finished, _report_of(finished, key)
        if finished.wall_timeout or finished.cpu_limit:
            return run
        if index > 0 and run[1] is not None and not is_verified(binary, data, self._spec.verify_one_in):
            return run
        alone = self._run_alone(binary, main, data)
        if _same(run, alone):
            return run
        _log.warning(
            "program %s, input %s: forked it counts %s, alone %s; it is measured one process a test",
            *(sha256(binary)[:12], sha256(data)[:12], _said(run), _said(alone)),
        )
        return None

    def _command(self, binary: bytes, main: int | None, key: bytes, *options: str, stdin: bytes = b"") -> Command:
        plugin = [_PLUGIN, *options, f"key={key.hex()}", f"machine={_MACHINE}", f"period_ps={self._period_ps}"]
        plugin += [f"max_instructions={self._spec.max_instructions}", f"memory={self._spec.native_limits.memory_bytes}"]
        places = {"main": main, "entry": entry_offset(binary)}
        plugin += [f"{name}={offset}" for name, offset in places.items() if offset is not None]
        files = {_PLUGIN: File(self._plugin, executable=True), _MACHINE: File(self._machine)}
        return emulated(
            *(self._environment, self._sandbox, binary, stdin, self._limits.stack_bytes),
            options=["-plugin", ",".join(plugin)],
            files=files,
        )

    def _measurement(
        self, binary: bytes, data: bytes, finished: Finished, report: Report | None, least: int
    ) -> Measurement:
        outcome, detail, exit_code = classify(finished, report)
        if outcome == "ok" and report is not None:
            problem = impossible(report, least)
            outcome, detail = ("forbidden", problem) if problem is not None else (outcome, detail)
        return Measurement(
            binary_sha256=sha256(binary),
            input_sha256=sha256(data),
            simulation_id=self.simulation_id,
            outcome=outcome,
            exit_code=exit_code,
            stdout_sha256=sha256(finished.stdout),
            counters=report.counters if report is not None else {},
            startup_counters=report.startup_counters if report is not None else {},
            detail=detail,
        )


def classify(finished: Finished, report: Report | None) -> tuple[str, str, int | None]:
    """Outcome, detail and exit code of one run."""
    if finished.wall_timeout or finished.cpu_limit:
        return "infra_error", f"the simulator was stopped after {finished.wall_seconds:.0f} s", None
    if report is not None:
        if report.outcome == "crashed":
            return "runtime_error", report.detail, None
        if report.outcome != "exited":
            return report.outcome, report.detail, None
        code = int(report.detail)
        return ("ok", "", 0) if code == 0 else ("runtime_error", f"exit code {code} in the simulator", code)
    if finished.signal == signal.SIGXFSZ:
        return "output_limit", "too much output", None
    if finished.signal == signal.SIGKILL:
        return "infra_error", "the simulator was killed", None
    if finished.signal is not None:
        return "runtime_error", f"signal {finished.signal} in the simulator", None
    said = finished.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
    return "infra_error", f"the simulator reported nothing (exit code {finished.exit_code}): {said[0][:200]}", None


def impossible(report: Report, least_startup_instructions: int) -> str | None:
    """Why these counts cannot come from a complete run; None if they can."""
    counted, before = report.counters, report.startup_counters
    more = next((name for name in before if before[name] > counted.get(name, 0)), None)
    if more is not None:
        return f"more {more} before main ({before[more]}) than in all ({counted.get(more, 0)})"
    if counted.get(CYCLES, 0) * _MOST_INSTRUCTIONS_A_CYCLE < counted.get(INSTRUCTIONS, 0):
        return f"{counted.get(INSTRUCTIONS)} instructions in {counted.get(CYCLES)} cycles"
    if counted.get(INSTRUCTIONS, 0) <= 0:
        return "no instructions"
    if before and before.get(INSTRUCTIONS, 0) < least_startup_instructions:
        return f"{before.get(INSTRUCTIONS)} instructions before main, fewer than an empty program's"
    return None


def machine_file(parameters: Mapping[str, Any], fitted: Mapping[str, float]) -> bytes:
    """The machine as the plugin reads it: one `dotted.name value` per line, sorted by name."""
    lines = [*_flat("", parameters), *(f"fitted.{name} {value!r}" for name, value in fitted.items())]
    return "".join(f"{line}\n" for line in sorted(lines)).encode()


def _flat(prefix: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        items: Any = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    else:
        yield f"{prefix} {value}"
        return
    for name, part in items:
        yield from _flat(f"{prefix}.{name}" if prefix else str(name), part)


def main_offset(binary: bytes) -> int | None:
    """The offset of `main` from the start of the lowest executable segment; None without such a symbol."""
    return _offset(binary, main_address)


def entry_offset(binary: bytes) -> int | None:
    """The offset of the program's own first instruction from the same place."""
    return _offset(binary, entry_address)


def _offset(binary: bytes, address_in: Callable[[Any], int | None]) -> int | None:
    def offset(elf: Any) -> int | None:
        address, code = address_in(elf), lowest_code(elf)
        return address - code if address is not None and address >= code else None

    return of_elf(binary, offset)


def is_dynamic(binary: bytes) -> bool:
    """Whether the dynamic loader starts the program."""
    return bool(of_elf(binary, lambda elf: any(elf.iter_segments("PT_INTERP"))))


def _report_of(finished: Finished, key: bytes) -> Report | None:
    try:
        return parse_report(finished.report, key)
    except (ReportError, ValueError, KeyError) as error:
        return Report("forbidden", f"the simulator's report is not authentic: {error}")


def _same(one: _Run, other: _Run) -> bool:
    return (one[0].stdout, one[0].signal, one[1]) == (other[0].stdout, other[0].signal, other[1])


def _said(run: _Run) -> str:
    finished, report = run
    return f"signal {finished.signal}, output {sha256(finished.stdout)[:12]}, {report}"
