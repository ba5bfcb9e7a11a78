"""`generate`, `execute` and `score`: the stages of a run one by one, each of which can be resumed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pie_bench.cli import options, run
from pie_bench.cli.output import add_formats, print_csv, print_json
from pie_bench.paths import cache_dir


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser(
        "generate", help="ask the model; execute nothing", description="Ask the model; execute nothing."
    )
    options.add_settings(parser)
    options.add_max_cost(parser)
    parser.set_defaults(verb=generate)
    parser = verbs.add_parser(
        "execute", help="judge the generated answers", description="Compile, check and measure the answers."
    )
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR")
    options.add_execution(parser)
    options.add_pool(parser)
    parser.set_defaults(verb=execute)
    parser = verbs.add_parser("score", help="compute the metrics of a finished run", description="Compute the metrics.")
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR")
    add_formats(parser)
    parser.set_defaults(verb=score)


def generate(arguments: argparse.Namespace) -> int:
    from pie_bench.stages.generate import prepared
    from pie_bench.stages.plan import begin_run, check_run
    from pie_bench.stages.progress import run_progress

    left_to_pay = arguments.max_cost
    for plan, directory in options.plans_and_runs(arguments):
        with directory.locked():
            check_run(plan, directory)
            run.say_what_is_left_out(plan)
            with prepared(plan, directory, cache_dir(), left_to_pay) as pending:
                run.say_what_was_done(pending)
                if arguments.dry_run:
                    run.print_dry_run(plan, directory, pending)
                    continue
                begin_run(plan, directory)
                with run_progress(plan, directory, tally=pending.tally, executing=False) as progress:
                    for _ in pending.arriving():
                        progress("generated")
        if left_to_pay is not None:
            left_to_pay = max(0.0, left_to_pay - (pending.tally.cost_usd or 0.0))
        print(f"generations: {directory.generations_path}\nnext: pie-bench execute {directory.path}")
    return 0


def execute(arguments: argparse.Namespace) -> int:
    from pie_bench.execution.executor import open_executor
    from pie_bench.execution.roots import build_roots
    from pie_bench.run.run import Run
    from pie_bench.stages import execute as stage
    from pie_bench.stages.plan import plan_of
    from pie_bench.stages.progress import run_progress

    directory = Run(arguments.run_dir)
    plan = plan_of(directory)
    with directory.locked():
        sandbox = options.chosen_sandbox(arguments)
        build_roots(plan.settings.environment, sandbox)
        executor = open_executor(plan.settings.environment, cache_dir(), sandbox)
        with run_progress(plan, directory) as progress:
            stage.execute(plan, directory, executor, options.chosen_pool(arguments), progress=progress)
    print(f"verdicts: {directory.verdicts_path}\nnext: pie-bench score {directory.path}")
    return 0


def score(arguments: argparse.Namespace) -> int:
    from pie_bench import api
    from pie_bench.run.results import Score

    scored = api.score(arguments.run_dir)
    if arguments.format is None:
        run.print_results_of(scored)
    elif arguments.format == "json":
        print_json(scored.results.model_dump(mode="json"))
    else:
        print_csv((each.model_dump() for each in scored.results.scores), list(Score.model_fields))
    return 1 if scored.results.infra_errors else 0
