"""`confirm`: re-measures the programs that a run's numbers depend on in another environment, and reports agreement."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pie_bench.cli.options import add_execution, add_pool, chosen_pool, chosen_sandbox
from pie_bench.paths import cache_dir
from pie_bench.progress import program_bar

if TYPE_CHECKING:
    from pie_bench.execution.pool import Pool
    from pie_bench.execution.sandbox.sandbox import Sandbox
    from pie_bench.run.run import Run
    from pie_bench.stages.plan import Plan


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser(
        "confirm",
        help="re-measure a run's best programs in another environment",
        description="Repeat the measurements that decide a run's score, and report how well the two rulers agree.",
    )
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR")
    parser.add_argument("--environment", default="gem5-skylake", metavar="E", help="default: %(default)s")
    add_execution(parser)
    add_pool(parser)
    parser.set_defaults(verb=confirm)


def confirm(arguments: argparse.Namespace) -> int:
    from pie_bench.run.run import Run
    from pie_bench.stages.plan import plan_of

    directory = Run(arguments.run_dir)
    plan = plan_of(directory)
    with directory.locked():
        confirm_and_print(plan, directory, arguments.environment, chosen_pool(arguments), chosen_sandbox(arguments))
    return 0


def confirm_and_print(plan: Plan, directory: Run, environment: str, pool: Pool, sandbox: Sandbox) -> None:
    """Measures with the second ruler behind a progress bar and prints how far the two agree."""
    from pie_bench.execution.executor import open_executor
    from pie_bench.execution.roots import build_roots
    from pie_bench.stages import confirm as stage

    build_roots(environment, sandbox)
    executor = open_executor(environment, cache_dir(), sandbox)
    with program_bar("confirm ") as advance:
        found = stage.confirm(plan, directory, executor, pool, progress=advance)
    measured_in = executor.environment
    print(f"confirmed in {measured_in.name} ({measured_in.environment_id[:12]}): {found.programs} programs")
    if found.programs:
        ranks = "" if math.isnan(found.rank_correlation) else f"; rank correlation {found.rank_correlation:.4f}"
        print(f"  optimised or not: the same for {found.same_verdict} of {found.programs}{ranks}")
        print(f"  speedups differ by {found.median_error:.2%} (median), {found.worst_error:.2%} at most")
    for one in found.disagreements:
        print(
            f"  disagree on {one.pair_id} ({one.program}): {one.screened_speedup:.3f}× screened, "
            f"{one.confirmed_speedup:.3f}× confirmed"
        )
    print(f"confirmation: {directory.path / f'confirmation-{measured_in.name}.json'}")
