"""`analyse`: the paper's analyses over a finished run."""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path
from typing import Any

from pie_bench.cli.output import add_formats, print_csv, print_json, print_table
from pie_bench.plain import plain

# Listed here so that --help needs no heavy import; tests check it against the existing analyses.
KINDS = {
    "errors": "what is wrong with the answers (Table 5)",
    "samples": "best@k and first@k against the number of samples (Figures 8, 9)",
    "lengths": "length of the source against correctness and speedup (A.4)",
    "edits": "kind of edit: algorithm, data structure, input/output, other (A.1)",
    "suspicious": "speedups with a constant or an array made smaller",
    "guards": "what `pie-bench guard` found in the run",
    "human": "the model beside the human rewrites",
    "duplicates": "the same code with different times (A.9)",
    "contamination": "the model on problems before and after a date",
    "stress": "the same pairs on the dataset's tests and on stress inputs",
    "growth": "how programs grow over the same input at several sizes, with fitted exponents",
}


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser(
        "analyse",
        help="analyse a finished run: errors, samples, edits, …",
        description="The paper's analyses over a finished run.",
        epilog="Analyses: " + "; ".join(f"{name}: {text}" for name, text in KINDS.items()) + ".",
    )
    parser.add_argument("analysis", choices=[*KINDS, "all"], metavar="ANALYSIS", help=f"{', '.join(KINDS)} or all")
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR")
    parser.add_argument("--since", type=_date, metavar="DATE", help="contamination: problems from this date on are new")
    parser.add_argument(
        "--new",
        type=Path,
        action="append",
        default=[],
        metavar="RUN_DIR",
        help="contamination: a run of the same task and model on other problems, e.g. newer ones",
    )
    add_formats(parser)
    parser.set_defaults(verb=analyse)


def _date(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a date such as 2024-01-31, not {text}") from None


def analyse(arguments: argparse.Namespace) -> int:
    from pie_bench.errors import UserError
    from pie_bench.report.analyses import analysis_of, contamination_of
    from pie_bench.report.text import with_bounds_beside
    from pie_bench.stages.finished import FinishedRun

    names = list(KINDS) if arguments.analysis == "all" else [arguments.analysis]
    if arguments.format == "csv" and len(names) > 1:
        raise UserError("--csv writes one table: name one analysis instead of all")
    run = FinishedRun(arguments.run_dir)
    if (arguments.since or arguments.new) and "contamination" not in names:
        raise UserError("--since and --new only apply to the analysis contamination")
    found = [
        contamination_of(run, arguments.since, [FinishedRun(path) for path in arguments.new])
        if name == "contamination"
        else analysis_of(run, name)
        for name in names
    ]
    if arguments.format == "json":
        print_json(
            [analysis.model_dump(mode="json") for analysis in found] if len(found) > 1 else found[0].model_dump()
        )
    elif arguments.format == "csv":
        print_csv(found[0].records(), ["task", "model", *found[0].columns])
    else:
        results = run.results
        print(plain(f"{results.task} · {results.model_shown} · {results.dataset}/{results.split}"))
        for analysis in found:
            print(f"{analysis.title}{f' ({analysis.paper})' if analysis.paper else ''}")
            if analysis.rows:
                print_table(*with_bounds_beside(analysis.columns, analysis.rows))
            else:
                print("  none\n")
            for note in analysis.notes:
                print(f"note: {note}")
            if len(found) > 1:
                print()
    return 0
