"""How often 95 % intervals cover the truth: ours, percentile and BCa, at the size of PIE's test split.

usage: python benchmarks/interval_coverage.py [REPEATS]

978 pairs of 41 problems with known means: shares and floored log-normal speedups, with intra-class correlation and
problems of equal or unequal size. Prints a Markdown table.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from scipy.special import ndtr, ndtri
from threadpoolctl import threadpool_limits

from pie_bench.metrics.statistics import intervals

PROBLEMS, PAIRS, RESAMPLES = 41, 978, 2_000
KINDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "share of 31 %": lambda z: (z > 0.5).astype(float),
    "share of 5 %": lambda z: (z > 1.645).astype(float),
    "speedup, mean 2.1": lambda z: np.maximum(1, np.exp(0.9 * z + 0.3)),
}


def drawn(generator: np.random.Generator, icc: float, spread: float) -> tuple[np.ndarray, np.ndarray]:
    weights = generator.lognormal(0, spread, PROBLEMS)
    sizes = np.maximum(1, np.round(weights / weights.sum() * PAIRS)).astype(int)
    clusters: np.ndarray = np.repeat(np.arange(PROBLEMS), sizes)
    z = np.sqrt(icc) * generator.normal(size=PROBLEMS)[clusters]
    return z + np.sqrt(1 - icc) * generator.normal(size=len(clusters)), clusters


def others(values: np.ndarray, clusters: np.ndarray, seed: int) -> dict[str, tuple[float, float]]:
    """Naive (pairs independent), percentile and BCa intervals; the latter two resample problems."""
    n, sums = np.bincount(clusters).astype(float), np.bincount(clusters, values)
    mean = sums.sum() / n.sum()
    weights = np.random.default_rng(seed).multinomial(PROBLEMS, np.full(PROBLEMS, 1 / PROBLEMS), RESAMPLES)
    means = (weights @ sums) / (weights @ n)
    distance = (sums.sum() - sums) / (n.sum() - n)
    distance = distance.mean() - distance
    acceleration = (distance**3).sum() / (6 * (distance**2).sum() ** 1.5 + 1e-300)
    z0 = ndtri(np.clip((means < mean).mean() + 0.5 * (means == mean).mean(), 1e-6, 1 - 1e-6))
    bca = [ndtr(z0 + (z0 + z) / (1 - acceleration * (z0 + z))) for z in (-1.959964, 1.959964)]
    error = 1.959964 * values.std(ddof=1) / np.sqrt(len(values))
    return {
        "naive": (mean - error, mean + error),
        "percentile": tuple(np.quantile(means, [0.025, 0.975])),
        "BCa": tuple(np.quantile(means, bca)),
    }


def main(repeats: int) -> None:
    methods = ("ours", "percentile", "BCa", "naive")
    print(f"| values | ICC | problems | {' | '.join(methods)} |\n| --- | --- | --- |{' --- |' * len(methods)}")
    truth_of = np.random.default_rng(99).normal(size=4_000_000)
    generator = np.random.default_rng(1)
    for kind, transform in KINDS.items():
        truth = transform(truth_of).mean()
        for icc in (0.1, 0.3):
            for name, spread in (("equal", 0.0), ("unequal", 0.6), ("very unequal", 1.0)):
                hits = dict.fromkeys(methods, 0)
                for seed in range(repeats):
                    latent, clusters = drawn(generator, icc, spread)
                    values = transform(latent)
                    found = intervals(values[:, None], clusters, resamples=RESAMPLES, seed=seed)
                    bounds = {"ours": (found.low[0], found.high[0]), **others(values, clusters, seed)}
                    for method, (low, high) in bounds.items():
                        hits[method] += bool(low <= truth <= high)
                cells = " | ".join(f"{100 * hits[method] / repeats:.1f} %" for method in methods)
                print(f"| {kind} | {icc} | {name} | {cells} |", flush=True)


if __name__ == "__main__":
    with threadpool_limits(1):
        main(int(sys.argv[1]) if len(sys.argv) == 2 else 1_000)
