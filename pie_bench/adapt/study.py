"""A study: a grid of trainings, each evaluated, with the results compared. It resumes by resuming its parts.

Every training is a separate process (`pie-bench adapt train`), which frees its memory; every evaluation is a
`pie-bench run` in the study's folder.
"""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, model_validator

from pie_bench.adapt.recipe import load_adapt_recipe
from pie_bench.config import Located, Strict
from pie_bench.data.spec import absolute_name
from pie_bench.errors import PieBenchError, UserError
from pie_bench.models.checkpoint import RECORD
from pie_bench.run.files import write_json

Changes = dict[str, Any]


class Evaluation(Strict):
    """How to evaluate each model: with the recipe's own task unless `tasks` names others; the rest is as for `run`."""

    tasks: tuple[str, ...] = ()
    dataset: str | None = None
    environment: str | None = None
    limit: int | None = Field(default=None, ge=1)
    samples: int | None = Field(default=None, ge=1)
    model_args: dict[str, str] = Field(default_factory=dict)


class Study(Strict):
    """A grid of trainings, with every combination of `models`, `recipes` and `changes`, and the comparisons to make.

    `changes` maps a name to overrides for each recipe, e.g. `{quarter: {training: {max_steps: 600}}}`; empty: the
    recipes unchanged. `unadapted`: also evaluate the models without training. `compare`: each with the first, or all
    with all.
    """

    study: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    description: str = ""
    dataset: str
    synthetic: str | None = None
    models: tuple[str, ...] = Field(min_length=1)
    recipes: tuple[str, ...] = Field(min_length=1)
    changes: dict[str, Changes] = Field(default_factory=dict)
    unadapted: bool = True
    evaluate: Evaluation = Evaluation()
    compare: Literal["first", "all"] = "first"

    @model_validator(mode="after")
    def _consistent(self) -> Study:
        for name in self.changes:
            if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
                raise ValueError(f"changes.{name}: the name may only have letters, digits, dots and dashes")
        return self


@dataclass(frozen=True)
class Cell:
    """One training of the grid, or (`recipe` None) an unadapted model."""

    model: str
    recipe: str | None
    change: str | None

    @property
    def name(self) -> str:
        """The name of its folder."""
        parts = (self.model, "unadapted" if self.recipe is None else Path(self.recipe).stem, self.change)
        return "--".join(re.sub(r"[^A-Za-z0-9._-]+", "_", part).strip("_") for part in parts if part)


def load_study(path: Path) -> tuple[Study, Path]:
    """The study in a YAML file, and the folder its relative paths start from. UserError with file and line."""
    if not path.is_file():
        raise UserError(f"{path}: no such study; give a YAML file")
    file = path.resolve()
    return Located(file).validate(Study), file.parent


def cells_of(study: Study) -> list[Cell]:
    """The unadapted models first, then every training."""
    found = [Cell(model, None, None) for model in study.models] if study.unadapted else []
    changes: list[str | None] = [*study.changes] or [None]
    grid = itertools.product(study.models, study.recipes, changes)
    found += [Cell(model, recipe, change) for model, recipe, change in grid]
    if len({cell.name for cell in found}) < len(found):
        raise UserError(f"study {study.study}: two cells have the same name; give recipes and models different names")
    return found


def run_study(study: Study, base: Path, out: Path, *, arguments: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Runs every cell's training and evaluations in order, then writes `study.json`: a row per run, with comparisons.

    `arguments` go to each `pie-bench run` (a sandbox, workers). Finished parts are not repeated. PieBenchError, naming
    the cell, if one of its commands fails: rerunning the study resumes there.
    """
    out = out.resolve()  # a run belongs to its model's path: however the folder is spelled, it is the same study
    dataset = _found_from(base, study.dataset)
    for cell in cells_of(study):  # find every mistake in a recipe before the first training
        _recipe(study, base, cell)
    rows: list[dict[str, Any]] = []
    for cell in cells_of(study):
        recipe, task = _recipe(study, base, cell)
        model = cell.model
        if recipe is not None:
            folder = out / "models" / cell.name
            file = out / "recipes" / f"{cell.name}.yaml"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(yaml.safe_dump(recipe, sort_keys=True, allow_unicode=True), encoding="utf-8")
            options = ["--model", cell.model, "--dataset", dataset, "--out", str(folder)]
            if study.synthetic is not None and recipe["synthetic"]:
                options += ["--synthetic", _found_from(base, study.synthetic)]
            _command(cell, "adapt", "train", str(file), *options)
            model = f"hf:{folder / 'model'}"
            if not (folder / "model" / RECORD).is_file():
                raise PieBenchError(f"{cell.name}: {folder} contains no exported model")
        for name in study.evaluate.tasks or task:
            run = out / "runs" / f"{cell.name}--{name}"
            _command(
                cell, "run", "--task", name, "--model", model, *_run_options(study, base, dataset, run), *arguments
            )
            rows.append({"cell": cell.name, "task": name, "run": str(run.relative_to(out))})
    write_json(out / "study.json", {"study": study.study, "runs": rows, "comparisons": comparisons(study, rows, out)})
    return rows


def comparisons(study: Study, rows: Sequence[Mapping[str, Any]], out: Path) -> list[dict[str, Any]]:
    """Pairs of runs, compared as by `pie-bench compare`; the earlier one is B, so that a gain is positive."""
    from pie_bench.report.compare import compare
    from pie_bench.run.run import Run

    twos = itertools.combinations(rows, 2) if study.compare == "all" else ((rows[0], row) for row in rows[1:])
    found = []
    for b, a in twos:
        results = [Run(out / str(row["run"])).read_results() for row in (a, b)]
        compared = compare(results[0], results[1], str(a["run"]), str(b["run"]))
        found.append(compared.model_dump(mode="json"))
    return found


def _recipe(study: Study, base: Path, cell: Cell) -> tuple[dict[str, Any] | None, list[str]]:
    """The cell's complete recipe, and the tasks to evaluate it with unless the study names them."""
    if cell.recipe is None:
        tasks = [_loaded(study, base, recipe, None).task for recipe in study.recipes]
        return None, list(dict.fromkeys(tasks))
    recipe = _loaded(study, base, cell.recipe, cell.change)
    found = {key: value for key, value in recipe.dumped().items() if value is not None}
    if cell.change is not None:  # part of the adapted model's name
        found["recipe"] += "_" + re.sub(r"[^a-z0-9]+", "_", cell.change.lower())
    return found, [recipe.task]


def _loaded(study: Study, base: Path, name: str, change: str | None) -> Any:
    own = base / name
    return load_adapt_recipe(own if own.is_file() else name, study.changes[change] if change is not None else None)


def _run_options(study: Study, base: Path, dataset: str, run: Path) -> list[str]:
    how = study.evaluate
    found = ["--dataset", _found_from(base, how.dataset) if how.dataset else dataset, "--run-dir", str(run)]
    for option, value in (("--environment", how.environment), ("--limit", how.limit), ("--samples", how.samples)):
        found += [option, str(value)] if value is not None else []
    if how.model_args:
        found += ["--model-args", *(f"{key}={value}" for key, value in sorted(how.model_args.items()))]
    return found


def _found_from(base: Path, name: str) -> str:
    own = base / name
    return str(own) if own.exists() else absolute_name(name)


def _command(cell: Cell, *arguments: str) -> None:
    """Standard output is the study's own: what its parts print goes where their progress goes."""
    print(f"{cell.name}: pie-bench {' '.join(arguments)}", file=sys.stderr, flush=True)
    done = subprocess.run([sys.executable, "-m", "pie_bench.cli", *arguments], stdout=2, check=False)
    if done.returncode != 0:
        raise PieBenchError(
            f"{cell.name}: pie-bench {arguments[0]} failed with exit code {done.returncode}; see its output above; "
            "rerun the study to resume there"
        )
