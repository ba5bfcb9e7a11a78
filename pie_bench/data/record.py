"""Turns a row, whatever its columns are called, into a record of a pair, or says why it cannot."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pie_bench.data.pair import TestCase
from pie_bench.data.spec import REQUIRED_COLUMNS
from pie_bench.data.stored_tests import StoredTests
from pie_bench.errors import UserError
from pie_bench.hashing import hash_of, sha256

INPUT_NAMES = ("input", "stdin", "in")
OUTPUT_NAMES = ("output", "expected_output", "expected", "stdout", "out")
ID_NAMES = ("id", "test_id")
_MOST_SECONDS = 1e12  # upper bound; rejects NaN and numbers that overflow
Columns = Mapping[str, Sequence[str]]  # ours: theirs


class UnusableRow(Exception):
    """A row that is not a usable pair. `what` is the kind of fault; the message describes it for this row."""

    def __init__(self, what: str, said: str | None = None):
        super().__init__(said or what)
        self.what = what


@dataclass(frozen=True)
class Record:
    """A usable row. `inline` has the tests stored in the row itself (None: they are in files)."""

    pair_id: str
    problem_id: str
    src_code: str
    tgt_code: str
    tests: tuple[str, ...]
    inline: tuple[TestCase, ...] | None
    kind: str | None
    rationale: str | None
    problem_date: int | None
    tag: int | None
    src_seconds: list[float] | None
    tgt_seconds: list[float] | None


def parse(
    row: Mapping[str, Any],
    columns: Columns,
    stored: StoredTests | None,
    tests: Literal["wanted", "if given", "ignored"] = "wanted",
) -> Record:
    """The row as a record. Raises UnusableRow for missing or invalid fields, including a test's missing file.

    Missing ids are derived from content: a program's from its code, the problem's from its tests.
    """
    code = {column: _text(row, columns, column) for column in REQUIRED_COLUMNS}
    for column, value in code.items():
        if value is None or not value.strip():
            raise UnusableRow(f"{column} is missing")
    src_code, tgt_code = code["src_code"] or "", code["tgt_code"] or ""
    problem_id = _id(row, columns, "problem_id")
    given = _value(row, columns, "tests")[1]
    ids: tuple[str, ...] = ()
    inline: tuple[TestCase, ...] | None = None
    if tests == "wanted" or (tests == "if given" and given):
        ids, inline = parse_tests(given)
        if inline is None:
            _find_files(ids, problem_id, stored)
    return Record(
        pair_id=pair_id_of(row, columns),
        problem_id=problem_id or _made_problem_id(given, src_code),
        src_code=src_code,
        tgt_code=tgt_code,
        tests=ids,
        inline=inline,
        kind=_id(row, columns, "kind"),
        rationale=_text(row, columns, "rationale"),
        problem_date=_date(row, columns),
        tag=_tag(row, columns),
        src_seconds=recorded_seconds(row, columns, "src", ids),
        tgt_seconds=recorded_seconds(row, columns, "tgt", ids),
    )


def pair_id_of(row: Mapping[str, Any], columns: Columns) -> str:
    """The id of a row's pair: its own, else both programs' ids, each derived from the code if missing."""
    own = _id(row, columns, "pair_id")
    if own is not None:
        return own
    return "-".join(_id(row, columns, f"{side}_id") or _made_id(row, columns, side) for side in ("src", "tgt"))


def name_of(row: Mapping[str, Any], columns: Columns) -> str:
    """`pair_id_of` for messages; works for any row."""
    try:
        return pair_id_of(row, columns)
    except UnusableRow:
        return "a pair without a usable id"


def missing_column(seen: Iterable[str], columns: Columns, *, with_tests: bool, where: str) -> UserError | None:
    """An error for a required column missing from all rows, whose columns are `seen`, listing what there is instead."""
    names = sorted(map(str, seen))
    for ours in (*REQUIRED_COLUMNS, *(("tests",) if with_tests else ())):
        theirs = columns.get(ours, ())
        if names and not set(theirs) & set(names):
            close = [name for wanted in theirs for name in difflib.get_close_matches(wanted, names, n=1, cutoff=0.7)]
            hint = f"did you mean {close[0]}? " if close else ""
            wanted = " or ".join(theirs) or ours
            why = "; every pair needs a faster program, which answers are compared with" if ours == "tgt_code" else ""
            return UserError(
                f"{where}: no column {wanted}{why}; there are {', '.join(names)}; "
                f"{hint}(columns may have any names: map them in a YAML file, docs/dataset.md)"
            )
    return None


def parse_tests(given: Any) -> tuple[tuple[str, ...], tuple[TestCase, ...] | None]:
    """Parses `tests`: the tests' ids, and the tests themselves if they are in the row.

    Ids of tests in files: `["0", 1, …]`. Tests: `[{"input": …, "output": …}, …]` (also INPUT_NAMES, OUTPUT_NAMES; with
    an id under ID_NAMES, else numbered), `[[input, output], …]` or `{"input": [...], "output": [...]}`; any of these
    may be JSON text. Raises UnusableRow.
    """
    if isinstance(given, str):
        given = _from_text(given)
    if isinstance(given, Mapping):
        given = _from_lists(given)
    if given is None or (isinstance(given, (list, tuple)) and not given):
        raise UnusableRow("tests is missing")
    if not isinstance(given, (list, tuple)):
        raise UnusableRow("tests is not a list", f"tests is {_kind(given)}; expected a list of test ids or of tests")
    if all(isinstance(test, Mapping) for test in given):
        inline = tuple(_test(str(number), test) for number, test in enumerate(given))
    elif all(isinstance(test, (list, tuple)) and len(test) == 2 for test in given):
        inline = tuple(_test(str(number), {"input": i, "output": o}) for number, (i, o) in enumerate(given))
    else:
        ids = tuple(_test_id(number, test) for number, test in enumerate(given))
        _refuse_repeated(ids)
        return ids, None
    _refuse_repeated([test.test_id for test in inline])
    _refuse_contradictions(inline)
    return tuple(test.test_id for test in inline), inline


def recorded_seconds(row: Mapping[str, Any], columns: Columns, side: str, tests: Sequence[str]) -> list[float] | None:
    """The recorded times of one side's program: by test if `tests` are given, else their sum.

    None if any is missing: partial times would mislead.
    """
    if not tests:
        total = _value(row, columns, f"{side}_total_seconds")[1]
        return [float(total)] if _is_time(total) else None
    recorded = _value(row, columns, f"{side}_seconds")[1]
    if isinstance(recorded, (list, tuple)) and all(isinstance(item, tuple) and len(item) == 2 for item in recorded):
        recorded = dict(recorded)  # Arrow's form of a map
    if isinstance(recorded, (list, tuple)):  # in the order of the tests
        values = list(recorded)
    else:
        known = recorded if isinstance(recorded, Mapping) else {}
        values = [known.get(test) for test in tests]
    return [float(value) for value in values] if len(values) == len(tests) and all(map(_is_time, values)) else None


def _is_time(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < _MOST_SECONDS


def _value(row: Mapping[str, Any], columns: Columns, ours: str) -> tuple[str, Any]:
    """Their name and the value of our column; if it has several names, of the first that is not empty."""
    for name in columns.get(ours, ()):
        value = row.get(name)
        if value is not None and not (isinstance(value, float) and math.isnan(value)):
            return name, value
    return ours, None


def _date(row: Mapping[str, Any], columns: Columns) -> int | None:
    """Seconds since 1970; None for anything that is not a valid time."""
    value = _value(row, columns, "problem_date")[1]
    return int(value) if _is_time(value) else None


def _tag(row: Mapping[str, Any], columns: Columns) -> int | None:
    """A whole number from 1 to 10; None for anything else."""
    value = _value(row, columns, "tag")[1]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value not in range(1, 11):
        return None
    return int(value)


def _text(row: Mapping[str, Any], columns: Columns, ours: str) -> str | None:
    name, value = _value(row, columns, ours)
    if value is None:
        return None
    if not isinstance(value, str):
        raise UnusableRow(f"{ours} is not text", f"{name} is {_kind(value)}; expected text")
    _encoded(name, value)
    return value


def _id(row: Mapping[str, Any], columns: Columns, ours: str) -> str | None:
    """An id: text, or a number as text (7.0 as 7, since a column with gaps turns 7 into 7.0). None if there is none."""
    name, value = _value(row, columns, ours)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None:
        return None
    if not isinstance(value, str):
        raise UnusableRow(f"{ours} is not text", f"{name} is {_kind(value)}; expected text or a whole number")
    _encoded(name, value)
    if not value.strip().isprintable():
        raise UnusableRow(
            f"{ours} is not one line", f"{name} is {value[:40]!r}; expected text without control characters"
        )
    return value.strip() or None


def _made_id(row: Mapping[str, Any], columns: Columns, side: str) -> str:
    code = _text(row, columns, f"{side}_code")
    return sha256(code.encode())[:16] if code else "none"


def _made_problem_id(tests: Any, src_code: str) -> str:
    """Rows with the same tests belong to one problem; without tests, rows with the same source do."""
    try:
        inline = parse_tests(tests)[1]
    except UnusableRow:
        inline = None
    if inline is None:
        return sha256(src_code.encode())[:16]
    return hash_of(sorted([sha256(test.input), sha256(test.expected_output)] for test in inline))[:16]


def _find_files(ids: Iterable[str], problem_id: str | None, stored: StoredTests | None) -> None:
    if stored is None:
        raise UnusableRow(
            "tests are only listed",
            "tests has ids, but the location of the tests is unknown: give them in the row, as {input, output}, or set "
            "tests: FOLDER in a YAML file",
        )
    if problem_id is None:
        raise UnusableRow("problem_id is missing", "problem_id is missing: it names the folder of the tests")
    for test_id in ids:
        for kind in ("input", "output"):
            key = (problem_id, kind, test_id)
            if not stored.has(key):
                raise UnusableRow("a test's file is missing", f"test {test_id}: {stored.where(key)} is missing")


def _from_text(text: str) -> Any:
    try:
        found = json.loads(text) if text.strip() else None
    except (ValueError, RecursionError):
        found = text
    if isinstance(found, str):
        raise UnusableRow("tests is text", f"tests is text ({text[:40]!r}); expected a list of test ids or of tests")
    return found


def _from_lists(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`{"input": [...], "output": [...]}` as a list of tests."""
    names = {name: f"{name}s" if f"{name}s" in given else name for name in (*INPUT_NAMES, *OUTPUT_NAMES)}
    lists = {name: given[theirs] for name, theirs in names.items() if isinstance(given.get(theirs), (list, tuple))}
    if not lists:
        raise UnusableRow(
            "tests is not a list", f"tests is an object with {_names(given)}; expected a list of test ids or of tests"
        )
    if len({len(values) for values in lists.values()}) > 1:
        sizes = ", ".join(f"{len(values)} of {names[name]}" for name, values in lists.items())
        raise UnusableRow("tests differ in number", f"tests has {sizes}")
    return [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]


def _test(number: str, test: Mapping[str, Any]) -> TestCase:
    ids = [test[name] for name in ID_NAMES if test.get(name) is not None]
    test_id = _test_id(int(number), ids[0]) if ids else number
    return TestCase(test_id, _part(test_id, test, INPUT_NAMES), _part(test_id, test, OUTPUT_NAMES))


def _part(test_id: str, test: Mapping[str, Any], names: Sequence[str]) -> bytes:
    found = [name for name in names if test.get(name) is not None]
    if not found:
        raise UnusableRow(
            f"a test's {names[0]} is missing", f"test {test_id}: {names[0]} is missing; it has {_names(test)}"
        )
    if len(found) > 1:
        raise UnusableRow(f"a test has two {names[0]}s", f"test {test_id}: has {' and '.join(found)}: keep one")
    value = test[found[0]]
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise UnusableRow(
            f"a test's {names[0]} is not text", f"test {test_id}: {found[0]} is {_kind(value)}; expected text"
        )
    return _encoded(f"test {test_id}: {found[0]}", value)


def _test_id(number: int, value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (str, int)) or not str(value).strip():
        raise UnusableRow(
            "a test is neither an id nor a test",
            f"tests[{number}] is {_kind(value)}; expected the id of a test or {{input, output}}",
        )
    _encoded(f"tests[{number}]", str(value))
    return str(value)


def _refuse_repeated(ids: Sequence[str]) -> None:
    twice = sorted({test_id for test_id in ids if ids.count(test_id) > 1}) if len(set(ids)) < len(ids) else []
    if twice:
        raise UnusableRow("a test is listed twice", f"test {twice[0]} is listed twice")


def _refuse_contradictions(tests: Iterable[TestCase]) -> None:
    first: dict[bytes, TestCase] = {}
    for test in tests:
        other = first.setdefault(test.input, test)
        if other.expected_output.split() != test.expected_output.split():
            raise UnusableRow(
                "tests contradict each other",
                f"tests {other.test_id} and {test.test_id} have the same input and different outputs",
            )


def _encoded(name: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise UnusableRow(
            "a lone surrogate",
            f"{name} holds a lone surrogate (\\u{ord(text[error.start]):04x} at character {error.start + 1}), "
            "half a character that UTF-8 cannot encode",
        ) from None


def _names(row: Mapping[str, Any]) -> str:
    return ", ".join(sorted(str(name) for name, value in row.items() if value is not None)) or "nothing"


def _kind(value: Any) -> str:
    """What kind of value it is, in terms of JSON."""
    kinds: dict[type, str] = {bool: "true or false", int: "a number", float: "a number", str: "text", bytes: "bytes"}
    if isinstance(value, Mapping):
        return f"an object with {_names(value)}"
    if isinstance(value, (list, tuple)):
        return "a list"
    return f"{kinds.get(type(value), type(value).__name__)} ({value!r:.40})"
