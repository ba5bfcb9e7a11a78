"""pie_bench: can a language model make real programs faster? (PIE, ICLR 2024)

The library behind the `pie-bench` command (docs/api.md): `evaluate` runs a task, `open_run` reads a finished run, a
`Judge` judges single programs, and `build_dataset` makes a dataset from submissions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pie_bench.defaults import DEFAULT_ENVIRONMENT

if TYPE_CHECKING:
    from pie_bench.api import evaluate as evaluate
    from pie_bench.api import merge as merge
    from pie_bench.api import open_run as open_run
    from pie_bench.api import score as score
    from pie_bench.construction.build import build_dataset as build_dataset
    from pie_bench.construction.stats import DatasetStats as DatasetStats
    from pie_bench.construction.stats import dataset_stats as dataset_stats
    from pie_bench.data.load import PairDataset as PairDataset
    from pie_bench.data.load import load_dataset as load_dataset
    from pie_bench.errors import PieBenchError as PieBenchError
    from pie_bench.errors import UserError as UserError
    from pie_bench.execution.judge import Judge as Judge
    from pie_bench.execution.judge import Judgement as Judgement
    from pie_bench.execution.judge import PairWithTests as PairWithTests
    from pie_bench.execution.judge import load_pair as load_pair
    from pie_bench.metrics.best_at_k import Metric as Metric
    from pie_bench.models.entry import ModelEntry as ModelEntry
    from pie_bench.models.model import Completion as Completion
    from pie_bench.models.model import Model as Model
    from pie_bench.models.model import Request as Request
    from pie_bench.serve.client import Client as Client
    from pie_bench.stages.finished import FinishedRun as FinishedRun

__version__ = "0.1.0"

_PUBLIC = {
    "build_dataset": "pie_bench.construction.build",
    "dataset_stats": "pie_bench.construction.stats",
    "DatasetStats": "pie_bench.construction.stats",
    "evaluate": "pie_bench.api",
    "merge": "pie_bench.api",
    "open_run": "pie_bench.api",
    "score": "pie_bench.api",
    "Client": "pie_bench.serve.client",
    "Completion": "pie_bench.models.model",
    "FinishedRun": "pie_bench.stages.finished",
    "Judge": "pie_bench.execution.judge",
    "Judgement": "pie_bench.execution.judge",
    "load_dataset": "pie_bench.data.load",
    "load_pair": "pie_bench.execution.judge",
    "PairDataset": "pie_bench.data.load",
    "PairWithTests": "pie_bench.execution.judge",
    "Metric": "pie_bench.metrics.best_at_k",
    "Model": "pie_bench.models.model",
    "ModelEntry": "pie_bench.models.entry",
    "Request": "pie_bench.models.model",
    "PieBenchError": "pie_bench.errors",
    "UserError": "pie_bench.errors",
}
__all__ = ["DEFAULT_ENVIRONMENT", *sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    """Imports public names on first use, so that `import pie_bench` stays cheap."""
    from importlib import import_module

    if name not in _PUBLIC:
        raise AttributeError(f"module 'pie_bench' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
