"""`run`: generate, execute and score in a row, overlapped. `harness.py` is this verb."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pie_bench import DEFAULT_ENVIRONMENT
from pie_bench.errors import UserError
from pie_bench.paths import cache_dir

if TYPE_CHECKING:
    from pie_bench.execution.sandbox.sandbox import Sandbox
    from pie_bench.run.run import Run
    from pie_bench.stages.finished import FinishedRun
    from pie_bench.stages.generate import PendingAnswers
    from pie_bench.stages.plan import Plan

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
    parser.add_argument(
        "--answers-for-other-prompts",
        dest="other_prompts",
        action="store_true",
        help="take replayed answers that were given to other prompts; every result says so, no leaderboard takes it",
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
        help="mini (bundled), pie (in PIE_DATA_DIR), hf:OWNER/NAME, your own rows (JSONL, parquet, a folder) or a YAML "
        "file; default: the task's",
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


def plans_and_runs(arguments: argparse.Namespace) -> list[tuple[Plan, Run]]:
    """What the options mean, and the folder each task's run goes to (not yet created)."""
    from pie_bench.api import OTHER_PROMPTS, plans
    from pie_bench.data.spec import absolute_name
    from pie_bench.run.manifest import Settings

    other_prompts = {OTHER_PROMPTS: "true"} if arguments.other_prompts else {}
    tasks = [name for given in arguments.task for name in given.split(",") if name]
    settings = Settings(
        task=tasks[0] if tasks else "",
        model=arguments.model,
        dataset=None if arguments.dataset is None else absolute_name(arguments.dataset),
        environment=arguments.environment,
        limit=arguments.limit,
        samples=arguments.samples,
        encoder=arguments.encoder,
        pairs=pair_ids(arguments.pairs),
        include_path=arguments.include_path and str(Path(arguments.include_path).expanduser().resolve()),
        context=arguments.context,
        model_args=model_args(arguments.model_args or ()) | other_prompts,
    )
    return plans(settings, tasks, arguments.run_dir)


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
    from pie_bench.api import complete
    from pie_bench.cli.confirm import confirm_and_print
    from pie_bench.execution.environment import load_environment_spec
    from pie_bench.report.summary import print_summary
    from pie_bench.stages.generate import prepared
    from pie_bench.stages.plan import check_run

    todo = plans_and_runs(arguments)
    if arguments.confirm is not None:
        load_environment_spec(arguments.confirm)  # an unknown name is said before anything is paid for
    sandbox = chosen_sandbox(arguments)
    finished = []
    left_to_pay = arguments.max_cost
    for number, (plan, run) in enumerate(todo, start=1):
        if len(todo) > 1:
            print(f"task {number} of {len(todo)}: {plan.task.task}", file=sys.stderr)
        with run.locked():
            check_run(plan, run)
            say_what_is_left_out(plan)
            with prepared(plan, run, cache_dir(), left_to_pay) as pending:
                say_what_was_done(pending)
                if arguments.dry_run:
                    print_dry_run(plan, run, pending)
                    continue
                done = complete(plan, run, sandbox, workers=arguments.workers, pending=pending, progress=True)
            if left_to_pay is not None:  # what is left is for the tasks that follow
                left_to_pay = max(0.0, left_to_pay - (pending.tally.cost_usd or 0.0))
            print_results_of(done)
            finished.append((done.results, done.results_path))
            if arguments.confirm is not None:
                confirm_and_print(plan, run, arguments.confirm, arguments.workers, sandbox)
    if len(finished) > 1:
        print_summary(finished)
    return 1 if any(results.infra_errors for results, _ in finished) else 0


def say_what_was_done(pending: PendingAnswers) -> None:
    """One line on stderr for each thing done to prompts: examples left out, sources cut."""
    for note in pending.prompts.notes() if pending.prompts is not None else ():
        print(f"note: {note}", file=sys.stderr)


def print_dry_run(plan: Plan, run: Run, pending: PendingAnswers) -> None:
    """What would be asked of the model, and where it would go."""
    samples = sum(len(request.sample_indices) for request in pending.requests)
    print(
        f"{plan.task.task} · {plan.settings.model} · {plan.dataset.name}/{plan.dataset.split}: {len(plan.pairs)} pairs"
    )
    asked = f"answers: {samples}, to {len(pending.requests)} different prompts"
    print(f"would ask for {asked}, each of at most {plan.task.sampling.max_tokens} tokens")
    if pending.prompts is not None and pending.requests:
        counted = pending.prompts.tokens
        sizes = sorted(counted[request.pair_id] for request in pending.requests)
        about = "" if pending.prompts.exact else "about "
        print(f"prompts: {about}{sum(sizes)} tokens, the longest {about}{sizes[-1]}")
    print(f"run directory: {run.path}")


def say_what_is_left_out(plan: Plan) -> None:
    """One line on stderr for each of the first rows that cannot be used."""
    rejected = plan.dataset.rejected
    for row in rejected[:5]:
        print(f"left out: {row.pair_id}: {row.reason}", file=sys.stderr)
    if len(rejected) > 5:
        print(f"left out: {len(rejected) - 5} more, see manifest.json", file=sys.stderr)


def print_results_of(run: FinishedRun) -> None:
    """The table, and where the numbers are."""
    from pie_bench.report.table import print_results

    print_results(run.results)
    print(f"results: {run.results_path}")
