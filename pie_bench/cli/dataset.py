"""`dataset`: whether a dataset is in order, and where the published one is to be had."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pie_bench.cli.options import positive
from pie_bench.defaults import DEFAULT_ENVIRONMENT
from pie_bench.errors import UserError
from pie_bench.paths import cache_dir

if TYPE_CHECKING:
    from pie_bench.data.check import SplitReport
    from pie_bench.data.fetch import Arrived

SHOWN = 3  # places named for each kind of finding


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser("dataset", help="check a dataset, get the published one", description="Datasets.")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    action = actions.add_parser(
        "check", help="what is wrong with a dataset", description="Exit code 1 when something would change scores."
    )
    action.add_argument("name", nargs="?", default="pie", metavar="D", help="as --dataset takes it; default: pie")
    action.add_argument("--split", action="append", metavar="S", help="train, val or test; default: those there are")
    action.add_argument("--quick", action="store_true", help="run no program")
    action.add_argument("--environment", metavar="E", default=DEFAULT_ENVIRONMENT, help="default: %(default)s")
    action.add_argument("--workers", type=positive, metavar="N", help="programs run at once (default: one a core)")
    action.set_defaults(verb=check)
    action = actions.add_parser("fetch", help="where PIE's files are; verify those that arrived, lay them out")
    action.add_argument("--from", dest="source", metavar="X", help="the folder or URL (http, file) that holds them")
    action.add_argument("--to", type=Path, metavar="DIR", help="where they belong; default: PIE_DATA_DIR")
    action.set_defaults(verb=fetch)


def check(arguments: argparse.Namespace) -> int:
    from pie_bench.data.check import check_form

    spec, reports, stored = check_form(arguments.name, arguments.split)
    if not arguments.quick:
        judged = arguments.split or ["test"]
        for split in judged:
            if split in reports:
                _run_programs(arguments, reports[split], stored)
    faults = sum(finding.fault for report in reports.values() for finding in report.findings)
    _print_table(spec.dataset, list(reports.values()))
    _print_findings(list(reports.values()))
    ran = "no program was run (--quick)" if arguments.quick else "programs: compiled and run against their tests"
    print(ran)
    print(f"{faults} faults that change scores" if faults else "no fault that changes scores")
    return 1 if faults else 0


def _run_programs(arguments: argparse.Namespace, report: SplitReport, stored: Any) -> None:
    from tqdm import tqdm

    from pie_bench.cli.environment import build_root_of
    from pie_bench.data.check import Program, check_programs
    from pie_bench.execution.pool import LocalPool
    from pie_bench.run.verdict import Candidate
    from pie_bench.stages.execute import open_executor_of

    build_root_of(arguments.environment)
    executor = open_executor_of(arguments.environment, cache_dir())

    def judge(program: Program, tests: Any) -> tuple[str, str]:
        verdict = executor.execute(Candidate(program.name, "source", 0, program.code), tests, measured=False)
        first = verdict.compile_log.strip().split("\n")[0] if verdict.outcome == "compile_error" else verdict.detail
        return verdict.outcome, first

    done = check_programs(report, stored, judge, LocalPool(arguments.workers))
    for _ in tqdm(done, desc=f"programs of {report.split}", total=len(report.programs), disable=None):
        pass


def _print_table(name: str, reports: list[SplitReport]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=f"dataset {name}", title_justify="left")
    for column in ("split", "pairs", "paper", "problems", "paper", "no times", "findings", "faults"):
        table.add_column(column, justify="left" if column == "split" else "right")
    for report in reports:
        faults = sum(finding.fault for finding in report.findings)
        numbers = [report.pairs, report.expected_pairs, len(report.problem_ids), report.expected_problems]
        numbers += [report.without_times, len(report.findings), faults]
        table.add_row(report.split, *("–" if number is None else str(number) for number in numbers))
    Console(highlight=False).print(table)


def _print_findings(reports: list[SplitReport]) -> None:
    for report in reports:
        kinds = Counter((finding.what, finding.fault) for finding in report.findings)
        for (what, fault), count in sorted(kinds.items(), key=lambda item: (not item[0][1], item[0][0])):
            print(f"{'fault' if fault else 'note'}: {report.split}: {what}: {count}")
            places = [finding.where for finding in report.findings if finding.what == what]
            for place in places[:SHOWN]:
                print(f"    {place}")
            if count > SHOWN:
                print(f"    and {count - SHOWN} more")
        for what, found, expected in (
            ("pairs", report.pairs, report.expected_pairs),
            ("problems", len(report.problem_ids), report.expected_problems),
        ):
            if expected is not None and found != expected:
                print(f"note: {report.split}: {found} of the {expected} {what} of the paper: not its whole split")


def fetch(arguments: argparse.Namespace) -> int:
    from pie_bench.data.fetch import instructions, lay_out, verify, wanted_files
    from pie_bench.data.spec import load_spec

    spec = load_spec("pie")
    named = arguments.to or os.environ.get("PIE_DATA_DIR")
    target = None if named is None else Path(named).expanduser().resolve()
    if arguments.source is None:
        print("\n".join(instructions(spec, target)))
        if target is not None and target.is_dir():
            print(f"in {target} now:")
            _print_arrived(verify(spec, target))
        return 0
    if target is None:
        raise UserError("where to? give --to DIR, or set PIE_DATA_DIR")
    arrived = lay_out(spec, arguments.source, target)
    _print_arrived(arrived)
    names = {file.name for file in arrived}
    for wanted in wanted_files(spec):
        if not names & set(wanted) and not (target / spec.tests).is_dir():
            print(f"missing: {wanted[0]}", file=sys.stderr)
    print(f"in place: {target}\nnext: export PIE_DATA_DIR={target}; pie-bench dataset check")
    return 0


def _print_arrived(arrived: list[Arrived]) -> None:
    for file in arrived:
        against = f"as {file.known_from} says" if file.known_from else "first seen, noted in SHA256SUMS"
        line = f"  {file.name}: sha256 {file.sha256[:16]}… ({against})"
        if file.rows is not None:
            line += f", {file.rows} rows"
            if file.expected_rows is not None:
                line += (
                    " as in the paper" if file.rows == file.expected_rows else f", the paper has {file.expected_rows}"
                )
        print(line)
