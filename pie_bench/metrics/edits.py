"""Classifies the edit that made a program faster into the paper's four classes (Appendix A.1), heuristically, by text.

The paper's authors labelled by hand; this is an automatic stand-in. docs/statistics.md says how often it agrees with
hand-made labels.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Literal, NamedTuple

from pie_bench.cpp import code_tokens

Kind = Literal["algorithm", "data_structure", "input_output", "other"]
KINDS: tuple[Kind, ...] = ("algorithm", "data_structure", "input_output", "other")

_IO = frozenset(
    "cin cout cerr endl flush getline stringstream istringstream ostringstream ios ios_base sync_with_stdio tie scanf "
    "printf puts gets fgets fputs getchar putchar getchar_unlocked putchar_unlocked getc putc fread fwrite read write "
    "stdin stdout setvbuf".split()
)
# A function built on these counts as input/output as a whole.
_LOW_LEVEL_IO = frozenset("getchar getchar_unlocked putchar putchar_unlocked getc putc fread fwrite read write".split())
_CONTAINERS = frozenset(
    "vector map set unordered_map unordered_set multiset multimap list forward_list deque queue priority_queue stack "
    "bitset string array pair".split()
)
_MEMBERS = frozenset(
    "push_back emplace_back insert emplace find count erase push pop top front back begin end size resize".split()
)
_LOOPS = frozenset(("for", "while", "do", "rep", "REP", "FOR"))

Statement = tuple[str, ...]


class _Shape(NamedTuple):
    """Statements with their aspect (`io`, `data` or `logic`), loops by depth, containers used."""

    statements: Counter[tuple[str, Statement]]
    loop_depths: Counter[int]
    containers: frozenset[str]
    tokens: int


def kind_of_edit(source: str, faster: str) -> Kind:
    """The class of an edit, by what the changed statements deal with and whether loops or containers changed."""
    before, after = _shape(source), _shape(faster)
    changed = (before.statements - after.statements) + (after.statements - before.statements)
    weight: Counter[str] = Counter()
    for (aspect, statement), times in changed.items():
        weight[aspect] += len(statement) * times
    total = weight.total()
    if not total:
        return "other"
    if weight["io"] >= 0.5 * total:
        return "input_output"
    same_loops = before.loop_depths == after.loop_depths
    if before.containers != after.containers and (same_loops or weight["data"] >= 0.5 * total):
        return "data_structure"
    if not same_loops or total > 0.3 * (before.tokens + after.tokens):
        return "algorithm"
    return "data_structure" if weight["data"] >= 0.7 * total and before.containers != after.containers else "other"


def only_input_output(source: str, faster: str) -> bool:
    """Whether two programs differ only in input and output: every changed statement deals with it, and neither loops
    nor containers changed. False for identical programs."""
    before, after = _shape(source), _shape(faster)
    changed = (before.statements - after.statements) + (after.statements - before.statements)
    return (
        bool(changed)
        and all(aspect == "io" for aspect, _ in changed)
        and before.loop_depths == after.loop_depths
        and before.containers == after.containers
    )


def _shape(code: str) -> _Shape:
    statements: Counter[tuple[str, Statement]] = Counter()
    depths: Counter[int] = Counter()
    containers: set[str] = set()
    tokens = code_tokens(re.sub(r"^[ \t]*#[ \t]*(include|pragma).*$", "", code, flags=re.MULTILINE))
    for function in _functions(tokens):
        low_level = bool(_LOW_LEVEL_IO.intersection(function)) and "main" not in function
        if not low_level:
            depths.update(_loop_depths(function))
        for statement in _statements(function):
            statements["io" if low_level else _aspect(statement), statement] += 1
            containers.update(_CONTAINERS.intersection(statement))
            if not low_level and _declares_array(statement):
                containers.add("[]")
    return _Shape(statements, depths, frozenset(containers), len(tokens))


def _functions(tokens: list[str]) -> Iterator[list[str]]:
    """Top-level pieces: each ends with the outermost closing brace, or with a `;` outside braces."""
    piece: list[str] = []
    depth = 0
    for token in tokens:
        piece.append(token)
        depth += (token == "{") - (token == "}")
        if depth <= 0 and token in ("}", ";"):
            yield piece
            piece, depth = [], 0
    if piece:
        yield piece


def _statements(tokens: list[str]) -> Iterator[Statement]:
    statement: list[str] = []
    parentheses = 0
    for token in tokens:
        parentheses += (token == "(") - (token == ")")
        if token in ("{", "}") or (token == ";" and parentheses <= 0):
            if statement:
                yield tuple(statement)
            statement, parentheses = [], 0
        else:
            statement.append(token)
    if statement:
        yield tuple(statement)


def _aspect(statement: Statement) -> str:
    words = set(statement)
    if words & _IO:
        return "io"
    if words & _CONTAINERS or words & _MEMBERS or _declares_array(statement):
        return "data"
    return "logic"


def _declares_array(statement: Statement) -> bool:
    """`int a[100]` and the like: two words and an opening bracket."""
    names = [token for token in statement[:6] if token not in ("static", "const", "unsigned", "long")]
    return len(names) > 2 and names[0].isidentifier() and names[1].isidentifier() and names[2] == "["


def _loop_depths(tokens: list[str]) -> Iterator[int]:
    """The nesting depth of each loop in a function."""
    open_loops: list[int] = []  # brace depths at which a loop's block is open
    depth = waiting = parentheses = 0
    for token in tokens:
        if token in _LOOPS:
            yield len(open_loops) + waiting
            waiting += 1
        elif token == "(":
            parentheses += 1
        elif token == ")":
            parentheses -= 1
        elif token == "{":
            depth += 1
            if waiting:
                open_loops += [depth] * waiting
                waiting = 0
        elif token == "}":
            while open_loops and open_loops[-1] == depth:
                open_loops.pop()
            depth -= 1
        elif token == ";" and parentheses == 0:
            waiting = 0
