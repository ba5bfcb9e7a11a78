"""`run`: generates, executes and scores in one go, overlapped. `harness.py` is this verb."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from pie_bench.cli.options import (
    add_guard,
    add_max_cost,
    add_pool,
    add_sandbox,
    add_settings,
    chosen_pool,
    chosen_sandbox,
    plans_and_runs,
    positive,
)
from pie_bench.paths import cache_dir
from pie_bench.plain import plain

if TYPE_CHECKING:
    from pie_bench.run.run import Run
    from pie_bench.stages.finished import FinishedRun
    from pie_bench.stages.generate import PendingAnswers
    from pie_bench.stages.plan import Plan

DESCRIPTION = "Ask a model for faster programs, check and measure them, and score the answers."
EPILOG = "The same command resumes an interrupted run. Example: --task pie_retrieval_k2 --model smollm2 --limit 2"


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser("run", help="generate, execute and score", description=DESCRIPTION, epilog=EPILOG)
    add_arguments(parser)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_settings(parser)
    add_max_cost(parser)
    parser.add_argument(
        "--workers", type=positive, metavar="N", help="programs executed at once (default: one per core)"
    )
    add_pool(parser)
    parser.add_argument(
        "--confirm",
        metavar="E",
        help="repeat the measurements that decide the score in this environment, e.g. gem5-skylake",
    )
    add_guard(parser)
    parser.add_argument(
        "--tests",
        choices=("paper", "stress", "both"),
        default="paper",
        help="the dataset's own tests, its stress inputs in their place, or both side by side (pie-bench dataset "
        "stress); default: %(default)s",
    )
    parser.add_argument(
        "--log",
        action="append",
        default=[],
        metavar="TRACKER",
        help="log the finished run to wandb, trackio or mlflow; repeatable: docs/publishing.md",
    )
    add_sandbox(parser)
    parser.set_defaults(verb=run)


def run(arguments: argparse.Namespace) -> int:
    from pie_bench.api import complete
    from pie_bench.cli.confirm import confirm_and_print
    from pie_bench.execution.environment import load_environment_spec
    from pie_bench.report.summary import print_summary
    from pie_bench.stages.generate import prepared
    from pie_bench.stages.plan import check_run

    todo = plans_and_runs(arguments)
    if arguments.confirm is not None:
        load_environment_spec(arguments.confirm)  # report an unknown name before anything is paid for
    if arguments.log:
        from pie_bench.publish import tracking

        for tracker in arguments.log:
            tracking.check_tracker(tracker)
    sandbox = chosen_sandbox(arguments)
    pool = chosen_pool(arguments)
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
                done = complete(
                    plan,
                    run,
                    sandbox,
                    pool=pool,
                    guard=arguments.guard,
                    stress=arguments.tests == "both",
                    pending=pending,
                    progress=True,
                )
            if left_to_pay is not None:  # the rest is for the following tasks
                left_to_pay = max(0.0, left_to_pay - (pending.tally.cost_usd or 0.0))
            print_results_of(done)
            finished.append((done.results, done.results_path))
            for tracker in arguments.log:
                tracking.log(tracking.record_of(done.results, done.read_manifest()), tracker)
                print(f"logged: {tracker}")
            if arguments.confirm is not None:
                confirm_and_print(plan, run, arguments.confirm, pool, sandbox)
    if len(finished) > 1:
        print_summary(finished)
    return 1 if any(results.infra_errors for results, _ in finished) else 0


def say_what_was_done(pending: PendingAnswers) -> None:
    """Prints one line on stderr per change to the prompts: examples left out, sources cut."""
    for note in pending.prompts.notes() if pending.prompts is not None else ():
        print(plain(f"note: {note}"), file=sys.stderr)


def print_dry_run(plan: Plan, run: Run, pending: PendingAnswers) -> None:
    """Prints what the model would be asked, and where the run would go."""
    samples = sum(len(request.sample_indices) for request in pending.requests)
    print(
        f"{plan.task.task} · {plan.settings.model} · {plan.dataset.name}/{plan.dataset.split}: {len(plan.pairs)} pairs"
    )
    asked = f"answers: {samples}, to {len(pending.requests)} distinct prompts"
    print(f"would request {asked}, each of at most {plan.task.sampling.max_tokens} tokens")
    if pending.prompts is not None and pending.requests:
        counted = pending.prompts.tokens
        sizes = sorted(counted[request.pair_id] for request in pending.requests)
        about = "" if pending.prompts.exact else "about "
        print(f"prompts: {about}{sum(sizes)} tokens, the longest {about}{sizes[-1]}")
    print(f"run directory: {run.path}")


def say_what_is_left_out(plan: Plan) -> None:
    """Prints one line on stderr for each of the first unusable rows."""
    rejected = plan.dataset.rejected
    for row in rejected[:5]:
        print(plain(f"left out: {row.pair_id}: {row.reason}"), file=sys.stderr)
    if len(rejected) > 5:
        print(f"left out: {len(rejected) - 5} more, see manifest.json", file=sys.stderr)


def print_results_of(run: FinishedRun) -> None:
    """Prints the table, and where the numbers are."""
    from pie_bench.report.table import print_results

    print_results(run.results)
    print(f"results: {run.results_path}")
