"""Infers an input generator from a problem's tests: what they all have in common, in the language of data/generator.py.

All tests are read line by line, in parallel. A line has either a fixed number of values, or a number given by an
expression over earlier numbers; lines repeat as often as such an expression says. A few tests may deviate (PIE's inputs
were mutated by machine) and are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pie_bench.data.generator import MOST_VALUES, Expression, Generator, Item, Part, Size, evaluate
from pie_bench.execution.integrity.guard_inputs import Words, past, rows_of

_INT = re.compile(r"-?(0|[1-9]\d{0,17})")
_NUMERIC = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
_MOST_ODD = 0.34  # of the tests: PIE's were mutated, even into garbage, as long as all programs agreed
_FEWEST_TESTS = 3
_WIDEST = 8  # values of a line that are treated as separate fields
_WORDS_SHARE = 0.1
_LARGEST_COUNT, _LARGEST_LENGTH, _LARGEST_VALUE = 200_000, 2_000_000, 10**9
_LARGEST_EXPONENT = 20
_MOST_ITEMS = 20
_IN_ROW = "c"  # names of columns of a repeated line
_MANY = 20  # rows needed before "one column is never below another" means something
_HOLDS, _REACHED, _NEAR = 0.97, 0.02, 0.03


@dataclass
class _Test:
    rows: list[list[str]]
    at: int = 0
    known: dict[str, int] = field(default_factory=dict)

    @property
    def left(self) -> int:
        return len(self.rows) - self.at

    @property
    def row(self) -> list[str]:
        return self.rows[self.at]


def generator_of(problem_id: str, inputs: Sequence[bytes]) -> Generator | None:
    """The generator that a problem's inputs follow; None if they are not lines of values, or follow none."""
    tests = [_Test(rows) for data in dict.fromkeys(inputs) if (rows := rows_of(data)) is not None]
    if len(tests) < _FEWEST_TESTS or len(tests) < (1 - _MOST_ODD) * len(set(inputs)):
        return None
    items = _items(tests)
    if items is None:
        return None
    try:
        return Generator(problem=problem_id, input=tuple(_growing(items)))
    except ValueError:  # nothing grows
        return None


def _items(tests: list[_Test]) -> list[Item] | None:
    items: list[Item] = []
    while sum(test.left > 0 for test in tests) > _MOST_ODD * len(tests):
        tests = [test for test in tests if test.left]
        found = _block(tests) or _line(tests, number=len(items)) or _rest(tests)
        if found is None or len(items) == _MOST_ITEMS:
            return None
        item, tests = found
        items.append(item)
    return items


Found = tuple[Item, list[_Test]]


def _block(tests: list[_Test]) -> Found | None:
    """Lines repeated as often as an expression says."""

    def fit(expression: str) -> list[_Test]:
        return [test for test in tests if 1 <= (n := _of(expression, test)) <= test.left and _uniform(test, n)]

    def rank(expression: str) -> tuple[int, int]:
        # In coarse steps: of two expressions that fit mutated tests about equally well, prefer the simpler one.
        fits = fit(expression)
        return 5 * len(fits) // len(tests), 3 * sum(_of(expression, test) == test.left for test in fits) // len(tests)

    for expression in sorted(_expressions(tests), key=rank, reverse=True):
        fits = fit(expression)
        if len(fits) < (1 - _MOST_ODD) * len(tests) or all(_of(expression, test) == 1 for test in fits):
            continue
        widths = {len(test.row) for test in fits}
        counts = [_of(expression, test) for test in fits]
        if len(set(counts)) == 1 and any(test.left != counts[0] for test in fits):
            continue
        blocks = [[test.rows[test.at + i] for i in range(n)] for test, n in zip(fits, counts, strict=True)]
        if len(widths) == 1 and widths.pop() <= _WIDEST:
            if expression.endswith("-1") and all(map(_is_tree, blocks)):
                item = Item(tree=expression.removesuffix("-1"))
            else:
                rows = [(row, test.known) for test, block in zip(fits, blocks, strict=True) for row in block]
                item = Item(line=_parts(rows, names=None), repeat=expression)
        else:
            width = _width(fits)
            if width is None:
                continue
            tokens = [(token, test.known) for test, b in zip(fits, blocks, strict=True) for row in b for token in row]
            rows_in = [row for block in blocks for row in block]
            item = Item(line=(_many(tokens, rows_in, width),), repeat=expression)
        for test, n in zip(fits, counts, strict=True):
            test.at += n
        return item, fits
    return None


def _uniform(test: _Test, n: int) -> bool:
    width = len(test.row)
    return all(len(test.rows[test.at + i]) == width for i in range(n))


def _line(tests: list[_Test], number: int) -> Found | None:
    """One line, with a fixed number of values, or a number given by an expression."""
    widths = [len(test.row) for test in tests]
    common = max(set(widths), key=widths.count)
    fits = [test for test in tests if len(test.row) == common]
    width = _width(tests)
    said = sum(_of(width, test) == len(test.row) for test in tests) if width is not None else 0
    if len(fits) >= (1 - _MOST_ODD) * len(tests) and common <= _WIDEST and (len(set(widths)) == 1 or len(fits) > said):
        names = [f"v{number}_{column}" if common > 1 else f"v{number}" for column in range(common)]
        parts = _parts([(test.row, test.known) for test in fits], names)
        for test in fits:
            for name, part, token in zip(names, parts, test.row, strict=True):
                if part.name is not None and _INT.fullmatch(token):
                    test.known[name] = int(token)
            test.at += 1
        return Item(line=parts), [t for t in fits if all(p.name is None or p.name in t.known for p in parts)]
    count: Expression | Size
    if width is not None:
        count, fits = width, [test for test in tests if _of(width, test) == len(test.row)]
    elif len(set(widths)) > 1 and all(test.left == 1 for test in tests):
        count, fits = Size(low=min(widths), high=_LARGEST_COUNT, unit=max(widths)), tests
    else:
        return None
    rows = [test.row for test in fits]
    part = _many([(token, test.known) for test in fits for token in test.row], rows, count)
    for test in fits:
        test.at += 1
    return Item(line=(part,)), fits


def _rest(tests: list[_Test]) -> Found | None:
    """All remaining lines alike, however many there are."""
    if any(len(row) != len(tests[0].row) for test in tests for row in test.rows[test.at :]):
        return None
    if len(tests[0].row) > _WIDEST:
        return None
    lefts = [test.left for test in tests]
    parts = _parts([(row, test.known) for test in tests for row in test.rows[test.at :]], names=None)
    for test in tests:
        test.at = len(test.rows)
    return Item(line=parts, repeat=Size(low=min(lefts), high=_LARGEST_COUNT, unit=max(lefts))), tests


def _width(tests: list[_Test]) -> str | None:
    """The expression for the number of values on a line."""
    fits = {e: sum(_of(e, test) == len(test.row) for test in tests) for e in _expressions(tests)}
    best = max(fits, key=lambda expression: fits[expression], default=None)
    return best if best is not None and fits[best] >= (1 - _MOST_ODD) * len(tests) else None


def _expressions(tests: list[_Test]) -> Iterator[str]:
    """Candidate expressions for a count: simple ones first, those over late names first."""
    names = [name for name in reversed(tests[0].known) if all(name in test.known for test in tests)]
    for form in ("{}", "{}-1", "{}+1", "2*{}", "2^{}"):
        yield from (form.format(name) for name in names)
    yield from (f"{a}*{b}" for at, a in enumerate(names) for b in names[at + 1 :])


def _of(expression: str, test: _Test) -> int:
    try:
        return evaluate(expression, test.known)
    except Exception:  # too large for a number of lines
        return -1


def _parts(rows: Sequence[tuple[list[str], dict[str, int]]], names: Sequence[str] | None) -> tuple[Part, ...]:
    """The fields of lines of one width; with `names`, single numbers get theirs. Earlier columns bound later ones."""
    parts: list[Part] = []
    local = [f"{_IN_ROW}{column}" for column in range(len(rows[0][0]))]
    before: list[dict[str, int]] = [{} for _ in rows]
    for column in range(len(local)):
        tokens = [row[column] for row, _ in rows]
        if _are_words(tokens):
            parts.append(_words(tokens, [known for _, known in rows], grows=names is not None))
            continue
        values = [int(token) if _INT.fullmatch(token) else None for token in tokens]
        name = names[column] if names is not None else local[column]
        context = [({**known, **own}, value) for (_, known), own, value in zip(rows, before, values, strict=True)]
        parts.append(Part(name=name, number=_range([(v, k) for k, v in context if v is not None])))
        for own, value in zip(before, values, strict=True):
            if value is not None:
                own[name] = value
    used = {name for part in parts for each in part.number or () if isinstance(each, str) for name in _names(each)}
    if names is None:  # drop names that nothing uses
        parts = [part.model_copy(update={"name": None}) if part.name not in used else part for part in parts]
    return tuple(parts)


def _many(tokens: Sequence[tuple[str, dict[str, int]]], rows: Sequence[list[str]], count: Expression | Size) -> Part:
    texts = [token for token, _ in tokens]
    if _are_words(texts):
        part = _words(texts, [known for _, known in tokens])
        return part.model_copy(update={"count": count})
    found = _range([(int(token), known) for token, known in tokens if _INT.fullmatch(token)])
    numbers = [[int(token) for token in row] for row in rows if all(map(_INT.fullmatch, row))]
    long = [row for row in numbers if len(row) >= 3]
    order: Any = "any"
    if long:
        if all(sorted(row) == list(range(min(row), min(row) + len(row))) and min(row) in (0, 1) for row in long):
            order = "permutation"
            found = (min(min(row) for row in long), found[1])
        elif all(len(set(row)) == len(row) for row in long) and len(long) >= _FEWEST_TESTS:
            order = "distinct"
        elif all(row == sorted(row) for row in long):
            order = "ascending"
    return Part(number=found, count=count, order=order)


def _range(values: Sequence[tuple[int, dict[str, int]]]) -> tuple[Expression, Expression]:
    """The range of values; a bound is an earlier number if that bounds them in every test and is reached."""
    low = min((value for value, _ in values), default=0)
    high = max((value for value, _ in values), default=1)
    names = [name for name in values[0][1] if all(name in known for _, known in values)] if values else []

    def bound(fits: Callable[[int, int], bool], tight: int) -> str | None:
        for name in reversed(names):
            if len({known[name] for _, known in values}) > 2:
                in_row = name.startswith(_IN_ROW) and len(values) >= _MANY
                for shift, form in ((tight, f"{{}}{tight:+}"), (0, "{}")):
                    sides = [(value, known[name] + shift) for value, known in values]
                    holds = sum(fits(a, b) for a, b in sides)
                    near = sum(abs(a - b) <= _NEAR * abs(b) for a, b in sides)
                    if holds >= _HOLDS * len(sides) and (in_row or near >= _REACHED * len(sides)):
                        return form.format(name)
        return None

    lower, upper = bound(lambda a, b: a >= b, 1), bound(lambda a, b: a <= b, -1)
    below: Expression = low if lower is None else lower
    above: Expression = high if upper is None else upper
    if lower is not None and upper is None:
        above = f"max({high},{lower})"
    if upper is not None and lower is None:
        below = low if low <= 1 else f"min({low},{upper})"
    if lower is not None and upper is not None:
        below = f"min({lower},{upper})"
    return below, above


def _words(tokens: Sequence[str], known: Sequence[dict[str, int]], *, grows: bool = False) -> Part:
    """Words: a few known ones, or drawn from an alphabet, with a length given by a number or growing."""
    words = Words.of(tokens)
    if words.few:
        return Part(choice=words.few)
    names = [name for name in known[0] if all(name in each for each in known)]
    for name in reversed(names):
        fits = sum(each[name] == len(token) for token, each in zip(tokens, known, strict=True))
        if fits >= (1 - _MOST_ODD) * len(tokens) and len({len(token) for token in tokens}) > 1:
            return Part(word=words.common, length=name)
    if words.shortest == words.longest:
        return Part(word=words.common, length=words.longest)
    if not grows:
        return Part(word=words.common, length=(max(1, words.shortest), words.longest))
    return Part(word=words.common, length=Size(low=max(1, words.shortest), high=_LARGEST_LENGTH, unit=words.longest))


def _growing(items: list[Item]) -> Iterator[Item]:
    """The items with numbers that are counts turned into sizes; if there are none, all numbers."""
    used: dict[str, int] = {}
    grows = False
    for item in items:
        for each in (item.repeat, item.tree, *(e for part in item.line or () for e in _counted(part))):
            grows |= isinstance(each, Size)
            if isinstance(each, str):
                for name in _names(each):
                    used[name] = min(used.get(name, MOST_VALUES), _LARGEST_EXPONENT if "^" in each else _LARGEST_COUNT)
    for item in items:
        parts = []
        for part in item.line or ():
            if part.word is not None and isinstance(part.length, int) and not (used or grows):
                part = part.model_copy(update={"length": Size(low=1, high=_LARGEST_LENGTH, unit=part.length)})
            fixed = part.number is None or part.count != 1 or item.repeat != 1 or part.name is None
            if not fixed and (part.name in used or not (used or grows)):
                low, high = (each if isinstance(each, int) else None for each in part.number or ())
                largest = used.get(part.name or "", _LARGEST_VALUE)
                if high is not None and high > 1 and past(high) == high and high >= 1000 and part.name in used:
                    largest = high  # a round number: a limit
                size = Size(low=max(1, low or 1), high=max(largest, high or 1), unit=max(1, high or 100))
                part = Part(name=part.name, size=size)
            parts.append(part)
        yield item if item.line is None else item.model_copy(update={"line": tuple(parts)})


def _counted(part: Part) -> tuple[Expression | Size, ...]:
    return (part.count, *(part.length if isinstance(part.length, tuple) else (part.length,)))


def _names(expression: str) -> list[str]:
    return re.findall(r"[a-z]\w*(?!\w*\()", re.sub(r"\b(min|max)\b", "", expression))


def _are_words(tokens: Sequence[str]) -> bool:
    return sum(_NUMERIC.fullmatch(token) is None for token in tokens) >= _WORDS_SHARE * len(tokens)


def _is_tree(rows: list[list[str]]) -> bool:
    """Whether the rows are the edges of a tree on 1…n."""
    if any(len(row) != 2 or not all(map(_INT.fullmatch, row)) for row in rows):
        return False
    parent = list(range(len(rows) + 2))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = node = parent[parent[node]]
        return node

    for u, v in ((int(u), int(v)) for u, v in rows):
        if not (1 <= u < len(parent) and 1 <= v < len(parent)) or root(u) == root(v):
            return False
        parent[root(u)] = root(v)
    return True
