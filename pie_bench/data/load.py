"""Datasets in one schema, as Hugging Face `datasets`: `mini` (bundled), `pie` (the published files), a hub dataset or
files with the same or other column names. A row is a pair; what its columns are called says the dataset's YAML.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pie_bench.data.pair import Pair, TestCase
from pie_bench.data.spec import REQUIRED_COLUMNS, SPLITS, DatasetSpec, load_spec
from pie_bench.data.stored_tests import StoredTests, open_tests
from pie_bench.errors import UserError, unknown_name
from pie_bench.hashing import hash_of, sha256
from pie_bench.paths import cache_dir

if TYPE_CHECKING:
    import datasets

_CHUNK = 2000  # rows held as Python objects at once


@dataclass(frozen=True)
class Rejected:
    """A row that cannot be used, and why."""

    pair_id: str
    reason: str


@dataclass(frozen=True)
class PairDataset:
    """One split of a dataset. `rows` has a row a pair (columns: see `features`), `rejected` what was left out.

    `folder` is where its files lie, `stored_tests` None when it was loaded without tests.
    """

    name: str
    split: str
    folder: Path
    rows: datasets.Dataset
    rejected: tuple[Rejected, ...]
    stored_tests: StoredTests | None

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """All pairs, in the file's order."""
        return tuple(_pair_of_row(row) for row in self.rows)

    def tests(self, pair: Pair) -> tuple[TestCase, ...]:
        """The pair's tests, read from disk."""
        return tuple(self._test(pair.problem_id, test_id) for test_id in pair.tests)

    def fingerprint(self) -> str:
        """sha256 over the content: every pair's programs, and the input and expected output of every test it uses."""
        sums: dict[tuple[str, str], str] = {}

        def test_sum(problem_id: str, test_id: str) -> str:
            if (problem_id, test_id) not in sums:
                test = self._test(problem_id, test_id)
                sums[problem_id, test_id] = hash_of([sha256(test.input), sha256(test.expected_output)])
            return sums[problem_id, test_id]

        return hash_of(
            [
                [pair.pair_id, pair.problem_id, pair.src_code, pair.tgt_code]
                + [[test_id, test_sum(pair.problem_id, test_id)] for test_id in pair.tests]
                for pair in sorted(self.pairs, key=lambda pair: pair.pair_id)
            ]
        )

    def _test(self, problem_id: str, test_id: str) -> TestCase:
        assert self.stored_tests is not None, "loaded with tests"
        given, expected = (self.stored_tests.read((problem_id, kind, test_id)) for kind in ("input", "output"))
        return TestCase(test_id, given, expected)


def load_dataset(name: str, split: str, *, with_tests: bool) -> PairDataset:
    """One split of the dataset that `--dataset` names (see `load_spec`).

    A row that lacks something (a program, its tests when `with_tests`) is left out and listed in `rejected`.
    Raises UserError for what is wrong with the files themselves: missing, not JSON (file and line), a pair given
    twice, no usable row at all.
    """
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)
    spec = load_spec(name)
    needs_folder = with_tests or spec.hub_name is None
    folder = spec.folder() if needs_folder else Path()
    stored_tests = open_tests(folder / spec.tests, cache_dir()) if with_tests else None
    where, records = records_of(spec, split, folder)
    rejected: list[Rejected] = []
    seen: dict[str, int] = {}

    def rows() -> Iterator[dict[str, Any]]:
        for line, record in records:
            pair_id = pair_id_of(record)
            reason = what_is_missing(record, stored_tests)
            if reason is not None:
                rejected.append(Rejected(pair_id, f"line {line}: {reason}"))
                continue
            if pair_id in seen:
                raise UserError(f"{where}:{line}: pair {pair_id} was already given on line {seen[pair_id]}")
            seen[pair_id] = line
            yield _row(pair_id, record, with_tests)

    import datasets

    stream = rows()
    chunks = []
    while chunk := list(islice(stream, _CHUNK)):
        chunks.append(datasets.Dataset.from_list(chunk, features=features()))
    if not chunks:
        first = f"; the first: {rejected[0].pair_id}: {rejected[0].reason}" if rejected else ""
        raise UserError(f"{where}: no usable row{first}")
    return PairDataset(
        spec.dataset, split, folder, datasets.concatenate_datasets(chunks), tuple(rejected), stored_tests
    )


def features() -> datasets.Features:
    """The schema of `PairDataset.rows`. The two lists of recorded seconds stand beside `tests`, or are null."""
    import datasets

    text, seconds = datasets.Value("string"), datasets.Value("float64")
    columns: dict[str, Any] = dict.fromkeys(
        ("pair_id", "problem_id", "src_code", "tgt_code", "kind", "rationale"), text
    )
    columns["tests"] = datasets.Sequence(text)
    columns["src_seconds"] = columns["tgt_seconds"] = datasets.Sequence(seconds)
    return datasets.Features(columns)


def records_of(spec: DatasetSpec, split: str, folder: Path) -> tuple[str, Iterator[tuple[int, dict[str, Any]]]]:
    """What to call a split's rows in messages, and the rows with their line, one by one, columns under our names.

    Raises UserError when the split is not there.
    """
    if spec.hub_name is not None:
        return f"{spec.source}:{split}", _hub_records(spec, split)
    names = spec.splits.get(split, ())
    path = next((file for name in names if (file := folder / f"{name}.jsonl").is_file()), None)
    if path is None:
        expected = folder / f"{names[0] if names else split}.jsonl"
        raise UserError(f"dataset {spec.dataset}: no split {split!r}: {expected} does not exist")
    return str(path), _file_records(spec, path)


def _file_records(spec: DatasetSpec, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    import jsonlines

    with jsonlines.open(path) as reader:
        try:
            for line, record in enumerate(reader.iter(type=dict), start=1):
                yield line, _renamed(spec, record)
        except jsonlines.InvalidLineError as error:
            raise UserError(f"{path}:{error.lineno}: not a row: {error.args[0]}") from None


def _hub_records(spec: DatasetSpec, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
    import datasets

    try:
        found = datasets.get_dataset_split_names(spec.hub_name)
        name = next((name for name in spec.splits.get(split, ()) if name in found), None)
        if name is None:
            raise UserError(f"dataset {spec.dataset}: no split {split!r}; it has {', '.join(sorted(map(str, found)))}")
        rows = datasets.load_dataset(spec.hub_name, split=name)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        said = " ".join(str(error).split())[:200]
        raise UserError(
            f"dataset {spec.dataset}: cannot be had ({said}); check the name and the connection to the Hugging Face hub"
        ) from None
    return ((line, _renamed(spec, record)) for line, record in enumerate(rows, start=1))


def _renamed(spec: DatasetSpec, record: Mapping[str, Any]) -> dict[str, Any]:
    """The record under our column names: of several names for one column the first that holds something."""
    return {
        ours: next((record[name] for name in theirs if record.get(name) is not None), None)
        for ours, theirs in spec.columns.items()
    }


def pair_id_of(record: Mapping[str, Any]) -> str:
    """What a record's pair is called: both programs' ids."""
    return f"{record.get('src_id')}-{record.get('tgt_id')}"


def what_is_missing(record: Mapping[str, Any], stored_tests: StoredTests | None) -> str | None:
    """What keeps a row from being used, in words: a missing column, or a missing file of a test it lists."""
    for column in REQUIRED_COLUMNS:
        if not isinstance(record.get(column), str) or not record[column].strip():
            return f"{column} is missing"
    if stored_tests is None:
        return None
    tests = record.get("tests")
    if not isinstance(tests, list) or not tests:
        return "tests is missing"
    for test_id in tests:
        for kind in ("input", "output"):
            key = (record["problem_id"], kind, str(test_id))
            if not stored_tests.has(key):
                return f"test {test_id}: {stored_tests.where(key)} is missing"
    return None


def recorded_seconds(record: Mapping[str, Any], side: str, tests: list[str]) -> list[float] | None:
    """The times that a record holds of a side's program: by test where `tests` are wanted, else their sum.

    None where one is missing: none is better than some.
    """
    if tests:
        by_test = record.get(f"{side}_seconds")
        known = by_test if isinstance(by_test, dict) else {}
        values = [known[test] for test in tests if known.get(test) is not None]
        return values if len(values) == len(tests) else None
    total = record.get(f"{side}_total_seconds")
    return [total] if isinstance(total, (int, float)) else None


def _row(pair_id: str, record: Mapping[str, Any], with_tests: bool) -> dict[str, Any]:
    tests = [str(test_id) for test_id in record["tests"]] if with_tests else []
    return {
        "pair_id": pair_id,
        "problem_id": record["problem_id"],
        "src_code": record["src_code"],
        "tgt_code": record["tgt_code"],
        "kind": record.get("kind"),
        "rationale": record.get("rationale"),
        "tests": tests,
        "src_seconds": recorded_seconds(record, "src", tests),
        "tgt_seconds": recorded_seconds(record, "tgt", tests),
    }


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
    )
