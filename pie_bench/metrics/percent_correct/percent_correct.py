"""`evaluate` module: %Correct: share of pairs, in percent, with at least one correct sample."""

import datasets
import evaluate

from pie_bench.metrics.best_at_k import METRICS
from pie_bench.metrics.module import CITATION, INPUTS, best_at_each_k, features
from pie_bench.run.results import Method


class PercentCorrect(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """%Correct: share of pairs, in percent, with at least one correct sample."""

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
        return best_at_each_k([METRICS["percent_correct"]], predictions, references, k, method)
