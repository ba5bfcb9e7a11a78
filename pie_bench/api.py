"""The Python API: what the command line does, as functions. `pie_bench` re-exports these names."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from pie_bench.data.spec import absolute_name
from pie_bench.defaults import DEFAULT_ENVIRONMENT
from pie_bench.errors import UserError, unknown_name
from pie_bench.paths import cache_dir
from pie_bench.run.manifest import Settings
from pie_bench.run.run import Run
from pie_bench.stages.finished import FinishedRun
from pie_bench.stages.plan import (
    Plan,
    Shard,
    begin_run,
    check_run,
    default_run_directory,
    make_plan,
    plan_of,
    task_folders,
)

if TYPE_CHECKING:
    from pie_bench.execution.pool import Pool
    from pie_bench.execution.sandbox.sandbox import Sandbox
    from pie_bench.stages.generate import PendingAnswers

_log = logging.getLogger(__name__)
TESTS = ("paper", "stress", "both")
POOLS = ("local", "ray")
OTHER_PROMPTS = "answers_for_other_prompts"  # a setting of models that replay answers


def evaluate(
    task: str,
    model: str,
    *,
    dataset: str | PathLike[str] | None = None,
    environment: str = DEFAULT_ENVIRONMENT,
    limit: int | None = None,
    samples: int | None = None,
    pairs: Sequence[str] | None = None,
    shard: str | None = None,
    encoder: str | None = None,
    model_args: Mapping[str, object] | None = None,
    context: int | None = None,
    include_path: str | PathLike[str] | None = None,
    answers_for_other_prompts: bool = False,
    run_dir: str | PathLike[str] | None = None,
    sandbox: str | Sandbox | None = None,
    unsafe: bool = False,
    workers: int | None = None,
    pool: str | Pool = "local",
    ray_address: str | None = None,
    max_cost: float | None = None,
    guard: bool | None = None,
    tests: str = "paper",
    progress: bool = False,
) -> FinishedRun:
    """Asks a model for faster programs, checks and measures them, and scores the answers: `pie-bench run`.

    Arguments are the command's options (`pie-bench run --help`); None means the task's or the machine's default. The
    run is stored in `run_dir` (default: a folder under `runs/` named after the settings). The same call resumes an
    interrupted run and repeats nothing; a call for more pairs or samples extends it. `max_cost` is in USD. `tests`:
    `paper` (the dataset's own), `stress` (its stress inputs instead: docs/stress.md) or `both`. `progress` shows
    progress on standard error.

    Raises UserError for what the caller can fix: unknown names, data, keys, a machine without a sandbox.
    """
    plan = make_plan(
        settings_of(
            task,
            model,
            dataset=dataset,
            environment=environment,
            limit=limit,
            samples=samples,
            pairs=pairs,
            shard=shard,
            encoder=encoder,
            model_args=model_args,
            context=context,
            include_path=include_path,
            answers_for_other_prompts=answers_for_other_prompts,
            tests=tests,
        )
    )
    run = Run(run_dir or default_run_directory(plan))
    with run.locked():
        check_run(plan, run)
        return complete(
            plan,
            run,
            chosen_sandbox(sandbox, unsafe=unsafe),
            pool=chosen_pool(pool, workers=workers, ray_address=ray_address),
            max_cost=max_cost,
            guard=guard,
            stress=tests == "both",
            progress=progress,
        )


def settings_of(
    task: str,
    model: str,
    *,
    dataset: str | PathLike[str] | None,
    environment: str,
    limit: int | None,
    samples: int | None,
    pairs: Sequence[str] | None,
    shard: str | None,
    encoder: str | None,
    model_args: Mapping[str, object] | None,
    context: int | None,
    include_path: str | PathLike[str] | None,
    answers_for_other_prompts: bool,
    tests: str = "paper",
) -> Settings:
    """The options as a manifest stores them: files and folders by absolute path, valid from anywhere.

    UserError for unknown `tests`.
    """
    from pie_bench.execution.environment import absolute_environment

    if tests not in TESTS:
        raise unknown_name("tests", tests, TESTS)
    replaced = {"tests": "stress"} if tests == "stress" else {}  # `both` adds to a run without changing its identity

    other_prompts = {OTHER_PROMPTS: "true"} if answers_for_other_prompts else {}
    return Settings(
        task=task,
        model=model,
        dataset=None if dataset is None else absolute_name(str(dataset)),
        environment=absolute_environment(environment),
        limit=limit,
        samples=samples,
        encoder=encoder,
        model_args={key: str(value) for key, value in (model_args or {}).items()} | other_prompts,
        pairs=None if pairs is None else tuple(pairs),
        shard=None if shard is None else str(Shard.parse(shard)),
        include_path=None if include_path is None else str(Path(include_path).expanduser().resolve()),
        context=context,
        **replaced,  # type: ignore[arg-type]
    )


def open_run(path: str | PathLike[str]) -> FinishedRun:
    """Opens a scored run. UserError if there is none, or if it is not scored yet."""
    return FinishedRun(path)


def merge(runs: Sequence[str | PathLike[str]], out: str | PathLike[str]) -> FinishedRun:
    """Merges partial runs, e.g. all shards, into one finished run in the new folder `out`: `pie-bench merge`.

    Raises UserError, before anything is written, if they are not parts of one run, or if some are missing.
    """
    from pie_bench.stages.merge import merge as stage

    stage([Run(path) for path in runs], Run(out))
    return FinishedRun(out)


def score(path: str | PathLike[str]) -> FinishedRun:
    """Recomputes a run's numbers from its verdicts: `pie-bench score`."""
    from pie_bench.stages.kills import note_kill_rates
    from pie_bench.stages.score import score as stage

    run = Run(path)
    plan = plan_of(run)
    with run.locked():
        note_kill_rates(plan, run)
        stage(plan, run)
    return FinishedRun(path)


def plans(settings: Settings, tasks: Sequence[str], run_dir: Path | None = None) -> list[tuple[Plan, Run]]:
    """Resolves the settings for each of several tasks (names, groups, globs), with the folder of each run.

    Everything is resolved first, so that a mistake in the last task is found before the first is paid for.
    `settings.task` is ignored. An encoder applies to the tasks that retrieve examples; if there are none, it is an
    error.
    """
    from pie_bench.task import load_task, select_tasks

    folders = task_folders(settings.include_path)
    names = select_tasks(tasks, *folders)
    retrieve = [name for name in names if load_task(name, *folders).fewshot.strategy == "retrieval"] or names
    made = [
        make_plan(settings.model_copy(update={"task": name, "encoder": settings.encoder if name in retrieve else None}))
        for name in names
    ]
    if run_dir is not None and len(made) > 1:
        return [(plan, Run(run_dir / plan.task.task)) for plan in made]
    return [(plan, Run(run_dir or default_run_directory(plan))) for plan in made]


def complete(
    plan: Plan,
    run: Run,
    sandbox: Sandbox,
    *,
    pool: Pool,
    max_cost: float | None = None,
    guard: bool | None = None,
    stress: bool = False,
    progress: bool = False,
    pending: PendingAnswers | None = None,
) -> FinishedRun:
    """Completes a run, in a folder that the caller has locked and checked (`check_run`).

    `guard`: whether the guards check its faster answers; None: if that costs little (`guards_by_default`). `stress`:
    whether its programs are also judged on the dataset's stress inputs; a run that has been stays so as it grows.
    """
    from contextlib import ExitStack

    from pie_bench.execution.environment import load_environment_spec
    from pie_bench.execution.executor import open_executor
    from pie_bench.execution.roots import build_roots
    from pie_bench.execution.sandbox.sandbox import SandboxError
    from pie_bench.progress import program_bar
    from pie_bench.stages.execute import execute
    from pie_bench.stages.generate import prepared
    from pie_bench.stages.guard import guard as guard_stage
    from pie_bench.stages.guard import guards_by_default
    from pie_bench.stages.kills import note_kill_rates
    from pie_bench.stages.progress import run_progress
    from pie_bench.stages.score import score as stage
    from pie_bench.stages.stress import stress as stress_stage

    load_environment_spec(plan.settings.environment)
    build_roots(plan.settings.environment, sandbox)
    executor = open_executor(plan.settings.environment, cache_dir(), sandbox)
    with ExitStack() as stack:
        answers = pending or stack.enter_context(prepared(plan, run, cache_dir(), max_cost))
        begin_run(plan, run)
        advance = stack.enter_context(run_progress(plan, run, tally=answers.tally, visible=progress))
        execute(plan, run, executor, pool, pending=answers, progress=advance)
    note_kill_rates(plan, run)
    stage(plan, run)
    if stress or run.stress_path.exists():
        with program_bar("stress ", visible=progress) as judged:
            stress_stage(plan, run, executor, pool, progress=judged)
    if guard if guard is not None else guards_by_default(plan) or run.guards_path.exists():
        try:
            with program_bar("guard ", visible=progress) as checked:
                guard_stage(plan, run, executor, pool, progress=checked)
        except SandboxError as error:  # the raw numbers are available regardless
            _log.warning("the answers are not guarded: %s", error)
    return FinishedRun(run.path)


def chosen_sandbox(sandbox: str | Sandbox | None, *, unsafe: bool = False) -> Sandbox:
    """The sandbox of this name, or the first that works here; UserError if it does not work."""
    from pie_bench.execution.sandbox.choose import choose_sandbox

    return choose_sandbox(sandbox, unsafe=unsafe) if sandbox is None or isinstance(sandbox, str) else sandbox


def chosen_pool(pool: str | Pool, *, workers: int | None = None, ray_address: str | None = None) -> Pool:
    """The pool of this name (`POOLS`); UserError where it is unknown, or there is no such cluster."""
    from pie_bench.execution.pool import LocalPool

    if ray_address is not None and pool != "ray":
        raise UserError(f"--ray-address {ray_address}: is for --pool ray")
    if not isinstance(pool, str):
        return pool
    if pool not in POOLS:
        raise unknown_name("pool", pool, POOLS)
    if pool == "local":
        return LocalPool(workers)
    from pie_bench.execution.ray_pool import RayPool

    return RayPool(ray_address, workers)
