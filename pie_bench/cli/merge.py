"""`merge`: merges shards into one run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pie_bench.cli.run import print_results_of


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser(
        "merge",
        help="join the shards of a run",
        description="Join partial runs: all shards of run --shard I/N, or runs over different pairs. "
        "The results equal those of a single run. See docs/scale.md.",
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="directories of finished runs")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="a new folder for the whole run")
    parser.set_defaults(verb=merge)


def merge(arguments: argparse.Namespace) -> int:
    from pie_bench import api

    merged = api.merge(arguments.runs, arguments.out)
    print_results_of(merged)
    return 1 if merged.results.infra_errors else 0
