"""How far two rulers agree: the same programs, measured in two environments. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

OPTIMIZED_FROM = 1.1  # the paper, Section 4: at least 10 % faster


@dataclass(frozen=True)
class Compared:
    """One program with its speedup over the pair's source in the screening and in the confirming environment."""

    pair_id: str
    program: str
    screened_speedup: float
    confirmed_speedup: float

    @property
    def agrees(self) -> bool:
        """Whether both say the same of "optimised"."""
        return (self.screened_speedup >= OPTIMIZED_FROM) == (self.confirmed_speedup >= OPTIMIZED_FROM)

    @property
    def relative_error(self) -> float:
        return self.screened_speedup / self.confirmed_speedup - 1


@dataclass(frozen=True)
class Agreement:
    """`rank_correlation` is Spearman's, NaN for fewer than two different values; errors are of speedups, relative."""

    programs: int
    same_verdict: int
    rank_correlation: float
    median_error: float
    worst_error: float
    disagreements: tuple[Compared, ...]


def agreement(compared: Sequence[Compared]) -> Agreement:
    """What two rulers have in common over these programs; all NaN and zero when there are none."""
    errors = sorted(abs(one.relative_error) for one in compared)
    middle = len(errors) // 2
    median = math.nan if not errors else (errors[middle] + errors[~middle]) / 2
    return Agreement(
        programs=len(compared),
        same_verdict=sum(one.agrees for one in compared),
        rank_correlation=_spearman(
            [one.screened_speedup for one in compared], [one.confirmed_speedup for one in compared]
        ),
        median_error=median,
        worst_error=errors[-1] if errors else math.nan,
        disagreements=tuple(sorted((one for one in compared if not one.agrees), key=lambda one: one.pair_id)),
    )


def _spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Pearson's correlation of ranks; equal values share their mean rank."""
    x, y = _ranks(one), _ranks(other)
    n = len(x)
    if n < 2:
        return math.nan
    mean = (n + 1) / 2
    covariance = math.fsum((a - mean) * (b - mean) for a, b in zip(x, y, strict=True))
    spread = math.fsum((a - mean) ** 2 for a in x) * math.fsum((b - mean) ** 2 for b in y)
    return covariance / math.sqrt(spread) if spread else math.nan


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for position in range(start, end):
            ranks[order[position]] = (start + 1 + end) / 2
        start = end
    return ranks
