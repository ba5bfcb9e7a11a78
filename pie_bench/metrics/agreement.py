"""How far two rulers agree on the same programs, measured in two environments. Pure functions."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from pie_bench.metrics.best_at_k import OPTIMIZED_SPEEDUP


@dataclass(frozen=True)
class Compared:
    """One program with its speedup over the pair's source in the screening and in the confirming environment."""

    pair_id: str
    program: str
    screened_speedup: float
    confirmed_speedup: float

    @property
    def agrees(self) -> bool:
        """Whether both environments agree on "optimised"."""
        return (self.screened_speedup >= OPTIMIZED_SPEEDUP) == (self.confirmed_speedup >= OPTIMIZED_SPEEDUP)

    @property
    def relative_error(self) -> float:
        return self.screened_speedup / self.confirmed_speedup - 1


@dataclass(frozen=True)
class Agreement:
    """`rank_correlation` is Spearman's, NaN for fewer than two distinct values; errors are relative, of speedups."""

    programs: int
    same_verdict: int
    rank_correlation: float
    median_error: float
    worst_error: float
    disagreements: tuple[Compared, ...]


def agreement(compared: Sequence[Compared]) -> Agreement:
    """How far two rulers agree on these programs; all NaN and zero if there are none."""
    errors = [abs(one.relative_error) for one in compared]
    return Agreement(
        programs=len(compared),
        same_verdict=sum(one.agrees for one in compared),
        rank_correlation=_spearman(
            [one.screened_speedup for one in compared], [one.confirmed_speedup for one in compared]
        ),
        median_error=statistics.median(errors) if errors else math.nan,
        worst_error=max(errors, default=math.nan),
        disagreements=tuple(sorted((one for one in compared if not one.agrees), key=lambda one: one.pair_id)),
    )


def _spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's rank correlation; NaN for fewer than two distinct values."""
    if len(set(one)) < 2 or len(set(other)) < 2:
        return math.nan
    from scipy.stats import spearmanr

    return float(spearmanr(one, other).statistic)
