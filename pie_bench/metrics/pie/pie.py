"""`evaluate` module: All of the paper's metrics at once, with thresholds, other means and without the floor."""

import datasets
import evaluate

from pie_bench.metrics.best_at_k import METRICS
from pie_bench.metrics.module import CITATION, HUMANS, INPUTS, best_at_each_k, features
from pie_bench.run.results import Method


class Pie(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """All of the paper's metrics at once, with thresholds, other means and without the floor."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=self.__doc__, citation=CITATION, inputs_description=INPUTS + HUMANS, features=features(datasets)
        )

    def _compute(
        self,
        predictions: list[list[float]],
        references: list[float],
        k: list[int] | None = None,
        method: Method = "best",
        humans: list[float] | None = None,
    ) -> dict[str, float]:
        metrics = [metric for metric in METRICS.values() if humans is not None or not metric.needs_human]
        return best_at_each_k(metrics, predictions, references, k, method, humans)
