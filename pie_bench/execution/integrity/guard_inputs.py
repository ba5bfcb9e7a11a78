"""Guard inputs: derived from a pair's tests, within what all of them have in common, to see what a program does on
inputs that nobody could have fitted it to. Pure; the same seed gives the same inputs.

Whatever holds in every test is preserved: numbers of lines and of values per line that never vary, counts of what
follows (values in a line, lines after it), the order of columns, sorted and distinct lines, values that never exceed a
count, and the range at each place. Within these bounds values change, lines are shuffled, and sizes and magnitudes grow
to the largest seen, or beyond it to the next round number; a largest value that is itself round is taken for a limit.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

Rows = list[list[str]]
Place = tuple[int, int]  # of a value: line and column; -1 stands for "one of many"

_T = TypeVar("_T")
_INT = re.compile(r"-?(0|[1-9]\d{0,17})")
_TRIES = 20
_NUMERIC = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
_FEW_WORDS, _WORDS_SHARE, _COMMON = 8, 0.1, 0.25
_MOST_ODD = 0.2  # of the tests may be something else, such as bytes that are not text


@dataclass(frozen=True)
class Words:
    """The words at one place: their lengths and characters. If only a `few` occur, no others are made up."""

    shortest: int
    longest: int
    alphabet: str
    common: str  # characters in many of the words; rarer ones may belong to a test of an edge case
    few: tuple[str, ...]

    @staticmethod
    def of(texts: Sequence[str]) -> Words:
        lengths = [*map(len, texts)]
        different = sorted(set(texts))
        few = tuple(different) if len(different) <= _FEW_WORDS and len(texts) >= 4 * len(different) else ()
        within = Counter(chain.from_iterable(map(set, texts)))
        alphabet = "".join(sorted(within))
        common = "".join(c for c in alphabet if within[c] >= _COMMON * len(texts))
        return Words(min(lengths), max(lengths), alphabet, common or alphabet, few)

    def another(self, text: str, draw: random.Random, *, extreme: bool) -> str:
        """A different word: of the same length or another in the range seen; the longest if `extreme`."""
        if self.few:
            return draw.choice(self.few)
        size = self.longest if extreme else draw.choice((len(text), draw.randint(self.shortest, self.longest)))
        kept = draw.choice((0.0, 0.9))
        alphabet = self.common if draw.random() < 0.7 else self.alphabet
        drawn = (draw.choice(alphabet) for _ in range(size))
        return "".join(text[at] if at < len(text) and draw.random() < kept else c for at, c in enumerate(drawn))


@dataclass(frozen=True)
class Grammar:
    """What all tests of a pair have in common. `counts`: places whose value is the number of values in the given line,
    or of all lines that follow (-1)."""

    header: int  # lines at the start that have the same number of values in every test
    width: int | None  # values in each later line; None if it varies
    ranges: dict[Place, tuple[int, int]]
    counts: dict[Place, int]
    bound: Place | None  # no later value exceeds this count
    ordered: bool  # in later lines of two values, the first is never the larger
    distinct: bool  # the values of a later line are all different
    words: dict[Place, Words]  # places that hold words, not numbers
    permutation: bool  # the values of a later line are 1, 2, … or 0, 1, …: only their order can change
    ascending: bool


def rows_of(data: bytes) -> Rows | None:
    """The input as lines of values; None if it has another form."""
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        return None
    rows = [line.split() for line in text.splitlines()]
    while rows and not rows[-1]:
        rows.pop()
    return rows if rows and all(rows) else None


def grammar_of(tests: Sequence[Rows]) -> Grammar:
    """What all of these inputs have in common."""
    shortest = min(map(len, tests))
    header = 0
    while header < shortest and len({len(rows[header]) for rows in tests}) == 1 and header < 3:
        header += 1
    if header == shortest and len({len(rows) for rows in tests}) > 1:
        header = max(1, shortest - 1) if shortest > 1 else shortest
    widths = {len(row) for rows in tests for row in rows[header:]}
    places: dict[Place, list[int]] = {}
    texts: dict[Place, list[str]] = {}
    for rows in tests:
        for place, token in _tokens(rows, header, len(widths) == 1):
            texts.setdefault(place, []).append(token)
            if _INT.fullmatch(token):
                places.setdefault(place, []).append(int(token))
    # A word may look like a number (`10` among `BB10`, `0B1`): the place still holds words.
    words = {place: Words.of(found) for place, found in texts.items() if _are_words(found)}
    counts = _counts(tests, header)
    later = [[int(t) for t in row] for rows in tests for row in rows[header:] if all(map(_INT.fullmatch, row))]
    long = [row for row in later if len(row) >= 3]
    pairs = [row for row in later if len(row) == 2]
    return Grammar(
        header=header,
        width=widths.pop() if len(widths) == 1 else None,
        ranges={place: (min(values), max(values)) for place, values in places.items()},
        counts=counts,
        bound=next((place for place in counts if _bounds(tests, header, place)), None),
        ordered=bool(pairs) and all(a <= b for a, b in pairs),
        distinct=bool(long) and all(len(set(row)) == len(row) for row in long),
        words=words,
        permutation=bool(long) and all(sorted(row) == list(range(min(row), min(row) + len(row))) for row in long),
        ascending=bool(long) and all(row == sorted(row) for row in long),
    )


def _are_words(tokens: Sequence[str]) -> bool:
    return sum(_NUMERIC.fullmatch(token) is None for token in tokens) >= _WORDS_SHARE * len(tokens)


def guard_inputs(inputs: Sequence[bytes], n: int, seed: int) -> list[bytes]:
    """Up to `n` different inputs, none of them among those given; none if the tests are not lines of values."""
    parsed = [rows for rows in map(rows_of, inputs) if rows is not None]
    if len(parsed) < 3 or len(parsed) < (1 - _MOST_ODD) * len(inputs):
        return []
    grammar, known = grammar_of(parsed), {_text(rows) for rows in parsed}
    draw = random.Random(seed)
    bases = sorted(parsed, key=lambda rows: sum(map(len, rows)))
    found: list[bytes] = []
    for _ in range(n * _TRIES):
        if len(found) == n:
            break
        base = draw.choice(bases[len(bases) // 2 :] if draw.random() < 0.7 else bases)
        made = _text(_mutated([list(row) for row in base], grammar, draw))
        if made not in known:
            known.add(made)
            found.append(made)
    return found


def _mutated(rows: Rows, grammar: Grammar, draw: random.Random) -> Rows:
    if draw.random() < 0.5:
        rows = _resized(rows, grammar, draw)
    head, tail = rows[: grammar.header], rows[grammar.header :]
    if draw.random() < 0.3:
        draw.shuffle(tail)
        if not grammar.ascending:
            for row in tail:
                if len(row) >= 3:
                    draw.shuffle(row)
    rows = head + tail
    rate, extreme = draw.choice((0.05, 0.3, 1.0)), draw.random() < 0.4
    uniform = grammar.width is not None
    for line, row in enumerate(rows):
        if line >= grammar.header and grammar.distinct and len(row) >= 3:
            continue
        for column, token in enumerate(row):
            place = _place(line, column, grammar.header, uniform)
            if place in grammar.words:
                if draw.random() < max(rate, 0.3):
                    row[column] = grammar.words[place].another(token, draw, extreme=extreme)
                continue
            if place in grammar.counts or place not in grammar.ranges or not _INT.fullmatch(token):
                continue
            if draw.random() < rate:
                low, high = grammar.ranges[place]
                if line >= grammar.header and grammar.bound is not None:
                    high = min(high, int(rows[grammar.bound[0]][grammar.bound[1]]))
                elif extreme:
                    high = past(high)
                row[column] = str(draw.choice((low, high)) if extreme else draw.randint(low, max(low, high)))
        sorted_here = (grammar.ascending and len(row) >= 3) or (grammar.ordered and len(row) == 2)
        if line >= grammar.header and sorted_here and all(map(_INT.fullmatch, row)):
            row.sort(key=int)
    return rows


def _resized(rows: Rows, grammar: Grammar, draw: random.Random) -> Rows:
    """Changes one count and what it counts: up to the largest size seen, or a little beyond."""
    if not grammar.counts or grammar.permutation:
        return rows
    place, counted = draw.choice(sorted(grammar.counts.items()))
    low, high = grammar.ranges[place]
    most = min(past(high), 2 * max(high, 4))
    size = draw.choice((high, most, draw.randint(max(low, 1), max(most, 1))))
    if counted == -1 and (len(grammar.counts) > 1 or len(rows) == place[0] + 1):
        return rows
    rows[place[0]][place[1]] = str(size)
    if counted == -1:
        return rows[: place[0] + 1] + [list(row) for row in _sized(rows[place[0] + 1 :], size, draw)]
    rows[counted] = _sized(rows[counted], size, draw)
    if grammar.distinct and all(map(_INT.fullmatch, rows[counted])):
        rows[counted] = _different(rows[counted], grammar.ranges.get((-1, -1)), draw)
        rows[place[0]][place[1]] = str(size := len(rows[counted]))
    for other, line in grammar.counts.items():
        if line == counted:
            rows[other[0]][other[1]] = str(size)
    return rows


def _sized(parts: list[_T], size: int, draw: random.Random) -> list[_T]:
    return (parts + [draw.choice(parts) for _ in range(size - len(parts))])[:size]


def _different(row: list[str], seen: tuple[int, int] | None, draw: random.Random) -> list[str]:
    """The values without duplicates, which others from the range seen replace."""
    kept = list(dict.fromkeys(row))
    if seen is not None:
        known = set(map(int, kept))
        for _ in range(_TRIES * len(row)):
            if len(kept) == len(row):
                break
            value = draw.randint(*seen)
            if value not in known:
                known.add(value)
                kept.append(str(value))
    return kept


def past(high: int) -> int:
    """The next 1, 2 or 5 · 10^k, or a tenth more if that is less; the value itself if it is (next to) such a limit."""
    if high in (10**9 + 7, 998_244_353) or any(len(str(abs(high + d)).rstrip("0")) <= 1 for d in (-1, 0, 1)):
        return high
    if high < 10:
        return high
    size = int(10 ** (len(str(high)) - 1))
    limit = next(step * size for step in (1, 2, 5, 10) if step * size > high)
    return min(limit, high + max(1, high // 10))


def _tokens(rows: Rows, header: int, uniform: bool) -> Iterator[tuple[Place, str]]:
    for line, row in enumerate(rows):
        for column, token in enumerate(row):
            yield _place(line, column, header, uniform), token


def _place(line: int, column: int, header: int, uniform: bool) -> Place:
    if line < header:
        return line, column
    return -1, column if uniform else -1


def _counts(tests: Sequence[Rows], header: int) -> dict[Place, int]:
    counts: dict[Place, int] = {}
    shortest = min(map(len, tests))
    for line in range(header):
        for column in range(len(tests[0][line])):
            tokens = [rows[line][column] for rows in tests]
            if not all(map(_INT.fullmatch, tokens)):
                continue
            values = [int(token) for token in tokens]
            if len(set(values)) == 1:
                continue
            # A test may have a number below 0, which makes an empty loop.
            sizes = [max(value, 0) for value in values]
            if len(set(sizes)) > 1 and sizes == [len(rows) - line - 1 for rows in tests]:
                counts[line, column] = -1
                continue
            for later in range(line + 1, shortest):
                if all(value == len(rows[later]) for value, rows in zip(values, tests, strict=True)):
                    counts[line, column] = later
                    break
    return counts


def _bounds(tests: Sequence[Rows], header: int, place: Place) -> bool:
    return all(
        int(token) <= int(rows[place[0]][place[1]])
        for rows in tests
        for row in rows[header:]
        for token in row
        if _INT.fullmatch(token)
    )


def _text(rows: Rows) -> bytes:
    return "".join(" ".join(row) + "\n" for row in rows).encode()
