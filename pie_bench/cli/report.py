"""`report`: writes finished runs as one HTML file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pie_bench.cli.options import add_sandbox, chosen_sandbox, natural
from pie_bench.cli.output import add_formats, print_csv, print_json
from pie_bench.errors import UserError
from pie_bench.paths import cache_dir
from pie_bench.progress import program_bar

if TYPE_CHECKING:
    from pie_bench.run.measurement import Profile
    from pie_bench.run.run import Key
    from pie_bench.stages.finished import FinishedRun

_PROFILED = 20  # pairs: three programs each, about ten seconds per program


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser(
        "report",
        help="write one HTML file about one or more runs",
        description="Write a page with scores, charts and every pair, in one file that needs no network. With --json "
        "or --csv, print the numbers of its headline table instead. If the run's environment "
        "supports profiling and is available, the programs of some pairs run once more to show where their cycles go, "
        "line by line; profiles are cached.",
    )
    parser.add_argument("run_dirs", type=Path, nargs="+", metavar="RUN_DIR")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: report.html in the first RUN_DIR")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="also write the charts there, as SVG and PNG")
    parser.add_argument(
        "--profile",
        type=natural,
        default=_PROFILED,
        metavar="N",
        help="show where cycles go in the N pairs with the largest speedups (default: %(default)s; 0 runs nothing)",
    )
    add_sandbox(parser)
    add_formats(parser)
    parser.set_defaults(verb=report)


def report(arguments: argparse.Namespace) -> int:
    from pie_bench.run.results import Score
    from pie_bench.run.run import Run
    from pie_bench.stages.finished import FinishedRun

    directories = [Run(path) for path in arguments.run_dirs]
    if arguments.format is not None:
        results = [(str(directory.path), directory.read_results()) for directory in directories]
        records = [
            {"run": run, "task": each.task, "model": each.model_shown, "environment_id": each.environment_id}
            | score.model_dump()
            for run, each in results
            for score in each.scores
        ]
        if arguments.format == "json":
            print_json(records)
        else:
            print_csv(records, ["run", "task", "model", "environment_id", *Score.model_fields])
        return 0
    from pie_bench.report.page import write_report

    runs = [FinishedRun(directory.path) for directory in directories]
    output = arguments.output or directories[0].path / "report.html"
    lines = [_profiles(run, arguments) if arguments.profile else {} for run in runs]
    for path in write_report(runs, output, arguments.plots, lines):
        print(f"{'report' if path == output else 'picture'}: {path} ({path.stat().st_size / 1e6:.2f} MB)")
    return 0


def _profiles(run: FinishedRun, arguments: argparse.Namespace) -> Mapping[Key, Profile]:
    """Profiles, if the run's environment supports them and is the same here; otherwise prints why not."""
    from pie_bench.execution.environment import load_environment_spec
    from pie_bench.execution.executor import open_executor
    from pie_bench.execution.pool import LocalPool
    from pie_bench.execution.roots import build_roots
    from pie_bench.stages.profile import profiles

    name = run.plan.settings.environment
    try:
        if not load_environment_spec(name).simulator.profiles:
            return {}
        sandbox = chosen_sandbox(arguments)
        build_roots(name, sandbox)
        executor = open_executor(name, cache_dir(), sandbox)
        if executor.environment.environment_id != run.results.environment_id:
            raise UserError(f"environment {name} has changed since")
    except UserError as error:
        print(f"{run.path}: no profiles: {error}", file=sys.stderr)
        return {}
    with program_bar("profile ") as advance:
        return profiles(run, executor, LocalPool(), arguments.profile, progress=advance)
