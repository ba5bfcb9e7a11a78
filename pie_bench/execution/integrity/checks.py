"""The steps of judging that look for cheating: one before anything runs, one once the outputs are right."""

from __future__ import annotations

from dataclasses import replace

from pie_bench.execution.integrity import forbidden
from pie_bench.execution.integrity.apart import evidence_of
from pie_bench.execution.integrity.clocks import clock_decides
from pie_bench.execution.integrity.forbidden import Look, TooMuchError
from pie_bench.execution.subject import Subject, Workshop
from pie_bench.run.verdict import Verdict


def not_forbidden(subject: Subject, workshop: Workshop) -> Subject | Verdict:
    """Checks that neither source nor binary of an answer probes its surroundings or knows the tests."""
    candidate = subject.candidate
    if candidate.role != "candidate" or candidate.code is None:
        return subject
    what = Look(candidate.code, subject.binary, candidate.src_code, subject.tests, workshop.toolchain.isa)
    try:
        seen = evidence_of(what, workshop.apart, workshop.toolchain)
    except ValueError as error:  # the source made the linker produce something else
        return workshop.verdict(subject, "forbidden", str(error))
    except TooMuchError as error:
        return workshop.verdict(subject, "forbidden", f"inspecting it exceeds a limit: {error}")
    if seen.evidence is not None:
        return workshop.verdict(subject, "forbidden", seen.evidence)
    return replace(subject, imports=seen.imports)


def clock_independent(subject: Subject, workshop: Workshop) -> Subject | Verdict:
    """Checks that the clock does not decide what an answer does. Most answers read no clock and are not run again."""
    if not subject.tests or not subject.imports & forbidden.CLOCKS:
        return subject
    evidence = clock_decides(
        subject.candidate.code or "",
        [test.input for test in subject.tests],
        workshop.toolchain,
        workshop.simulator,
        workshop.environment.spec.simulator.instructions,
    )
    return subject if evidence is None else workshop.verdict(subject, "forbidden", evidence)
