"""Metrics by name: the package's and those of plug-ins."""

from __future__ import annotations

from collections.abc import Sequence

from pie_bench import registry
from pie_bench.metrics.best_at_k import METRICS, Metric


def metric_named(name: str) -> Metric:
    """The metric of this name, or at this import string. UserError if it is unknown or not a metric."""
    if name in METRICS:
        return METRICS[name]
    found = registry.find("metrics", name)
    metric = found.load()
    if not isinstance(metric, Metric):
        raise found.broken(f"expected a pie_bench.Metric, found {type(metric).__name__}")
    if metric.name != name:  # results hold the name that tasks use
        raise found.broken(f"the metric calls itself {metric.name!r}; rename it to {name!r}")
    return metric


def added_metrics(names: Sequence[str]) -> list[Metric]:
    """Those of the names that come from plug-ins."""
    return [metric_named(name) for name in names if name not in METRICS]
