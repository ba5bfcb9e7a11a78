"""Gathers problems' tests: CodeNet's public ones and AlphaCode's generated ones, merged as in PIE's folders."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pie_bench.construction.database import ParquetRows, database, literal, rows, table
from pie_bench.construction.findings import Findings
from pie_bench.construction.recipe import CodeContestsTests, CodeNetTests, Recipe, TestFolder, path_of
from pie_bench.construction.sources import files_at
from pie_bench.construction.stage import Outcome, Workplace, metered
from pie_bench.data.stored_tests import StoredTests, open_tests
from pie_bench.errors import UserError
from pie_bench.hashing import sha256

FIRST_PUBLIC = 100  # generated tests have lower numbers
CODENET_SITES = ("AIZU", "ATCODER")
_ID = re.compile(r"p\d{5}(?!\d)")
_FIRST_OF_ATCODER = "p02534"  # CodeNet's problems from here on are AtCoder's; AIZU's names repeat and are never joined
_SCHEMA = {
    **dict.fromkeys(("problem_id", "test_id", "origin"), "string"),
    **dict.fromkeys(("input", "output"), "binary"),
}


@dataclass(frozen=True)
class Given:
    """A test from a source. `test_id` is None if merging numbers it."""

    origin: str
    input: bytes
    output: bytes
    test_id: str | None = None


def gather_tests(workplace: Workplace, into: Path) -> Outcome:
    """Writes `tests.parquet`: every test of every problem that has programs, numbered and with its origin."""
    recipe = workplace.recipe
    findings = Findings()
    programs = workplace.programs()
    facts: dict[str, Any] = {}
    counts = {"problems": 0, "problems with tests": 0, "tests": 0, "tests given twice": 0}
    with database(workplace.temporary) as connection:
        problems = [
            row["problem_id"] for row in rows(connection, f"SELECT DISTINCT problem_id FROM {programs} ORDER BY 1")
        ]
        readers = [_reader(tests, workplace, into, problems, facts) for tests in recipe.tests]
        with ParquetRows(into / "tests.parquet", _SCHEMA) as out, metered("tests", len(problems), "problem") as meter:
            for problem in problems:
                meter.advance()
                counts["problems"] += 1
                given = [test for reader in readers for test in reader.of(problem)]
                merged, twice = merge(given, recipe.check.generated_tests)
                counts["tests given twice"] += twice
                counts["tests"] += len(merged)
                counts["problems with tests"] += bool(merged)
                if not merged:
                    findings.add("problem without tests", problem)
                for test in merged:
                    out.add({"problem_id": problem, **vars(test)}, weight=len(test.input) + len(test.output))
                    counts[test.origin] = counts.get(test.origin, 0) + 1
    return Outcome(counts, findings, facts)


def merge(given: Iterable[Given], generated: int) -> tuple[list[Given], int]:
    """A problem's tests in numeric order, and how many duplicates were dropped.

    Generated ones are numbered from 0, at most `generated` of them, public ones from 100; tests with a number keep it.
    Of equal inputs the first counts, unless it has a number.
    """
    merged: list[Given] = []
    seen: set[str] = set()
    next_id = {"generated": 0, "public": FIRST_PUBLIC}
    twice = 0
    for test in given:
        if test.test_id is None:
            key = sha256(test.input)
            if key in seen:
                twice += 1
                continue
            seen.add(key)
            if test.origin == "generated" and next_id["generated"] >= generated:
                continue
            number = next_id[test.origin]
            next_id[test.origin] = number + 1
            test = Given(test.origin, test.input, test.output, str(number))
        merged.append(test)
    return sorted(merged, key=lambda test: in_order(test.test_id or "")), twice


def in_order(test_id: str) -> tuple[bool, int, str]:
    """A sort key for tests: by number."""
    return (not test_id.isdigit(), int(test_id) if test_id.isdigit() else 0, test_id)


class _Reader(Protocol):
    """A source of a problem's tests."""

    def of(self, problem: str) -> Iterator[Given]: ...


def _reader(
    tests: TestFolder | CodeNetTests | CodeContestsTests,
    workplace: Workplace,
    into: Path,
    problems: Sequence[str],
    facts: dict[str, Any],
) -> _Reader:
    path = path_of(tests.path, workplace.base)
    if isinstance(tests, CodeContestsTests):
        return _CodeContests(tests, path, workplace, into, problems, facts)
    if not path.exists() and not isinstance(tests, TestFolder):
        raise UserError(f"recipe {workplace.recipe.dataset}: {path}: no such folder of tests")
    if isinstance(tests, CodeNetTests):
        return _CodeNet(path)
    stored = open_tests(path, into)
    if not any(stored.test_ids(problem) for problem in problems):
        raise UserError(
            f"recipe {workplace.recipe.dataset}: {path}: contains no tests of these problems (expected "
            f"{problems[0] if problems else 'PROBLEM'}/input.N.txt and output.N.txt, in a folder or an archive)"
        )
    return _Stored(stored, tests.origin)


@dataclass(frozen=True)
class _CodeNet:
    path: Path

    def of(self, problem: str) -> Iterator[Given]:
        given, expected = self.path / problem / "input.txt", self.path / problem / "output.txt"
        if given.is_file() and expected.is_file():
            yield Given("public", given.read_bytes(), expected.read_bytes())


@dataclass(frozen=True)
class _Stored:
    stored: StoredTests
    origin: str

    def of(self, problem: str) -> Iterator[Given]:
        for test_id in self.stored.test_ids(problem):
            given, expected = (self.stored.read((problem, kind, test_id)) for kind in ("input", "output"))
            if self.origin == "merged":
                generated = test_id.isdigit() and int(test_id) < FIRST_PUBLIC
                yield Given("generated" if generated else "public", given, expected, test_id)
            else:
                yield Given(self.origin, given, expected)


class _CodeContests:
    """Tests from `deepmind/code_contests`, streamed once: those of our problems, cached as parquet by problem."""

    def __init__(
        self,
        tests: CodeContestsTests,
        path: Path,
        workplace: Workplace,
        into: Path,
        problems: Sequence[str],
        facts: dict[str, Any],
    ):
        recipe = workplace.recipe
        files = files_at(path, (".parquet",))
        if not files:
            raise UserError(f"recipe {recipe.dataset}: {path}: contains no .parquet file")
        names = {} if tests.problem_list is None else _names_of_problems(path_of(tests.problem_list, workplace.base))
        self._file = into / f"code_contests-{sha256(str(path).encode())[:8]}.tests"
        unsorted = self._file.with_suffix(".unsorted")
        wanted = set(problems)
        place = 0
        joined = {"by id": 0, "by name": 0, "neither": 0}
        unmatched: list[str] = []
        with ParquetRows(unsorted, _SCHEMA) as out, metered(f"read {path.name}", len(files), "file") as meter:
            for file in files:
                for row in _contest_rows(file, tests, recipe):
                    problem, how = problem_of(str(row["name"]), row["site"], names)
                    if problem is None:
                        joined["neither"] += 1
                        if len(unmatched) < 20:
                            unmatched.append(f"{file.name}: {row['name']}")
                        continue
                    joined[how] += 1
                    if problem in wanted:
                        place = _put_tests(out, problem, row, tests.use, place)
                meter.advance()
        if not joined["by id"] + joined["by name"]:
            raise UserError(
                f"recipe {recipe.dataset}: {path}: none of {joined['neither']} rows labelled as "
                f"{' or '.join(CODENET_SITES)} names a CodeNet problem; is its column source labelled "
                "correctly? Give source_names, and problem_list for AtCoder's"
            )
        facts["code_contests"] = {"rows": joined, "matched neither": unmatched}
        self._temporary = workplace.temporary
        with database(self._temporary) as connection:
            ordered = f"FROM {table(unsorted)} ORDER BY problem_id, CAST(test_id AS INTEGER)"
            options = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 2048"  # small: a problem is read alone
            connection.execute(f"COPY ({ordered}) TO {literal(self._file)} ({options})")
        unsorted.unlink()

    def of(self, problem: str) -> Iterator[Given]:
        with database(self._temporary) as connection:
            ours = f"FROM {table(self._file)} WHERE problem_id = {literal(problem)}"
            for row in rows(connection, f"SELECT origin, input, output {ours} ORDER BY CAST(test_id AS INTEGER)"):
                yield Given(row["origin"], bytes(row["input"]), bytes(row["output"]))


def problem_of(name: str, site: str, names: Mapping[str, str]) -> tuple[str | None, str]:
    """The CodeNet id for a row of code_contests, and how it was found: by the id that its name begins with or, for
    AtCoder only, by the name of the problem."""
    leading = _ID.match(name)
    if leading is not None:
        return leading[0], "by id"
    if site == "ATCODER" and name in names:
        return names[name], "by name"
    return None, "neither"


def _names_of_problems(path: Path) -> dict[str, str]:
    """AtCoder's problems by name; UserError if the list is not CodeNet's. Ambiguous names are left out."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            found = [(row["id"], row["name"]) for row in csv.DictReader(file)]
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not CodeNet's problem_list.csv (columns id and name): {error}") from None
    names = [name for problem, name in found if problem >= _FIRST_OF_ATCODER]
    return {name: problem for problem, name in found if problem >= _FIRST_OF_ATCODER and names.count(name) == 1}


def _contest_rows(file: Path, tests: CodeContestsTests, recipe: Recipe) -> Iterator[dict[str, Any]]:
    """Name, site and tests of the rows from CodeNet's sites. The meaning of numbers in the column `source` is read from
    the file itself, because it differs between copies."""
    import pyarrow
    import pyarrow.parquet

    columns = ["name", "source", *(f"{use}_tests" for use in tests.use)]
    try:
        with pyarrow.parquet.ParquetFile(file) as opened:
            absent = [column for column in columns if column not in opened.schema_arrow.names]
            if absent:
                raise UserError(f"recipe {recipe.dataset}: {file}: no column {', '.join(absent)}")
            labels = tests.source_names or _labels(opened.schema_arrow.metadata)
            for batch in opened.iter_batches(batch_size=20, columns=columns):
                for row in batch.to_pylist():
                    site = _site(row["source"], labels, file, recipe)
                    if site in CODENET_SITES:
                        yield row | {"site": site}
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        said = " ".join(str(error).split())[:160]
        raise UserError(f"recipe {recipe.dataset}: {file}: cannot be read ({said}); fetch it again") from None


def _labels(metadata: Mapping[bytes, bytes] | None) -> tuple[str, ...]:
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return tuple(features["source"]["names"])
    except (KeyError, TypeError, ValueError):
        return ()


def _site(value: Any, labels: Sequence[str], file: Path, recipe: Recipe) -> str:
    if isinstance(value, str):
        return value.upper()
    if isinstance(value, int) and 0 <= value < len(labels):
        return labels[value].upper()
    raise UserError(
        f"recipe {recipe.dataset}: {file}: source {value} has no name in the file; give source_names, in the order of "
        "the numbers"
    )


def _put_tests(out: ParquetRows, problem: str, row: Mapping[str, Any], use: Sequence[str], place: int) -> int:
    """Writes a row's tests, numbered from `place`; returns the next number."""
    for kind in use:
        lists = row[f"{kind}_tests"] or {"input": [], "output": []}
        for given, expected in zip(lists["input"], lists["output"], strict=False):
            texts = [text.encode("utf-8", "replace") for text in (given, expected)]
            origin = "public" if kind == "public" else "generated"
            test = {"problem_id": problem, "test_id": str(place), "origin": origin}
            out.add(test | {"input": texts[0], "output": texts[1]}, weight=sum(map(len, texts)))
            place += 1
    return place
