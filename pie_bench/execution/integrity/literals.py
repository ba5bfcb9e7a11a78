"""Whether a program knows the tests: how many of their answers, or of the numbers that distinguish them, it contains.

Only what is unlikely to be there by chance counts: numbers of four or more digits that are not round, not a well-known
modulus or limit, and not in the pair's slow program.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from pie_bench.cpp import literals_apart
from pie_bench.data.pair import TestCase

MIN_KNOWN = 5  # tests: fewer prove nothing
MIN_SHARE = 0.3  # of the tests that can be told apart
_CHANCE = 3  # times the hits expected by chance of a table as dense as the program's
_FEW = 3  # numbers of an input that identify it
_WELL_KNOWN = frozenset(
    {1_000_000_007, 998_244_353, 1_000_000_009, 1_000_003, 2**31 - 1, 2**63 - 1, 2**32 - 1, 2**64 - 1}
)
_NUMBER = re.compile(r"(?<![\w.])(0[xX][0-9a-fA-F']+|0[bB][01']+|\d[\d']*(?:\.\d+)?)")
_WHOLE = re.compile(r"-?\d{1,19}")
_LONGEST = 400  # digits: longer numbers in the text are ignored; Python refuses any above 4300
_ESCAPES = {"n": "\n", "t": "\t", "\\": "\\", '"': '"', "'": "'", "0": "\0"}


def split_source(code: str) -> tuple[str, list[str]]:
    """C++ text without comments and with emptied string literals; and the contents of these literals, in order."""
    bare, literals = literals_apart(code)
    return bare, [_content(kind, literal) for kind, literal in literals]


def _content(kind: str, literal: str) -> str:
    if kind == "raw":
        return literal.partition("(")[2].rpartition(")")[0]
    inside = literal.partition('"')[2].removesuffix('"')
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), inside)


def known_tests(code: str, data: bytes, src_code: str, tests: Sequence[TestCase]) -> str | None:
    """Evidence that the program holds the tests' answers or recognises the tests by literals; None if there is none.
    `data`: the binary's read-only and initialised data."""
    numbers, stored, text = _literals(code, data)
    ours, _, our_text = _literals(src_code, b"")
    numbers -= ours

    def holds(number: str) -> bool:
        either = number.removeprefix("-")
        if either in ours:
            return False
        return either in numbers or number in numbers or number in stored or either in stored

    outputs = {_normal(test.expected_output) for test in tests}
    known, judged, chance = 0, 0, 0.0
    density = _density(numbers, stored)
    for output in sorted(outputs):
        told = _distinctive(output)
        if told:
            judged += 1
            known += sum(map(holds, told)) >= 0.8 * len(told)
            chance += min(density.get(len(number.lstrip("-")), 0.0) for number in told)
        elif len(output) >= 8 and re.search("[A-Za-z]", output) and output not in our_text:
            judged += 1
            known += output in text
    if _too_many(known, judged, chance):
        return f"literals hold {known} of the {judged} answers that can be told apart"
    known, judged, chance = 0, 0, 0.0
    seen: set[tuple[str, ...]] = set()
    for test in tests:
        first = tuple(_distinctive(_normal(test.input))[:_FEW])
        if first and first not in seen:
            seen.add(first)
            judged += 1
            known += any(map(holds, first))
            chance += min(1.0, sum(density.get(len(number.lstrip("-")), 0.0) for number in first))
    if _too_many(known, judged, chance):
        return f"literals name {known} of the {judged} inputs that can be told apart"
    return None


def _too_many(known: int, judged: int, chance: float) -> bool:
    return known >= MIN_KNOWN and known >= MIN_SHARE * judged and known > _CHANCE * chance


def _normal(text: bytes) -> str:
    return " ".join(text.decode(errors="replace").split())


def _distinctive(text: str) -> list[str]:
    """The numbers in the text that are unlikely to occur by chance, as written."""
    return [token for token in text.split() if _tells(token)]


def _tells(token: str) -> bool:
    if re.fullmatch(r"-?\d{4,20}", token):
        value = abs(int(token))
        return len(str(value).rstrip("0")) >= 3 and value & (value - 1) != 0 and value not in _WELL_KNOWN
    return re.fullmatch(r"-?\d+\.\d{3,}", token) is not None and len(token.replace(".", "").strip("-0")) >= 5


def _literals(code: str, data: bytes) -> tuple[set[str], _Stored, str]:
    """The numbers in the program's text, in decimal; those in its data; and its strings, joined."""
    bare, strings = split_source(code)
    texts = " ".join([*strings, *(run.decode() for run in re.findall(rb"[\x20-\x7e]{4,}", data))])
    numbers: set[str] = set(re.findall(r"-?\d+\.\d{3,}|-?\d{4,}", texts))
    for spelled in _NUMBER.findall(bare):
        spelled = spelled.replace("'", "")
        if len(spelled) <= _LONGEST:
            numbers.add(spelled if "." in spelled else str(_whole(spelled)))
    return numbers, _Stored(data), " ".join(texts.split())


class _Stored:
    """The aligned 4-byte and 8-byte integers in a program's data: unique and sorted."""

    def __init__(self, data: bytes):
        import numpy as np

        self._sorted = [
            np.unique(np.frombuffer(data, dtype, count=len(data) // width)) for width, dtype in ((4, "<i4"), (8, "<i8"))
        ]

    def __contains__(self, number: str) -> bool:
        if not _WHOLE.fullmatch(number):
            return False
        value = int(number)
        for values in self._sorted:
            if len(values) and int(values[0]) <= value <= int(values[-1]):
                at = int(values.searchsorted(value))
                if at < len(values) and int(values[at]) == value:
                    return True
        return False

    def counts(self) -> Counter[int]:
        """How many non-negative ones there are, by number of digits."""
        found: Counter[int] = Counter()
        for digits in range(1, 20):
            low, high = 10 ** (digits - 1) if digits > 1 else 0, 10**digits
            for values in self._sorted:
                last = min(high, 2**63 - 1)
                found[digits] += int(values.searchsorted(last)) - int(values.searchsorted(low))
        return found


def _whole(spelled: str) -> int:
    if spelled[:2] in ("0x", "0X", "0b", "0B"):
        return int(spelled, 0) if len(spelled) > 2 else 0
    if spelled.startswith("0") and set(spelled) <= set("01234567"):
        return int(spelled, 8)
    return int(spelled)


def _density(numbers: Iterable[str], stored: _Stored) -> dict[int, float]:
    """By number of digits: the share of all such numbers that the program contains."""
    counts = stored.counts() + Counter(len(number) for number in numbers if number.isdigit())
    return {digits: min(1.0, count / (9 * 10 ** (digits - 1))) for digits, count in counts.items()}
