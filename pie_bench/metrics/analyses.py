"""The paper's analyses of a run (Section 4 and Appendix A) beyond its scores, as pure functions."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pie_bench.cpp import text_sum, without_comments
from pie_bench.metrics.best_at_k import OPTIMIZED_SPEEDUP
from pie_bench.metrics.statistics import FEWEST_PROBLEMS, LEVEL, SEED

Array = Any  # numpy.ndarray of float64

# Table 5's classes, and three that it lacks: no program, does not compile, and fast enough.
ERROR_CLASSES: dict[str, str] = {
    "no_program": "no program in the answer",
    "compile": "failed to compile",
    "wrong_95": "95–100 % of tests wrong",
    "wrong_75": "75–95 % of tests wrong",
    "wrong_25": "25–75 % of tests wrong",
    "wrong_0": "0–25 % of tests wrong",
    "slower": "correct, slower",
    "same": "correct, same speed",
    "faster": "correct, faster but < 1.1×",
    "optimized": "correct, at least 1.1× faster",
}
SAME_SPEED = 0.01  # the paper does not say what "same" is; here within 1 %


def error_class(outcome: str, tests_wrong: float | None, speedup: float | None) -> str | None:
    """An answer's class in Table 5; None for an error on our side.

    `tests_wrong` is the share (0 to 1) of tests that are not right, `speedup` source / answer; each None if
    unavailable.
    """
    if outcome == "infra_error":
        return None
    if outcome in ("no_code", "truncated"):
        return "no_program"
    if outcome in ("compile_error", "compile_timeout"):
        return "compile"
    if outcome != "ok" or speedup is None:
        share = 1.0 if tests_wrong is None else tests_wrong
        bands = ((0.95, "wrong_95"), (0.75, "wrong_75"), (0.25, "wrong_25"))
        return next((name for above, name in bands if share > above), "wrong_0")
    if speedup >= OPTIMIZED_SPEEDUP:
        return "optimized"
    if abs(speedup - 1) <= SAME_SPEED:
        return "same"
    return "faster" if speedup > 1 else "slower"


@dataclass(frozen=True)
class Correlation:
    """Pearson's r and Spearman's rank correlation over n pairs, with 95 % intervals.

    Percentiles of resamples of problems; NaN below ten problems.
    """

    n: int
    pearson: float
    pearson_low: float
    pearson_high: float
    spearman: float
    spearman_low: float
    spearman_high: float


def correlation(x: Array, y: Array, clusters: Array, *, resamples: int = 2_000, seed: int = SEED) -> Correlation:
    """How x and y correlate (Appendix A.4); NaN if one of them does not vary."""
    from scipy.stats import rankdata

    pearson = _pearson(x, y, clusters, resamples, seed)
    spearman = _pearson(rankdata(x), rankdata(y), clusters, resamples, seed)
    return Correlation(len(x), *pearson, *spearman)


def _pearson(x: Array, y: Array, clusters: Array, resamples: int, seed: int) -> tuple[float, float, float]:
    if len(x) < 3 or not np.ptp(x) > 0 or not np.ptp(y) > 0:
        return math.nan, math.nan, math.nan
    x, y = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()
    moments = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=1)
    problems = int(clusters.max()) + 1
    sums = np.zeros((problems, 6))
    np.add.at(sums, clusters, moments)
    value = float(np.clip(np.mean(x * y), -1, 1))
    if problems < FEWEST_PROBLEMS:
        return value, math.nan, math.nan
    drawn = np.random.default_rng(seed).multinomial(problems, np.full(problems, 1 / problems), size=resamples) @ sums
    n, sx, sy, sxy, sxx, syy = drawn.T
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (sxy / n - sx * sy / n**2) / np.sqrt((sxx / n - (sx / n) ** 2) * (syy / n - (sy / n) ** 2))
    r = r[np.isfinite(r)]
    if not len(r):
        return value, math.nan, math.nan
    low, high = np.quantile(np.clip(r, -1, 1), [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return value, float(low), float(high)


@dataclass(frozen=True)
class ShrunkConstant:
    """A named size that is smaller in the answer: tests may pass although larger inputs would fail."""

    name: str
    before: float
    after: float


_DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+(.+?)[ \t]*$", re.MULTILINE)
_CONSTANT = re.compile(r"\bconst(?:expr)?\b[^;={}()]*?\b(\w+)\s*=\s*([^;,{}]+)[;,]")
_ARRAY = re.compile(r"\b[A-Za-z_]\w*(?:\s*\*)?\s+(\w+)((?:\s*\[[^\]\n]+\])+)")
_SMALLEST_SIZE = 64  # a smaller constant is more likely part of the task than a buffer size


def shrunk_constants(source: str, answer: str) -> list[ShrunkConstant]:
    """Constants and arrays of the source that have a smaller size under the same name in the answer."""
    before, after = _sizes(source), _sizes(answer)
    return [
        ShrunkConstant(name, size, after[name])
        for name, size in sorted(before.items())
        if size >= _SMALLEST_SIZE and name in after and after[name] < size
    ]


def _sizes(code: str) -> dict[str, float]:
    code = without_comments(code)
    known: dict[str, float] = {}
    for pattern in (_DEFINE, _CONSTANT):
        for name, text in pattern.findall(code):
            value = _value(text, known)
            if value is not None:
                known[name] = value
    for name, dimensions in _ARRAY.findall(code):
        values = [_value(text, known) for text in re.findall(r"\[([^\]]+)\]", dimensions)]
        if all(value is not None for value in values):
            known[f"{name}[]"] = math.prod(value for value in values if value is not None)
    return known


_OPERATORS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.LShift: lambda a, b: a * 2**b,
}


def _value(text: str, known: Mapping[str, float]) -> float | None:
    """The value of a constant expression such as `1e5 + 10`, `(1 << 20)`, `2 * N`; None for anything else."""
    text = re.sub(r"(?<=\d)(?:'(?=\d)|[uUlL]+\b)", "", text.strip())

    def of(node: ast.expr) -> float:
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            return float(node.value)
        if isinstance(node, ast.Name):
            return known[node.id]
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](of(node.left), of(node.right))
        raise ValueError

    try:
        value = of(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, KeyError, OverflowError, RecursionError, MemoryError):
        return None
    return value if math.isfinite(value) else None


@dataclass(frozen=True)
class TimedProgram:
    """A program with its time, for finding others with the same text. `where` names it."""

    where: str
    problem_id: str
    code: str
    tests: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Duplicates:
    """Programs of one problem with the same text (ignoring comments and layout) and tests, and their times."""

    problem_id: str
    programs: tuple[str, ...]
    fastest_seconds: float
    slowest_seconds: float

    @property
    def ratio(self) -> float:
        return self.slowest_seconds / self.fastest_seconds


def duplicates(programs: Iterable[TimedProgram]) -> list[Duplicates]:
    """Groups of at least two programs with the same text, largest difference in time first (Appendix A.9)."""
    groups: defaultdict[tuple[str, str, tuple[str, ...]], list[TimedProgram]] = defaultdict(list)
    for program in programs:
        groups[program.problem_id, text_sum(program.code), tuple(sorted(program.tests))].append(program)
    found = [
        Duplicates(
            key[0],
            tuple(sorted(program.where for program in group)),
            min(program.seconds for program in group),
            max(program.seconds for program in group),
        )
        for key, group in groups.items()
        if len(group) > 1
    ]
    return sorted(found, key=lambda group: (-group.ratio, group.problem_id, group.programs))


def share_wrong(outcomes: Sequence[str]) -> float | None:
    """The share of tests that are not `ok`; None without tests."""
    return sum(outcome != "ok" for outcome in outcomes) / len(outcomes) if outcomes else None
