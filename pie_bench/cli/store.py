"""`store`: merges the cached measurements and answers of several machines."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pie_bench.paths import cache_dir


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser("store", help="join the measurements and answers of several machines")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    action = actions.add_parser(
        "merge",
        help="copy other machines' measurements and answers into this cache",
        description="Copy measurements, profiles and answers from other cache folders (PIE_BENCH_CACHE) into this "
        "machine's, so that none is simulated or requested again. Stores that disagree on a measurement are rejected.",
    )
    action.add_argument("folders", nargs="+", type=Path, metavar="CACHE", help="cache folders of other machines")
    action.add_argument("--into", type=Path, metavar="CACHE", help="default: this machine's cache folder")
    action.set_defaults(verb=merge)


def merge(arguments: argparse.Namespace) -> int:
    from pie_bench.store import merge_stores

    into = arguments.into or cache_dir()
    for name, added in merge_stores(arguments.folders, into).items():
        counts = ", ".join(f"{count} {table}s" for table, count in added.items())
        print(f"{into / name}: added {counts}")
    return 0
