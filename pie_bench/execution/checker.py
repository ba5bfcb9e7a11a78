"""The comparators, which decide whether an output is right; the environment selects one. docs/methodology.md lists
them."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from pie_bench.errors import UserError, unknown_name

_TOLERANCE = 1e-3
_EXACT_BELOW = 2.0**53  # floats represent every integer up to here
_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_LONGEST_NUMBER = 400  # characters: anything longer is not a float


def paper_comparator(output: str, expected: str) -> bool:
    """PIE's own: line by line, equal text or two numbers that differ by less than 1e-3; extra lines are ignored.

    An output with fewer lines than expected is wrong. If no output is expected, any is right; `dataset check` lists
    such tests.
    """
    lines, wanted = output.strip().splitlines(), expected.strip().splitlines()
    return len(lines) >= len(wanted) and all(map(_same_line, lines, wanted))


def standard_comparator(output: str, expected: str) -> bool:
    """The paper's, without its obvious errors: integers of any size must be equal exactly, numbers must be in ASCII
    digits, and if no output is expected, any output is wrong."""
    lines, wanted = output.strip().splitlines(), expected.strip().splitlines()
    if not wanted:
        return not lines
    return len(lines) >= len(wanted) and all(map(_same_text_or_number, lines, wanted))


def strict_comparator(output: str, expected: str) -> bool:
    """The same tokens in the same order; whitespace between them is free, nothing else is."""
    return output.split() == expected.split()


def _same_line(line: str, wanted: str) -> bool:
    if line == wanted:
        return True
    try:
        return abs(float(line) - float(wanted)) < _TOLERANCE
    except ValueError:
        return False


def _same_text_or_number(line: str, wanted: str) -> bool:
    if line == wanted:
        return True
    line, wanted = line.strip(), wanted.strip()
    if _INTEGER.fullmatch(line) and _INTEGER.fullmatch(wanted):
        return _integer(line) == _integer(wanted)
    if not (_NUMBER.fullmatch(line) and _NUMBER.fullmatch(wanted)):
        return False
    a, b = float(line), float(wanted)
    if max(abs(a), abs(b)) < _EXACT_BELOW or max(len(line), len(wanted)) > _LONGEST_NUMBER:
        return abs(a - b) < _TOLERANCE
    if abs(a - b) > max(abs(a), abs(b)) / 2 or a in (float("inf"), -float("inf")):
        return False
    return abs(Fraction(line) - Fraction(wanted)) < _TOLERANCE


def _integer(text: str) -> tuple[bool, str]:
    """An integer of any length, as its sign (whether it is negative) and digits."""
    digits = text.lstrip("+-").lstrip("0")
    return text.startswith("-") and bool(digits), digits


# The default, unless `paper` is requested.
STANDARD = "standard"
CHECKER = "checker:"
COMPARATORS: dict[str, Callable[[str, str], bool]] = {
    "paper": paper_comparator,
    STANDARD: standard_comparator,
    "strict": strict_comparator,
}


def same_output(comparator: str, output: bytes, expected: bytes) -> bool:
    """Whether an output is right according to the named comparator.

    The paper's comparator treats all invalid UTF-8 bytes as the same character; the others distinguish them.
    """
    errors = "replace" if comparator == "paper" else "surrogateescape"
    return COMPARATORS[comparator](output.decode(errors=errors), expected.decode(errors=errors))


def _known(name: str) -> str:
    if name in COMPARATORS or (name.startswith(CHECKER) and len(name) > len(CHECKER)):
        return name
    raise ValueError(str(unknown_name("comparator", name, [*COMPARATORS, f"{CHECKER}FILE.cpp", f"{CHECKER}FOLDER"])))


Comparator = Annotated[str, AfterValidator(_known)]
"""A name of `COMPARATORS`, or `checker:` with the path of a checker program or of a folder of them."""


def is_comparator(name: str) -> bool:
    """Whether this is the name of a comparator."""
    return name in COMPARATORS or name.startswith(CHECKER)


def shown_comparator(comparator: str) -> str:
    """The name for results: checkers by the name of their file or folder, without its location."""
    return CHECKER + Path(comparator).name if comparator.startswith(CHECKER) else comparator


def checker_sources(comparator: str) -> dict[str, str]:
    """The checker programs of `checker:PATH` by problem id, with headers next to them inlined.

    A single file checks every problem: its key is "". A folder has PROBLEM_ID.cpp for problems that need one. UserError
    if there is none.
    """
    path = Path(comparator.removeprefix(CHECKER)).expanduser()
    files = sorted(path.glob("*.cpp")) if path.is_dir() else [path]
    if not files:
        raise UserError(f"{path}: contains no checker; expected PROBLEM_ID.cpp for each problem that has one")
    try:
        texts = {"" if file == path else file.stem: _with_headers(file.read_text(), file.parent) for file in files}
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{comparator}: cannot be read ({error}); expected a C++ program, or a folder of C++ programs"
        ) from None
    return texts


_OWN_HEADER = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"/\n]+)"', re.MULTILINE)


def _with_headers(text: str, folder: Path) -> str:
    """The text with each header next to it (testlib.h) inlined at its first #include."""
    seen: set[str] = set()

    def put_in(match: re.Match[str]) -> str:
        header = folder / match[1]
        if not header.is_file():
            return match[0]
        if match[1] in seen:
            return ""
        seen.add(match[1])
        return _OWN_HEADER.sub(put_in, header.read_text())

    return _OWN_HEADER.sub(put_in, text)
