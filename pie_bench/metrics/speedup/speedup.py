"""`evaluate` module: Speedup: mean over pairs of source time / best correct sample's time, never below 1.0."""

import datasets
import evaluate

from pie_bench.metrics.best_at_k import METRICS
from pie_bench.metrics.module import CITATION, INPUTS, best_at_each_k, features
from pie_bench.run.results import Method


class Speedup(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """Speedup: mean over pairs of source time / best correct sample's time, never below 1.0."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=self.__doc__, citation=CITATION, inputs_description=INPUTS, features=features(datasets)
        )

    def _compute(
        self,
        predictions: list[list[float]],
        references: list[float],
        k: list[int] | None = None,
        method: Method = "best",
    ) -> dict[str, float]:
        return best_at_each_k([METRICS["speedup"]], predictions, references, k, method)
