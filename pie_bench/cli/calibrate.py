"""`calibrate`: fits the ruler's few free numbers to gem5's times, and reports the errors of the fit."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pie_bench.cli.options import positive
from pie_bench.paths import cache_dir
from pie_bench.progress import program_bar

RECORDED = "recorded"


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser(
        "calibrate",
        help="fit the embedded ruler's free numbers to gem5's times",
        description="Fit the ruler's free numbers to gem5's times; errors are leave-one-problem-out.",
    )
    parser.add_argument(
        "--environment",
        default=RECORDED,
        metavar="E",
        help="times to fit to: an environment such as gem5-skylake, or the dataset's own (default: %(default)s)",
    )
    parser.add_argument(
        "--ruler", default="skylake", metavar="E", help="environment to fit numbers of (default: %(default)s)"
    )
    parser.add_argument("--dataset", default="pie", metavar="D", help="default: %(default)s")
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N pairs")
    parser.add_argument("--tests-per-program", type=positive, metavar="N", help="a seeded sample of N (default: all)")
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="write the numbers as YAML that an environment includes"
    )
    parser.set_defaults(verb=calibrate)


def calibrate(arguments: argparse.Namespace) -> int:
    from pie_bench.data.load import load_dataset
    from pie_bench.execution import calibrate as calibration
    from pie_bench.execution.environment import load_environment_spec
    from pie_bench.execution.executor import open_executor
    from pie_bench.execution.pool import LocalPool
    from pie_bench.execution.roots import build_roots

    specs = calibration.steps_of(load_environment_spec(arguments.ruler))
    for name in (arguments.ruler, arguments.environment):
        if name != RECORDED:
            build_roots(name)
    dataset = load_dataset(arguments.dataset, "test", with_tests=True)
    rulers = {name: open_executor(spec, cache_dir()) for name, spec in specs.items()}
    reference = None if arguments.environment == RECORDED else open_executor(arguments.environment, cache_dir())
    with program_bar("measure") as advance:
        observations = calibration.observe(
            dataset,
            rulers,
            reference,
            LocalPool(),
            limit=arguments.limit,
            tests_per_program=arguments.tests_per_program,
            progress=advance,
        )
    fitted = calibration.calibrate(observations)
    text = calibration.as_yaml(fitted, arguments.ruler, arguments.environment)
    print(text, end="")
    if arguments.write is not None:
        arguments.write.write_text(text)
    return 0
