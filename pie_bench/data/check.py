"""Checks a dataset: missing fields, duplicates, leaks between splits, and programs that fail their tests."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pie_bench.data.load import stored_tests_of
from pie_bench.data.pair import TestCase
from pie_bench.data.record import Record, UnusableRow, missing_column, name_of, parse
from pie_bench.data.rows import Rows, rows_of
from pie_bench.data.spec import SCORED, SPLITS, DatasetSpec, load_spec
from pie_bench.data.stored_tests import StoredTests
from pie_bench.errors import UserError, unknown_name
from pie_bench.hashing import sha256


@dataclass(frozen=True)
class Program:
    """A program and the pair whose tests it has to pass."""

    name: str
    code: str
    record: Record


@dataclass(frozen=True)
class Finding:
    """A flaw in the dataset. `fault`: it changes scores."""

    split: str
    what: str
    where: str
    fault: bool


@dataclass
class SplitReport:
    """What a split contains, next to the paper's figures (None: the paper gives none)."""

    split: str
    pairs: int = 0
    problem_ids: set[str] = field(default_factory=set)
    expected_pairs: int | None = None
    expected_problems: int | None = None
    without_times: int = 0
    programs: dict[str, Program] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def found(self, what: str, where: str, *, fault: bool) -> None:
        self.findings.append(Finding(self.split, what, where, fault))


@dataclass(frozen=True)
class Wanted:
    """Which rows to check: those of the pairs with these ids (None: all), and of those the first `limit`."""

    pair_ids: tuple[str, ...] | None = None
    limit: int | None = None


Judge = Callable[[Program, Sequence[TestCase]], tuple[str, str]]  # outcome ("ok" is good) and detail


def check_form(
    name: str | os.PathLike[str], splits: Collection[str] | None = None, wanted: Wanted = Wanted()
) -> tuple[DatasetSpec, dict[str, SplitReport], StoredTests | None]:
    """Everything that can be checked without running a program, by split (None: all that exist).

    A training split needs no tests; every test of the scored split must exist. Raises UserError as for `load_dataset`,
    but continues past duplicate pairs and splits without a usable row.
    """
    for split in splits or ():
        if split not in SPLITS:
            raise unknown_name("split", split, SPLITS)
    if wanted.pair_ids is not None:
        wanted = Wanted(wanted.pair_ids[: wanted.limit])
    spec = load_spec(name)
    stored = stored_tests_of(spec)
    reports: dict[str, SplitReport] = {}
    absent: list[UserError] = []
    known: set[str] = set()
    for split in splits or (SCORED,) if _has_one_split(spec) else splits or SPLITS:
        try:
            rows = rows_of(spec, split)
        except UserError as error:
            if splits is not None:
                raise
            absent.append(error)
            continue
        reports[split] = _check_split(spec, split, rows, stored, wanted, known)
    if not reports:
        raise absent[-1]
    for pair_id in wanted.pair_ids or ():
        if pair_id not in known:
            raise unknown_name("pair", pair_id, known)
    _find_leaks(reports)
    return spec, reports, stored


def _has_one_split(spec: DatasetSpec) -> bool:
    path = spec.path()
    return path is not None and (path.is_file() or (path / "state.json").is_file())


def _check_split(
    spec: DatasetSpec, split: str, rows: Rows, stored: StoredTests | None, wanted: Wanted, known: set[str]
) -> SplitReport:
    report = SplitReport(
        split,
        expected_pairs=spec.published.pairs.get(split),
        expected_problems=spec.published.problems.get(split),
    )
    where = Path(rows.where).name
    scored = split == SCORED
    seen: dict[str, int] = {}
    seen_programs: dict[str, str] = {}
    looked_at: set[tuple[str, str]] = set()
    columns: set[str] = set()
    usable = 0
    for number, row in rows.numbered:
        columns.update(row)
        pair_id = name_of(row, spec.columns)
        known.add(pair_id)
        if wanted.pair_ids is not None and pair_id not in wanted.pair_ids:
            continue
        if wanted.limit is not None and usable >= wanted.limit:
            break
        at = f"{where}:{number} {pair_id}"
        report.pairs += 1
        try:
            record = parse(row, spec.columns, stored, "wanted" if scored else "if given")
        except UnusableRow as error:
            report.found(error.what, f"{at}: {error}", fault=scored)
            continue
        report.problem_ids.add(record.problem_id)
        if pair_id in seen:
            report.found("pair given twice", f"{at}: also on {rows.unit} {seen[pair_id]}", fault=True)
            continue
        usable += 1
        seen[pair_id] = number
        both = sha256(f"{record.src_code}\0{record.tgt_code}".encode())
        if both in seen_programs:
            report.found("same programs as another pair", f"{at}: as {seen_programs[both]}", fault=scored)
        seen_programs.setdefault(both, pair_id)
        if record.src_code.strip() == record.tgt_code.strip():
            report.found("target is the source", at, fault=scored)
        if record.src_seconds is None or record.tgt_seconds is None:
            report.without_times += 1
        if scored:
            _look_at_tests(report, at, record, stored, looked_at)
        for side, code in (("source", record.src_code), ("target", record.tgt_code)):
            key = sha256("\0".join([code, record.problem_id, *record.tests, _own_tests(record)]).encode())
            if record.tests:
                report.programs.setdefault(key, Program(f"{pair_id} {side}", code, record))
    if usable == 0 and wanted.pair_ids is None:
        column_is_missing = missing_column(columns, spec.columns, with_tests=scored, where=rows.where)
        if column_is_missing is not None:
            raise column_is_missing
        report.found("no usable row", rows.where, fault=True)
    return report


def _own_tests(record: Record) -> str:
    return "" if record.inline is None else repr([(test.input, test.expected_output) for test in record.inline])


def _look_at_tests(
    report: SplitReport, at: str, record: Record, stored: StoredTests | None, seen: set[tuple[str, str]]
) -> None:
    """Reports tests that no program can pass, duplicates, and tests that expect no output (often a truncated file).

    `seen` has the tests in files that were already checked with another pair of the problem.
    """
    shared = record.inline is None
    first: dict[str, TestCase] = {}
    for test in tests_of(record, stored, skip=seen if shared else ()):
        if shared:
            seen.add((record.problem_id, test.test_id))
        if not test.expected_output.strip():
            report.found("a test expects no output", f"{at}: test {test.test_id}", fault=False)
        other = first.setdefault(sha256(test.input), test)
        if other is test:
            continue
        both = f"{at}: tests {other.test_id} and {test.test_id}"
        if other.expected_output.split() != test.expected_output.split():
            report.found("tests contradict each other", f"{both} have the same input, not the same output", fault=True)
        else:
            report.found("a test is given twice", both, fault=False)


def tests_of(record: Record, stored: StoredTests | None, skip: Collection[tuple[str, str]] = ()) -> Iterable[TestCase]:
    """The record's tests, from the row or from files; tests in files skip those in `skip` (problem and test id)."""
    if record.inline is not None:
        yield from record.inline
        return
    for test in record.tests:
        if (record.problem_id, test) not in skip:
            assert stored is not None, "the files were found"
            yield TestCase(test, *(stored.read((record.problem_id, kind, test)) for kind in ("input", "output")))


def _find_leaks(reports: dict[str, SplitReport]) -> None:
    """Reports problems in two splits: their answers can be learnt, or retrieved."""
    in_splits = Counter(problem for report in reports.values() for problem in report.problem_ids)
    for report in reports.values():
        for problem in sorted(report.problem_ids):
            if in_splits[problem] > 1:
                others = [other for other, r in reports.items() if problem in r.problem_ids and other != report.split]
                report.found("problem also in another split", f"{problem}: also in {', '.join(others)}", fault=True)


def check_programs(report: SplitReport, stored: StoredTests | None, judge: Judge, pool: Any) -> Iterable[str]:
    """Compiles every program and runs it against its tests; yields its name when done."""

    def judged(program: Program) -> tuple[Program, str, str]:
        return program, *judge(program, tuple(tests_of(program.record, stored)))

    failed = []
    for program, outcome, detail in pool.map_unordered(judged, report.programs.values()):
        if outcome != "ok":
            failed.append((program.name, outcome, detail))
        yield program.name
    for name, outcome, detail in sorted(failed):
        said = f"{name}: {detail}" if detail else name
        report.found(f"program fails: {outcome}", said, fault=report.split == SCORED)
