"""Judges in one environment: owns its sandbox, simulator and measurement store, and takes a program through the steps
of judging.py."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pie_bench.data.pair import Pair, TestCase
from pie_bench.errors import PieBenchError, UserError
from pie_bench.execution.comparing import Comparing
from pie_bench.execution.environment import Environment, EnvironmentSpec, load_environment_spec
from pie_bench.execution.integrity.guards import N_GUARD_INPUTS, PUBLIC_SEED, Guards
from pie_bench.execution.judging import examined, judge
from pie_bench.execution.known import as_that_of, key_of, lasting
from pie_bench.execution.measuring import measurements, seconds_after_main
from pie_bench.execution.native import first_difference, outcome_of, run_natively
from pie_bench.execution.profiling import profile
from pie_bench.execution.rootfs import find_root, load_root_spec
from pie_bench.execution.sandbox.choose import UNSAFE, choose_sandbox
from pie_bench.execution.sandbox.sandbox import Finished, Sandbox, SandboxError
from pie_bench.execution.simulators.kind import kind_of, open_simulator
from pie_bench.execution.subject import Subject, Workshop
from pie_bench.execution.toolchain import Toolchain, host_toolchain, sanitizing_toolchain
from pie_bench.hashing import hash_of, sha256
from pie_bench.paths import roots_dir
from pie_bench.run.measurement import Measurement, Profile
from pie_bench.run.verdict import Candidate, Outcome, Verdict
from pie_bench.store import MeasurementStore


@dataclass(frozen=True)
class Job:
    """A complete program to judge, which can be sent to another process or machine.

    `tests` may be a function that reads them, called when the job is sent or judged, so that waiting jobs stay small.
    """

    candidate: Candidate
    tests: tuple[TestCase, ...] | Callable[[], tuple[TestCase, ...]]
    measured: bool = True

    def read_tests(self) -> tuple[TestCase, ...]:
        return self.tests() if callable(self.tests) else self.tests

    def __reduce__(self) -> tuple[Any, ...]:
        return Job, (self.candidate, self.read_tests(), self.measured)


def open_environment(spec: EnvironmentSpec, sandbox: Sandbox) -> Environment:
    """Opens the environment on this machine. Raises SandboxError if compiler or simulator do not run."""
    root, facts = None, {}
    if spec.root is not None:
        root_spec = load_root_spec(spec.root)
        root, facts = find_root(root_spec, roots_dir()), {"root": root_spec.tree_sha256}
    toolchain = Toolchain(spec.toolchain, spec.compile_limits, sandbox, root)
    facts = facts | toolchain.facts()
    found = kind_of(spec.simulator).find(spec, sandbox, root)
    return Environment(spec, {**facts, **found.facts}, root, found)


def open_executor(environment: str | EnvironmentSpec, cache_dir: Path, sandbox: Sandbox | None = None) -> Executor:
    """Opens an environment, by name or file, on this machine, with the machine's measurement store.

    Without a `sandbox`, chooses one that works here. UserError if sandbox, compiler or simulator do not work.
    """
    spec = load_environment_spec(environment) if isinstance(environment, str) else environment
    sandbox = sandbox or choose_sandbox()
    try:
        opened = open_environment(spec, sandbox)
    except SandboxError as error:
        raise UserError(f"environment {spec.environment}: {error}") from None
    # Never reuse measurements made without a sandbox as if made in one.
    store = "measurements-unsafe.sqlite" if sandbox.name == UNSAFE else "measurements.sqlite"
    return Executor(opened, sandbox, MeasurementStore(cache_dir / store))


class Executor:
    """Judges programs in one environment. Thread-safe.

    When pickled to another process, it reopens there, once; that process must find the same environment and get the
    same results for a small program.
    """

    def __init__(self, environment: Environment, sandbox: Sandbox, store: MeasurementStore):
        spec = environment.spec
        self.environment = environment
        self.sandbox = sandbox
        toolchain = Toolchain(spec.toolchain, spec.compile_limits, sandbox, environment.root)
        host = host_toolchain(toolchain)
        comparing = Comparing(spec, host, sandbox)
        simulator = open_simulator(environment, sandbox)
        self._workshop = Workshop(
            environment, sandbox, toolchain, host, sanitizing_toolchain(host), simulator, store, comparing
        )

    def __reduce__(self) -> tuple[Any, ...]:
        environment = self.environment
        spec = environment.spec.model_dump_json()
        return _reopened, (spec, environment.environment_id, self.proof, self.sandbox.name, self._workshop.store)

    @functools.cached_property
    def proof(self) -> str:
        """The sum of a small program, compiled and measured anew: the same wherever programs are judged alike.

        PieBenchError when it cannot be had.
        """
        try:
            binary = self._workshop.toolchain.compile(_PROOF).binary
            measured = list(self._workshop.simulator.measure(binary, [b"7\n"])) if binary else []
        except SandboxError as error:
            raise PieBenchError(f"environment {self.environment.name}: {error}") from None
        if binary is None or any(each.outcome != "ok" for each in measured):
            said = next((each.detail for each in measured), "the compiler fails")
            raise PieBenchError(f"environment {self.environment.name}: it cannot measure a small program: {said}")
        return hash_of([sha256(binary), [[each.stdout_sha256, dict(each.counters)] for each in measured]])

    def __call__(self, job: Job) -> Verdict:
        """The verdict on a job, as `execute`."""
        return self.execute(job.candidate, job.read_tests(), measured=job.measured)

    def unjudged(self, job: Job, why: str) -> Verdict:
        """The verdict on a job that could not be judged through a fault of ours."""
        return self._workshop.verdict(Subject(job.candidate, ()), "infra_error", why)

    def execute(self, candidate: Candidate, tests: Sequence[TestCase], *, measured: bool = True) -> Verdict:
        """The verdict on one candidate. A failure on our side is retried once, then becomes an `infra_error`.

        Without `measured`, the program is only compiled and run against the tests, without times. A verdict in the
        store is reused unless it involved a checker, since a checker is a file that may change.
        """
        store = self._workshop.store
        key = self.key(candidate, tests, measured=measured)
        known = None if key is None else store.get_verdict(key)
        if known is not None:
            return as_that_of(candidate, known)
        verdict = judge(Subject(candidate, tests, measured), self._workshop)
        if key is not None and lasting(verdict):
            store.put_verdict(key, verdict)
        return verdict

    def key(self, candidate: Candidate, tests: Sequence[TestCase], *, measured: bool = True) -> str | None:
        """What the store keeps a candidate's verdict by; None if it keeps none (`execute`)."""
        if self._workshop.comparing.asks_a_checker(candidate.problem_id):
            return None
        return key_of(candidate, tests, measured, self.environment.environment_id)

    def knows(self, key: str) -> bool:
        """Whether the store has the verdict with this `key`."""
        return self._workshop.store.find("verdict", [(key,)]) != [None]

    def guards_of(
        self,
        pair: Pair,
        tests: Sequence[TestCase],
        *,
        n: int = N_GUARD_INPUTS,
        seed: str = PUBLIC_SEED,
        measured: bool = True,
    ) -> Guards:
        """The guards of a pair; without `measured`, they take no times."""
        return Guards(pair, tests, self._workshop, n, seed, measured)

    def measured(self, code: str, tests: Sequence[TestCase]) -> dict[str, Measurement]:
        """A program's measurements by the hash of the input; empty unless it is right on every test."""
        verdict = self.execute(Candidate("", "source", 0, code), tests)
        if verdict.outcome != "ok" or verdict.binary_sha256 is None:
            return {}
        workshop = self._workshop
        inputs = [sha256(test.input) for test in tests]
        return workshop.store.get(verdict.binary_sha256, inputs, workshop.simulator.simulation_id)

    def run(self, code: str, test: TestCase) -> Finished:
        """Runs a program natively once, for its output. Raises SandboxError; UserError if it does not compile."""
        compiled = self._workshop.toolchain.compile(code)
        if compiled.binary is None:
            raise UserError(f"the program does not compile: {compiled.log.strip()[:200]}")
        return run_natively(compiled.binary, test.input, self._workshop)

    def examine(self, candidate: Candidate, tests: Sequence[TestCase]) -> Subject | Verdict:
        """A program ready to run: compiled and, if it is an answer, checked for cheating; or the verdict that ends it.
        Raises SandboxError."""
        return examined(Subject(candidate, tests, is_measured=False), self._workshop)

    def compiled(self, code: str) -> bytes | None:
        """Compiles a source text; None if it does not compile."""
        return self._workshop.toolchain.compile(code).binary

    def run_binary(
        self, binary: bytes, data: bytes, *, cpu_seconds: int | None = None, random_addresses: bool = False
    ) -> Finished:
        """Runs a compiled program natively once, with a limit on CPU time (default: the environment's). SandboxError if
        it could not be started."""
        return run_natively(binary, data, self._workshop, cpu_seconds=cpu_seconds, random_addresses=random_addresses)

    def output(self, binary: bytes, data: bytes, *, random_addresses: bool = False) -> tuple[Outcome, bytes]:
        """The outcome and output of one native run of a compiled program; `infra_error` if the machine was too busy.
        Raises SandboxError."""
        finished = self.run_binary(binary, data, random_addresses=random_addresses)
        return outcome_of(finished), finished.stdout

    def right(self, problem_id: str, test: TestCase, output: bytes) -> bool:
        """Whether an output is right for a test, according to the environment's comparator."""
        return self._workshop.comparing.right(problem_id, test, output)

    def measurements(self, binary: bytes, inputs: Sequence[bytes]) -> list[Measurement]:
        """Measurements of a compiled program on these inputs, without those on which it fails."""
        return [each for each in measurements(binary, inputs, self._workshop) if each is not None]

    @property
    def instruction_counter(self) -> str:
        """The name of the instruction counter in its measurements."""
        return self.environment.spec.simulator.instructions

    def why_wrong(self, problem_id: str, test: TestCase, output: bytes) -> str:
        """What is wrong with an output, in one line: the checker's message, else the first difference."""
        said = self._workshop.comparing.compare(problem_id, test, output)[1]
        return said or first_difference(output, test.expected_output, self.environment.spec.comparator)

    def profile(self, code: str, test: TestCase) -> Profile | None:
        """Where a right program spends its cycles, by line; None if the simulator cannot tell."""
        return profile(code, test.input, self._workshop)

    @property
    def accounts_cpu(self) -> bool:
        """Whether the CPU time of everything it runs is accounted to this process's children."""
        return self.sandbox.accounts_cpu and self.environment.found.accounts_cpu

    def seconds_after_main(self, binary: bytes, inputs: Sequence[bytes]) -> list[float | None]:
        """Simulated seconds of a compiled program after the start of `main`, per input; None where it fails."""
        return seconds_after_main(binary, inputs, self._workshop)

    def seconds(self, measurement: Measurement) -> float:
        """Simulated seconds of a measurement in this environment."""
        return self._workshop.simulator.seconds(measurement.counters)

    def startup_seconds(self, measurement: Measurement) -> float:
        """Simulated seconds that a measurement spends before `main`."""
        return self._workshop.simulator.seconds(measurement.startup_counters)

    def close(self) -> None:
        """Closes the measurement store, and ends the processes in which programs are examined."""
        self._workshop.apart.close()
        self._workshop.store.close()


# It needs the headers and libraries that most programs need.
_PROOF = """#include <algorithm>
#include <cstdio>
#include <iostream>
#include <vector>
int main() {
    int n;
    std::cin >> n;
    std::vector<double> v;
    for (int i = 0; i < 99; i++) v.push_back(i * 37 % 101 / (double)n);
    std::sort(v.begin(), v.end());
    printf("%.9f\\n", v[n]);
}
"""


@functools.cache  # a process receives an executor with every job
def _reopened(spec_json: str, environment_id: str, proof: str, sandbox_name: str, store: MeasurementStore) -> Executor:
    spec = EnvironmentSpec.model_validate_json(spec_json)
    sandbox = choose_sandbox(sandbox_name, unsafe=sandbox_name == UNSAFE)
    environment = open_environment(spec, sandbox)
    if environment.environment_id != environment_id:
        raise PieBenchError(
            f"environment {spec.environment}: it is {environment.environment_id[:12]} in the worker, not "
            f"{environment_id[:12]}: compiler, libraries or simulator differ"
        )
    executor = Executor(environment, sandbox, store)
    if executor.proof != proof:
        raise PieBenchError(
            f"environment {spec.environment}: the worker measures a program otherwise, though versions are the same: "
            "a file of its root file system is damaged; delete it, then pie-bench environment build"
        )
    return executor
