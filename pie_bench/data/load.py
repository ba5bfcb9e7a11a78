"""Datasets: `mini` (bundled) and `pie` (the published files), in one schema, as Hugging Face `datasets`.

Layout of both: `{train,val,test}.jsonl`, a row a pair, and `merged_test_cases/<problem_id>/{input,output}.N.txt`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pie_bench.data.pair import Pair, TestCase
from pie_bench.errors import UserError, unknown_name
from pie_bench.hashing import hash_of, sha256
from pie_bench.paths import PACKAGE_DIR

if TYPE_CHECKING:
    import datasets

DATASETS = ("mini", "pie")
SPLITS = ("train", "val", "test")
_REQUIRED = ("problem_id", "src_id", "tgt_id", "src_code", "tgt_code")


@dataclass(frozen=True)
class Rejected:
    """A row that cannot be used, and why."""

    pair_id: str
    reason: str


@dataclass(frozen=True)
class PairDataset:
    """One split of a dataset. `rows` has a row a pair (columns: see `features`), `rejected` what was left out."""

    name: str
    split: str
    folder: Path
    rows: datasets.Dataset
    rejected: tuple[Rejected, ...]

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """All pairs, in the file's order."""
        return tuple(_pair_of_row(row) for row in self.rows)

    def tests(self, pair: Pair) -> tuple[TestCase, ...]:
        """The pair's tests, read from disk."""
        return tuple(_read_test(self.folder, pair.problem_id, test_id) for test_id in pair.tests)

    def fingerprint(self) -> str:
        """sha256 over the content: every pair's programs, and the input and expected output of every test it uses."""
        sums: dict[tuple[str, str], str] = {}

        def test_sum(problem_id: str, test_id: str) -> str:
            if (problem_id, test_id) not in sums:
                test = _read_test(self.folder, problem_id, test_id)
                sums[problem_id, test_id] = hash_of([sha256(test.input), sha256(test.expected_output)])
            return sums[problem_id, test_id]

        return hash_of(
            [
                [pair.pair_id, pair.problem_id, pair.src_code, pair.tgt_code]
                + [[test_id, test_sum(pair.problem_id, test_id)] for test_id in pair.tests]
                for pair in sorted(self.pairs, key=lambda pair: pair.pair_id)
            ]
        )


def dataset_folder(name: str) -> Path:
    """Where a dataset's files lie. UserError for an unknown name, and for `pie` without a usable PIE_DATA_DIR."""
    if name not in DATASETS:
        raise unknown_name("dataset", name, DATASETS)
    if name == "mini":
        return PACKAGE_DIR / "data" / "mini"
    value = os.environ.get("PIE_DATA_DIR")
    if not value:
        raise UserError("dataset pie: PIE_DATA_DIR is not set; set it to the folder with PIE's test.jsonl, or use mini")
    folder = Path(value).expanduser().resolve()
    if not folder.is_dir():
        raise UserError(f"dataset pie: PIE_DATA_DIR={value} is not a folder")
    return folder


def load_dataset(name: str, split: str, *, with_tests: bool) -> PairDataset:
    """One split of a dataset.

    A row that lacks something (a program, its tests when `with_tests`) is left out and listed in `rejected`.
    Raises UserError for what is wrong with the files themselves: missing, not JSON (file and line), a pair given
    twice, no usable row at all.
    """
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)
    folder = dataset_folder(name)
    path = folder / f"{split}.jsonl"
    if not path.is_file():
        raise UserError(f"dataset {name}: no split {split!r}: {path} does not exist")
    rows: list[dict[str, Any]] = []
    rejected: list[Rejected] = []
    seen: dict[str, int] = {}
    for line, record in _records(path):
        pair_id = f"{record.get('src_id')}-{record.get('tgt_id')}"
        reason = _what_is_missing(record, folder, with_tests)
        if reason is not None:
            rejected.append(Rejected(pair_id, f"line {line}: {reason}"))
            continue
        if pair_id in seen:
            raise UserError(f"{path}:{line}: pair {pair_id} was already given on line {seen[pair_id]}")
        seen[pair_id] = line
        rows.append(_row(pair_id, record, with_tests))
    if not rows:
        first = f"; the first: {rejected[0].pair_id}: {rejected[0].reason}" if rejected else ""
        raise UserError(f"{path}: no usable row{first}")
    import datasets

    return PairDataset(name, split, folder, datasets.Dataset.from_list(rows, features=features()), tuple(rejected))


def features() -> datasets.Features:
    """The schema of `PairDataset.rows`. The two lists of recorded seconds stand beside `tests`, or are null."""
    import datasets

    text, seconds = datasets.Value("string"), datasets.Value("float64")
    columns: dict[str, Any] = dict.fromkeys(("pair_id", "problem_id", "src_code", "tgt_code", "kind"), text)
    columns["tests"] = datasets.Sequence(text)
    columns["src_seconds"] = columns["tgt_seconds"] = datasets.Sequence(seconds)
    return datasets.Features(columns)


def _records(path: Path) -> Any:
    import jsonlines

    with jsonlines.open(path) as reader:
        try:
            yield from enumerate(reader.iter(type=dict), start=1)
        except jsonlines.InvalidLineError as error:
            raise UserError(f"{path}:{error.lineno}: not a row: {error.args[0]}") from None


def _what_is_missing(record: Mapping[str, Any], folder: Path, with_tests: bool) -> str | None:
    for column in _REQUIRED:
        if not isinstance(record.get(column), str) or not record[column].strip():
            return f"{column} is missing"
    if not with_tests:
        return None
    tests = record.get("tests")
    if not isinstance(tests, list) or not tests:
        return "tests is missing"
    for test_id in tests:
        for kind in ("input", "output"):
            file = _test_path(folder, record["problem_id"], kind, str(test_id))
            if not file.is_file():
                return f"test {test_id}: {file.relative_to(folder)} is missing"
    return None


def _row(pair_id: str, record: Mapping[str, Any], with_tests: bool) -> dict[str, Any]:
    tests = [str(test_id) for test_id in record["tests"]] if with_tests else []

    def recorded(side: str) -> list[float] | None:
        by_test = record.get(f"{side}_code_tc2time")
        if with_tests:
            known = by_test if isinstance(by_test, dict) else {}
            values = [known[test] for test in tests if known.get(test) is not None]
            return values if len(values) == len(tests) else None
        total = record.get(f"{side}_agg_runtime")
        return [total] if isinstance(total, (int, float)) else None

    return {
        "pair_id": pair_id,
        "problem_id": record["problem_id"],
        "src_code": record["src_code"],
        "tgt_code": record["tgt_code"],
        "kind": record.get("kind"),
        "tests": tests,
        "src_seconds": recorded("src"),
        "tgt_seconds": recorded("tgt"),
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
    )


def _test_path(folder: Path, problem_id: str, kind: str, test_id: str) -> Path:
    return folder / "merged_test_cases" / problem_id / f"{kind}.{test_id}.txt"


def _read_test(folder: Path, problem_id: str, test_id: str) -> TestCase:
    given, expected = (_test_path(folder, problem_id, kind, test_id).read_bytes() for kind in ("input", "output"))
    return TestCase(test_id, given, expected)
