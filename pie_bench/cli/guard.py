"""`guard`: finds answers that are right on the tests for the wrong reason, and scores the run with and without them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pie_bench.cli.options import add_execution, add_pool, chosen_pool, chosen_sandbox, positive
from pie_bench.paths import cache_dir
from pie_bench.progress import program_bar


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser(
        "guard",
        help="re-check a run's speedups with sanitizers and on new inputs",
        description="Rebuild a run's answers with sanitizers, run them on inputs outside the tests, and "
        "score the run with flagged answers counted as wrong.",
    )
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR")
    parser.add_argument("--all", action="store_true", help="every correct answer, not only those 10 %% faster")
    parser.add_argument("--inputs", type=positive, metavar="N", help="guard inputs per pair (default: 20)")
    add_execution(parser, "pairs checked")
    add_pool(parser)
    parser.set_defaults(verb=guard)


def guard(arguments: argparse.Namespace) -> int:
    from pie_bench.execution.executor import open_executor
    from pie_bench.execution.integrity.guards import N_GUARD_INPUTS
    from pie_bench.execution.roots import build_roots
    from pie_bench.report.table import print_guards
    from pie_bench.run.run import Run
    from pie_bench.stages import guard as stage
    from pie_bench.stages.plan import plan_of

    directory = Run(arguments.run_dir)
    plan = plan_of(directory)
    with directory.locked():
        sandbox = chosen_sandbox(arguments)
        build_roots(plan.settings.environment, sandbox)
        executor = open_executor(plan.settings.environment, cache_dir(), sandbox)
        with program_bar("guard ") as advance:
            results = stage.guard(
                plan,
                directory,
                executor,
                chosen_pool(arguments),
                every=arguments.all,
                n=arguments.inputs or N_GUARD_INPUTS,
                progress=advance,
            )
    print_guards(results)
    print(f"results: {directory.results_path}")
    return 0
