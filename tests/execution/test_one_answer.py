"""One answer cannot harm a run: whatever it does to what measures it, it soon gets an outcome, once."""

import time
from pathlib import Path
from typing import Any

import pytest

from pie_bench.data.pair import TestCase
from pie_bench.errors import PieBenchError
from pie_bench.execution import judging
from pie_bench.execution.environment import EnvironmentSpec, ToolchainSpec
from pie_bench.execution.executor import Executor
from pie_bench.execution.sandbox.sandbox import PROGRAM, Command, File, Sandbox, SandboxError
from pie_bench.execution.simulators.simulator import MeasurementMismatchError
from pie_bench.execution.toolchain import Toolchain
from pie_bench.run.run import Run
from pie_bench.run.verdict import Candidate, Verdict

TESTS = [TestCase(str(n), b"%d\n" % n, b"%d\n" % (2 * n)) for n in (1, 20)]
HEAD = """#include <cstdio>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
"""
RIGHT = 'int n; if (scanf("%d", &n) != 1) return 1; printf("%d\\n", 2 * n); fflush(stdout);'
STALLING = {
    "sleeps": f"int main() {{ {RIGHT} sleep(100000); }}",
    "waits for a signal": f"int main() {{ {RIGHT} pause(); }}",
    "waits for input": f"int main() {{ {RIGHT} poll(0, 0, -1); }}",
    "compiles for ever": '#include "/dev/ptmx"\nint main() {}',
}
BREAKING = {
    "no file may grow": f"int main() {{ {RIGHT} rlimit none{{0, 0}}; setrlimit(RLIMIT_FSIZE, &none); }}",
    "all descriptors closed": f"int main() {{ {RIGHT} for (int d = 3; d < 1024; d++) close(d); }}",
    "a report of its own": f"""int main() {{ {RIGHT} static const char said[] =
"events: Ir I1mr ILmr Dr D1mr DLmr Dw D1mw DLmw Bc Bcm Bi Bim\\nsummary: 0 0 0 0 0 0 0 0 0 0 0 0 0\\n";
for (int d = 3; d < 64; d++) {{ struct stat s; if (fstat(d, &s) == 0 && S_ISREG(s.st_mode)) {{
if (write(d, said, sizeof said - 1) < 0) return 0; close(d); }} }} }}""",
}


def judged(executor: Executor, code: str) -> Verdict:
    return executor.execute(Candidate("pair", "candidate", 0, HEAD + code, src_code=""), TESTS)


@pytest.mark.parametrize("name", STALLING)
def test_a_program_that_waits_forever_is_stopped_soon(executor: Executor, name: str) -> None:
    began = time.monotonic()
    verdict = judged(executor, STALLING[name])
    assert verdict.outcome != "infra_error", verdict.detail
    assert time.monotonic() - began < 60


def test_waiting_is_told_from_running(spec: EnvironmentSpec, sandbox: Sandbox) -> None:
    """A deadlock, which needs no system call that the sandbox could refuse."""
    toolchain = Toolchain(ToolchainSpec(compiler="g++", flags=("-O1", "-pthread")), spec.compile_limits, sandbox)
    binary = toolchain.compile("#include <mutex>\nint main() { std::mutex m; m.lock(); m.lock(); }").binary
    assert binary is not None
    finished = sandbox.run(Command([PROGRAM], files={PROGRAM: File(binary, True)}), spec.native_limits, "payload")
    assert finished.stalled
    assert finished.wall_timeout
    assert finished.wall_seconds < 60


@pytest.mark.parametrize("name", BREAKING)
def test_a_program_that_breaks_its_measurement_is_decided_once(executor: Executor, name: str) -> None:
    verdict = judged(executor, BREAKING[name])
    assert verdict.outcome != "infra_error", verdict.detail
    assert Verdict.from_json(verdict.to_json()) == verdict


def failing(error: Exception, only: str) -> Any:
    """A step that fails only for programs with this text."""

    def step(subject: Any, workshop: Any) -> Any:
        if only in (subject.candidate.code or ""):
            raise error
        return subject

    return step


@pytest.mark.parametrize(
    "error",
    [SandboxError("no counts"), MeasurementMismatchError("forked and alone differ"), ValueError("too many digits")],
)
def test_two_failures_while_a_known_program_works_are_the_answers_doing(
    executor: Executor, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(judging, "STEPS", (failing(error, "puts"), *judging.STEPS))
    monkeypatch.setattr(judging, "KNOWN_GOOD", judging.KNOWN_GOOD.replace("puts", "printf").replace('"ok"', '"ok\\n"'))
    verdict = judged(executor, 'int main() { puts("2"); }')
    assert verdict.outcome == "unsupported"
    assert "it fails every time here, where a known program does not: " in verdict.detail
    assert str(error) in verdict.detail


def test_what_fails_for_every_program_is_ours(executor: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "STEPS", (failing(SandboxError("no sandbox"), ""),))
    verdict = judged(executor, "int main() {}")
    assert (verdict.outcome, verdict.detail) == ("infra_error", "no sandbox")


def test_the_datasets_own_programs_are_not_blamed(executor: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "STEPS", (failing(MeasurementMismatchError("differ"), "puts"), *judging.STEPS))
    with pytest.raises(MeasurementMismatchError):
        executor.execute(Candidate("pair", "source", 0, HEAD + 'int main() { puts("2"); }'), TESTS)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e12, float("nan")])
def test_an_impossible_time_is_not_used(seconds: float) -> None:
    verdict = judging._readable(Verdict("p", "candidate", 0, "e", "ok", runtime_seconds=seconds, startup_seconds=0.0))
    assert (verdict.outcome, verdict.runtime_seconds) == ("forbidden", None)
    assert "measured as nothing can be: runtime_seconds" in verdict.detail


def test_whatever_is_written_can_be_read_again(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with pytest.raises(PieBenchError, match="pair p: not a verdict: runtime_seconds"):
        run.append(Verdict("p", "candidate", 0, "e", "ok", runtime_seconds=0.0))
    assert not run.verdicts_path.exists()
