"""The steps of judging that look for cheating: before anything runs, and once the outputs are right."""

from __future__ import annotations

from dataclasses import replace

from pie_bench.execution.integrity import forbidden
from pie_bench.execution.integrity.clocks import clock_decides
from pie_bench.execution.subject import Subject, Workshop
from pie_bench.run.verdict import Verdict


def not_forbidden(subject: Subject, workshop: Workshop) -> Subject | Verdict:
    """Neither source nor binary shows that it probes what it runs in, or knows the tests. Only for answers."""
    candidate = subject.candidate
    if candidate.role != "candidate" or candidate.code is None:
        return subject
    try:
        suspect = forbidden.read_program(candidate.code, subject.binary)
    except ValueError as error:  # the linker was talked into something else
        return workshop.verdict(subject, "forbidden", str(error))
    evidence = forbidden.find(suspect, candidate.src_code, subject.tests, workshop.toolchain)
    if evidence is not None:
        return workshop.verdict(subject, "forbidden", evidence)
    return replace(subject, suspect=suspect)


def clock_independent(subject: Subject, workshop: Workshop) -> Subject | Verdict:
    """The clock does not decide what an answer, right so far, does. Most look at no clock."""
    suspect = subject.suspect
    if suspect is None or not subject.tests or not suspect.imports & forbidden.CLOCKS:
        return subject
    evidence = clock_decides(
        subject.candidate.code or "",
        [test.input for test in subject.tests],
        workshop.toolchain,
        workshop.simulator,
        workshop.environment.spec.simulator.instructions,
    )
    return subject if evidence is None else workshop.verdict(subject, "forbidden", evidence)
