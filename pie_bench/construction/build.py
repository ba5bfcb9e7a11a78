"""`pie-bench dataset build`: runs the stages in order, from submissions to a dataset. A killed build resumes with the
same call; what was made from unchanged input is not made again."""

from __future__ import annotations

import shutil
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pie_bench.construction.measure import check_programs, relabel
from pie_bench.construction.pairs import make_pairs, split_pairs
from pie_bench.construction.recipe import CodeContestsTests, Recipe, dumped, load_recipe, path_of
from pie_bench.construction.rows import put_in_place, write_rows, write_specs
from pie_bench.construction.sources import files_at, identity, identity_of_programs, read_sources
from pie_bench.construction.stage import EARLIER, Done, Workplace
from pie_bench.construction.tests import gather_tests
from pie_bench.construction.trajectories import order_trajectories, read_programs
from pie_bench.errors import UserError
from pie_bench.hashing import file_sha256, hash_of
from pie_bench.run.files import locked, write_json

if TYPE_CHECKING:
    from pie_bench.execution.executor import Executor
    from pie_bench.execution.sandbox.sandbox import Sandbox

STAGES = ("read", "trajectories", "programs", "tests", "check", "relabel", "pairs", "splits")
SCHEMA_VERSION = 1


def build_dataset(
    recipe: str | PathLike[str],
    out: str | PathLike[str],
    *,
    environment: str | None = None,
    sandbox: str | Sandbox | None = None,
    unsafe: bool = False,
    workers: int | None = None,
) -> dict[str, Any]:
    """Builds the dataset that a recipe describes in the folder `out`; returns its manifest.

    `environment` overrides the recipe's; the other arguments are those of the command. UserError for an invalid recipe
    or source, and if more of the input would be lost than the recipe allows.
    """
    loaded, base = load_recipe(recipe)
    if environment is not None:
        loaded = loaded.model_copy(update={"environment": environment})
    folder = Path(out).expanduser().resolve()
    with locked(
        folder / "stages",
        cannot=lambda why: f"{folder}: cannot be written ({why}); give another --out",
        busy=f"{folder}: another process is building there; wait for it",
    ):
        executor = _executor(loaded, sandbox, unsafe) if loaded.check.native or loaded.times is None else None
        try:
            return _build(Workplace(folder, loaded, base), executor, workers)
        finally:
            if executor is not None:
                executor.close()


def _build(workplace: Workplace, executor: Executor | None, workers: int | None) -> dict[str, Any]:
    from pie_bench.execution.pool import LocalPool

    recipe, base = workplace.recipe, workplace.base
    pool = LocalPool(workers)
    measured_in = _measured_in(recipe, executor)
    shutil.rmtree(workplace.temporary, ignore_errors=True)
    workplace.temporary.mkdir(parents=True, exist_ok=True)
    plain = dumped(recipe)

    def of(*keys: str) -> dict[str, Any]:
        return {f"the recipe's {key}": plain[key] for key in keys}

    read = workplace.run(
        "read",
        {**of("sources", "problems", "languages", "statuses", "max_lost"), "the sources": identity(recipe, base)},
        lambda into: read_sources(workplace, into),
    )
    trajectories = workplace.run(
        "trajectories",
        {EARLIER: read.key, **of("programs", "max_lost")},
        lambda into: order_trajectories(workplace, into),
    )
    programs = workplace.run(
        "programs",
        {
            EARLIER: trajectories.key,
            **of("max_code_bytes", "max_lost"),
            "the sources' programs": identity_of_programs(recipe, base),
        },
        lambda into: read_programs(workplace, into),
    )
    tests = workplace.run(
        "tests",
        {
            EARLIER: programs.key,
            **of("tests"),
            "the recipe's check.generated_tests": plain["check"]["generated_tests"],
            "the tests": _identity_of_tests(recipe, base),
        },
        lambda into: gather_tests(workplace, into),
    )
    native = executor if recipe.check.native else None
    checked = workplace.run(
        "check",
        {EARLIER: tests.key, **of("check"), "the environment": measured_in if native is not None else None},
        lambda into: check_programs(workplace, into, native, pool),
    )
    simulated = executor if recipe.times is None else None
    times = None if recipe.times is None else file_sha256(_existing(path_of(recipe.times.path, base), recipe))
    relabelled = workplace.run(
        "relabel",
        {EARLIER: checked.key, **of("limits"), "the environment": measured_in, "the recorded times": times},
        lambda into: relabel(workplace, into, simulated, pool),
    )
    pairs = workplace.run("pairs", {EARLIER: relabelled.key, **of("pairs")}, lambda into: make_pairs(workplace, into))
    published = {
        split: file_sha256(_existing(path_of(path, base), recipe)) for split, path in recipe.splits.published.items()
    }
    splits = workplace.run(
        "splits",
        {EARLIER: pairs.key, **of("pairs", "splits", "hq", "tags"), "the published splits": published},
        lambda into: split_pairs(workplace, into),
    )
    done = [read, trajectories, programs, tests, checked, relabelled, pairs, splits]
    return _finish(workplace, done, measured_in)


def _finish(workplace: Workplace, done: list[Done], measured_in: dict[str, Any]) -> dict[str, Any]:
    """Writes rows and manifest unless they already exist for the same inputs."""
    recipe = workplace.recipe
    rows_key = hash_of([done[-1].key, recipe.dataset, recipe.newlines, measured_in["environment_id"]])
    manifest_path = workplace.folder / "manifest.json"
    noted = workplace.stages / "rows.key"
    if manifest_path.is_file() and noted.is_file() and noted.read_text() == rows_key:
        import json

        manifest: dict[str, Any] = json.loads(manifest_path.read_text(encoding="utf-8"))
        return manifest
    noted.unlink(missing_ok=True)
    manifest_path.unlink(missing_ok=True)
    partial = workplace.stages / "rows.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    written = write_rows(workplace, partial, measured_in["environment_id"])
    write_specs(partial, recipe.dataset, written)
    files = put_in_place(partial, workplace.folder)
    shutil.rmtree(partial)
    shutil.rmtree(workplace.temporary, ignore_errors=True)
    made = {
        "schema_version": SCHEMA_VERSION,
        "dataset": recipe.dataset,
        "recipe": dumped(recipe),
        "recipe_hash": hash_of(dumped(recipe)),
        "environment": measured_in,
        "funnel": [{"stage": stage, "counts": dict(each.counts)} for stage, each in zip(STAGES, done, strict=True)],
        "bad_input": [
            {"stage": stage, **finding} for stage, each in zip(STAGES, done, strict=True) for finding in each.findings
        ],
        "facts": {stage: dict(each.facts) for stage, each in zip(STAGES, done, strict=True) if each.facts},
        "rows": written,
        "files": files,
    }
    write_json(manifest_path, made)
    noted.write_text(rows_key)
    return made


def _executor(recipe: Recipe, sandbox: str | Sandbox | None, unsafe: bool) -> Executor:
    from pie_bench.execution.executor import open_executor
    from pie_bench.execution.roots import build_roots
    from pie_bench.execution.sandbox.choose import choose_sandbox
    from pie_bench.paths import cache_dir

    if sandbox is None or isinstance(sandbox, str):
        sandbox = choose_sandbox(sandbox, unsafe=unsafe)
    build_roots(recipe.environment, sandbox)
    return open_executor(recipe.environment, cache_dir(), sandbox)


def _measured_in(recipe: Recipe, executor: Executor | None) -> dict[str, Any]:
    """The environment of the times; for recorded times it is only a name."""
    if recipe.times is None:
        assert executor is not None, "what is not recorded is measured"
        return executor.environment.describe()
    named = {"name": recipe.times.environment, "environment_id": f"recorded:{recipe.times.environment}"}
    return named if executor is None else named | {"checked_in": executor.environment.describe()}


def _existing(path: Path, recipe: Recipe) -> Path:
    if not path.is_file():
        raise UserError(f"recipe {recipe.dataset}: {path}: no such file")
    return path


def _identity_of_tests(recipe: Recipe, base: Path) -> list[Any]:
    """Identifies the tests on this machine: folders by number of files and the newest, files by size."""
    found = []
    for tests in recipe.tests:
        files = files_at(path_of(tests.path, base))
        if isinstance(tests, CodeContestsTests) and tests.problem_list is not None:
            files += files_at(path_of(tests.problem_list, base))
        stats = [file.stat() for file in files]
        newest = max((stat.st_mtime_ns for stat in stats), default=0)
        found.append([tests.path, len(files), sum(stat.st_size for stat in stats), newest])
    return found
