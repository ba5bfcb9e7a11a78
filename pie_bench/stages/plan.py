"""What a run is: its settings, resolved to a task, a dataset's pairs and a run directory."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pie_bench import DEFAULT_ENVIRONMENT
from pie_bench.data.load import PairDataset, load_dataset
from pie_bench.data.pair import Pair
from pie_bench.errors import UserError, unknown_name
from pie_bench.execution.environment import load_environment_spec
from pie_bench.hashing import hash_of
from pie_bench.models.entries import Entry
from pie_bench.models.registry import find_model
from pie_bench.paths import TASKS_DIR
from pie_bench.store import RunDirectory, write_json
from pie_bench.task import Task, load_task

_PACKAGES = (
    "datasets",
    "evaluate",
    "faiss-cpu",
    "jinja2",
    "numpy",
    "openai",
    "pie_bench",
    "pydantic",
    "scikit-learn",
    "torch",
    "transformers",
    "vllm",
    "xllamacpp",
)


@dataclass(frozen=True)
class Settings:
    """What the user asked for; None means the task's own."""

    task: str
    model: str
    dataset: str | None = None
    environment: str = DEFAULT_ENVIRONMENT
    limit: int | None = None
    samples: int | None = None
    encoder: str | None = None
    model_args: Mapping[str, str] = field(default_factory=dict)
    pairs: tuple[str, ...] | None = None  # only these, in this order
    include_path: str | None = None  # a folder with tasks of the user's own
    context: int | None = None  # tokens that the model has room for, where it does not say so itself


@dataclass(frozen=True)
class Plan:
    """Settings with everything looked up: `task` holds the settings' changes, `pairs` are those to be asked for."""

    settings: Settings
    model: Entry
    task: Task
    dataset: PairDataset
    pairs: tuple[Pair, ...]

    @property
    def dataset_name(self) -> str:
        """What was asked for: a name, `hf:OWNER/NAME` or a YAML file."""
        return self.settings.dataset or self.task.dataset

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What makes a run this run: a run directory belongs to one identity for good."""
        identity: dict[str, Any] = {
            "task": self.task.task,
            "task_hash": self.task.task_hash,
            "model": self.settings.model,
            "dataset": self.dataset.name,
            "split": self.dataset.split,
            "dataset_fingerprint": self.dataset.fingerprint(),
            "environment": self.settings.environment,
            "limit": self.settings.limit,
            "samples": self.task.sampling.n,
        }
        if self.settings.pairs is not None:
            identity["pairs"] = list(self.settings.pairs)
        deciding = self.model.deciding(self.settings.model_args)
        return identity | ({"model_args": deciding} if deciding else {})


def make_plan(settings: Settings, model: Entry | None = None) -> Plan:
    """Looks everything up. UserError for unknown names and unusable data, before anything is written or paid for.

    `model` stands in for one that need not be known here: that of a run made elsewhere.
    """
    load_environment_spec(settings.environment)
    model = model or find_model(settings.model, settings.model_args)
    task = load_task(settings.task, *task_folders(settings.include_path))
    changes: dict[str, Any] = {}
    if settings.samples is not None:
        changes["sampling"] = task.sampling.model_copy(update={"n": settings.samples})
    if settings.encoder is not None:
        if task.fewshot.strategy != "retrieval":
            raise UserError(f"--encoder {settings.encoder}: task {task.task} does not retrieve examples")
        changes["fewshot"] = task.fewshot.model_copy(update={"encoder": settings.encoder})
    task = task.model_copy(update=changes)
    dataset = load_dataset(settings.dataset or task.dataset, task.split, with_tests=True)
    pairs = dataset.pairs if settings.pairs is None else chosen_pairs(dataset, settings.pairs)
    return Plan(settings, model, task, dataset, pairs[: settings.limit])


def task_folders(include_path: str | None) -> tuple[Path, ...]:
    """Where tasks are looked for: the shipped ones, and the user's own."""
    return (TASKS_DIR,) if include_path is None else (TASKS_DIR, Path(include_path))


def chosen_pairs(dataset: PairDataset, pair_ids: Sequence[str]) -> tuple[Pair, ...]:
    """The pairs with these ids, in this order, each once. UserError for an id that the dataset does not have."""
    by_id = {pair.pair_id: pair for pair in dataset.pairs}
    for pair_id in pair_ids:
        if pair_id not in by_id:
            raise unknown_name("pair", pair_id, by_id)
    return tuple(by_id[pair_id] for pair_id in dict.fromkeys(pair_ids))


def default_run_directory(plan: Plan) -> Path:
    """`runs/<task>--<model>--<dataset>--<hash>`: the same command finds the same folder."""
    model = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(plan.settings.model).name)
    digest = hash_of(plan.identity)[:8]
    dataset = re.sub(r"[^A-Za-z0-9._-]+", "_", plan.dataset.name)
    return Path("runs") / f"{plan.task.task}--{model}--{dataset}--{digest}"


def check_run(plan: Plan, directory: RunDirectory) -> None:
    """UserError when the folder holds another run, naming what differs."""
    if not directory.manifest_path.exists():
        return
    theirs = directory.manifest().get("identity", {})
    for key in dict.fromkeys([*plan.identity, *theirs]):
        value = plan.identity.get(key)
        if theirs.get(key) != value:
            raise UserError(
                f"{directory.path}: holds another run: its {key} is {theirs.get(key)!r}, now it is {value!r}; "
                "give another --run-dir"
            )


def begin_run(plan: Plan, directory: RunDirectory) -> None:
    """Writes the manifest of a new run; that of one begun earlier stays as it is."""
    if directory.manifest_path.exists():
        return
    manifest = {
        "schema_version": 1,
        "settings": asdict(plan.settings),
        "identity": plan.identity,
        "rejected_rows": [asdict(rejected) for rejected in plan.dataset.rejected],
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": sys.argv,
        "host": {"machine": platform.machine(), "system": platform.platform(), "python": platform.python_version()},
        "versions": package_versions(),
    }
    write_json(directory.manifest_path, manifest)


def settle(directory: RunDirectory, key: str, value: Mapping[str, Any]) -> None:
    """Records a part of the manifest known only later (`generation`, `execution`); it may never change after that."""
    manifest = directory.manifest()
    known = manifest.setdefault(key, dict(value))
    if known != value:
        what = next(k for k in sorted({*known, *value}) if known.get(k) != value.get(k))
        raise UserError(
            f"{directory.path}: was begun with {key}.{what} = {known.get(what)!r}, now it is {value.get(what)!r}; "
            "give another --run-dir"
        )
    write_json(directory.manifest_path, manifest)


def note(directory: RunDirectory, key: str, value: Mapping[str, Any]) -> None:
    """Adds to a part of the manifest that may grow from one command to the next."""
    manifest = directory.manifest()
    if value and manifest.get(key, {}) != {**manifest.get(key, {}), **value}:
        manifest[key] = {**manifest.get(key, {}), **value}
        write_json(directory.manifest_path, manifest)


def plan_of(directory: RunDirectory) -> Plan:
    """The plan of an existing run directory, from its manifest. UserError for a damaged one."""
    from pydantic import TypeAdapter, ValidationError

    try:
        settings = TypeAdapter(Settings).validate_python(directory.manifest()["settings"])
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, ("settings", *problem["loc"])))
        raise UserError(f"{directory.manifest_path}: {where}: {problem['msg']}") from None
    plan = make_plan(settings)
    check_run(plan, directory)
    return plan


def package_versions() -> dict[str, str]:
    """Versions of the packages that take part in a result."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:  # an optional one
            continue
    return versions
