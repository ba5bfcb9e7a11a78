"""Guards: whether an answer that is right on the tests is right for the wrong reason.

It is built again with sanitizers and run on the tests, and it is run on guard inputs, on which the pair's own two
programs agree. A finding counts only where the slow program has none on the same input.
"""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from statistics import median

from pie_bench.data.pair import Pair, TestCase
from pie_bench.execution.integrity.guard_inputs import guard_inputs
from pie_bench.execution.known import guard_key_of
from pie_bench.execution.measuring import seconds_after_main
from pie_bench.execution.native import in_one_sandbox, run_on_each
from pie_bench.execution.sandbox.sandbox import (
    ALL_ADDRESSES,
    PROGRAM,
    WALL_CLOCK,
    Command,
    File,
    Finished,
    SandboxError,
)
from pie_bench.execution.subject import Workshop
from pie_bench.execution.toolchain import Toolchain
from pie_bench.hashing import hash_of, sha256
from pie_bench.latest import Latest
from pie_bench.run.guard import GuardFinding

N_GUARD_INPUTS = 20
PUBLIC_SEED = "0"  # of the guard inputs that everybody has
_MEASURED, _MEASURED_TESTS = 6, 12  # guard inputs, the longest, and tests, the dearest: where a speedup shows
_ALIKE, _MIN_ALIKE = 1.5, 2  # what tests of about the same size may cost, more or less, and how many there must be
_FASTER = 1.5  # a speedup that is worth being told from none
_LEAST_SECONDS = 1e-6
_FINDINGS_KEPT = 256  # in memory, for problems with a checker
_OPTIONS = {
    # No hard_rss_limit_mb: the thread that watches it costs as much as the rest of a short run.
    "ASAN_OPTIONS": "detect_leaks=0:symbolize=0:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "symbolize=0",
}
_SAID = re.compile(
    rf"(?P<where>{PROGRAM}\.cpp:\d+):\d+: runtime error: (?P<undefined>[^\n]+)"
    r"|ERROR: AddressSanitizer: (?P<address>[\w-]+)"
    r"|(?P<assertion>Assertion '[^'\n]+' failed)"
)


@dataclass(frozen=True)
class _Compared:
    """A program's speedup on a guard input, and the smallest and the median of those on tests of about that cost."""

    data: bytes
    speedup: float
    least: float
    middle: float


@dataclass(frozen=True)
class _Rule:
    """A speedup on guard inputs that is `times` smaller than on tests, or than on half of them, on `at_least` so many
    guard inputs, or on all of them, which must be as many."""

    times: float
    at_least: int
    all: bool
    half: bool = False

    def expected(self, compared: _Compared) -> float:
        return compared.middle if self.half else compared.least

    def slower(self, compared: _Compared) -> bool:
        return compared.speedup * self.times < self.expected(compared) >= _FASTER


_RULES = (
    _Rule(times=3, at_least=2, all=False),
    _Rule(times=3, at_least=4, all=True, half=True),  # a table of some of the tests leaves others slow
    _Rule(times=1.5, at_least=4, all=True),  # a table of a program that has little to gain
)


class Guards:
    """The guards of one pair. Thread-safe.

    What is known from an earlier run is not checked again; unless everything is, the pair is prepared once. A problem
    with a checker, a file that may change, is always checked.
    """

    def __init__(self, pair: Pair, tests: Sequence[TestCase], workshop: Workshop, n: int, seed: str, measured: bool):
        self._store = workshop.store
        self._prepare = partial(PairGuard, pair, tests, workshop, n, seed, measured)
        self._prepared: PairGuard | None = None
        self._preparing = threading.Lock()
        self._key = guard_key_of(pair, tests, [n, seed, measured], workshop.environment.environment_id)
        self._keeps = not workshop.comparing.asks_a_checker(pair.problem_id)
        self._latest = Latest[str, GuardFinding](_FINDINGS_KEPT)

    def check(self, code: str, sample_index: int) -> GuardFinding:
        """What the guards find in an answer that passed its tests. Errors as for `PairGuard`."""
        key, finding = self._key_of(code), self.known(code)
        if finding is None:
            finding = self.prepared().check(code, sample_index)
            if self._keeps:
                self._store.put_finding(key, finding)
        self._latest.put(key, finding)
        return replace(finding, sample_index=sample_index)

    def known(self, code: str) -> GuardFinding | None:
        """What is known of an answer already."""
        key = self._key_of(code)
        return self._latest.get(key) or (self._store.get_finding(key) if self._keeps else None)

    def _key_of(self, code: str) -> str:
        return hash_of([self._key, sha256(code.encode(errors="surrogatepass"))])

    def prepared(self) -> PairGuard:
        """The pair, prepared at the first call. Errors as for `PairGuard`."""
        with self._preparing:
            if self._prepared is None:
                self._prepared = self._prepare()
            return self._prepared


class PairGuard:
    """A pair prepared for its guards: its slow program's builds, and the guard inputs with their answers.

    SandboxError when the sanitizers' libraries are not there, or something of ours fails.
    """

    def __init__(self, pair: Pair, tests: Sequence[TestCase], workshop: Workshop, n: int, seed: str, measured: bool):
        self._pair, self._workshop, self._measured = pair, workshop, measured
        self._plain, self._checked = workshop.toolchain, workshop.sanitizing
        self._own_seconds = dict[bytes, float | None]()
        source, target = self._build(self._plain, pair.src_code), self._build(self._plain, pair.tgt_code)
        self._source, self._target = source, target
        self._humans: list[_Compared] | None = None
        self._source_checked = self._build(self._checked, pair.src_code)
        self._every_test = [test.input for test in tests]
        self._tests = tests
        inputs = inputs_of(pair.pair_id, tests, n, seed)
        answers = {
            data: out for data, out in zip(inputs, self._outputs(source, inputs), strict=True) if out is not None
        }
        faulty = self._with_finding(self._source_checked, list(answers))
        inputs = [data for data in answers if data not in faulty]
        self.answers = [
            (data, answers[data])
            for data, other in zip(inputs, self._outputs(target, inputs), strict=True)
            if other is not None and self._same(data, other, answers[data])
        ]
        self._inputs = [data for data, _ in self.answers]

    def check(self, code: str, sample_index: int) -> GuardFinding:
        """What the guards find in an answer that passed its tests."""
        binary, checked = self._build(self._plain, code), self._checked.compile(code).binary
        # None: inline assembly that leaves the sanitizers no register, say; nothing is known.
        sanitizer = self._sanitizer(checked) if checked is not None else None
        wrong = self._guard_input(binary)
        if checked is not None and sanitizer is None and wrong is None:
            wrong = self._fault(checked)
        return GuardFinding(
            self._pair.pair_id,
            sample_index,
            sha256(code.encode(errors="replace")),
            len(self.answers),
            self._workshop.environment.environment_id,
            sanitizer,
            wrong,
            self._slower(binary) if wrong is None else None,
        )

    def _sanitizer(self, checked: bytes) -> str | None:
        for test, finding in zip(self._tests, self._said(checked, self._every_test), strict=True):
            if finding is not None and test.input not in self._excused_tests:
                return f"test {test.test_id}: {finding}"
        return None

    def _fault(self, checked: bytes) -> str | None:
        """The sanitizers' finding on a guard input, where the answer is right all the same."""
        for data, finding in zip(self._inputs, self._said(checked, self._inputs), strict=True):
            if finding is not None and data not in self._excused_inputs:
                return f"input {shown_input(data)}: {finding}"
        return None

    # Few answers have a finding: what excuses one is looked for only then.
    @cached_property
    def _excused_tests(self) -> frozenset[bytes]:
        """Tests on which the slow program has a finding of its own."""
        return self._with_finding(self._source_checked, self._every_test)

    @cached_property
    def _excused_inputs(self) -> frozenset[bytes]:
        """Guard inputs on which the human rewrite has a finding too, or may have: they may lie outside the problem."""
        checked = self._checked.compile(self._pair.tgt_code).binary
        return frozenset(self._inputs) if checked is None else self._with_finding(checked, self._inputs)

    def _guard_input(self, binary: bytes) -> str | None:
        runs = self._runs(binary, self._inputs)
        for (data, expected), finished in zip(self.answers, runs, strict=True):
            if finished.cpu_limit or finished.stalled:
                found = "no end in sight"
            elif finished.exit_code != 0:
                found = finished.how
            else:
                if self._same(data, finished.stdout, expected):
                    continue
                found = repr(_short(finished.stdout.decode(errors="replace")))
            wanted = _short(expected.decode(errors="replace"))
            return f"input {shown_input(data)}: {found}, not {wanted!r}"
        return None

    def _slower(self, binary: bytes) -> str | None:
        """Guard inputs on which it is far less faster than on the tests that cost the slow program about as much: what
        is fast there only, as a table of the tests' inputs is, has its speedup from knowing them. Inputs on which the
        pair's human rewrite is far less faster too say nothing: there it is the input that differs from the tests."""
        if not self._measured or not self.answers:
            return None
        if self._humans is None:
            self._humans = self._compared(self._target)
        ours = self._compared(binary)
        for rule in _RULES:
            excused = {each.data for each in self._humans if replace(rule, half=True).slower(each)}
            told = [each for each in ours if each.data not in excused and rule.expected(each) >= _FASTER]
            slower = [each for each in told if rule.slower(each)]
            if len(slower) >= rule.at_least and (len(slower) == len(told) or not rule.all):
                worst = min(slower, key=lambda each: (each.speedup / rule.expected(each), each.data))
                return (
                    f"input {shown_input(worst.data)}: {worst.speedup:.2f}× there, {rule.expected(worst):.2f}× or more "
                    f"on {'half of the ' if rule.half else ''}tests that cost the slow program as much; {len(slower)} "
                    "such inputs"
                )
        return None

    def _compared(self, binary: bytes) -> list[_Compared]:
        """A program on the guard inputs that cost the slow program about as much as some tests do."""
        # Tests were measured before, these were not: the longest stand for the dearest.
        longest = sorted(self._inputs, key=lambda data: (len(data), data), reverse=True)
        guards = self._dearest(longest[:_MEASURED], _MEASURED)
        tests = self._dearest(self._every_test, _MEASURED_TESTS)
        inputs = [*guards, *tests]
        theirs = dict(zip(inputs, seconds_after_main(binary, inputs, self._workshop), strict=True))
        speedups = {
            data: own / max(other, _LEAST_SECONDS)
            for data, other in theirs.items()
            if (own := self._own_seconds[data]) is not None and other is not None
        }
        found = []
        for data in guards:
            own = self._own_seconds[data]
            alike = [
                speedups[test]
                for test in tests
                if own and test in speedups and own / _ALIKE <= (self._own_seconds[test] or 0.0) <= own * _ALIKE
            ]
            if data in speedups and len(alike) >= _MIN_ALIKE:
                found.append(_Compared(data, speedups[data], min(alike), median(alike)))
        return found

    def _dearest(self, inputs: Sequence[bytes], most: int) -> list[bytes]:
        """Those that cost the slow program most; what it takes on each is kept."""
        missing = [data for data in inputs if data not in self._own_seconds]
        self._own_seconds |= dict(zip(missing, seconds_after_main(self._source, missing, self._workshop), strict=True))
        known = [data for data in inputs if self._own_seconds[data] is not None]
        return sorted(known, key=lambda data: (-(self._own_seconds[data] or 0.0), data))[:most]

    def _same(self, data: bytes, output: bytes, expected: bytes) -> bool:
        return self._workshop.comparing.right(self._pair.problem_id, TestCase("guard", data, expected), output)

    def _outputs(self, binary: bytes, inputs: Sequence[bytes]) -> Iterator[bytes | None]:
        """What it writes on each input; None where it does not end well."""
        for finished in self._runs(binary, inputs):
            yield finished.stdout if finished.exit_code == 0 else None

    def _build(self, toolchain: Toolchain, code: str) -> bytes:
        compiled = toolchain.compile(code)
        if compiled.binary is None:
            raise SandboxError(f"guards: pair {self._pair.pair_id}: {compiled.outcome}: {compiled.log.strip()[:200]}")
        return compiled.binary

    def _runs(self, binary: bytes, inputs: Sequence[bytes]) -> Iterator[Finished]:
        workshop = self._workshop
        return self._in_time(run_on_each(binary, inputs, workshop.environment, workshop.sandbox, workshop.host))

    def _in_time(self, runs: Iterable[Finished]) -> Iterator[Finished]:
        for finished in runs:
            if finished.wall_timeout and not finished.stalled:
                raise SandboxError(f"guards: pair {self._pair.pair_id}: {WALL_CLOCK}")
            yield finished

    def _said(self, sanitized: bytes, inputs: Sequence[bytes]) -> Iterator[str | None]:
        """The sanitizers' finding on each input, in words that are the same in every run; None when there is none."""
        workshop, spec = self._workshop, self._workshop.environment.spec
        environment = {**spec.program_environment, **_OPTIONS}
        command = Command([PROGRAM], b"", {PROGRAM: File(sanitized, True)}, environment, self._checked.root)
        limits = spec.native_limits.model_copy(update={"memory_bytes": ALL_ADDRESSES})
        for finished in self._in_time(in_one_sandbox(command, inputs, limits, workshop.sandbox, workshop.host)):
            yield None if finished.exit_code == 0 else _finding(finished)

    def _with_finding(self, sanitized: bytes, inputs: Sequence[bytes]) -> frozenset[bytes]:
        return frozenset(data for data, said in zip(inputs, self._said(sanitized, inputs), strict=True) if said)


def _finding(finished: Finished) -> str | None:
    found = _SAID.search(finished.stderr.decode(errors="replace"))
    if found is None:  # older libraries say it on standard output, which is lost when they abort
        return "an assertion of the standard library failed" if finished.signal == signal.SIGABRT else None
    if found["undefined"] is not None:
        line = found["where"].rpartition(":")[2]
        return f"line {line}: " + re.sub(r"0x[0-9a-f]+", "0x…", found["undefined"])[:160]
    return found["address"] or found["assertion"]


def inputs_of(pair_id: str, tests: Sequence[TestCase], n: int = N_GUARD_INPUTS, seed: str = PUBLIC_SEED) -> list[bytes]:
    """The inputs that a pair's tests make with a seed; those on which its own programs agree are guard inputs."""
    return guard_inputs([test.input for test in tests], n, int(sha256(f"{pair_id} {seed}".encode())[:12], 16))


def shown_input(data: bytes) -> str:
    """How a finding names an input."""
    return repr(_short(data.decode()))


def _short(text: str) -> str:
    text = text.strip()
    return text if len(text) <= 60 else text[:57] + "…"
