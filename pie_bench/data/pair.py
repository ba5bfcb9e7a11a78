"""A pair: a slow program and its faster human rewrite, with the tests both must pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class TestCase:
    """One test of a problem. `expected_output` never enters a sandbox."""

    __test__ = False  # not a pytest class

    test_id: str
    input: bytes
    expected_output: bytes


@dataclass(frozen=True)
class Pair:
    """A (slow, fast) pair of programs for one problem (the paper, Section 2).

    `src_seconds` / `tgt_seconds` are the times recorded in the dataset, by test id, in simulated seconds (PIE's
    `src_code_tc2time`); None if the dataset has none. `rationale` explains in words why the target is faster.
    `problem_date` is when the problem's first solution was submitted, in seconds since 1970. `tag` says how close the
    target is to the fastest known program, 1 to 10 (Section 3.2); None if the dataset has none.
    """

    pair_id: str
    problem_id: str
    src_code: str
    tgt_code: str
    tests: tuple[str, ...]
    kind: str | None = None
    src_seconds: Mapping[str, float] | None = None
    tgt_seconds: Mapping[str, float] | None = None
    rationale: str | None = None
    problem_date: int | None = None
    tag: int | None = None
