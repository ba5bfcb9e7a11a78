"""Reuses known verdicts: a program's verdict is stored with its measurements, keyed by all that decides it."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from pie_bench.data.pair import Pair, TestCase
from pie_bench.hashing import file_sha256, hash_of, sha256
from pie_bench.paths import PACKAGE_DIR
from pie_bench.run.verdict import Candidate, Verdict

# The other outcomes may be due to the machine's state: busy, out of memory.
_LASTING = ("ok", "wrong_output", "runtime_error", "compile_error")


def key_of(candidate: Candidate, tests: Sequence[TestCase], measured: bool, environment_id: str) -> str | None:
    """The hash of all that decides a verdict; None if it has no fixed key: alternatives, or no program at all.

    Of the pair it covers only the slow program (what an answer shares with it is not the model's doing) and the
    problem's name, which selects the checker. It covers the judging code itself, so another version judges again.
    """
    if candidate.code is None or candidate.alternatives:
        return None
    programs = [sha256(code.encode(errors="surrogatepass")) for code in (candidate.code, candidate.src_code)]
    given = [programs, candidate.role, candidate.problem_id, sums_of(tests), measured]
    return hash_of([judging_sha256(), environment_id, *given])


def guard_key_of(pair: Pair, tests: Sequence[TestCase], settings: Sequence[object], environment_id: str) -> str:
    """The hash of all that decides what a pair's guards find, except the answer."""
    programs = [sha256(code.encode(errors="surrogatepass")) for code in (pair.src_code, pair.tgt_code)]
    given = [pair.pair_id, pair.problem_id, programs, sums_of(tests), *settings]
    return hash_of([judging_sha256(), environment_id, *given])


def sums_of(tests: Iterable[TestCase]) -> list[list[str]]:
    """The tests as JSON: each one's id and hashes."""
    return [[test.test_id, sha256(test.input), sha256(test.expected_output)] for test in tests]


def lasting(verdict: Verdict) -> bool:
    """Whether the same program always gets this verdict."""
    return verdict.outcome in _LASTING


def as_that_of(candidate: Candidate, verdict: Verdict) -> Verdict:
    """Turns a known verdict into one on this candidate."""
    return replace(verdict, pair_id=candidate.pair_id, sample_index=candidate.sample_index, reading=candidate.reading)


@functools.cache
def judging_sha256() -> str:
    """The hash of the judging code."""
    files = [*sorted(Path(__file__).parent.rglob("*.py")), PACKAGE_DIR / "cpp.py", PACKAGE_DIR / "run" / "verdict.py"]
    return hash_of([[str(file.relative_to(PACKAGE_DIR)), file_sha256(file)] for file in files])
