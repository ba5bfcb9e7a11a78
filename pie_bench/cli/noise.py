"""`noise`: measures the apparent speedups of identical programs, natively and in the simulator."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from pie_bench.cli.options import add_sandbox, chosen_sandbox, positive
from pie_bench.cli.output import add_formats, print_csv, print_json, print_table
from pie_bench.defaults import DEFAULT_ENVIRONMENT

if TYPE_CHECKING:
    from pie_bench.stages.noise import Spread


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser(
        "noise",
        help="measure timing noise: identical programs, timed twice",
        description="Time each program against itself with hyperfine on this machine and in the simulator: every "
        "speedup it shows is noise (the paper, Section 2). Needs Debian's hyperfine.",
    )
    parser.add_argument(
        "--dataset", default="mini", metavar="D", help="dataset whose programs to time; default: %(default)s"
    )
    parser.add_argument("--environment", metavar="E", default=DEFAULT_ENVIRONMENT, help="default: %(default)s")
    parser.add_argument(
        "--pairs", type=positive, default=40, metavar="N", help="number of identical pairs; default: %(default)s"
    )
    parser.add_argument("--runs", type=positive, default=10, metavar="N", help="runs per side; default: %(default)s")
    add_sandbox(parser)
    add_formats(parser)
    parser.set_defaults(verb=noise)


def noise(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from tqdm import tqdm

    from pie_bench.data.load import load_dataset
    from pie_bench.execution.environment import load_environment_spec
    from pie_bench.stages.noise import Spread, check_hyperfine, identical_pairs

    check_hyperfine()
    sandbox = chosen_sandbox(arguments)
    spec = load_environment_spec(arguments.environment)
    dataset = load_dataset(arguments.dataset, "test", with_tests=True)
    with tqdm(total=arguments.pairs, unit="pair", file=sys.stderr, dynamic_ncols=True) as bar:
        found = identical_pairs(dataset, spec, sandbox, pairs=arguments.pairs, runs=arguments.runs, progress=bar.update)
    records = [
        {
            "program": pair.program,
            "test": pair.test_id,
            "native_first_seconds": pair.native_seconds[0],
            "native_second_seconds": pair.native_seconds[1],
            "native_speedup": pair.native_speedup,
            "simulated_speedup": pair.simulated_speedup,
        }
        for pair in found
    ]
    native = Spread.of([pair.native_speedup for pair in found])
    simulated = Spread.of([pair.simulated_speedup for pair in found])
    if arguments.format == "csv":
        print_csv(records, list(records[0]))
    elif arguments.format == "json":
        summary = {"native": asdict(native), "simulated": asdict(simulated)}
        print_json({"environment": arguments.environment, "runs": arguments.runs, **summary, "pairs": records})
    else:
        print_spreads(native, simulated, len(found), arguments.runs)
    if any(pair.simulated_speedup != 1.0 for pair in found):
        print("the simulator did not give the same time twice; please report this", file=sys.stderr)
        return 1
    return 0


def print_spreads(native: Spread, simulated: Spread, pairs: int, runs: int) -> None:
    """Prints what hyperfine and the simulator show for identical programs, next to the paper's figures."""
    from pie_bench.report.paper import paper_numbers

    paper = paper_numbers()["noise"]
    print(f"{pairs} programs against themselves, {runs} runs per side")
    rows = [
        ("hyperfine, this machine", native.mean, native.sd, native.top_5_percent, native.percent_optimized),
        ("simulator", simulated.mean, simulated.sd, simulated.top_5_percent, simulated.percent_optimized),
        (f"paper ({paper['n']} pairs, hyperfine)", paper["mean"], paper["sd"], paper["top5pct"], None),
    ]
    print_table(("phantom speedup", "mean", "sd", "top 5 % from", "% counted as optimized"), rows)
