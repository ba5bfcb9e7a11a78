"""Is an output right? Two comparators; the environment says which."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

_TOLERANCE = 1e-3


def paper_comparator(output: str, expected: str) -> bool:
    """PIE's own: line by line, equal text or two numbers that differ by less than 1e-3; further lines are ignored.

    An output with fewer lines than expected is wrong. Where no output is expected any is right: `dataset check` says
    which tests those are.
    """
    lines, wanted = output.strip().splitlines(), expected.strip().splitlines()
    return len(lines) >= len(wanted) and all(map(_same_line, lines, wanted))


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


Comparator = Literal["paper", "strict"]
COMPARATORS: dict[Comparator, Callable[[str, str], bool]] = {
    "paper": paper_comparator,
    "strict": strict_comparator,
}
