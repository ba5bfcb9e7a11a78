"""`--log`: logs a finished run to an experiment tracker, with its settings, table and curves over samples.

`Record` is what to log; a tracker is a function that passes it to its client.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pie_bench.errors import UserError, unknown_name
from pie_bench.hashing import hash_of
from pie_bench.run.manifest import Manifest
from pie_bench.run.results import HEADLINE, Results

if TYPE_CHECKING:
    import pandas

PROJECT = "pie_bench"


@dataclass(frozen=True)
class Record:
    """What to log of a run.

    `run_id`: the same for the same run, however often it is logged. `config`: the settings and the model that answered.
    `summary`: the numbers of the run's table, `{"speedup/best@8": 1.28, "speedup/best@8_low": 1.1, …}`. `curves`: the
    headline metrics at best@k for each k. `answers`: a row per answer, without texts.
    """

    run_id: str
    name: str
    config: Mapping[str, Any]
    summary: Mapping[str, float]
    curves: Mapping[int, Mapping[str, float]]
    answers: pandas.DataFrame


def record_of(results: Results, manifest: Manifest) -> Record:
    """The record of a run with these results, leaving out unknown numbers."""
    summary: dict[str, float] = {}
    curves: dict[int, dict[str, float]] = {}
    for score in results.scores:
        if score.metric not in HEADLINE or score.time != "process" or (score.of, score.method) == ("human", "first"):
            continue
        name = f"{score.metric}/{'human' if score.of == 'human' else score.name}"
        values = {name: score.value, f"{name}_low": score.low, f"{name}_high": score.high}
        summary |= {key: value for key, value in values.items() if value is not None}
        if score.of == "model" and score.method == "best" and score.value is not None:
            curves.setdefault(score.k, {})[score.metric] = score.value
    for outcome, count in sorted(results.outcomes.items()):
        summary[f"outcomes/{outcome}"] = count
    for kind, count in sorted(results.tokens.items()):
        summary[f"tokens/{kind}"] = count
    if results.cost_usd is not None:
        summary["cost_usd"] = results.cost_usd
    config = {
        name: getattr(results, name)
        for name in (
            *("task", "task_version", "task_hash", "model", "model_resolved", "model_args", "answered_prompts"),
            *("dataset", "split", "dataset_fingerprint", "environment", "environment_id", "comparator", "sandbox"),
            *("n_pairs", "n_problems", "n_samples"),
        )
    }
    return Record(
        run_id=hash_of(manifest.identity)[:16],
        name=f"{results.task}--{results.model}--{results.dataset}",
        config=config | {"pie_bench_version": results.versions.get("pie_bench")},
        summary=summary,
        curves=dict(sorted(curves.items())),
        answers=results.to_pandas("samples"),
    )


def check_tracker(name: str) -> None:
    """Raises UserError for an unknown tracker or one that is not installed, before anything is paid for."""
    if name not in TRACKERS:
        raise unknown_name("tracker", name, TRACKERS)
    try:
        importlib.import_module(name)
    except ImportError as error:
        raise UserError(f"--log {name}: {error}; install it: pip install 'pie_bench[{name}]'") from None


def log(record: Record, tracker: str) -> None:
    """Logs a run to the destination set by the client's own environment variables and login.

    UserError when the client fails: no login, no server.
    """
    check_tracker(tracker)
    try:
        TRACKERS[tracker](record)
    except Exception as error:  # each client has its own errors
        said = str(error).strip().splitlines()
        raise UserError(
            f"--log {tracker}: {type(error).__name__}: {said[0] if said else ''}; the run is complete: rerun the "
            "same command to log it"
        ) from error


def _wandb(record: Record) -> None:
    import wandb

    with wandb.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        id=record.run_id,
        name=record.name,
        config=dict(record.config),
        resume="allow",
    ) as run:
        run.define_metric("k")
        run.define_metric("best_at_k/*", step_metric="k")
        for k, values in record.curves.items():
            run.log({"k": k} | {f"best_at_k/{name}": value for name, value in values.items()})
        run.log({"answers": wandb.Table(dataframe=record.answers)})
        run.summary.update(dict(record.summary))


def _trackio(record: Record) -> None:
    import trackio

    trackio.init(project=PROJECT, name=f"{record.name}--{record.run_id[:4]}", config=dict(record.config))
    for k, values in record.curves.items():
        trackio.log({f"best_at_k/{name}": value for name, value in values.items()}, step=k)
    trackio.log({**record.summary, "answers": trackio.Table(dataframe=record.answers)})
    trackio.finish()


def _mlflow(record: Record) -> None:
    import mlflow

    mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT))
    with mlflow.start_run(run_name=record.name, tags={"pie_bench.run_id": record.run_id}):
        mlflow.log_params({name: str(value) for name, value in record.config.items()})
        for k, values in record.curves.items():
            mlflow.log_metrics({f"best_at_k/{name}": value for name, value in values.items()}, step=k)
        # MLflow allows no @ in metric names.
        mlflow.log_metrics({name.replace("@", "_at_"): value for name, value in record.summary.items()})
        mlflow.log_table(record.answers, "answers.json")


TRACKERS: Mapping[str, Callable[[Record], None]] = {"mlflow": _mlflow, "trackio": _trackio, "wandb": _wandb}
