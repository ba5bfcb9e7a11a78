"""What a program does on given inputs: hashes of its outputs for comparison, and reasons to reject the program."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from pie_bench.data.pair import TestCase
from pie_bench.execution.integrity.forbidden import CLOCKS
from pie_bench.execution.sandbox.sandbox import SandboxError
from pie_bench.hashing import hash_of, sha256
from pie_bench.run.verdict import Candidate, Verdict

if TYPE_CHECKING:
    from pie_bench.execution.executor import Executor

_REAL = re.compile(rb"[+-]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_LONGEST_REAL = 100  # characters
_THOUSANDTH = Decimal("0.001")
_ANOTHER_SECOND = 1.1  # seconds between two runs, to expose programs that read a clock


def normalised(output: bytes) -> bytes:
    """An output as signatures compare it: without trailing blanks and blank lines at the end, real numbers rounded to
    three decimals.

    The comparators treat numbers within 1e-3 as equal, which is not transitive (a = b and b = c, yet a ≠ c). Rounding
    is, at the price of telling 0.0004 from 0.0006.
    """
    lines = [re.sub(rb"[^ \t]+", _rounded, line.rstrip()) for line in output.splitlines()]
    return b"\n".join(lines).strip()


def _rounded(word: re.Match[bytes]) -> bytes:
    text = word[0]
    if len(text) > _LONGEST_REAL or not _REAL.fullmatch(text):
        return text
    try:
        value = Decimal(text.decode()).quantize(_THOUSANDTH)
    except InvalidOperation:  # more digits than the Decimal context allows
        return text
    shown = f"{value:f}".rstrip("0").rstrip(".")
    return b"0" if shown in ("-0", "") else shown.encode()


@dataclass(frozen=True)
class Behaviour:
    """How a program behaves. `outcome` is one of judging's that precede the comparison (`compile_error`,
    `runtime_error`, …), or `solves_its_problem` (right on every test), `nondeterministic`, `constant_output`,
    `ignores_input`, `ok`.

    `outputs` (if `ok`) are the hashes of its outputs on its problem's tests, `probes` those on other inputs, where an
    outcome other than ok stands in for the output. `code` is the text that compiled.
    """

    outcome: str
    detail: str = ""
    code: str = ""
    outputs: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()


def behaviour(
    candidate: Candidate, tests: Sequence[TestCase], probes: Sequence[bytes], executor: Executor
) -> Behaviour:
    """How a program behaves on its problem's tests and on the probes; `infra_error` if determining that failed
    twice."""
    for last in (False, True):
        try:
            found = _behaviour(candidate, tests, probes, executor)
        except SandboxError as error:
            found = Behaviour("infra_error", str(error))
        if found.outcome != "infra_error" or last:
            break
    return found


def _behaviour(
    candidate: Candidate, tests: Sequence[TestCase], probes: Sequence[bytes], executor: Executor
) -> Behaviour:
    examined = executor.examine(candidate, tests)
    if isinstance(examined, Verdict):
        said = examined.detail or next(iter(examined.compile_log.splitlines()), "")
        return Behaviour(examined.outcome, said[:200])
    binary, code = examined.binary, examined.candidate.code or ""
    began = time.monotonic()
    is_right = True
    sums: list[str] = []
    for test in tests:
        outcome, output = executor.output(binary, test.input)
        if outcome != "ok":
            return Behaviour(outcome, f"test {test.test_id}", code)
        sums.append(sha256(normalised(output)))
        is_right = is_right and executor.right(candidate.problem_id, test, output)
    if examined.imports & CLOCKS:
        time.sleep(max(0.0, began + _ANOTHER_SECOND - time.monotonic()))
    for test, first in zip(tests, sums, strict=True):
        outcome, output = executor.output(binary, test.input, random_addresses=True)
        if outcome == "infra_error":
            return Behaviour(outcome, f"test {test.test_id}", code)
        if outcome != "ok" or sha256(normalised(output)) != first:
            return Behaviour("nondeterministic", f"test {test.test_id}", code)
    if is_right:
        return Behaviour("solves_its_problem", "", code)
    if len(set(sums)) == 1:
        outcome, output = executor.output(binary, b"")
        if outcome == "ok" and sha256(normalised(output)) == sums[0]:
            return Behaviour("ignores_input", "", code)
        return Behaviour("constant_output", "", code)
    return Behaviour("ok", "", code, tuple(sums), _on_probes(binary, probes, executor))


def _on_probes(binary: bytes, probes: Sequence[bytes], executor: Executor) -> tuple[str, ...]:
    """What a program does on inputs of other problems. If it does not finish one, that outcome stands for all later
    ones: each would take the full time limit."""
    found: list[str] = []
    for data in probes:
        if found and found[-1] == "instruction_limit":
            found.append(found[-1])
            continue
        outcome, output = executor.output(binary, data)
        if outcome == "infra_error":
            raise SandboxError("a probe was stopped by the wall clock")
        found.append(sha256(normalised(output)) if outcome == "ok" else outcome)
    return tuple(found)


def signature(inputs: Sequence[bytes], sums: Sequence[str]) -> str:
    """The hash over what a program does on each input, in order of the inputs."""
    return hash_of([[sha256(data), each] for data, each in zip(inputs, sums, strict=True)])


def does_the_same(
    code: str,
    wanted: Mapping[str, Mapping[str, Sequence[str]]],
    tests: Mapping[str, Sequence[TestCase]],
    executor: Executor,
) -> dict[str, list[str]]:
    """Those of the new programs' outputs, by problem and signature, that a program of the dataset also produces on the
    problem's tests. Stops on a problem once no new program's output can match. Raises SandboxError."""
    examined = executor.examine(Candidate("", "source", 0, code), ())
    if isinstance(examined, Verdict):
        return {}
    found = {}
    for problem_id, programs in wanted.items():
        alike = dict(programs)
        for number, test in enumerate(tests[problem_id]):
            outcome, output = executor.output(examined.binary, test.input)
            if outcome == "infra_error":
                raise SandboxError(f"a program of the dataset was stopped by the wall clock on a test of {problem_id}")
            given = sha256(normalised(output)) if outcome == "ok" else ""
            alike = {each: sums for each, sums in alike.items() if sums[number] == given}
            if not alike:
                break
        if alike:
            found[problem_id] = sorted(alike)
    return found


def outputs_of(code: str, tests: Sequence[TestCase], executor: Executor) -> list[bytes]:
    """What a program writes on each test; nothing if it fails on one. Raises SandboxError."""
    examined = executor.examine(Candidate("", "source", 0, code), ())
    if isinstance(examined, Verdict):
        raise SandboxError(f"it compiled before, now: {examined.outcome}")
    found = []
    for test in tests:
        outcome, output = executor.output(examined.binary, test.input)
        if outcome == "infra_error":
            raise SandboxError(f"test {test.test_id}: stopped by the wall clock")
        found.append(output if outcome == "ok" else b"")
    return found
