"""The paper's metrics (Section 4), as pure functions.

All take `runtimes`, a row a pair with the simulated seconds of each of its samples in order (NaN where the sample is
not correct), and `source_runtimes`, the seconds of each pair's source program. Best@k looks at the first k samples, as
the paper does. A metric is NaN when there is no pair or a pair has fewer than k samples: never a wrong number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

OPTIMIZED_SPEEDUP = 1.1  # "at least 10 % faster"

Runtimes = Sequence[Sequence[float]]


def ks(n: int) -> list[int]:
    """The k that Best@k is given for: 1, 2, 4, … below n, and n itself."""
    return sorted({1 << i for i in range(n.bit_length()) if 1 << i <= n} | {n})


def speedup_of(runtime: float, source_runtime: float) -> float:
    """source / runtime where the sample is correct and faster, else 1.0 (the slow program can always be kept)."""
    if math.isnan(runtime):
        return 1.0
    return max(1.0, source_runtime / runtime)


def percent_optimized(runtimes: Runtimes, source_runtimes: Sequence[float], k: int) -> float:
    """%Opt: share of pairs, in percent, with a correct sample that is at least 10 % faster than the source."""

    def optimized(samples: Sequence[float], source: float) -> bool:
        return any(speedup_of(sample, source) >= OPTIMIZED_SPEEDUP for sample in samples)

    return 100 * _mean_over_pairs(optimized, runtimes, source_runtimes, k)


def speedup(runtimes: Runtimes, source_runtimes: Sequence[float], k: int) -> float:
    """Speedup: mean over pairs of the best sample's speedup; 1.0 where none is correct and faster."""

    def best(samples: Sequence[float], source: float) -> float:
        return max(speedup_of(sample, source) for sample in samples)

    return _mean_over_pairs(best, runtimes, source_runtimes, k)


def percent_correct(runtimes: Runtimes, source_runtimes: Sequence[float], k: int) -> float:
    """%Correct: share of pairs, in percent, with at least one correct sample."""

    def correct(samples: Sequence[float], source: float) -> bool:
        return not all(map(math.isnan, samples))

    return 100 * _mean_over_pairs(correct, runtimes, source_runtimes, k)


def _mean_over_pairs(
    value: Callable[[Sequence[float], float], float], runtimes: Runtimes, source_runtimes: Sequence[float], k: int
) -> float:
    if k < 1:
        raise ValueError(f"Best@k needs k of at least 1, not {k}")
    if not runtimes or any(len(samples) < k for samples in runtimes):
        return math.nan
    pairs = zip(runtimes, source_runtimes, strict=True)
    return math.fsum(value(samples[:k], source) for samples, source in pairs) / len(runtimes)
