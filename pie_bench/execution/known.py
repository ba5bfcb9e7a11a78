"""What is known is not judged again: a program's verdict, kept beside its measurements, under all that decides it."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from pie_bench.data.pair import TestCase
from pie_bench.hashing import file_sha256, hash_of, sha256
from pie_bench.paths import PACKAGE_DIR
from pie_bench.run.verdict import Candidate, Verdict

# Others may be of the machine at that moment: busy, out of memory.
_LASTING = ("ok", "wrong_output", "compile_error")


def key_of(candidate: Candidate, tests: Sequence[TestCase], measured: bool, environment_id: str) -> str | None:
    """The sum of all that decides a verdict; None where more does: which alternative compiles, or no program at all.

    Of the pair it is the slow program alone (what an answer shares with it is not the model's doing) and the problem's
    name, which finds its checker. The judging code itself is in it: another version judges again.
    """
    if candidate.code is None or candidate.alternatives:
        return None
    programs = [sha256(code.encode(errors="surrogatepass")) for code in (candidate.code, candidate.src_code)]
    given = [programs, candidate.role, candidate.problem_id, sums_of(tests), measured]
    return hash_of([judging_sha256(), environment_id, *given])


def sums_of(tests: Iterable[TestCase]) -> list[list[str]]:
    """What tests are, as JSON: the id and the sums of each."""
    return [[test.test_id, sha256(test.input), sha256(test.expected_output)] for test in tests]


def lasting(verdict: Verdict) -> bool:
    """Whether the same program gets the same verdict whenever it is judged."""
    return verdict.outcome in _LASTING


def as_that_of(candidate: Candidate, verdict: Verdict) -> Verdict:
    """A known verdict as the one on this candidate."""
    return replace(verdict, pair_id=candidate.pair_id, sample_index=candidate.sample_index, reading=candidate.reading)


@functools.cache
def judging_sha256() -> str:
    """The sum of the code that judges."""
    files = [*sorted(Path(__file__).parent.rglob("*.py")), PACKAGE_DIR / "cpp.py", PACKAGE_DIR / "run" / "verdict.py"]
    return hash_of([[str(file.relative_to(PACKAGE_DIR)), file_sha256(file)] for file in files])
