"""`evaluate` module: Fastest over human: mean over pairs of human rewrite's time / best program's time."""

import datasets
import evaluate

from pie_bench.metrics.best_at_k import METRICS
from pie_bench.metrics.module import CITATION, HUMANS, INPUTS, best_at_each_k, features
from pie_bench.run.results import Method


class FastestOverHuman(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """Fastest over human: mean over pairs of human rewrite's time / best program's time."""

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
        if humans is None:
            raise ValueError("fastest_over_human needs humans: the seconds of each pair's human rewrite")
        names = ("fastest_over_human", "percent_faster_than_human")
        return best_at_each_k([METRICS[name] for name in names], predictions, references, k, method, humans)
