"""Whether a dataset is in order: what it lacks, what is there twice, what leaks between splits, which programs fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pie_bench.data.load import pair_id_of, recorded_seconds, records_of, what_is_missing
from pie_bench.data.pair import TestCase
from pie_bench.data.spec import SPLITS, DatasetSpec, load_spec
from pie_bench.data.stored_tests import StoredTests, open_tests
from pie_bench.errors import UserError
from pie_bench.hashing import sha256
from pie_bench.paths import cache_dir

SCORED = "test"  # the split that tasks ask about


@dataclass(frozen=True)
class Program:
    """A program with the tests it has to pass, and the rows it stands in."""

    name: str
    code: str
    problem_id: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be. `fault`: it changes scores."""

    split: str
    what: str
    where: str
    fault: bool


@dataclass
class SplitReport:
    """What a split holds, and what the paper says it holds (None: nothing is said)."""

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


Judge = Callable[[Program, Sequence[TestCase]], tuple[str, str]]  # outcome ("ok" is good) and detail


def check_form(name: str, splits: Iterable[str] | None) -> tuple[DatasetSpec, dict[str, SplitReport], StoredTests]:
    """Everything that can be seen without running a program, split by split (None: those that are there).

    A training split needs no tests; of the scored split every test must be there. Raises UserError as `load_dataset`.
    """
    spec = load_spec(name)
    folder = spec.folder()
    stored = open_tests(folder / spec.tests, cache_dir())
    reports: dict[str, SplitReport] = {}
    absent: list[UserError] = []
    for split in splits or SPLITS:
        try:
            where, records = records_of(spec, split, folder)
        except UserError as error:
            if splits is not None:
                raise
            absent.append(error)
            continue
        reports[split] = _check_split(spec, split, Path(where).name, records, stored)
    if not reports:
        raise absent[-1]
    _find_leaks(reports)
    return spec, reports, stored


def _check_split(spec: DatasetSpec, split: str, where: str, records: Any, stored: StoredTests) -> SplitReport:
    report = SplitReport(
        split,
        expected_pairs=spec.published.pairs.get(split),
        expected_problems=spec.published.problems.get(split),
    )
    seen: dict[str, int] = {}
    seen_programs: dict[str, str] = {}
    scored = split == SCORED
    for line, record in records:
        at, pair_id = f"{where}:{line}", pair_id_of(record)
        report.pairs += 1
        if isinstance(record.get("problem_id"), str):
            report.problem_ids.add(record["problem_id"])
        missing = what_is_missing(record, stored if scored or record.get("tests") else None)
        if missing is not None:
            kind = "a test's file is missing" if missing.startswith("test ") else missing
            report.found(kind, f"{at} {pair_id}: {missing}", fault=scored)
            continue
        if pair_id in seen:
            report.found("pair given twice", f"{at} {pair_id}: also on line {seen[pair_id]}", fault=True)
            continue
        seen[pair_id] = line
        both = sha256(f"{record['src_code']}\0{record['tgt_code']}".encode(errors="surrogatepass"))
        if both in seen_programs:
            report.found("same programs as another pair", f"{at} {pair_id}: as {seen_programs[both]}", fault=scored)
        seen_programs.setdefault(both, pair_id)
        if record["src_code"].strip() == record["tgt_code"].strip():
            report.found("target is the source", f"{at} {pair_id}", fault=scored)
        tests = [str(test) for test in record["tests"] or []]
        if recorded_seconds(record, "src", tests) is None or recorded_seconds(record, "tgt", tests) is None:
            report.without_times += 1
        for side in ("src", "tgt"):
            code = record[f"{side}_code"]
            key = sha256("\0".join([code, record["problem_id"], *tests]).encode(errors="surrogatepass"))
            name = f"{pair_id} {'source' if side == 'src' else 'target'}"
            if tests:
                report.programs.setdefault(key, Program(name, code, record["problem_id"], tuple(tests)))
    return report


def _find_leaks(reports: dict[str, SplitReport]) -> None:
    """A problem in two splits: its answers can be learnt, or retrieved."""
    in_splits = Counter(problem for report in reports.values() for problem in report.problem_ids)
    for report in reports.values():
        for problem in sorted(report.problem_ids):
            if in_splits[problem] > 1:
                others = [other for other, r in reports.items() if problem in r.problem_ids and other != report.split]
                report.found("problem also in another split", f"{problem}: also in {', '.join(others)}", fault=True)


def check_programs(report: SplitReport, stored: StoredTests, judge: Judge, pool: Any) -> Iterable[str]:
    """Compiles every program and runs it against its tests; yields a name as each is done."""

    def judged(program: Program) -> tuple[Program, str, str]:
        tests = [
            TestCase(test, *(stored.read((program.problem_id, kind, test)) for kind in ("input", "output")))
            for test in program.tests
        ]
        return program, *judge(program, tests)

    failed = []
    for program, outcome, detail in pool.map_unordered(judged, report.programs.values()):
        if outcome != "ok":
            failed.append((program.name, outcome, detail))
        yield program.name
    for name, outcome, detail in sorted(failed):
        said = f"{name}: {detail}" if detail else name
        report.found(f"program fails: {outcome}", said, fault=report.split == SCORED)
