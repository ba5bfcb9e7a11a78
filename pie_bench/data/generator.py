"""Input generators: a small language and its interpreter. Pure: the same generator, factor, seed and profile give the
same bytes everywhere.

A generator is a list of items, each a line of fields (possibly repeated) or a tree. Numbers are expressions over the
names of earlier fields. A *size* grows: it is `unit` times an input's factor, within its bounds. docs/stress.md
describes the language.
"""

from __future__ import annotations

import ast
import functools
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from pie_bench.config import Located, Strict
from pie_bench.errors import UserError

MOST_BYTES = 4 << 20  # of one input
MOST_VALUES = 1 << 21
_MOST = 10**18
Order = Literal["any", "ascending", "distinct", "permutation"]
Profile = Literal["random", "high", "low", "few", "ascending", "descending"]
PROFILES: tuple[Profile, ...] = ("random", "high", "few", "ascending", "descending", "low")
"""How values are drawn: from the whole range, its upper or lower eighth, three distinct values, or in order."""
Expression = int | str


class TooLarge(Exception):
    """An input that exceeds `MOST_BYTES` or `MOST_VALUES`."""


class Size(Strict):
    """A number that grows with an input's factor: `unit` × factor, at least `low`, at most `high`.

    Without a `unit`, factor 1 gives the largest.
    """

    low: int = Field(ge=0, le=_MOST)
    high: int = Field(ge=1, le=_MOST)
    unit: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _bounds(self) -> Size:
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self

    def at(self, factor: float) -> int:
        return max(self.low, min(self.high, round((self.unit or self.high) * factor)))


def _checked(value: Any) -> Any:
    if isinstance(value, str):
        _parsed(value)
    return value


class Part(Strict):
    """A part of a line: exactly one of a growing number, numbers, a word, or a choice of words."""

    name: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]{0,30}$")
    size: Size | None = None
    number: tuple[Expression, Expression] | None = None
    word: str | None = Field(default=None, min_length=1, max_length=200)
    choice: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] | None = Field(default=None, min_length=1)
    count: Expression | Size = 1
    length: Expression | Size | tuple[Expression, Expression] = 1
    order: Order = "any"

    @field_validator("number", "count", "length")
    @classmethod
    def _expressions(cls, value: Any) -> Any:
        for each in value if isinstance(value, tuple) else (value,):
            _checked(each)
        return value

    @model_validator(mode="after")
    def _one(self) -> Part:
        kinds = [name for name in ("size", "number", "word", "choice") if getattr(self, name) is not None]
        if len(kinds) != 1:
            raise ValueError(f"a field is one of size, number, word and choice; found {' and '.join(kinds) or 'none'}")
        if self.word is not None and (not self.word.isascii() or any(c.isspace() for c in self.word)):
            raise ValueError("word: expected the alphabet of the words: ASCII, no space")
        if self.length != 1 and self.word is None:
            raise ValueError("length: only a word has one")
        if self.order != "any" and self.number is None:
            raise ValueError("order: only numbers have one")
        if self.name is not None and (self.word is not None or self.choice is not None or self.count != 1):
            raise ValueError("name: only a single number can be referred to")
        return self


class Item(Strict):
    """A line, `repeat` times; or the edges of a tree with `tree` nodes, one line `u v` each."""

    line: tuple[Part, ...] | None = Field(default=None, min_length=1)
    repeat: Expression | Size = 1
    tree: Expression | None = None

    @field_validator("repeat", "tree")
    @classmethod
    def _expressions(cls, value: Any) -> Any:
        return _checked(value)

    @model_validator(mode="after")
    def _one(self) -> Item:
        if (self.line is None) == (self.tree is None):
            raise ValueError("an item is a line or a tree")
        return self


class Generator(Strict):
    """A problem's generator, as in its YAML."""

    problem: str = Field(min_length=1, max_length=100)
    input: tuple[Item, ...] = Field(min_length=1, max_length=50)

    @model_validator(mode="after")
    def _names(self) -> Generator:
        known: set[str] = set()
        for item in self.input:
            _refuse_unknown((item.repeat, item.tree), known)
            inner = set(known)
            for field in item.line or ():
                lengths = field.length if isinstance(field.length, tuple) else (field.length,)
                _refuse_unknown((*(field.number or ()), field.count, *lengths), inner)
                if field.name is not None:
                    if field.name in inner:
                        raise ValueError(f"{field.name}: named twice")
                    inner.add(field.name)
            if item.repeat == 1:  # names in a repeated line are local to it
                known = inner
        if not any(True for _ in self.sizes()):
            raise ValueError("nothing grows: one field, count, length or repeat must be a size")
        return self

    def sizes(self) -> Iterator[Size]:
        """All sizes, that is, everything that grows."""
        for item in self.input:
            candidates: list[Any] = [item.repeat]
            for field in item.line or ():
                candidates += [field.size, field.count, field.length]
            yield from (each for each in candidates if isinstance(each, Size))

    @property
    def is_of_values(self) -> bool:
        """Whether only a value grows and not the input; then its size is that value, otherwise its length in bytes."""
        lengths: list[Any] = [each for item in self.input for each in (item.repeat, item.tree) if each is not None]
        lengths += [each for item in self.input for field in item.line or () for each in (field.count, field.length)]
        return all(isinstance(each, (int, tuple)) for each in lengths)

    def largest(self, factor: float) -> bool:
        """Whether no larger factor makes anything larger."""
        return all(size.at(factor) == size.high for size in self.sizes())

    def size_of(self, data: bytes, factor: float) -> int:
        """The size over which a growth curve is drawn."""
        return max(size.at(factor) for size in self.sizes()) if self.is_of_values else len(data)


def load_generator(path: Path) -> Generator:
    """A handwritten generator; UserError with file, line and what was expected."""
    generator = Located(path).validate(Generator)
    if generator.problem != path.stem:
        raise UserError(f"{path}: problem: it is {generator.problem!r}, but the file name says {path.stem!r}")
    for profile in PROFILES:
        try:
            generate(generator, 1 / 64, 0, profile)
        except (UserError, TooLarge) as error:
            raise UserError(f"{path}: {str(error) or 'too large'}") from None
    return generator


def generate(generator: Generator, factor: float, seed: int, profile: Profile = "random") -> bytes:
    """Generates an input. TooLarge beyond the limits; UserError if an expression is undefined or a range is empty."""
    draw = random.Random(f"{generator.problem} {seed} {profile}")
    lines: list[str] = []
    known: dict[str, int] = {}
    total = values = 0
    for item in generator.input:
        if item.tree is not None:
            nodes = evaluate(item.tree, known)
            if nodes > MOST_VALUES:
                raise TooLarge
            made = _tree(nodes, draw, profile)
            total += sum(len(line) + 1 for line in made)
            lines += made
            continue
        repeat = _number(item.repeat, known, factor)
        if repeat > MOST_VALUES:
            raise TooLarge
        for row in range(repeat):
            inner = dict(known)
            parts: list[str] = []
            for field in item.line or ():
                parts += _field(field, inner, factor, draw, profile, (row, repeat))
            if item.repeat == 1:
                known = inner
            line = " ".join(parts)
            total, values = total + len(line) + 1, values + len(parts)
            if total > MOST_BYTES or values > MOST_VALUES:
                raise TooLarge
            lines.append(line)
    return "".join(f"{line}\n" for line in lines).encode()


def _field(
    field: Part, known: dict[str, int], factor: float, draw: random.Random, profile: Profile, row: tuple[int, int]
) -> list[str]:
    count = _number(field.count, known, factor)
    if count > MOST_VALUES:
        raise TooLarge
    if field.choice is not None:
        return [draw.choice(field.choice) for _ in range(count)]
    if field.word is not None:
        words: list[str] = []
        for _ in range(count):
            if isinstance(field.length, tuple):
                low, high = _range(field.length, known)
                length = max(0, draw.randint(low, high))
            else:
                length = _number(field.length, known, factor)
            if length > MOST_BYTES:
                raise TooLarge
            words.append(_word(field.word, length, draw, profile))
        return words
    if field.size is not None:
        numbers = [field.size.at(factor)] * count
    else:
        assert field.number is not None
        low, high = _range(field.number, known)
        numbers = _numbers(low, high, count, field.order, draw, profile, row)
    if field.name is not None:
        known[field.name] = numbers[0]
    return [str(number) for number in numbers]


def _range(bounds: tuple[Expression, Expression], known: Mapping[str, int]) -> tuple[int, int]:
    low, high = (evaluate(each, known) for each in bounds)
    if low > high:
        raise UserError(f"an empty range: {bounds[0]} is {low}, {bounds[1]} is {high}")
    return low, high


def _numbers(
    low: int, high: int, count: int, order: Order, draw: random.Random, profile: Profile, row: tuple[int, int]
) -> list[int]:
    if order in ("distinct", "permutation"):
        if order == "permutation" or high - low + 1 <= 2 * count:
            numbers = list(range(low, low + count))
            draw.shuffle(numbers)
        else:
            chosen: dict[int, None] = {}
            while len(chosen) < count:
                chosen[draw.randint(low, high)] = None
            numbers = list(chosen)
        if profile in ("ascending", "descending"):
            numbers.sort(reverse=profile == "descending")
        return numbers
    eighth = (high - low) // 8
    if profile == "high":
        low = high - eighth
    elif profile == "low":
        high = low + eighth
    if profile == "few":
        few = sorted(draw.randint(low, high) for _ in range(3))
        numbers = draw.choices(few, k=count)
    elif profile in ("ascending", "descending") and count == 1 and row[1] > 1:  # down the rows
        at = row[0] if profile == "ascending" else row[1] - 1 - row[0]
        numbers = [low + (high - low) * at // (row[1] - 1)]
    else:
        numbers = [draw.randint(low, high) for _ in range(count)]
    if order == "ascending" or profile == "ascending":
        numbers.sort()
    elif profile == "descending":
        numbers.sort(reverse=True)
    return numbers


def _word(alphabet: str, length: int, draw: random.Random, profile: Profile) -> str:
    shown = {"high": alphabet[-1:], "low": alphabet[:1], "few": "".join(draw.choices(alphabet, k=2))}.get(
        profile, alphabet
    )
    letters = draw.choices(shown, k=length)
    if profile in ("ascending", "descending"):
        letters.sort(reverse=profile == "descending")
    return "".join(letters)


def _tree(nodes: int, draw: random.Random, profile: Profile) -> list[str]:
    """Edges of a tree on 1…nodes: random, a path (`high`, `ascending`), or a star (`low`, `few`)."""
    names = list(range(1, nodes + 1))
    if profile not in ("ascending", "descending"):
        draw.shuffle(names)

    def parent(at: int) -> int:
        if profile in ("high", "ascending", "descending"):
            return at - 1
        return 0 if profile in ("low", "few") else draw.randrange(at)

    edges = [(names[parent(at)], names[at]) for at in range(1, nodes)]
    if profile not in ("ascending", "descending"):
        draw.shuffle(edges)
    return [f"{u} {v}" for u, v in edges]


def _number(value: Expression | Size, known: Mapping[str, int], factor: float) -> int:
    number = value.at(factor) if isinstance(value, Size) else evaluate(value, known)
    if number < 0:
        raise UserError(f"{value}: it is {number}; expected a count")
    return number


def evaluate(expression: Expression, known: Mapping[str, int]) -> int:
    """An expression's value: integers, names, `+ - * / ^ ( )`, min and max. UserError if it is undefined."""
    if isinstance(expression, int):
        return expression
    try:
        value = _value(_parsed(expression), known)
    except ZeroDivisionError:
        raise UserError(f"{expression}: divides by zero") from None
    if abs(value) > _MOST:
        raise TooLarge
    return value


@functools.lru_cache(maxsize=256)  # the expressions of a line that is repeated are evaluated for each of its rows
def _parsed(expression: str) -> ast.expr:
    try:
        tree = ast.parse(expression.replace("^", "**"), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"{expression!r:.60}: not an expression") from None
    if len(expression) > 100 or not all(isinstance(node, _NODES) for node in ast.walk(tree)):
        raise ValueError(f"{expression!r:.60}: expected integers, names, + - * / ^, min and max")
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and type(node.value) is not int:
            raise ValueError(f"{expression!r:.60}: {node.value!r} is not an integer")
        if isinstance(node, ast.Call) and (
            not isinstance(node.func, ast.Name) or node.func.id not in ("min", "max") or node.keywords or not node.args
        ):
            raise ValueError(f"{expression!r:.60}: only min and max are functions")
    return tree


_NODES = (
    *(ast.BinOp, ast.UnaryOp, ast.USub, ast.Constant, ast.Name, ast.Load, ast.Call),
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow),
)


def _value(node: ast.AST, known: Mapping[str, int]) -> int:
    if isinstance(node, ast.Constant):
        return int(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        if node.id not in known:
            raise UserError(f"{node.id}: no earlier field has this name")
        return known[node.id]
    if isinstance(node, ast.UnaryOp):
        return -_value(node.operand, known)
    if isinstance(node, ast.Call):
        values = [_value(argument, known) for argument in node.args]
        return min(values) if node.func.id == "min" else max(values)  # type: ignore[attr-defined]
    assert isinstance(node, ast.BinOp)
    left, right = _value(node.left, known), _value(node.right, known)
    if isinstance(node.op, ast.Add):
        return left + right
    if isinstance(node.op, ast.Sub):
        return left - right
    if isinstance(node.op, ast.Mult):
        return left * right
    if isinstance(node.op, ast.Div):
        return left // right
    if right < 0 or right > 62 or abs(left) > 1000:
        raise TooLarge
    return left**right  # type: ignore[no-any-return]


def _refuse_unknown(values: tuple[Any, ...], known: set[str]) -> None:
    for value in values:
        if isinstance(value, str):
            names = {n.id for n in ast.walk(_parsed(value)) if isinstance(n, ast.Name)} - {"min", "max"}
            if names - known:
                raise ValueError(f"{value}: {min(names - known)} is not an earlier field")
