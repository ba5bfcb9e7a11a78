"""From a program to a verdict: compile, run natively and compare, measure in the simulator and compare again."""

from __future__ import annotations

import signal
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from pie_bench.data.pair import TestCase
from pie_bench.execution import forbidden
from pie_bench.execution.checker import COMPARATORS
from pie_bench.execution.clocks import clock_decides
from pie_bench.execution.environment import Environment, EnvironmentSpec
from pie_bench.execution.rootfs import find_root, load_root_spec
from pie_bench.execution.sandbox.sandbox import Command, File, Finished, Sandbox, SandboxError
from pie_bench.execution.simulators.open import open_simulator, with_simulator
from pie_bench.execution.simulators.simulator import Measurement, Simulator
from pie_bench.execution.toolchain import Toolchain
from pie_bench.execution.verdict import Candidate, Outcome, TestResult, Verdict
from pie_bench.hashing import sha256
from pie_bench.paths import roots_dir
from pie_bench.store import MeasurementStore

_PROGRAM = "/w/program"
_OUT_OF_MEMORY = (b"bad_alloc", b"failed to execute /w/program: Cannot allocate memory")


def open_environment(spec: EnvironmentSpec, sandbox: Sandbox) -> Environment:
    """The environment as it is on this machine. Raises SandboxError when compiler or simulator do not run."""
    root, facts = None, {}
    if spec.root is not None:
        root_spec = load_root_spec(spec.root)
        root, facts = find_root(root_spec, roots_dir()), {"root": root_spec.tree_sha256}
    toolchain = Toolchain(spec.toolchain, spec.compile_limits, sandbox, root)
    return with_simulator(spec, facts | toolchain.facts(), sandbox, root)


class Executor:
    """Judges programs in one environment. `execute` may be called from several threads at once."""

    def __init__(self, environment: Environment, sandbox: Sandbox, store: MeasurementStore):
        spec = environment.spec
        self.environment = environment
        self.sandbox = sandbox
        self._spec, self._store = spec, store
        self._toolchain = Toolchain(spec.toolchain, spec.compile_limits, sandbox, environment.root)
        self._simulator: Simulator = open_simulator(environment, sandbox)
        self._same_output = COMPARATORS[spec.comparator]
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._locks_lock = threading.Lock()

    def execute(self, candidate: Candidate, tests: Sequence[TestCase], *, measured: bool = True) -> Verdict:
        """The verdict on one candidate. What fails on our side is tried once more, then an `infra_error`.

        Without `measured` it is only compiled and run against the tests: no times.
        """
        for attempt in (1, 2):
            try:
                verdict = self._execute(candidate, tests, measured)
            except SandboxError as error:
                verdict = self._verdict(candidate, "infra_error", detail=str(error))
            if verdict.outcome != "infra_error" or attempt == 2:
                break
        return verdict

    def measured(self, code: str, tests: Sequence[TestCase]) -> dict[str, Measurement]:
        """A program's measurements by the input's sum; none when it is not right on every test."""
        verdict = self.execute(Candidate("", "source", 0, code), tests)
        if verdict.outcome != "ok" or verdict.binary_sha256 is None:
            return {}
        return self._store.get(
            verdict.binary_sha256, [sha256(test.input) for test in tests], self._simulator.simulation_id
        )

    @property
    def accounts_cpu(self) -> bool:
        """Whether the CPU time of all that is run counts as that of this process's children."""
        gem5 = self.environment.gem5
        return self.sandbox.accounts_cpu and (gem5 is None or gem5.accounts_cpu)

    def seconds(self, measurement: Measurement) -> float:
        """Simulated seconds of a measurement in this environment."""
        return self._simulator.seconds(measurement.counters, measurement.startup_counters)

    def startup_seconds(self, measurement: Measurement) -> float:
        """Simulated seconds of what the program does before `main`."""
        return self._simulator.seconds(measurement.startup_counters, measurement.startup_counters)

    def _execute(self, candidate: Candidate, tests: Sequence[TestCase], measured: bool) -> Verdict:
        if candidate.code is None:
            return self._verdict(candidate, candidate.reason)
        compiled = self._toolchain.compile(candidate.code)
        if compiled.binary is None:
            return self._verdict(candidate, _outcome(compiled.outcome), compile_log=compiled.log)
        sums: dict[str, Any] = {"binary_sha256": compiled.binary_sha256, "compile_log": compiled.log}
        try:
            program = self._suspect(candidate, compiled.binary)
        except ValueError as error:  # the linker was talked into something else
            return self._verdict(candidate, "forbidden", str(error), **sums)
        evidence = None
        if program is not None:
            evidence = forbidden.find(program, candidate.src_code, tests, self._toolchain)
        if evidence is not None:
            return self._verdict(candidate, "forbidden", evidence, **sums)
        results, digests = self._run_natively(compiled.binary, tests)
        failed = next((result for result in results if result.outcome != "ok"), None)
        if failed is not None:
            # An error of ours on any test says that the others may not be complete either.
            worst = next((r for r in results if r.outcome == "infra_error"), failed)
            return self._verdict(candidate, worst.outcome, f"test {worst.test_id}", tests=tuple(results), **sums)
        evidence = self._timing(program, tests) if program is not None else None
        if evidence is not None:
            return self._verdict(candidate, "forbidden", evidence, **sums)
        if not measured:
            return self._verdict(candidate, "ok", tests=tuple(results), **sums)
        results, measurements, said = self._measure(compiled.binary, tests, digests)
        failed = next((result for result in results if result.outcome != "ok"), None)
        if failed is not None:
            detail = f"test {failed.test_id} in the simulator" + (f": {said}" if said else "")
            rounds = self._simulator.rounds_long_double and failed.outcome == "forbidden"
            if rounds and forbidden.computes_in_80_bits(compiled.binary, self._toolchain):
                detail += ": it computes in long double, which simulators round to 64 bits"
                results = [replace(r, outcome="unsupported") if r.outcome == "forbidden" else r for r in results]
            worst = next(result for result in results if result.outcome != "ok")
            return self._verdict(candidate, worst.outcome, detail, tests=tuple(results), **sums)
        return self._verdict(
            candidate,
            "ok",
            tests=tuple(results),
            runtime_seconds=sum(result.seconds or 0.0 for result in results),
            startup_seconds=sum(result.startup_seconds or 0.0 for result in results),
            counters=_summed(measurement.counters for measurement in measurements),
            startup_counters=_summed(measurement.startup_counters for measurement in measurements),
            **sums,
        )

    @staticmethod
    def _suspect(candidate: Candidate, binary: bytes) -> forbidden.Program | None:
        """An answer as the checks on cheating look at it; None for the dataset's own programs, which are under no
        suspicion. ValueError as `read_program`."""
        if candidate.role != "candidate" or candidate.code is None:
            return None
        return forbidden.read_program(candidate.code, binary)

    def _timing(self, program: forbidden.Program, tests: Sequence[TestCase]) -> str | None:
        """Evidence that the clock decides what a program, right so far, does. Most look at no clock."""
        if not tests or not program.imports & forbidden.CLOCKS:
            return None
        return clock_decides(
            program.binary,
            [test.input for test in tests],
            self._toolchain,
            self.sandbox,
            self._spec.simulator_limits,
            self.environment.root,
            self._spec.program_environment,
        )

    def _verdict(self, candidate: Candidate, outcome: Outcome, detail: str = "", **fields: Any) -> Verdict:
        return Verdict(
            pair_id=candidate.pair_id,
            role=candidate.role,
            sample_index=candidate.sample_index,
            environment_id=self.environment.environment_id,
            outcome=outcome,
            detail=detail,
            code_sha256=sha256(candidate.code.encode(errors="replace")) if candidate.code is not None else None,
            **fields,
        )

    def _run_natively(self, binary: bytes, tests: Sequence[TestCase]) -> tuple[list[TestResult], dict[str, str]]:
        """Every test's outcome, and the sum of its output by test id. After a limit the rest is not run."""
        results: list[TestResult] = []
        digests: dict[str, str] = {}
        for test in tests:
            if results and results[-1].outcome in ("instruction_limit", "infra_error"):
                results.append(TestResult(test.test_id, results[-1].outcome))
                continue
            finished = self.sandbox.run(
                Command(
                    [_PROGRAM],
                    test.input,
                    {_PROGRAM: File(binary, True)},
                    self._spec.program_environment,
                    self.environment.root,
                ),
                self._spec.native_limits,
                "payload",
            )
            outcome = self._native_outcome(finished)
            if outcome == "ok":
                output, expected = (text.decode(errors="replace") for text in (finished.stdout, test.expected_output))
                if not self._same_output(output, expected):
                    outcome = "wrong_output"
            digests[test.test_id] = sha256(finished.stdout)
            results.append(TestResult(test.test_id, outcome))
        return results, digests

    def _native_outcome(self, finished: Finished) -> Outcome:
        if finished.wall_timeout:
            return "infra_error"
        if finished.cpu_limit:
            return "instruction_limit"
        if finished.signal == signal.SIGXFSZ:
            return "output_limit"
        # SIGKILL: the kernel found no room for the program's segments, or memory ran out.
        out_of_memory = any(mark in finished.stderr for mark in _OUT_OF_MEMORY)
        if finished.signal == signal.SIGKILL or (finished.exit_code != 0 and out_of_memory):
            return "memory_limit"
        return "ok" if finished.exit_code == 0 else "runtime_error"

    def _measure(
        self, binary: bytes, tests: Sequence[TestCase], digests: dict[str, str]
    ) -> tuple[list[TestResult], list[Measurement], str]:
        """Every test's result, the measurements of those that are ok, what the simulator said of one that is not."""
        inputs = {sha256(test.input): test.input for test in tests}
        with self._lock_of(sha256(binary)):  # two candidates with the same binary: the second finds it measured
            known = self._measurements(binary, inputs)
        # Measuring stops at the first failure: it stands for the tests after it too.
        stopped_by = next((m.outcome for m in known.values() if m.outcome != "ok"), "infra_error")
        results = []
        measured = []
        for test in tests:
            measurement = known.get(sha256(test.input))
            outcome = measurement.outcome if measurement is not None else stopped_by
            if measurement is None or outcome != "ok":
                # It ran natively: ending otherwise in the simulator is behaving differently.
                results.append(
                    TestResult(test.test_id, "forbidden" if outcome == "runtime_error" else _outcome(outcome))
                )
            elif measurement.stdout_sha256 != digests[test.test_id]:
                results.append(TestResult(test.test_id, "forbidden"))
            else:
                measured.append(measurement)
                results.append(
                    TestResult(
                        test.test_id,
                        "ok",
                        self._simulator.seconds(measurement.counters, measurement.startup_counters),
                        self._simulator.seconds(measurement.startup_counters, measurement.startup_counters),
                        measurement.counters.get("Ir", measurement.counters.get("instructions")),
                    )
                )
        said = next((measurement.detail for measurement in known.values() if measurement.outcome != "ok"), "")
        return results, measured, said

    def _measurements(self, binary: bytes, inputs: dict[str, bytes]) -> dict[str, Measurement]:
        """Measurements by the input's sum; stops at the first that is not ok."""
        known = self._store.get(sha256(binary), list(inputs), self._simulator.simulation_id)
        # Short ones first: a program that is over the limit on one of them costs little.
        missing = sorted((data for key, data in inputs.items() if key not in known), key=len)
        if missing and all(measurement.outcome == "ok" for measurement in known.values()):
            # closing: stopping early must not leave a simulation to the garbage collector
            with closing(self._simulator.measure(binary, missing)) as measurements:  # type: ignore[type-var]
                for measurement in measurements:
                    self._store.put(measurement)
                    known[measurement.input_sha256] = measurement
                    if measurement.outcome != "ok":
                        break
        return known

    def _lock_of(self, binary_sha256: str) -> threading.Lock:
        with self._locks_lock:
            return self._locks[binary_sha256]


def _summed(counters: Iterable[Mapping[str, float]]) -> dict[str, float]:
    sums: Counter[str] = Counter()
    for counted in counters:
        sums.update(counted)  # type: ignore[arg-type]  # counts may be fractions in some simulators
    return dict(sorted(sums.items()))


def _outcome(name: str) -> Outcome:
    return name  # type: ignore[return-value]  # toolchain and simulator use names of Outcome
