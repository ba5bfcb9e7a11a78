"""Loads datasets, bundled, published or the user's own, in one schema as Hugging Face `datasets`. A row is a pair."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pie_bench.data.pair import Pair, TestCase
from pie_bench.data.record import Record, UnusableRow, missing_column, name_of, parse
from pie_bench.data.rows import MissingSplitError, rows_of
from pie_bench.data.spec import SCORED, SPLITS, DatasetSpec, load_spec
from pie_bench.data.stored_tests import StoredTests, open_tests
from pie_bench.data.stress import StressTests, read_stress, stress_path
from pie_bench.errors import UserError, unknown_name
from pie_bench.hashing import hash_of, sha256
from pie_bench.paths import cache_dir

if TYPE_CHECKING:
    import datasets

STRESS_SUFFIX = "+stress"  # suffix of the name of a dataset whose tests are its stress inputs
_CHUNK = 2000  # rows held as Python objects at once


@dataclass(frozen=True)
class Rejected:
    """An unusable row, and the reason."""

    pair_id: str
    reason: str


@dataclass(frozen=True)
class PairDataset:
    """One split of a dataset. `rows` has one row per pair (columns: see `features`), `rejected` what was left out.

    `folder` is where its files are (None: not on this machine), `stored_tests` reads tests from files (None: loaded
    without tests, or there are none), `inline_tests` has tests stored in rows, by pair id.
    """

    name: str
    split: str
    folder: Path | None
    rows: datasets.Dataset
    rejected: tuple[Rejected, ...]
    stored_tests: StoredTests | None
    inline_tests: Mapping[str, tuple[TestCase, ...]] = field(default_factory=dict)

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """All pairs, in file order."""
        return tuple(_pair_of_row(row) for row in self.rows)

    def pair(self, pair_id: str) -> Pair:
        """The pair with this id. UserError, suggesting similar ids, if there is none."""
        if pair_id not in self._by_id:
            raise unknown_name("pair", pair_id, self._by_id)
        return self._by_id[pair_id]

    def chosen(self, pair_ids: Sequence[str] | None = None, limit: int | None = None) -> tuple[Pair, ...]:
        """The pairs with these ids, in this order, without repetitions (None: all), and of those the first `limit`.

        Raises UserError as for `pair`.
        """
        pairs = self.pairs if pair_ids is None else tuple(self.pair(pair_id) for pair_id in dict.fromkeys(pair_ids))
        return pairs[:limit]

    def by_problem(self, problem_ids: Sequence[str] | None = None) -> dict[str, list[Pair]]:
        """The pairs by problem, in this order (None: all problems, sorted by id). UserError for an unknown problem."""
        found: dict[str, list[Pair]] = {}
        for pair in self.pairs:
            found.setdefault(pair.problem_id, []).append(pair)
        wanted = sorted(found) if problem_ids is None else list(dict.fromkeys(problem_ids))
        for problem_id in wanted:
            if problem_id not in found:
                raise UserError(f"dataset {self.name}/{self.split}: no problem {problem_id!r:.60}")
        return {problem_id: found[problem_id] for problem_id in wanted}

    def tests(self, pair: Pair) -> tuple[TestCase, ...]:
        """The pair's tests, in the order of its `tests`; those in files are read anew each time."""
        inline = self.inline_tests.get(pair.pair_id)
        return inline or tuple(self._stored_test(pair.problem_id, test_id) for test_id in pair.tests)

    def fingerprint(self) -> str:
        """SHA-256 over the content: `sum_of` all pairs."""
        return self.sum_of(self.pairs)

    def sum_of(self, pairs: Sequence[Pair]) -> str:
        """SHA-256 over these pairs' programs, and the input and expected output of every test they use."""
        sums: dict[tuple[str, str], str] = {}  # pairs of a problem share their files

        def stored_sum(problem_id: str, test_id: str) -> str:
            if (problem_id, test_id) not in sums:
                sums[problem_id, test_id] = _sum_of(self._stored_test(problem_id, test_id))
            return sums[problem_id, test_id]

        def test_sums(pair: Pair) -> list[list[str]]:
            inline = self.inline_tests.get(pair.pair_id)
            if inline is not None:
                return [[test.test_id, _sum_of(test)] for test in inline]
            return [[test_id, stored_sum(pair.problem_id, test_id)] for test_id in pair.tests]

        return hash_of(
            [
                [pair.pair_id, pair.problem_id, pair.src_code, pair.tgt_code, *test_sums(pair)]
                for pair in sorted(pairs, key=lambda pair: pair.pair_id)
            ]
        )

    @cached_property
    def _by_id(self) -> dict[str, Pair]:
        return {pair.pair_id: pair for pair in self.pairs}

    def _stored_test(self, problem_id: str, test_id: str) -> TestCase:
        assert self.stored_tests is not None, "loaded with tests"
        given, expected = (self.stored_tests.read((problem_id, kind, test_id)) for kind in ("input", "output"))
        return TestCase(test_id, given, expected)


def _sum_of(test: TestCase) -> str:
    return hash_of([sha256(test.input), sha256(test.expected_output)])


def load_dataset(
    name: str | os.PathLike[str], split: str = SCORED, *, with_tests: bool = True, stress: bool = False
) -> PairDataset:
    """One split (train, val or test) of the dataset that `--dataset` names: see `load_spec` and docs/dataset.md.

    An incomplete row (without a program, or without tests when `with_tests`) is left out and listed in `rejected`. With
    `stress` the tests are the split's stress inputs (docs/stress.md), and pairs without any are left out. Raises
    UserError for problems of the files themselves: missing, wrongly encoded or not JSON (with file and line), without a
    required column, a duplicate pair, or no usable row at all.
    """
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)
    spec = load_spec(name)
    rows = rows_of(spec, split)
    stored_tests = stored_tests_of(spec) if with_tests else None
    rejected: list[Rejected] = []
    inline_tests: dict[str, tuple[TestCase, ...]] = {}
    numbers: dict[str, int] = {}
    columns: set[str] = set()

    def usable() -> Iterator[dict[str, Any]]:
        for number, row in rows.numbered:
            columns.update(row)
            try:
                record = parse(row, spec.columns, stored_tests, "wanted" if with_tests else "ignored")
            except UnusableRow as error:
                rejected.append(Rejected(name_of(row, spec.columns), f"{rows.unit} {number}: {error}"))
                continue
            if record.pair_id in numbers:
                raise UserError(
                    f"{rows.where}:{number}: pair {record.pair_id} was already given on {rows.unit} "
                    f"{numbers[record.pair_id]}"
                )
            numbers[record.pair_id] = number
            if record.inline is not None:
                inline_tests[record.pair_id] = record.inline
            yield _as_row(record)

    import datasets

    stream = usable()
    chunks = []
    while chunk := list(islice(stream, _CHUNK)):
        chunks.append(datasets.Dataset.from_list(chunk, features=features()))
    if not chunks:
        first = f"; the first: {rejected[0].pair_id}: {rejected[0].reason}" if rejected else ""
        raise missing_column(columns, spec.columns, with_tests=with_tests, where=rows.where) or UserError(
            f"{rows.where}: no usable row{first}"
        )
    dataset = PairDataset(
        name=spec.dataset,
        split=split,
        folder=spec.folder(),
        rows=datasets.concatenate_datasets(chunks),
        rejected=tuple(rejected),
        stored_tests=stored_tests,
        inline_tests=inline_tests,
    )
    return _with_stress_inputs(dataset, stress_path(spec, split)) if stress else dataset


def load_split(name: str | os.PathLike[str], split: str, *, with_tests: bool = True) -> PairDataset | None:
    """Like `load_dataset`; None if the dataset does not have the split."""
    try:
        return load_dataset(name, split, with_tests=with_tests)
    except MissingSplitError:
        return None


def _with_stress_inputs(dataset: PairDataset, path: Path) -> PairDataset:
    """The same pairs with stress inputs as tests, under a different name, since other tests make another dataset."""
    import datasets

    stress = read_stress(path, dataset.name, dataset.split)
    rows: list[dict[str, Any]] = []
    rejected = list(dataset.rejected)
    for pair, row in zip(dataset.pairs, dataset.rows, strict=True):
        ids = stress.tests_of(pair)
        if ids:
            rows.append({**row, "tests": list(ids), "src_seconds": None, "tgt_seconds": None})
        else:
            rejected.append(Rejected(pair.pair_id, "no stress input on which its slow program's time is mostly work"))
    if not rows:
        raise UserError(f"{path}: no pair of {dataset.name}/{dataset.split} has stress inputs; use its own tests")
    return PairDataset(
        name=f"{dataset.name}{STRESS_SUFFIX}",
        split=dataset.split,
        folder=dataset.folder,
        rows=datasets.Dataset.from_list(rows, features=features()),
        rejected=tuple(rejected),
        stored_tests=StressTests(stress, path),
    )


def stored_tests_of(spec: DatasetSpec) -> StoredTests | None:
    """The dataset's tests in files; None if their location is unknown. UserError for an unreadable archive."""
    path = spec.tests_path()
    return None if path is None else open_tests(path, cache_dir())


def features() -> datasets.Features:
    """The schema of `PairDataset.rows`. The two lists of recorded seconds are parallel to `tests`, or null."""
    import datasets

    text, seconds = datasets.Value("string"), datasets.Value("float64")
    columns: dict[str, Any] = dict.fromkeys(
        ("pair_id", "problem_id", "src_code", "tgt_code", "kind", "rationale"), text
    )
    columns["tests"] = datasets.Sequence(text)
    columns["problem_date"] = columns["tag"] = datasets.Value("int64")
    columns["src_seconds"] = columns["tgt_seconds"] = datasets.Sequence(seconds)
    return datasets.Features(columns)


def _as_row(record: Record) -> dict[str, Any]:
    fields = (
        *("pair_id", "problem_id", "src_code", "tgt_code", "kind", "rationale", "tests"),
        *("src_seconds", "tgt_seconds", "problem_date", "tag"),
    )
    return {name: getattr(record, name) for name in fields}


def _pair_of_row(row: Mapping[str, Any]) -> Pair:
    tests = tuple(row["tests"])

    def seconds(column: str) -> dict[str, float] | None:
        values = row[column]
        return None if values is None else dict(zip(tests or ("all",), values, strict=True))

    return Pair(
        pair_id=row["pair_id"],
        problem_id=row["problem_id"],
        src_code=row["src_code"],
        tgt_code=row["tgt_code"],
        tests=tests,
        kind=row["kind"],
        src_seconds=seconds("src_seconds"),
        tgt_seconds=seconds("tgt_seconds"),
        rationale=row["rationale"],
        problem_date=row["problem_date"],
        tag=row["tag"],
    )
