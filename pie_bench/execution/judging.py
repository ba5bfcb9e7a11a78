"""The steps from a program to a verdict, in order. Each returns a verdict, or passes the program to the next."""

from __future__ import annotations

import logging
from dataclasses import replace

from pie_bench.errors import UserError
from pie_bench.execution.integrity.checks import clock_independent, not_forbidden
from pie_bench.execution.measuring import measured
from pie_bench.execution.native import right_on_tests
from pie_bench.execution.sandbox.sandbox import WALL_CLOCK, SandboxError
from pie_bench.execution.subject import Step, Subject, Workshop
from pie_bench.run.verdict import Candidate, Outcome, Verdict

_log = logging.getLogger(__name__)
_SAID_CHARACTERS = 500
KNOWN_GOOD = '#include <cstdio>\nint main() { while (getchar() != EOF) {} puts("ok"); }\n'


def has_code(subject: Subject, workshop: Workshop) -> Subject | Verdict:
    """Step: the answer contains a program."""
    candidate = subject.candidate
    if candidate.code is not None:
        return subject
    return workshop.verdict(subject, candidate.reason, candidate.reading.rule if candidate.reading else "")


def compiles(subject: Subject, workshop: Workshop) -> Subject | Verdict:
    """Step: the environment's compiler accepts it."""
    candidate = subject.candidate
    compiled = workshop.toolchain.compile(candidate.code or "")
    # If an answer presents several programs on equal terms, the first that compiles counts.
    for number, code in enumerate(candidate.alternatives if compiled.outcome == "compile_error" else (), start=2):
        other = workshop.toolchain.compile(code)
        if other.binary is not None:
            reading = candidate.reading and replace(
                candidate.reading,
                rule=f"{candidate.reading.rule}; it does not compile, number {number} from the end does",
            )
            compiled, subject = other, replace(subject, candidate=replace(candidate, code=code, reading=reading))
            break
    if compiled.binary is None:
        outcome: Outcome = compiled.outcome  # type: ignore[assignment]  # its names are some of Outcome's
        return workshop.verdict(subject, outcome, compile_log=compiled.log)
    return replace(subject, binary=compiled.binary, compile_log=compiled.log)


BEFORE_RUNNING: tuple[Step, ...] = (has_code, compiles, not_forbidden)
STEPS: tuple[Step, ...] = (*BEFORE_RUNNING, right_on_tests, clock_independent, measured)


def examined(subject: Subject, workshop: Workshop) -> Subject | Verdict:
    """A program ready for its first run, or the verdict that ends it. Raises SandboxError."""
    at = subject
    for step in BEFORE_RUNNING:
        found = step(at, workshop)
        if isinstance(found, Verdict):
            return found
        at = found
    return at


def judge(subject: Subject, workshop: Workshop) -> Verdict:
    """The verdict of the first step that returns one; it is guaranteed to be readable again.

    A failure on our side is retried once. If an answer fails twice, a known program then works, and the answer fails
    again, the answer is the cause: the failure becomes its outcome, decided once, instead of an `infra_error`. (A
    machine that is too busy does not count.)
    """
    verdict = _judge_once(subject, workshop)
    if verdict.outcome == "infra_error":
        verdict = _judge_once(subject, workshop)
    suspect = verdict.outcome == "infra_error" and subject.candidate.role == "candidate"
    if suspect and WALL_CLOCK not in verdict.detail and _works(subject, workshop):
        verdict = _judge_once(subject, workshop)
        if verdict.outcome == "infra_error":
            said = f"it fails every time here, where a known program does not: {verdict.detail}"
            verdict = workshop.verdict(subject, "unsupported", said[:_SAID_CHARACTERS])
    return _readable(verdict)


def _judge_once(subject: Subject, workshop: Workshop) -> Verdict:
    at = subject
    try:
        for step in STEPS:
            found = step(at, workshop)
            if isinstance(found, Verdict):
                return found
            at = found
    except SandboxError as error:
        return workshop.verdict(subject, "infra_error", str(error))
    except UserError:
        raise
    except Exception as error:  # our bug, or two differing measurements: one answer must not end a run
        if subject.candidate.role != "candidate":
            raise
        _log.warning("pair %s, answer %d: %s", subject.candidate.pair_id, subject.candidate.sample_index, error)
        return workshop.verdict(subject, "infra_error", f"{type(error).__name__}: {error}"[:_SAID_CHARACTERS])
    raise AssertionError("the last step gives a verdict")


def _works(subject: Subject, workshop: Workshop) -> bool:
    """Whether a known program compiles, runs and can be measured right now, on the answer's own inputs."""
    known = Candidate(subject.candidate.pair_id, "source", 0, KNOWN_GOOD)
    tests = [replace(test, expected_output=b"ok\n") for test in subject.tests]
    shortest = sorted(tests, key=lambda test: len(test.input))
    return _judge_once(Subject(known, shortest[:2], subject.is_measured), workshop).outcome == "ok"


def _readable(verdict: Verdict) -> Verdict:
    """The verdict; if it would not pass validation on reading, `forbidden` without its numbers."""
    try:
        Verdict.from_json(verdict.to_json())
    except ValueError as error:
        verdict = replace(
            verdict,
            outcome="forbidden",
            detail=f"it was measured as nothing can be: {error}"[:_SAID_CHARACTERS],
            runtime_seconds=None,
            startup_seconds=None,
            tests=(),
            counters={},
            startup_counters={},
        )
        Verdict.from_json(verdict.to_json())
    return verdict
