"""What the `evaluate` modules next to this file share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pie_bench.errors import unknown_name
from pie_bench.metrics.best_at_k import Metric, Samples, ks
from pie_bench.run.results import Method

CITATION = "Learning Performance-Improving Code Edits. Shypula et al., ICLR 2024 (arXiv 2302.07867)"
INPUTS = """
predictions: for each pair, the simulated seconds of its samples in order; NaN where a sample is not correct
references: for each pair, the simulated seconds of its source program
k: which k to give (default: 1, 2, 4, … up to the number of samples)
method: `best` (best@k, the expectation over all subsets of k samples) or `first` (first@k, of the first k samples)
"""
HUMANS = "humans: for each pair, the simulated seconds of its human rewrite\n"
_FOLDER = Path(__file__).resolve().parent


def metric_names() -> list[str]:
    """The names of all modules: folders here with an `evaluate` module of the same name."""
    return sorted(path.parent.name for path in _FOLDER.glob("*/*.py") if path.stem == path.parent.name)


def load_metric(name: str) -> Any:
    """The `evaluate.Metric` called `name`; UserError for an unknown one."""
    if name not in metric_names():
        raise unknown_name("metric", name, metric_names())
    import evaluate

    return evaluate.load(str(_FOLDER / name))


def features(datasets: Any) -> Any:
    """The columns of every metric: a list of seconds per prediction, seconds per reference."""
    seconds = datasets.Value("float64")
    return datasets.Features({"predictions": datasets.Sequence(seconds), "references": seconds})


def best_at_each_k(
    metrics: Sequence[Metric],
    predictions: Sequence[Sequence[float]],
    references: Sequence[float],
    k: Sequence[int] | None,
    method: Method,
    humans: Sequence[float] | None = None,
) -> dict[str, float]:
    """`{"<name>_<method>@<k>": value}`, e.g. `speedup_best@1`; NaN if a pair has fewer than k samples."""
    samples = Samples.of(predictions, references, humans)
    wanted = list(k) if k else ks(int(samples.counts.max(initial=1)))
    return {
        f"{metric.name}_{method}@{each}": metric.compute(samples, each, method) for metric in metrics for each in wanted
    }
