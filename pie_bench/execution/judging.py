"""From a program to a verdict: the steps, in order. Each gives a verdict, or passes the program on to the next."""

from __future__ import annotations

from dataclasses import replace

from pie_bench.execution.integrity.checks import clock_independent, not_forbidden
from pie_bench.execution.measuring import measured
from pie_bench.execution.native import right_on_tests
from pie_bench.execution.sandbox.sandbox import SandboxError
from pie_bench.execution.subject import Step, Subject, Workshop
from pie_bench.run.verdict import Outcome, Verdict


def has_code(subject: Subject, workshop: Workshop) -> Subject | Verdict:
    """The answer holds a program."""
    candidate = subject.candidate
    if candidate.code is not None:
        return subject
    return workshop.verdict(subject, candidate.reason, candidate.reading.rule if candidate.reading else "")


def compiles(subject: Subject, workshop: Workshop) -> Subject | Verdict:
    """The environment's compiler takes it."""
    candidate = subject.candidate
    compiled = workshop.toolchain.compile(candidate.code or "")
    # Where an answer presents several programs alike, what compiles decides.
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


STEPS: tuple[Step, ...] = (has_code, compiles, not_forbidden, right_on_tests, clock_independent, measured)


def judge(subject: Subject, workshop: Workshop) -> Verdict:
    """The verdict of the first step that has one. What fails on our side is tried once more, then an `infra_error`."""
    verdict = _judge_once(subject, workshop)
    return _judge_once(subject, workshop) if verdict.outcome == "infra_error" else verdict


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
    raise AssertionError("the last step gives a verdict")
