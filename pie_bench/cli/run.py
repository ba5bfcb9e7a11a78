"""`run`: generate, execute and score in a row, overlapped. `harness.py` is this verb."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pie_bench import DEFAULT_ENVIRONMENT
from pie_bench.errors import UserError
from pie_bench.paths import cache_dir

if TYPE_CHECKING:
    from pie_bench.execution.sandbox.sandbox import Sandbox
    from pie_bench.run.results import Results
    from pie_bench.stages.execute import Progress
    from pie_bench.stages.generate import Generation, Tally
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
    add_sandbox(parser)
    parser.set_defaults(verb=run)


def add_sandbox(parser: argparse.ArgumentParser) -> None:
    """The options that say what foreign code runs in: docs/security.md."""
    parser.add_argument("--sandbox", metavar="NAME", help="default: the first of doctor's list that works here")
    parser.add_argument(
        "--unsafe", action="store_true", help="where no sandbox works, run programs without; no leaderboard takes it"
    )


def chosen_sandbox(arguments: argparse.Namespace) -> Sandbox:
    """What `add_sandbox`'s options say; UserError when it does not work here."""
    from pie_bench.execution.sandbox.choose import choose_sandbox

    return choose_sandbox(arguments.sandbox, unsafe=arguments.unsafe)


def add_max_cost(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--max-cost", type=dollars, metavar="USD", help="stop before the run's answers cost more")


def add_settings(parser: argparse.ArgumentParser) -> None:
    """The options that say what is run."""
    parser.add_argument(
        "--task",
        required=True,
        action="append",
        metavar="T",
        help="tasks, groups and globs, e.g. pie_instruct or pie_cot_k2,'pie_retrieval_*' or pie_all",
    )
    parser.add_argument(
        "--model", required=True, metavar="M", help="a name that `pie-bench models` lists, or ADAPTER:ID"
    )
    parser.add_argument(
        "--model-args", nargs="+", action="extend", metavar="K=V", help="the adapter's settings: docs/models.md"
    )
    add_sources(parser)
    parser.add_argument("--environment", metavar="E", default=DEFAULT_ENVIRONMENT, help="default: %(default)s")
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N pairs")
    parser.add_argument(
        "--pairs", metavar="P", help="only these pairs: ids with commas between, or @FILE, an id a line"
    )
    parser.add_argument("--samples", type=positive, metavar="K", help="answers a pair (default: the task's)")
    parser.add_argument(
        "--context", type=positive, metavar="N", help="tokens the model has room for, where it does not say so itself"
    )
    parser.add_argument("--run-dir", type=Path, metavar="DIR", help="default: a folder of its own under runs/")
    parser.add_argument(
        "--dry-run", action="store_true", help="prepare everything and say what would be asked, but ask nothing"
    )


def add_sources(parser: argparse.ArgumentParser) -> None:
    """The options that say where pairs, tasks and examples come from."""
    parser.add_argument(
        "--dataset",
        metavar="D",
        help="mini (bundled), pie (in PIE_DATA_DIR), hf:OWNER/NAME or a YAML file; default: the task's",
    )
    parser.add_argument("--include-path", metavar="DIR", help="a folder with tasks of your own")
    parser.add_argument(
        "--encoder", metavar="X", help="what finds examples: tfidf, codebert-cpp or st:MODEL; default: the task's"
    )


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


def plans_and_directories(arguments: argparse.Namespace) -> list[tuple[Plan, RunDirectory]]:
    """What the settings mean, and the folder each task's run goes to (not yet created).

    Everything is looked up before anything is asked: a mistake in the last task is found before the first is paid for.
    """
    from pie_bench.stages.plan import Settings, default_run_directory, make_plan, task_folders
    from pie_bench.store import RunDirectory
    from pie_bench.task import load_task, select_tasks

    include_path = arguments.include_path and str(Path(arguments.include_path).expanduser().resolve())
    folders = task_folders(include_path)
    tasks = select_tasks([name for given in arguments.task for name in given.split(",") if name], *folders)
    # Of several tasks the encoder is for those that retrieve; that one is for nothing is a mistake.
    retrieve = [name for name in tasks if load_task(name, *folders).fewshot.strategy == "retrieval"] or tasks
    dataset = arguments.dataset
    if dataset is not None and dataset.endswith((".yaml", ".yml")):
        dataset = str(Path(dataset).expanduser().resolve())  # later stages may be run from elsewhere
    plans = [
        make_plan(
            Settings(
                task=task,
                model=arguments.model,
                dataset=dataset,
                environment=arguments.environment,
                limit=arguments.limit,
                samples=arguments.samples,
                encoder=arguments.encoder if task in retrieve else None,
                pairs=pair_ids(arguments.pairs),
                include_path=include_path,
                context=arguments.context,
                model_args=model_args(arguments.model_args or ()),
            )
        )
        for task in tasks
    ]
    own = arguments.run_dir
    if own is not None and len(plans) > 1:
        return [(plan, RunDirectory(own / plan.task.task)) for plan in plans]
    return [(plan, RunDirectory(own or default_run_directory(plan))) for plan in plans]


def pair_ids(text: str | None) -> tuple[str, ...] | None:
    """The ids that `--pairs` names; UserError for a file that cannot be read, and for none at all."""
    if text is None:
        return None
    ids = text.split(",")
    if text.startswith("@"):
        try:
            ids = Path(text[1:]).expanduser().read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"--pairs {text}: cannot be read ({error}); expected a file with a pair id a line"
            ) from None
    found = tuple(name.strip() for name in ids if name.strip())
    if not found:
        raise UserError(f"--pairs {text}: names no pair")
    return found


def run(arguments: argparse.Namespace) -> int:
    from pie_bench.cli.confirm import confirm_and_print
    from pie_bench.cli.environment import build_root_of
    from pie_bench.execution.environment import load_environment_spec
    from pie_bench.execution.pool import LocalPool
    from pie_bench.report.summary import print_summary
    from pie_bench.stages.execute import execute, open_executor
    from pie_bench.stages.generate import prepared
    from pie_bench.stages.plan import begin_run, check_run

    todo = plans_and_directories(arguments)
    if arguments.confirm is not None:
        load_environment_spec(arguments.confirm)  # an unknown name is said before anything is paid for
    sandbox = chosen_sandbox(arguments)
    finished = []
    left_to_pay = arguments.max_cost
    for number, (plan, directory) in enumerate(todo, start=1):
        if len(todo) > 1:
            print(f"task {number} of {len(todo)}: {plan.task.task}", file=sys.stderr)
        with directory.locked():
            check_run(plan, directory)
            say_what_is_left_out(plan)
            build_root_of(plan.settings.environment, sandbox)
            executor = open_executor(plan, cache_dir(), sandbox)
            with prepared(plan, directory, cache_dir(), left_to_pay) as generation:
                say_what_was_done(generation)
                if arguments.dry_run:
                    print_dry_run(plan, directory, generation)
                    continue
                begin_run(plan, directory)
                with progress_bars(plan, directory, tally=generation.tally) as progress:
                    pool = LocalPool(arguments.workers)
                    execute(plan, directory, executor, pool, generation=generation, progress=progress)
            if left_to_pay is not None:  # what is left is for the tasks that follow
                left_to_pay = max(0.0, left_to_pay - (generation.tally.cost_usd or 0.0))
            finished.append((score_and_print(plan, directory), directory.results_path))
            if arguments.confirm is not None:
                confirm_and_print(plan, directory, arguments.confirm, arguments.workers, sandbox)
    if len(finished) > 1:
        print_summary(finished)
    return 1 if any(results.infra_errors for results, _ in finished) else 0


def say_what_was_done(generation: Generation) -> None:
    """One line on stderr for each thing done to prompts: examples left out, sources cut."""
    for note in generation.prompts.notes() if generation.prompts is not None else ():
        print(f"note: {note}", file=sys.stderr)


def print_dry_run(plan: Plan, directory: RunDirectory, generation: Generation) -> None:
    """What would be asked of the model, and where it would go."""
    samples = sum(len(request.sample_indices) for request in generation.requests)
    print(
        f"{plan.task.task} · {plan.settings.model} · {plan.dataset.name}/{plan.dataset.split}: {len(plan.pairs)} pairs"
    )
    asked = f"answers: {samples}, to {len(generation.requests)} different prompts"
    print(f"would ask for {asked}, each of at most {plan.task.sampling.max_tokens} tokens")
    if generation.prompts is not None and generation.requests:
        counted = generation.prompts.tokens
        sizes = sorted(counted[request.pair_id] for request in generation.requests)
        about = "" if generation.prompts.exact else "about "
        print(f"prompts: {about}{sum(sizes)} tokens, the longest {about}{sizes[-1]}")
    print(f"run directory: {directory.path}")


def say_what_is_left_out(plan: Plan) -> None:
    """One line on stderr for each of the first rows that cannot be used."""
    rejected = plan.dataset.rejected
    for row in rejected[:5]:
        print(f"left out: {row.pair_id}: {row.reason}", file=sys.stderr)
    if len(rejected) > 5:
        print(f"left out: {len(rejected) - 5} more, see manifest.json", file=sys.stderr)


def score_and_print(plan: Plan, directory: RunDirectory) -> Results:
    """The last stage and its table."""
    from pie_bench.report.table import print_results
    from pie_bench.stages.score import score

    results = score(plan, directory)
    print_results(results)
    print(f"results: {directory.results_path}")
    return results


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
