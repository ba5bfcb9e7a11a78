"""Resolves a run's settings to a task, a dataset's pairs and a run directory."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pie_bench import registry
from pie_bench.data.load import PairDataset, load_dataset
from pie_bench.data.pair import Pair
from pie_bench.errors import UserError
from pie_bench.execution.environment import load_environment_spec
from pie_bench.hashing import hash_of
from pie_bench.metrics.named import added_metrics
from pie_bench.models.entry import ModelEntry
from pie_bench.models.registry import find_model
from pie_bench.models.registry import provenance as model_provenance
from pie_bench.paths import TASKS_DIR
from pie_bench.prompting.encoders import find_encoder
from pie_bench.run.manifest import EXTENT, Manifest, Settings
from pie_bench.run.manifest import SCHEMA_VERSION as MANIFEST_VERSION
from pie_bench.run.run import Run
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
class Plan:
    """Resolved settings: `task` includes the settings' overrides, `pairs` are those to cover."""

    settings: Settings
    model: ModelEntry
    task: Task
    dataset: PairDataset
    pairs: tuple[Pair, ...]
    task_samples: int  # answers per pair in the task's own YAML

    @property
    def dataset_name(self) -> str:
        """The dataset as requested: a name, `hf:OWNER/NAME` or a YAML file."""
        return self.settings.dataset or self.task.dataset

    @cached_property
    def plugins(self) -> list[dict[str, str]]:
        """The plug-ins involved: kind, name, package, version of each."""
        named: list[tuple[registry.Kind, str | None]] = [
            ("environments", self.settings.environment),
            ("simulators", load_environment_spec(self.settings.environment).simulator.kind),
            ("datasets", self.dataset_name),
            ("encoders", self.task.fewshot.encoder),
            *(("metrics", name) for name in self.task.metrics),
        ]
        found = [registry.provenance(kind, name) for kind, name in named if name is not None]
        found.append(model_provenance(self.settings.model))
        return [each for each in found if each is not None]

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What defines a run: a folder belongs to one identity for good. The number of pairs and samples is not part of
        it, since a run may grow."""
        identity: dict[str, Any] = {
            "task": self.task.task,
            "task_hash": self.task.task_hash,
            "model": self.settings.model,
            "dataset": self.dataset.name,
            "split": self.dataset.split,
            "dataset_fingerprint": self.dataset.fingerprint(),
            "environment": self.settings.environment,
        }
        deciding = self.model.deciding(self.settings.model_args)
        return identity | ({"model_args": deciding} if deciding else {})


def make_plan(settings: Settings, model: ModelEntry | None = None) -> Plan:
    """Resolves everything. UserError for unknown names and unusable data, before anything is written or paid for.

    `model` stands in for a model that need not be known here, in a run made elsewhere.
    """
    load_environment_spec(settings.environment)
    model = model or find_model(settings.model, settings.model_args)
    task = load_task(settings.task, *task_folders(settings.include_path))
    task_samples = task.sampling.n
    changes: dict[str, Any] = {}
    if settings.samples is not None:
        changes["sampling"] = task.sampling.model_copy(update={"n": settings.samples})
    if settings.encoder is not None:
        if task.fewshot.strategy != "retrieval":
            raise UserError(f"--encoder {settings.encoder}: task {task.task} does not retrieve examples")
        changes["fewshot"] = task.fewshot.model_copy(update={"encoder": settings.encoder})
    task = task.model_copy(update=changes)
    added_metrics(task.metrics)  # report a broken one before anything is paid for
    if task.fewshot.encoder is not None:
        find_encoder(task.fewshot.encoder)[0].load()
    dataset = load_dataset(settings.dataset or task.dataset, task.split, stress=settings.tests == "stress")
    return Plan(settings, model, task, dataset, covered_pairs(dataset, settings), task_samples)


def covered_pairs(dataset: PairDataset, settings: Settings) -> tuple[Pair, ...]:
    """The pairs that the settings cover; UserError for an unknown pair, and for an empty shard."""
    chosen = dataset.chosen(settings.pairs, settings.limit)
    if settings.shard is None:
        return chosen
    pairs = Shard.parse(settings.shard).of_dataset(dataset, chosen)
    if not pairs:
        raise UserError(f"--shard {settings.shard}: none of the {len(chosen)} pairs is in it; use fewer shards")
    return pairs


@dataclass(frozen=True)
class Shard:
    """The `index`-th (from 1) of `count` parts of a dataset."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Parses `3/16`; UserError for anything else."""
        found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        index, count = map(int, found.groups()) if found else (0, 0)
        if not 1 <= index <= count:
            raise UserError(f"--shard {text}: expected I/N with I from 1 to N, e.g. 3/16")
        return cls(index, count)

    def of_dataset(self, dataset: PairDataset, pairs: Iterable[Pair]) -> tuple[Pair, ...]:
        """Those of `pairs` that belong to the shard.

        A pair's shard depends only on the dataset (its rank among all pair ids), not on what else is requested, so that
        shards stay the same when a run grows.
        """
        ranks = {pair_id: rank for rank, pair_id in enumerate(sorted(pair.pair_id for pair in dataset.pairs))}
        return tuple(pair for pair in pairs if ranks[pair.pair_id] % self.count == self.index - 1)

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def task_folders(include_path: str | Path | None) -> tuple[Path, ...]:
    """Where to look for tasks: the shipped ones, those of plug-ins, and the user's own."""
    own = () if include_path is None else (Path(include_path),)
    return (TASKS_DIR, *registry.folders("tasks"), *own)


def default_run_directory(plan: Plan) -> Path:
    """`runs/<task>--<model>--<dataset>--<hash>`: the same command finds the same folder, and so does one that asks for
    more pairs or samples. A shard, or a command that asks for less than the folder holds, gets a separate folder.
    """
    model = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(plan.settings.model).name)
    dataset = re.sub(r"[^A-Za-z0-9._-]+", "_", plan.dataset.name)
    part = "" if plan.settings.shard is None else f"--shard-{plan.settings.shard.replace('/', '-of-')}"
    folder = Path("runs") / f"{plan.task.task}--{model}--{dataset}--{hash_of(plan.identity)[:8]}{part}"
    run = Run(folder)
    if run.begun and held_beyond(plan, run.read_manifest()) is not None:
        extent = [[pair.pair_id for pair in plan.pairs], plan.task.sampling.n]
        return folder.with_name(f"{folder.name}-{hash_of(extent)[:4]}")
    return folder


def check_run(plan: Plan, run: Run) -> None:
    """Raises UserError if the folder holds another run, naming the difference, or more than is requested."""
    if not run.begun:
        return
    manifest = run.read_manifest()
    theirs = {name: value for name, value in manifest.identity.items() if name not in EXTENT}
    for key in dict.fromkeys([*plan.identity, *theirs]):
        value = plan.identity.get(key)
        if theirs.get(key) != value:
            raise UserError(
                f"{run.path}: holds another run: its {key} is {theirs.get(key)!r}, but now {value!r}; "
                "give another --run-dir"
            )
    more = held_beyond(plan, manifest)
    if more is not None:
        raise UserError(f"{run.path}: holds more than is requested ({more}); runs only grow: give another --run-dir")


def held_beyond(plan: Plan, manifest: Manifest) -> str | None:
    """What a run of the same identity holds beyond the plan, in words."""
    wanted = {pair.pair_id for pair in plan.pairs}
    for pair in covered_pairs(plan.dataset, manifest.settings):
        if pair.pair_id not in wanted:
            return f"pair {pair.pair_id}"
    samples = manifest.settings.samples or plan.task_samples
    return f"{samples} samples a pair" if samples > plan.task.sampling.n else None


def begin_run(plan: Plan, run: Run) -> None:
    """Writes the manifest of a new run; updates an existing one to what the run now covers."""
    if run.begun:
        manifest = run.read_manifest()
        grown = {name: getattr(plan.settings, name) for name in EXTENT}
        settings = manifest.settings.model_copy(update=grown)
        if settings != manifest.settings:
            run.write_manifest(manifest.model_copy(update={"settings": settings}))
        return
    manifest = Manifest(
        schema_version=MANIFEST_VERSION,
        settings=plan.settings,
        identity=plan.identity,
        rejected_rows=[asdict(rejected) for rejected in plan.dataset.rejected],
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        command=sys.argv,
        host={
            "machine": platform.machine(),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        versions=package_versions(plan.plugins),
    )
    # Omitted if there are none: `to_json` only writes what was set.
    run.write_manifest(manifest.model_copy(update={"plugins": plan.plugins}) if plan.plugins else manifest)


def plan_of(run: Run) -> Plan:
    """The plan of an existing run, from its manifest. UserError if it is damaged."""
    plan = make_plan(run.read_manifest().settings)
    check_run(plan, run)
    return plan


def package_versions(plugins: Sequence[Mapping[str, str]] = ()) -> dict[str, str]:
    """Versions of the packages involved in a result, including plug-ins."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:  # an optional package
            continue
    return versions | {plugin["package"]: plugin["version"] for plugin in plugins}
