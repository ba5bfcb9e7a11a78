"""`dataset`: lists, checks, shows and builds datasets, and says where to get the published one."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pie_bench.cli.options import add_execution, chosen_sandbox, pair_ids, positive
from pie_bench.cli.output import print_json, print_table
from pie_bench.defaults import DEFAULT_ENVIRONMENT
from pie_bench.errors import UserError
from pie_bench.paths import cache_dir
from pie_bench.plain import plain

if TYPE_CHECKING:
    from pie_bench.data.check import SplitReport
    from pie_bench.data.fetch import Arrived
    from pie_bench.data.mutants import MutantSet
    from pie_bench.data.stored_tests import StoredTests
    from pie_bench.data.stress import StressSet

SCORED = "test"  # pie_bench.data.spec takes too long to import for --help
SHOWN = 3  # examples named per kind of finding
NO_FAULT = "no fault that changes scores"


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser("dataset", help="build, list, check and show datasets; get PIE")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    action = actions.add_parser(
        "check", help="find a dataset's faults", description="Exits with 1 if a fault would change scores."
    )
    action.add_argument("name", nargs="?", default="pie", metavar="D", help="a dataset, as for --dataset; default: pie")
    action.add_argument("--split", action="append", metavar="S", help="train, val or test; default: all that exist")
    action.add_argument("--limit", type=positive, metavar="N", help="only the first N pairs of a split")
    action.add_argument(
        "--pairs", metavar="P", help="only these pairs: comma-separated ids, or @FILE with one id per line"
    )
    action.add_argument("--quick", action="store_true", help="run no program")
    action.add_argument("--environment", metavar="E", default=DEFAULT_ENVIRONMENT, help="default: %(default)s")
    add_execution(action, "programs run")
    action.add_argument("--json", action="store_true", help="print JSON")
    action.set_defaults(verb=check)
    action = actions.add_parser("list", help="list the named datasets")
    action.add_argument("--json", action="store_true", help="print JSON")
    action.set_defaults(verb=list_names)
    action = actions.add_parser("show", help="show a pair: its programs, tests and recorded times")
    action.add_argument("name", metavar="D", help="a dataset, as for --dataset")
    action.add_argument("--pair", metavar="ID", help="pair to show; default: the first")
    action.add_argument("--split", default=SCORED, metavar="S", help="train, val or test; default: %(default)s")
    action.add_argument("--json", action="store_true", help="print JSON, with the tests themselves")
    action.set_defaults(verb=show)
    action = actions.add_parser(
        "build",
        help="build a dataset from submissions, as PIE was from CodeNet",
        description="Resumes where it stopped; stages whose inputs have not changed are not repeated.",
    )
    action.add_argument("recipe", metavar="RECIPE", help="a YAML file, or pie: docs/dataset-building.md")
    action.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write the dataset")
    action.add_argument("--environment", metavar="E", help="environment to measure in; default: the recipe's")
    add_execution(action, "programs run")
    action.add_argument("--json", action="store_true", help="print the manifest")
    action.set_defaults(verb=build)
    action = actions.add_parser("stats", help="count problems, pairs, lengths and duplicates (the paper's A.5 and A.9)")
    action.add_argument("name", metavar="D", help="a dataset, as for --dataset")
    action.add_argument(
        "--tokenizer",
        metavar="T",
        help="count with a tokenizer.json, the folder of one, a GGUF file, smollm2, or a name on the Hugging Face hub "
        "(gpt2: as in the paper); default: tokens of C++",
    )
    action.add_argument("--page", type=Path, metavar="FILE", help="also write an HTML page with charts")
    action.add_argument("--json", action="store_true", help="print JSON")
    action.set_defaults(verb=stats)
    action = actions.add_parser(
        "stress",
        help="make larger inputs, on which start-up no longer dominates",
        description="Search for inputs on which the pairs' slow programs spend 80 % of their time after start-up, and "
        "store them as generator, seed and hash for `run --tests`: docs/stress.md.",
    )
    action.add_argument("name", metavar="D", help="a dataset, as for --dataset")
    action.add_argument("--split", default=SCORED, metavar="S", help="train, val or test; default: %(default)s")
    action.add_argument(
        "--problems", metavar="P", help="only these problems: comma-separated ids; the others' inputs are kept"
    )
    action.add_argument("--generators", type=Path, metavar="DIR", help="a folder with generators written by hand")
    action.add_argument("--derived", action="store_true", help="use no generator written by hand")
    action.add_argument(
        "--out", type=Path, metavar="FILE", help="default: where `run --tests` looks for it, in the cache folder"
    )
    action.add_argument(
        "--rebuild", action="store_true", help="only regenerate every input and compare the hashes; run no program"
    )
    action.add_argument("--environment", metavar="E", default=DEFAULT_ENVIRONMENT, help="default: %(default)s")
    add_execution(action, "programs run")
    action.add_argument("--json", action="store_true", help="print JSON")
    action.set_defaults(verb=stress)
    action = actions.add_parser(
        "mutants",
        help="say how strong the tests are: which wrong programs they find",
        description="Makes small mistakes in the pairs' right programs and counts, per problem, those that the "
        "dataset's tests, guard inputs and stress inputs find. Runs mark the problems whose tests are weak: "
        "docs/stress.md.",
    )
    action.add_argument("name", metavar="D", help="a dataset, as for --dataset")
    action.add_argument("--split", default=SCORED, metavar="S", help="train, val or test; default: %(default)s")
    action.add_argument(
        "--problems", metavar="P", help="only these problems: comma-separated ids; what is known of others is kept"
    )
    action.add_argument(
        "--mutants", type=positive, default=12, metavar="N", help="at most N per problem; default: %(default)s"
    )
    action.add_argument("--out", type=Path, metavar="FILE", help="default: where runs look for it, in the cache folder")
    action.add_argument("--environment", metavar="E", default=DEFAULT_ENVIRONMENT, help="default: %(default)s")
    add_execution(action, "programs run")
    action.add_argument("--json", action="store_true", help="print JSON, with every mutant")
    action.set_defaults(verb=mutants)
    action = actions.add_parser("fetch", help="say where to get PIE's files; verify and install those you have")
    action.add_argument("--from", dest="source", metavar="X", help="folder or URL (http, file) that has them")
    action.add_argument("--to", type=Path, metavar="DIR", help="where to put them; default: PIE_DATA_DIR")
    action.set_defaults(verb=fetch)


def list_names(arguments: argparse.Namespace) -> int:
    from pie_bench.data.spec import FILES, HUB, dataset_names

    names = dataset_names()
    if arguments.json:
        print_json([{"dataset": name, "description": what} for name, what in names.items()])
        return 0
    forms = (f"{HUB}OWNER/NAME", f"FILE{'|'.join(FILES)}", "FOLDER", "FILE.yaml")
    width = max(map(len, (*names, *forms)))
    for name, what in names.items():
        print(f"{name:<{width}}  {what}")
    print("\nand of your own (docs/dataset.md):")
    for form, what in zip(
        forms, ("on the Hugging Face hub", "pairs", "a file a split", "columns of other names"), strict=True
    ):
        print(f"{form:<{width}}  {what}")
    return 0


def show(arguments: argparse.Namespace) -> int:
    from pie_bench.data.load import load_dataset

    dataset = load_dataset(arguments.name, arguments.split)
    pair = dataset.pairs[0] if arguments.pair is None else dataset.pair(arguments.pair)
    tests = dataset.tests(pair)
    if arguments.json:
        from dataclasses import asdict

        shown = [
            {
                "id": test.test_id,
                "input": test.input.decode(errors="replace"),
                "output": test.expected_output.decode(errors="replace"),
            }
            for test in tests
        ]
        print_json({"dataset": dataset.name, "split": dataset.split, **asdict(pair), "tests": shown})
        return 0
    print(plain(f"pair {pair.pair_id} of {dataset.name}/{dataset.split}, problem {pair.problem_id}"))
    print(f"tests: {len(tests)} ({sum(len(test.input) for test in tests)} bytes of input)")
    for side, seconds, code in (
        ("source", pair.src_seconds, pair.src_code),
        ("target", pair.tgt_seconds, pair.tgt_code),
    ):
        recorded = "no times recorded" if seconds is None else f"{math.fsum(seconds.values()):.6g} s recorded"
        print(plain(f"\n--- {side} ({recorded})\n{code.rstrip()}", lines=True))
    return 0


def check(arguments: argparse.Namespace) -> int:
    from pie_bench.data.check import Wanted, check_form

    wanted = Wanted(pair_ids(arguments.pairs), arguments.limit)
    spec, reports, stored = check_form(arguments.name, arguments.split, wanted)
    if not arguments.quick:
        judged = arguments.split or [SCORED]
        for split in judged:
            if split in reports:
                _run_programs(arguments, reports[split], stored)
    faults = sum(finding.fault for report in reports.values() for finding in report.findings)
    if arguments.json:
        _print_json(spec.dataset, list(reports.values()), programs_run=not arguments.quick)
        return 1 if faults else 0
    _print_table(spec.dataset, list(reports.values()))
    _print_findings(list(reports.values()), whole=arguments.limit is None and arguments.pairs is None)
    ran = "no program was run (--quick)" if arguments.quick else "programs: compiled and run against their tests"
    print(ran)
    print(f"{faults} fault{'s' * (faults > 1)} that change{'s' * (faults == 1)} scores" if faults else NO_FAULT)
    return 1 if faults else 0


def _run_programs(arguments: argparse.Namespace, report: SplitReport, stored: StoredTests | None) -> None:
    from tqdm import tqdm

    from pie_bench.data.check import Program, check_programs
    from pie_bench.execution.executor import open_executor
    from pie_bench.execution.pool import LocalPool
    from pie_bench.execution.roots import build_roots
    from pie_bench.run.verdict import Candidate

    sandbox = chosen_sandbox(arguments)
    build_roots(arguments.environment, sandbox)
    executor = open_executor(arguments.environment, cache_dir(), sandbox)

    def judge(program: Program, tests: Any) -> tuple[str, str]:
        candidate = Candidate(program.name, "source", 0, program.code, problem_id=program.record.problem_id)
        verdict = executor.execute(candidate, tests, measured=False)
        first = verdict.compile_log.strip().split("\n")[0] if verdict.outcome == "compile_error" else verdict.detail
        return verdict.outcome, first

    done = check_programs(report, stored, judge, LocalPool(arguments.workers))
    for _ in tqdm(done, desc=f"programs of {report.split}", total=len(report.programs), disable=None):
        pass


def _print_json(name: str, reports: list[SplitReport], *, programs_run: bool) -> None:
    from dataclasses import asdict

    splits = [
        {
            "split": report.split,
            "pairs": report.pairs,
            "published_pairs": report.expected_pairs,
            "problems": len(report.problem_ids),
            "published_problems": report.expected_problems,
            "without_times": report.without_times,
            "findings": [asdict(finding) for finding in report.findings],
        }
        for report in reports
    ]
    print_json({"dataset": name, "programs_run": programs_run, "splits": splits})


def _print_table(name: str, reports: list[SplitReport]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=f"dataset {name}", title_justify="left")
    published = any(report.expected_pairs is not None for report in reports)
    paper = ("paper",) if published else ()
    for column in ("split", "pairs", *paper, "problems", *paper, "no times", "findings", "faults"):
        table.add_column(column, justify="left" if column == "split" else "right")
    for report in reports:
        faults = sum(finding.fault for finding in report.findings)
        numbers = [report.pairs, *([report.expected_pairs] * published), len(report.problem_ids)]
        numbers += [*([report.expected_problems] * published), report.without_times, len(report.findings), faults]
        table.add_row(report.split, *("–" if number is None else str(number) for number in numbers))
    Console(highlight=False).print(table)


def _print_findings(reports: list[SplitReport], *, whole: bool) -> None:
    for report in reports:
        kinds = Counter((finding.what, finding.fault) for finding in report.findings)
        for (what, fault), count in sorted(kinds.items(), key=lambda item: (not item[0][1], item[0][0])):
            print(f"{'fault' if fault else 'note'}: {report.split}: {what}: {count}")
            places = [finding.where for finding in report.findings if finding.what == what]
            for place in places[:SHOWN]:
                print(plain(f"    {place}"))
            if count > SHOWN:
                print(f"    and {count - SHOWN} more")
        for what, found, expected in (
            ("pairs", report.pairs, report.expected_pairs),
            ("problems", len(report.problem_ids), report.expected_problems),
        ):
            if whole and expected is not None and found != expected:
                print(f"note: {report.split}: {found} of the {expected} {what} of the paper: an incomplete split")


def build(arguments: argparse.Namespace) -> int:
    from pie_bench.construction.build import build_dataset

    manifest = build_dataset(
        arguments.recipe,
        arguments.out,
        environment=arguments.environment,
        sandbox=arguments.sandbox,
        unsafe=arguments.unsafe,
        workers=arguments.workers,
    )
    if arguments.json:
        print_json(manifest)
        return 0
    environment = manifest["environment"]
    print(f"dataset {manifest['dataset']}, measured in {environment['name']} ({environment['environment_id'][:12]})")
    for stage in manifest["funnel"]:
        print(f"{stage['stage']:<13} {', '.join(f'{name} {n}' for name, n in stage['counts'].items())}")
    for found in manifest["bad_input"]:
        first = f"; the first: {found['named'][0]}" if found["named"] else ""
        print(f"note: {found['what']}: {found['count']} ({found['lost']} lost){first}")
    print(f"in {arguments.out}: {', '.join(f'{name}.jsonl {n}' for name, n in manifest['rows'].items())}")
    return 0


def stats(arguments: argparse.Namespace) -> int:
    from pie_bench.construction.stats import dataset_stats, funnel_of
    from pie_bench.report.dataset_page import tables, write_dataset_page

    found = dataset_stats(arguments.name, arguments.tokenizer)
    if arguments.page is not None:
        write_dataset_page(found, arguments.page)
    if arguments.json:
        print_json(found.model_dump(mode="json"))
        return 0
    print(f"dataset {found.dataset}")
    for title, paper, columns, rows in tables(found):
        if rows:
            print(f"{title} ({paper})")
            print_table(columns, rows)
    for title, count in funnel_of(found):
        print(f"{title:<20} {count:>10}")
    return 0


def stress(arguments: argparse.Namespace) -> int:
    from pie_bench.data.load import load_dataset
    from pie_bench.data.spec import load_spec
    from pie_bench.data.stress import read_stress, rebuilt, stress_path, write_stress

    spec = load_spec(arguments.name)
    path = arguments.out or stress_path(spec, arguments.split)
    if arguments.rebuild:
        found = read_stress(path, spec.dataset, arguments.split)
        print(f"{rebuilt(found, path)} inputs regenerated, each with the right hash: {path}")
        return 0
    from pie_bench.construction.stress import stress_set
    from pie_bench.execution.executor import open_executor
    from pie_bench.execution.pool import LocalPool
    from pie_bench.execution.roots import build_roots
    from pie_bench.progress import program_bar

    if arguments.generators is not None and not arguments.generators.is_dir():
        raise UserError(f"--generators {arguments.generators}: not a folder; give one with PROBLEM.yaml files")
    problems = None if arguments.problems is None else [name for name in arguments.problems.split(",") if name]
    known = read_stress(path, spec.dataset, arguments.split) if problems is not None and path.is_file() else None
    dataset = load_dataset(arguments.name, arguments.split)
    sandbox = chosen_sandbox(arguments)
    build_roots(arguments.environment, sandbox)
    executor = open_executor(arguments.environment, cache_dir(), sandbox)
    total = len(problems) if problems is not None else len({pair.problem_id for pair in dataset.pairs})
    used = _cpu_minutes()
    with program_bar("stress ") as advance:
        found = stress_set(
            dataset,
            executor,
            LocalPool(arguments.workers),
            folder=arguments.generators,
            problems=problems,
            known=known,
            derived=arguments.derived,
            progress=lambda _: advance(total),
        )
    write_stress(path, found)
    if arguments.json:
        print_json(found.model_dump(mode="json"))
        return 0
    _print_stress(found)
    print(f"{(_cpu_minutes() - used) / max(total, 1):.2f} CPU minutes per problem")
    print(f"stress inputs: {path}\nnext: pie-bench run --tests both …")
    return 0


def _cpu_minutes() -> float:
    from pie_bench.execution.pool import cpu_seconds_of_children

    return cpu_seconds_of_children() / 60


def _print_stress(found: StressSet) -> None:
    from pie_bench.data.stress import MIN_SHARE

    rows = []
    for name, problem in found.problems.items():
        kept = [sum(share >= MIN_SHARE for share in found.pairs[p].shares.values()) for p in problem.pairs]
        best = max((found.pairs[p].best_share or 0.0 for p in problem.pairs), default=0.0)
        written = "–" if problem.generator is None else problem.written_by
        exercised = sum(found.pairs[p].exercised for p in problem.pairs)
        rows.append(
            [
                plain(name),
                written,
                f"{exercised} of {len(problem.pairs)}",
                str(max(kept, default=0)),
                f"{100 * best:.1f} %",
                str(problem.tried),
                str(problem.agreed),
                str(problem.disagreed),
                str(problem.too_few),
            ]
        )
    columns = ["problem", "generator", "pairs", "inputs", "most work", "tried", "agreed", "disagreed", "too few"]
    print_table(columns, rows)
    pairs = found.pairs.values()
    enough = sum(sum(share >= MIN_SHARE for share in pair.shares.values()) >= 5 for pair in pairs)
    tried, agreed = (sum(getattr(each, name) for each in found.problems.values()) for name in ("tried", "agreed"))
    print(
        f"{sum(pair.exercised for pair in pairs)} of {len(pairs)} pairs have inputs that are mostly work, "
        f"{enough} at least 5; two programs or more agree on {agreed} of {tried} inputs tried"
    )


def mutants(arguments: argparse.Namespace) -> int:
    from pie_bench.construction.mutants import mutant_set
    from pie_bench.data.load import load_dataset
    from pie_bench.data.mutants import mutants_path, read_mutants, write_mutants
    from pie_bench.data.spec import load_spec
    from pie_bench.data.stress import read_stress, stress_path
    from pie_bench.execution.executor import open_executor
    from pie_bench.execution.pool import LocalPool
    from pie_bench.execution.roots import build_roots
    from pie_bench.progress import program_bar

    spec, split = load_spec(arguments.name), arguments.split
    path = arguments.out or mutants_path(spec, split)
    dataset = load_dataset(arguments.name, split)
    inputs = stress_path(spec, split)
    stress = read_stress(inputs, spec.dataset, split) if inputs.is_file() else None
    stressed = load_dataset(arguments.name, split, stress=True) if stress is not None else None
    problems = None if arguments.problems is None else [name for name in arguments.problems.split(",") if name]
    known = read_mutants(path, spec.dataset, split) if problems is not None else None
    sandbox = chosen_sandbox(arguments)
    build_roots(arguments.environment, sandbox)
    executor = open_executor(arguments.environment, cache_dir(), sandbox)
    total = len(problems) if problems is not None else len({pair.problem_id for pair in dataset.pairs})
    used = _cpu_minutes()
    with program_bar("problems ") as advance:
        found = mutant_set(
            dataset,
            stress,
            stressed,
            executor,
            LocalPool(arguments.workers),
            problems=problems,
            known=known,
            most=arguments.mutants,
            progress=advance,
        )
    write_mutants(path, found)
    if arguments.json:
        print_json(found.model_dump(mode="json"))
        return 0
    _print_mutants(found)
    print(f"{(_cpu_minutes() - used) / max(total, 1):.2f} CPU minutes a problem")
    print(f"mutants: {path}\nnext: pie-bench run …, or pie-bench score RUN_DIR: results mark the weak problems")
    return 0


def _print_mutants(found: MutantSet) -> None:
    from pie_bench.run.kills import WEAK

    def rate(killed: int | None, of: int) -> str:
        return "–" if killed is None or not of else f"{killed} of {of} ({100 * killed / of:.0f} %)"

    rates = found.rates
    rows = [
        [plain(name), *(rate(side, each.mutants) for side in (each.tests, each.guards, each.stress, each.any))]
        for name, each in rates.problems.items()
    ]
    print_table(["problem", "tests", "guard inputs", "stress inputs", "any"], rows)
    every = rates.problems.values()
    total = sum(each.mutants for each in every)
    by_tests, by_any = sum(each.tests or 0 for each in every), sum(each.any for each in every)
    print(
        f"of {total} mutants the tests find {rate(by_tests, total)}, with guard and stress inputs {rate(by_any, total)}"
    )
    print(f"weak (tests find less than {100 * WEAK:.0f} %): {plain(', '.join(rates.weak)) or 'none'}")
    print("a mutant may be right after all, so these are lower bounds")


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
        raise UserError("no target folder; give --to DIR or set PIE_DATA_DIR")
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
