"""How misleading a stopwatch is (the paper, Section 2): times the same program twice, natively and simulated.

The native runs use hyperfine on this machine; any ratio other than 1.0 is a phantom speedup. hyperfine starts programs
itself, so it runs inside the sandbox under the compiler's profile (the one that may fork). It only times the dataset's
own programs, never a model's answers.
"""

from __future__ import annotations

import itertools
import json
import shutil
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pie_bench.data.load import PairDataset
from pie_bench.defaults import DEFAULT_ENVIRONMENT
from pie_bench.errors import PieBenchError, UserError
from pie_bench.execution.environment import EnvironmentSpec
from pie_bench.execution.executor import open_environment
from pie_bench.execution.sandbox.sandbox import PROGRAM, REPORT_PATH, Command, File, Sandbox
from pie_bench.execution.simulators.kind import open_simulator
from pie_bench.execution.toolchain import Toolchain

_HYPERFINE = "/usr/bin/hyperfine"


@dataclass(frozen=True)
class IdenticalPair:
    """One program on one test, measured twice: mean seconds by hyperfine, simulated seconds, and the apparent
    speedup."""

    program: str
    test_id: str
    native_seconds: tuple[float, float]
    simulated_seconds: tuple[float, float]

    @property
    def native_speedup(self) -> float:
        return self.native_seconds[0] / self.native_seconds[1]

    @property
    def simulated_speedup(self) -> float:
        return self.simulated_seconds[0] / self.simulated_seconds[1]


@dataclass(frozen=True)
class Spread:
    """Of phantom speedups: mean, standard deviation, the start of the top 5 %, and the share of at least 1.1."""

    mean: float
    sd: float
    top_5_percent: float
    largest: float
    percent_optimized: float

    @staticmethod
    def of(speedups: list[float]) -> Spread:
        ordered = sorted(speedups)
        return Spread(
            mean=statistics.fmean(ordered),
            sd=statistics.pstdev(ordered),
            top_5_percent=ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))],
            largest=ordered[-1],
            percent_optimized=100 * sum(speedup >= 1.1 for speedup in ordered) / len(ordered),
        )


def check_hyperfine() -> None:
    """Raises UserError with the remedy if hyperfine is not installed."""
    if not shutil.which(_HYPERFINE):
        raise UserError(f"{_HYPERFINE} is not installed; run: sudo apt-get install hyperfine")


def identical_pairs(
    dataset: PairDataset,
    spec: EnvironmentSpec,
    sandbox: Sandbox,
    *,
    pairs: int,
    runs: int,
    progress: Callable[[], object] = lambda: None,
) -> list[IdenticalPair]:
    """Times `pairs` identical pairs, each program `runs` times per side: the dataset's programs in turn, largest test
    first."""
    check_hyperfine()
    if spec.toolchain.isa.is_foreign:
        raise UserError(
            f"environment {spec.environment}: its programs do not run on this machine without an emulator; use "
            f"--environment {DEFAULT_ENVIRONMENT}"
        )
    environment = open_environment(spec, sandbox)
    toolchain = Toolchain(spec.toolchain, spec.compile_limits, sandbox, environment.root)
    simulator = open_simulator(environment, sandbox)
    binaries: dict[str, bytes] = {}
    found = []
    for name, code, test_id, data in itertools.islice(_cases(dataset), pairs):
        if name not in binaries:
            compiled = toolchain.compile(code)
            if compiled.binary is None:
                raise PieBenchError(f"{name}: does not compile: {compiled.log[:200]}")
            binaries[name] = compiled.binary
        measured = [next(iter(simulator.measure(binaries[name], [data]))) for _ in range(2)]
        first, second = (simulator.seconds(measurement.counters) for measurement in measured)
        native = _hyperfine(binaries[name], data, spec, sandbox, runs)
        found.append(IdenticalPair(name, test_id, native, (first, second)))
        progress()
    return found


def _cases(dataset: PairDataset) -> Iterator[tuple[str, str, str, bytes]]:
    """(program, code, test, input): every program with its largest test, then with the next, and so on forever."""
    programs = {}
    for pair in dataset.pairs:
        tests = sorted(dataset.tests(pair), key=lambda test: (-len(test.input), test.test_id))
        for side, code in (("source", pair.src_code), ("target", pair.tgt_code)):
            programs[f"{pair.pair_id} {side}"] = (code, tests)
    for turn in itertools.count():
        for name, (code, tests) in programs.items():
            test = tests[turn % len(tests)]
            yield name, code, test.test_id, test.input


def _hyperfine(binary: bytes, data: bytes, spec: EnvironmentSpec, sandbox: Sandbox, runs: int) -> tuple[float, float]:
    """Mean seconds of the same program, timed twice in one hyperfine call."""
    # Our own shell opens the input: Debian 12's hyperfine (1.15) cannot, and with its own shell it subtracts the time
    # that the shell takes, which leaves nothing, or less, of a program that runs for a millisecond.
    command = f"/bin/sh -c 'exec {PROGRAM} < /w/input'"
    options = ["--shell=none", "--style=none", "--warmup=2", f"--runs={runs}"]
    finished = sandbox.run(
        Command(
            argv=[_HYPERFINE, *options, f"--export-json={REPORT_PATH}", command, command],
            files={PROGRAM: File(binary, executable=True), "/w/input": File(data)},
            environment={**spec.program_environment, "PATH": "/usr/bin"},
        ),
        spec.compile_limits,
        "compile",
    )
    try:
        report: dict[str, Any] = json.loads(finished.report)
        first, second = (float(result["mean"]) for result in report["results"])
    except (ValueError, KeyError):
        said = finished.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"exit {finished.exit_code}"]
        raise PieBenchError(f"hyperfine gave no times: {said[0]}") from None
    return first, second
