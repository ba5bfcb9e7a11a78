"""`run`: generate, execute and score in a row, overlapped. `harness.py` is this verb."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pie_bench.errors import UserError
from pie_bench.paths import cache_dir

if TYPE_CHECKING:
    from pie_bench.stages.execute import Progress
    from pie_bench.stages.generate import Tally
    from pie_bench.stages.plan import Plan
    from pie_bench.store import RunDirectory

DESCRIPTION = "Ask a model for faster programs, check and measure them, and score the answers."
EPILOG = (
    "An interrupted run is continued by the same command. Example: --task pie_retrieval_k2 --model smollm2 --limit 2"
)


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser("run", help="generate, execute and score", description=DESCRIPTION, epilog=EPILOG)
    add_arguments(parser)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_settings(parser)
    add_max_cost(parser)
    parser.add_argument("--workers", type=positive, metavar="N", help="programs executed at once (default: one a core)")
    parser.add_argument(
        "--confirm", metavar="E", help="measure what the numbers rest on again in this environment, e.g. gem5-skylake"
    )
    parser.set_defaults(verb=run)


def add_max_cost(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--max-cost", type=dollars, metavar="USD", help="stop before the run's answers cost more")


def add_settings(parser: argparse.ArgumentParser) -> None:
    """The options that say what is run."""
    parser.add_argument(
        "--task", required=True, metavar="T", help="a task of tasks/, e.g. pie_instruct, pie_retrieval_k2"
    )
    parser.add_argument(
        "--model", required=True, metavar="M", help="a name that `pie-bench models` lists, or ADAPTER:ID"
    )
    parser.add_argument(
        "--model-args", nargs="+", action="extend", metavar="K=V", help="the adapter's settings: docs/models.md"
    )
    parser.add_argument("--dataset", metavar="D", help="mini (bundled) or pie (in PIE_DATA_DIR); default: the task's")
    parser.add_argument("--environment", metavar="E", default="cachegrind-host", help="default: %(default)s")
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N pairs")
    parser.add_argument("--samples", type=positive, metavar="K", help="answers a pair (default: the task's)")
    parser.add_argument(
        "--encoder", metavar="X", help="what finds examples: tfidf or codebert-cpp; default: the task's"
    )
    parser.add_argument("--run-dir", type=Path, metavar="DIR", help="default: a folder of its own under runs/")


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {value}")
    return value


def dollars(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be an amount in USD, not {text}")
    return value


def model_args(given: Sequence[str]) -> dict[str, str]:
    """`key=value`, one each or several with commas between."""
    found: dict[str, str] = {}
    for text in given:
        for item in re.split(r",(?=\w+=)", text):
            key, equals, value = item.partition("=")
            if not (key and equals) or key in found:
                raise UserError(f"--model-args {item}: expected key=value, each key once")
            found[key] = value
    return found


def plan_and_directory(arguments: argparse.Namespace) -> tuple[Plan, RunDirectory]:
    """What the settings mean, and the folder they go to (not yet created)."""
    from pie_bench.stages.plan import Settings, default_run_directory, make_plan
    from pie_bench.store import RunDirectory

    plan = make_plan(
        Settings(
            task=arguments.task,
            model=arguments.model,
            dataset=arguments.dataset,
            environment=arguments.environment,
            limit=arguments.limit,
            samples=arguments.samples,
            encoder=arguments.encoder,
            model_args=model_args(arguments.model_args or ()),
        )
    )
    return plan, RunDirectory(arguments.run_dir or default_run_directory(plan))


def run(arguments: argparse.Namespace) -> int:
    from pie_bench.cli.confirm import confirm_and_print
    from pie_bench.cli.environment import build_root_of
    from pie_bench.execution.environment import load_environment_spec
    from pie_bench.execution.pool import LocalPool
    from pie_bench.stages.execute import execute, open_executor
    from pie_bench.stages.generate import prepared
    from pie_bench.stages.plan import begin_run, check_run

    plan, directory = plan_and_directory(arguments)
    if arguments.confirm is not None:
        load_environment_spec(arguments.confirm)  # an unknown name is said before anything is paid for
    with directory.locked():
        check_run(plan, directory)
        say_what_is_left_out(plan)
        build_root_of(plan.settings.environment)
        executor = open_executor(plan, cache_dir())
        with prepared(plan, directory, cache_dir(), arguments.max_cost) as generation:
            begin_run(plan, directory)
            with progress_bars(plan, directory, tally=generation.tally) as progress:
                pool = LocalPool(arguments.workers)
                execute(plan, directory, executor, pool, generation=generation, progress=progress)
        code = score_and_print(plan, directory)
        if arguments.confirm is not None:
            confirm_and_print(plan, directory, arguments.confirm, arguments.workers)
        return code


def say_what_is_left_out(plan: Plan) -> None:
    """One line on stderr for each of the first rows that cannot be used."""
    rejected = plan.dataset.rejected
    for row in rejected[:5]:
        print(f"left out: {row.pair_id}: {row.reason}", file=sys.stderr)
    if len(rejected) > 5:
        print(f"left out: {len(rejected) - 5} more, see manifest.json", file=sys.stderr)


def score_and_print(plan: Plan, directory: RunDirectory) -> int:
    """The last stage and its table; exit code 1 when executions failed on our side."""
    from pie_bench.report.table import print_results
    from pie_bench.stages.score import score

    results = score(plan, directory)
    print_results(results)
    print(f"results: {directory.results_path}")
    return 1 if results.infra_errors else 0


@contextmanager
def progress_bars(
    plan: Plan, directory: RunDirectory, *, tally: Tally | None = None, executing: bool = True
) -> Iterator[Progress]:
    """A bar for execution and, with a `tally`, one for generation, beginning where the run already is."""
    from tqdm import tqdm

    from pie_bench.stages.execute import counts

    now = counts(plan, directory)
    layout: dict[str, Any] = {"dynamic_ncols": True, "smoothing": 0.1, "file": sys.stderr}
    bars = {}
    if tally is not None:
        bars["generated"] = tqdm(desc="generate", total=now.to_generate, initial=now.generated, unit="answer", **layout)
    if executing:
        bars["executed"] = tqdm(desc="execute ", total=now.to_execute, initial=now.executed, unit="program", **layout)

    def advance(what: str) -> None:
        if what in bars:
            if what == "generated":
                bars[what].set_postfix_str(str(tally), refresh=False)
            bars[what].update()
            bars[what].refresh()  # the two bars move in turns: tqdm's own pace leaves one behind

    try:
        yield advance
    finally:
        for bar in bars.values():
            bar.close()
