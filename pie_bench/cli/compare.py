"""`compare`: compares two runs over the same pairs, or the same programs on two processors."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pie_bench.cli.output import add_formats, print_csv, print_json
from pie_bench.plain import plain

if TYPE_CHECKING:
    from pie_bench.report.compare import Comparison, Difference
    from pie_bench.report.processors import Processors
    from pie_bench.run.results import Results


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser(
        "compare",
        help="test whether one run is better than another",
        description="Compare two runs pair by pair: difference with its 95 % interval (resampling problems), wins, "
        "ties, losses, and the smallest detectable difference. For runs in two environments: the same programs on "
        "two processors, with the rank correlation of their speedups and those that are faster on only one.",
    )
    parser.add_argument("run_a", type=Path, metavar="RUN_A")
    parser.add_argument("run_b", type=Path, metavar="RUN_B")
    parser.add_argument(
        "--method", choices=["best", "first"], default="best", help="best@k or first@k (default: %(default)s)"
    )
    add_formats(parser)
    parser.set_defaults(verb=compare)


def compare(arguments: argparse.Namespace) -> int:
    from pie_bench.report.compare import Difference
    from pie_bench.report.compare import compare as compared
    from pie_bench.run.run import Run

    a, b = (Run(path).read_results() for path in (arguments.run_a, arguments.run_b))
    if a.environment_id != b.environment_id:
        return _across(arguments, a, b)
    found = compared(a, b, str(arguments.run_a), str(arguments.run_b))
    if arguments.format == "json":
        print_json(found.model_dump(mode="json"))
    elif arguments.format == "csv":
        names = ("task_a", "model_a", "task_b", "model_b")
        print_csv(found.records(), [*names, *Difference.model_fields])
    else:
        print_comparison(found, [each for each in found.differences if each.method == arguments.method])
    return 0


def _across(arguments: argparse.Namespace, a: Results, b: Results) -> int:
    from pie_bench.report.processors import across_processors
    from pie_bench.run.run import Run

    paths = arguments.run_a, arguments.run_b
    one, other = (Run(path).read_verdicts(with_tests=False) for path in paths)
    found = across_processors(a, b, str(paths[0]), str(paths[1]), (one, other))
    if arguments.format == "json":
        print_json(found.model_dump(mode="json"))
    elif arguments.format == "csv":
        records = found.records()
        print_csv(records, list(records[0]))
    else:
        _print_across(found)
    return 0


def _print_across(found: Processors) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from pie_bench.report.processors import FASTER

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)
    for name, environment, folder in (("A", found.environment_a, found.a), ("B", found.environment_b, found.b)):
        console.print(plain(f"{name}: {environment} · {folder}"), markup=False, soft_wrap=True)
    correlation = "–" if found.rank_correlation is None else f"{found.rank_correlation:.3f}"
    console.print(
        f"{len(found.programs)} programs are right on both; rank correlation of their speedups {correlation}\n"
        f"{len(found.changed)} are {FASTER}× or more on one only",
        soft_wrap=True,
    )
    for program in found.wrong_on_one:
        console.print(plain(f"right on one only: {program}"), markup=False, soft_wrap=True)
    if not found.changed:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("faster on one only", "A", "B"):
        table.add_column(title, justify="right" if len(title) == 1 else "left")
    for each in found.changed:
        table.add_row(plain(each.name), f"{each.a:.2f}", f"{each.b:.2f}")
        for name, (one, other) in each.counters.items():
            table.add_row(f"  {name}", f"{one:.2f}", f"{other:.2f}", style="dim")
    console.print(table)
    console.print("Below a program: the slow program's counts divided by its own.", soft_wrap=True)


def print_comparison(found: Comparison, differences: list[Difference], *, legend: bool = True) -> None:
    """Prints what is compared, and a table of the differences; `legend`: with what its columns and marks mean."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)
    for name, task, model, folder in (
        ("A", found.task_a, found.model_a, found.a),
        ("B", found.task_b, found.model_b, found.b),
    ):
        console.print(plain(f"{name}: {task} · {model} · {folder}"), markup=False, soft_wrap=True)
    console.print(f"{found.n_pairs} pairs of {found.n_problems} problems in both, {found.environment}")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("", "A", "B", "A − B [95 %]", "W/T/L", "detects"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    for time in ("process", "after_main"):
        for each in differences:
            if each.time == time and not (time == "after_main" and each.metric == "percent_correct"):
                table.add_row(*_row(each, star=time == "after_main"), style="bold" if each.significant else "")
        if time == "process":
            table.add_section()
    console.print(table)
    if legend:
        console.print(
            "▲ ▼: significant, the interval excludes zero (a ratio: one). W/T/L: pairs that A wins, ties, losses.\n"
            "detects: the smallest true difference found with 80 % power. Geometric means are\n"
            "compared as A / B. * without process start-up.",
            soft_wrap=True,
        )
    if any(each.low is None and each.difference is not None for each in differences):
        console.print("Where all problems agree exactly, no interval can be given.")
    for name, pairs in (("A", found.only_in_a), ("B", found.only_in_b)):
        if pairs:
            console.print(f"[yellow]note:[/] {len(pairs)} pairs are only in {name} and left out")


def _row(each: Difference, *, star: bool) -> list[str]:
    from pie_bench.metrics.best_at_k import METRICS
    from pie_bench.report.table import format_value

    def number(value: float | None, *, sign: bool = False) -> str:
        if value is None:
            return "–"
        digits = 1 if METRICS[each.metric].unit == "%" else 2
        shown = round(value, digits) or 0.0  # no "-0.00"
        return f"{shown:{'+' if sign and not each.is_ratio and shown else ''}.{digits}f}"

    difference = number(each.difference, sign=True)
    if each.low is not None:
        difference += rf" \[{number(each.low, sign=True)}, {number(each.high, sign=True)}]"
    if each.significant and each.difference is not None:
        difference += " ▲" if each.difference > (1.0 if each.is_ratio else 0.0) else " ▼"
    return [
        f"{METRICS[each.metric].title.replace('geometric', 'geo.')}{'*' if star else ''} {each.method}@{each.k}",
        format_value(each.metric, each.a),
        format_value(each.metric, each.b),
        difference,
        f"{each.wins}/{each.ties}/{each.losses}",
        number(each.smallest_detectable),
    ]
