"""`report`: finished runs as one HTML file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pie_bench.cli.output import add_formats, print_csv, print_json


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser(
        "report",
        help="one HTML file with everything about one or more runs",
        description="A page with scores, pictures and every pair, in one file that needs no network. With --json or "
        "--csv, the numbers of its headline table instead.",
    )
    parser.add_argument("run_dirs", type=Path, nargs="+", metavar="RUN_DIR")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: report.html in the first RUN_DIR")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="also write the pictures there, as SVG and PNG")
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
            {"run": run, "task": each.task, "model": each.model, "environment_id": each.environment_id}
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
    for path in write_report(runs, output, arguments.plots):
        print(f"{'report' if path == output else 'picture'}: {path} ({path.stat().st_size / 1e6:.2f} MB)")
    return 0
