"""From a program to a verdict: every outcome, each with a program that gets it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pie_bench.data.pair import TestCase
from pie_bench.execution.environment import Environment
from pie_bench.execution.executor import Executor
from pie_bench.execution.pool import LocalPool
from pie_bench.execution.sandbox.sandbox import Command, Finished, Limits, Sandbox, SandboxError, Served, Stage
from pie_bench.execution.simulators.qemu.simulator import QemuSimulator
from pie_bench.run.measurement import Measurement
from pie_bench.run.verdict import OUTCOMES, Candidate, Verdict
from pie_bench.store import MeasurementStore

TESTS = (TestCase("0", b"2\n", b"4\n"), TestCase("1", b"5\n", b"10\n"))
DOUBLE = '#include <cstdio>\nint main(){ int n; scanf("%d", &n); printf("%d\\n", 2 * n); }'
HEAD = "#include <iostream>\n#include <vector>\nusing namespace std;\n"


def candidate(code: str | None, **fields: object) -> Candidate:
    return Candidate("pair", "candidate", 0, code, **fields)  # type: ignore[arg-type]


def test_a_correct_program_is_measured_on_every_test(executor: Executor) -> None:
    verdict = executor.execute(candidate(DOUBLE), TESTS)
    assert (verdict.outcome, verdict.detail) == ("ok", "")
    assert [test.outcome for test in verdict.tests] == ["ok", "ok"]
    assert verdict.runtime_seconds == pytest.approx(sum(test.seconds or 0 for test in verdict.tests))
    assert verdict.startup_seconds is not None
    assert 0 < verdict.startup_seconds < verdict.runtime_seconds
    assert verdict.environment_id == executor.environment.environment_id
    assert Verdict.from_json(verdict.to_json()) == replace(verdict)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("int main(){ return x; }", "compile_error"),
        (DOUBLE.replace("2 * n", "3 * n"), "wrong_output"),
        (HEAD + "int main(){ vector<int> v; return v.at(3); }", "runtime_error"),
        (DOUBLE.replace("); }", "); return 1; }"), "runtime_error"),
        (HEAD + 'int main(){ for (;;) cout << "x"; }', "output_limit"),
        (HEAD + "int main(){ vector<vector<long>> v; for (;;) v.emplace_back(1 << 20, 1); }", "memory_limit"),
    ],
)
def test_what_becomes_of_wrong_programs(executor: Executor, code: str, outcome: str) -> None:
    verdict = executor.execute(candidate(code), TESTS)
    assert verdict.outcome == outcome
    assert verdict.outcome in OUTCOMES
    assert verdict.runtime_seconds is None
    assert outcome == "compile_error" or verdict.tests[0].outcome == outcome


def test_an_endless_program_is_stopped_once_and_not_run_on_the_other_tests(
    environment: Environment, sandbox: Sandbox, tmp_path: Path
) -> None:
    limits = environment.spec.native_limits.model_copy(update={"cpu_seconds": 1})
    spec = environment.spec.model_copy(update={"native_limits": limits})
    executor = Executor(replace(environment, spec=spec), sandbox, MeasurementStore(tmp_path / "m.sqlite"))
    verdict = executor.execute(candidate("int main(){ for (volatile int i = 0;; i++); }"), TESTS * 20)
    assert verdict.outcome == "instruction_limit"
    assert {test.outcome for test in verdict.tests} == {"instruction_limit"}


def test_answers_without_a_program(executor: Executor) -> None:
    for reason in ("no_code", "truncated"):
        verdict = executor.execute(candidate(None, reason=reason), TESTS)
        assert (verdict.outcome, verdict.tests, verdict.code_sha256) == (reason, (), None)


def test_behaving_differently_in_the_simulator_is_forbidden(executor: Executor) -> None:
    # QEMU's stack lies elsewhere
    code = HEAD + "int main(){ int n; cin >> n; cout << ((size_t)&n >> 40 < 0x7f ? 0 : 2 * n); }"
    verdict = executor.execute(candidate(code), TESTS)
    assert (verdict.outcome, verdict.detail) == ("forbidden", "test 0 in the simulator")
    code = code.replace("((size_t)&n >> 40 < 0x7f ? 0 : 2 * n)", "2 * n; return (size_t)&n >> 40 < 0x7f")
    assert executor.execute(candidate(code), TESTS).outcome == "forbidden"


class Rounding(QemuSimulator):
    """A simulator in which programs print something else, as if long doubles were rounded."""

    rounds_long_double = True

    def measure(self, binary: bytes, inputs: Sequence[bytes]) -> Iterator[Measurement]:
        yield from (replace(each, stdout_sha256="0" * 64) for each in super().measure(binary, inputs))


def test_less_exact_results_of_the_simulator_are_unsupported(executor: Executor) -> None:
    # gem5 computes long doubles with 64 bits; the processor with 80
    code = HEAD + "int main(){ int n; cin >> n; volatile long double x = 1; cout << (x + 1e-18L == x ? 0 : 2 * n); }"
    assert executor.execute(candidate(code), TESTS).outcome == "ok"
    executor._workshop = replace(
        executor._workshop,
        simulator=Rounding(executor.environment, executor.sandbox),
        store=MeasurementStore(executor._workshop.store.path.with_name("rounded.sqlite")),
    )
    verdict = executor.execute(candidate(code), TESTS)
    assert (verdict.outcome, verdict.detail.partition(": ")) == (
        "unsupported",
        ("test 0 in the simulator", ": ", "it computes in long double, which simulators round to 64 bits"),
    )


class Counting:
    """A sandbox that counts its simulations, and fails as often as told to."""

    name = "counting"
    shows_roots = accounts_cpu = True

    def __init__(self, sandbox: Sandbox):
        self.sandbox, self.simulations, self.failures = sandbox, 0, 0

    def run(self, command: Command, limits: Limits, stage: Stage) -> Finished:
        if self.failures:
            self.failures -= 1
            raise SandboxError("bubblewrap could not run the command: out of luck")
        self.simulations += stage == "simulator"
        return self.sandbox.run(command, limits, stage)

    @contextmanager
    def serve(self, command: Command, limits: Limits, stage: Stage = "simulator") -> Iterator[Served]:
        with self.sandbox.serve(command, limits, stage) as served:
            if stage == "payload":
                yield served
                return
            run = served.run

            def counted(*arguments: bytes) -> Finished:
                self.simulations += 1
                return run(*arguments)

            served.run = counted  # type: ignore[method-assign]
            yield served


class Cramped(Counting):
    """Serves programs with little stack, as often as told to; alone they have what they may have."""

    cramps = 0

    @contextmanager
    def serve(self, command: Command, limits: Limits, stage: Stage = "simulator") -> Iterator[Served]:
        if stage == "payload" and self.cramps:
            self.cramps -= 1
            limits = limits.model_copy(update={"stack_bytes": 256 << 10})
        with super().serve(command, limits, stage) as served:
            yield served


@pytest.fixture
def counting(sandbox: Sandbox) -> Counting:
    return Counting(sandbox)


@pytest.fixture
def counted(environment: Environment, counting: Counting, tmp_path: Path) -> Executor:
    return Executor(environment, counting, MeasurementStore(tmp_path / "m.sqlite"))


def test_identical_binaries_are_measured_once(counted: Executor, counting: Counting) -> None:
    verdicts = list(LocalPool(4).map_unordered(lambda c: counted.execute(c, TESTS), [candidate(DOUBLE)] * 4))
    assert counting.simulations == len(TESTS) + 1, "the tests; the first alone too"
    assert len({verdict.runtime_seconds for verdict in verdicts}) == 1
    more = (*TESTS, TestCase("2", b"7\n", b"14\n"), TestCase("3", b"7\n", b"14\n"))
    assert counted.execute(candidate(DOUBLE + "// again"), more).outcome == "ok"
    assert counting.simulations == len(TESTS) + 2, "only what was missing: one input"


def test_our_own_failure_is_retried_once_and_never_blamed_on_the_program(counted: Executor, counting: Counting) -> None:
    counting.failures = 1
    assert counted.execute(candidate(DOUBLE), TESTS).outcome == "ok"
    counting.failures = 2  # a known program is measured, then the answer once more
    assert counted.execute(candidate(DOUBLE + "// two"), TESTS).outcome == "ok"
    counting.failures = 1_000
    failed = counted.execute(candidate(DOUBLE + "// always"), TESTS)
    assert (failed.outcome, failed.detail) == ("infra_error", "bubblewrap could not run the command: out of luck")


def test_a_crash_that_does_not_repeat_is_not_the_programs(
    environment: Environment, sandbox: Sandbox, tmp_path: Path
) -> None:
    code = DOUBLE.replace("int n;", "volatile char a[1 << 20]; for (char volatile& each : a) each = 1; int n;", 1)
    cramped = Cramped(sandbox)
    executor = Executor(environment, cramped, MeasurementStore(tmp_path / "m.sqlite"))
    cramped.cramps = 1
    assert executor.execute(candidate(code), TESTS).outcome == "ok"
    cramped.cramps = 1_000
    verdict = executor.execute(replace(candidate(code + "// always"), role="source"), TESTS)
    assert (verdict.outcome, verdict.detail) == ("infra_error", "test 0: it failed, but not when run again")


def test_the_wall_clock_is_our_error(environment: Environment, sandbox: Sandbox, tmp_path: Path) -> None:
    limits = environment.spec.native_limits.model_copy(update={"wall_seconds": 1})
    spec = environment.spec.model_copy(update={"native_limits": limits})
    executor = Executor(replace(environment, spec=spec), sandbox, MeasurementStore(tmp_path / "m.sqlite"))
    verdict = executor.execute(candidate("int main(){ for (volatile int i = 0;; i++); }"), TESTS)
    assert verdict.outcome == "infra_error"


def test_the_strict_comparator_is_stricter(environment: Environment, sandbox: Sandbox, tmp_path: Path) -> None:
    chatty = DOUBLE.replace('"%d\\n"', '"%d\\nmore\\n"')
    for comparator, outcome in (("paper", "ok"), ("strict", "wrong_output")):
        spec = environment.spec.model_copy(update={"comparator": comparator})
        executor = Executor(replace(environment, spec=spec), sandbox, MeasurementStore(tmp_path / "m.sqlite"))
        assert executor.execute(candidate(chatty), TESTS).outcome == outcome
