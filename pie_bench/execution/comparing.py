"""Compares outputs, which may require running a checker: an environment's comparator, opened on this machine."""

from __future__ import annotations

import threading

from pie_bench.data.pair import TestCase
from pie_bench.errors import UserError
from pie_bench.execution.checker import CHECKER, STANDARD, checker_sources, same_output
from pie_bench.execution.environment import EnvironmentSpec
from pie_bench.execution.sandbox.sandbox import PROGRAM, WALL_CLOCK, Command, File, Finished, Sandbox, SandboxError
from pie_bench.execution.toolchain import Toolchain

_RIGHT, _WRONG = 0, (1, 2, 7)  # testlib's exit codes: ok; wrong answer, presentation error, points
_KNOWN = (_RIGHT, *_WRONG)


class Comparing:
    """Decides whether outputs are right. Thread-safe; a checker is compiled when first needed.

    A checker is called as testlib's are, `checker INPUT OUTPUT ANSWER`, in its own sandbox, which the judged program
    never sees. It exits with 0 for a right output, and with 1, 2 or 7 (testlib's points) for a wrong one.
    """

    def __init__(self, spec: EnvironmentSpec, toolchain: Toolchain, sandbox: Sandbox):
        self._spec, self._toolchain, self._sandbox = spec, toolchain, sandbox
        self._name = spec.comparator
        self._sources = checker_sources(spec.comparator) if spec.comparator.startswith(CHECKER) else {}
        self._compiled: dict[str, bytes] = {}
        self._compiling = threading.Lock()

    def asks_a_checker(self, problem_id: str) -> bool:
        """Whether a checker program decides on a problem's outputs."""
        return self._source(problem_id) is not None

    def right(self, problem_id: str, test: TestCase, output: bytes) -> bool:
        """Whether a test's output is right; errors as for `compare`."""
        return self.compare(problem_id, test, output)[0]

    def compare(self, problem_id: str, test: TestCase, output: bytes) -> tuple[bool, str]:
        """Whether a test's output is right, and the checker's message ("" if there is no checker).

        An output is wrong if it makes the checker fail while the expected output does not. UserError if the checker
        also fails on the expected output; SandboxError if it could not run.
        """
        source = self._source(problem_id)
        if source is None:
            name = STANDARD if self._name.startswith(CHECKER) else self._name
            return same_output(name, output, test.expected_output), ""
        checker = self._checker(problem_id, source)
        finished = self._ask(checker, test, output)
        said = " ".join(finished.stderr.decode(errors="replace").split())[:200]
        if finished.exit_code in _KNOWN:
            return finished.exit_code == _RIGHT, said
        of = problem_id or "this problem"
        failed = f"the checker of {of} failed on test {test.test_id}: {finished.how} {said}".strip()
        if self._ask(checker, test, test.expected_output).exit_code not in _KNOWN:
            raise UserError(f"{self._name}: {failed}, and on the test's expected output; fix the checker")
        return False, failed

    def _source(self, problem_id: str) -> str | None:
        return self._sources.get(problem_id, self._sources.get(""))

    def _ask(self, checker: bytes, test: TestCase, output: bytes) -> Finished:
        files = {
            PROGRAM: File(checker, True),
            "/w/input": File(test.input),
            "/w/output": File(output),
            "/w/answer": File(test.expected_output),
        }
        argv = [PROGRAM, "/w/input", "/w/output", "/w/answer"]
        command = Command(argv, b"", files, self._spec.program_environment, self._toolchain.root)
        finished = self._sandbox.run(command, self._spec.native_limits, "payload")
        if finished.wall_timeout:
            raise SandboxError(f"a checker, test {test.test_id}: {WALL_CLOCK}")
        return finished

    def _checker(self, problem_id: str, source: str) -> bytes:
        with self._compiling:
            if source not in self._compiled:
                compiled = self._toolchain.compile(source)
                if compiled.binary is None:
                    where = f"{self._name}: the checker of {problem_id or 'this problem'}"
                    raise UserError(f"{where} does not compile: {compiled.log.strip()[:300]}")
                self._compiled[source] = compiled.binary
            return self._compiled[source]
