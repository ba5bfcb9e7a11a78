"""The embedded simulator: valgrind's cachegrind counts events, a calibrated linear model turns them into seconds.

The model predicts the gem5 times that PIE publishes (docs/methodology.md). Counts depend on the program, its
input, its libraries and valgrind alone: caches are given on the command line, address randomisation is off, argv[0],
environment and directory are fixed by the sandbox, and the C library is kept from choosing routines by the host's
processor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pie_bench.execution.environment import CachegrindSpec, CacheModel, Environment, EnvironmentSpec
from pie_bench.execution.sandbox.sandbox import REPORT_PATH, Command, File, Finished, Sandbox, SandboxError
from pie_bench.execution.simulators.simulator import Measurement
from pie_bench.execution.simulators.startup import stopped_at_main
from pie_bench.hashing import sha256

_PROGRAM = "/w/program"
_UNSUPPORTED = (b"unhandled instruction bytes", b"the 'impossible' happened")


class CachegrindSimulator:
    """The `Simulator` contract on cachegrind."""

    def __init__(self, environment: Environment, sandbox: Sandbox):
        self.simulation_id = environment.simulation_id
        assert isinstance(environment.spec.simulator, CachegrindSpec)
        self._ruler = environment.spec.simulator
        self._spec, self._sandbox, self._root = environment.spec, sandbox, environment.root

    def measure(self, binary: bytes, inputs: Sequence[bytes]) -> Iterator[Measurement]:
        """One measurement an input, in order; the start-up is measured once."""
        startup_counters = self._startup_counters(binary)
        binary_sha256 = sha256(binary)
        for data in inputs:
            finished = self._run(binary, data)
            counters = parse_counters(finished.report)
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

    def seconds(self, counters: Mapping[str, int]) -> float:
        """Simulated seconds of event counts."""
        costs = self._ruler.seconds_per_event
        return sum(cost * counters.get(event, 0) for event, cost in sorted(costs.items()))

    def _startup_counters(self, binary: bytes) -> dict[str, int]:
        stopped = stopped_at_main(binary)
        if stopped is None:
            return {}
        counters = parse_counters(self._run(stopped, b"").report)
        if not counters:  # taking it for no start-up at all would be a wrong number
            raise SandboxError("the simulator gave no counts of the program's start-up")
        return counters

    def _run(self, binary: bytes, data: bytes) -> Finished:
        return self._sandbox.run(
            Command(
                argv=[*_command_line(self._ruler), _PROGRAM],
                stdin=data,
                files={_PROGRAM: File(binary, executable=True)},
                environment=self._spec.program_environment,
                root=self._root,
            ),
            self._spec.simulator_limits,
            "simulator",
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


def cachegrind_facts(sandbox: Sandbox, spec: EnvironmentSpec, root: Path | None) -> dict[str, str]:
    """valgrind's version."""
    finished = sandbox.run(
        Command(["/usr/bin/valgrind", "--version"], environment={"PATH": "/usr/bin"}, root=root),
        spec.simulator_limits,
        "simulator",
    )
    if finished.exit_code != 0:
        raise SandboxError("valgrind does not run in the sandbox; install it: sudo apt-get install valgrind")
    return {"valgrind": finished.stdout.decode().strip()}


def parse_counters(report: bytes) -> dict[str, int]:
    """Event totals of a cachegrind output file (its lines `events:` and `summary:`); empty when it is not complete."""
    names: list[str] = []
    for line in report.decode(errors="replace").splitlines():
        if line.startswith("events:"):
            names = line.split()[1:]
        elif line.startswith("summary:"):
            return dict(zip(names, map(int, line.split()[1:]), strict=True))
    return {}


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
