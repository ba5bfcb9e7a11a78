"""How a program's time grows with its input: the exponent of a power law, with its interval. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pie_bench.run.results import Fit

FEWEST_POINTS = 3


def fitted(points: Sequence[tuple[int, float]]) -> Fit | None:
    """Least squares of log time on log size: time ∝ size^exponent, with the 95 % interval of the slope (Student's t).

    `points` are (size, seconds after the start of `main`). None for fewer than three distinct sizes, or for invalid
    times. The interval says how straight the line is, not how it would continue.
    """
    usable = [(math.log(size), math.log(seconds)) for size, seconds in points if size > 0 and seconds > 0]
    if len({x for x, _ in usable}) < FEWEST_POINTS:
        return None
    n = len(usable)
    mean_x, mean_y = (math.fsum(each[axis] for each in usable) / n for axis in (0, 1))
    spread = math.fsum((x - mean_x) ** 2 for x, _ in usable)
    exponent = math.fsum((x - mean_x) * (y - mean_y) for x, y in usable) / spread
    rest = math.fsum((y - mean_y - exponent * (x - mean_x)) ** 2 for x, y in usable)
    from scipy.special import stdtrit

    half = float(stdtrit(n - 2, 0.975)) * math.sqrt(max(rest, 0.0) / (n - 2) / spread)
    return Fit(exponent=_rounded(exponent), low=_rounded(exponent - half), high=_rounded(exponent + half))


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's ρ, with mean ranks for ties; None for fewer than three pairs of values, or if one side does not
    vary."""
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} values: not the same number")
    if len(first) < 3 or len(set(first)) < 2 or len(set(second)) < 2:
        return None
    a, b = _ranks(first), _ranks(second)
    mean = (len(a) + 1) / 2
    covariance = math.fsum((x - mean) * (y - mean) for x, y in zip(a, b, strict=True))
    spreads = (math.fsum((x - mean) ** 2 for x in side) for side in (a, b))
    return _rounded(covariance / math.sqrt(math.prod(spreads)))


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=lambda index: values[index])
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for at in range(start, end + 1):
            ranks[order[at]] = (start + end) / 2 + 1
        start = end + 1
    return ranks


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
