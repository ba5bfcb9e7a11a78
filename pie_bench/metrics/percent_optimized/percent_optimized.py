"""`evaluate` module: %Opt: share of pairs, in percent, with a correct sample at least 10 % faster than the source."""

import datasets
import evaluate

from pie_bench.metrics.best_at_k import OPTIMIZED_SPEEDUP, percent_at_least
from pie_bench.metrics.module import CITATION, INPUTS, best_at_each_k, features
from pie_bench.run.results import Method


class PercentOptimized(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """%Opt: share of pairs, in percent, with a correct sample at least 10 % faster than the source."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=self.__doc__,
            citation=CITATION,
            inputs_description=INPUTS + "threshold: speedup that counts as optimised (default 1.1)\n",
            features=features(datasets),
        )

    def _compute(
        self,
        predictions: list[list[float]],
        references: list[float],
        k: list[int] | None = None,
        method: Method = "best",
        threshold: float = OPTIMIZED_SPEEDUP,
    ) -> dict[str, float]:
        return best_at_each_k([percent_at_least(threshold)], predictions, references, k, method)
