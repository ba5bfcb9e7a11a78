"""`leaderboard`: entries from finished runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pie_bench.paths import LEADERBOARD_DIR


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser("leaderboard", help="enter a finished run", description="The leaderboard's entries.")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    action = actions.add_parser("add", help="write a run's entry and refresh leaderboard.json")
    action.add_argument("run_dir", type=Path, metavar="RUN_DIR")
    action.add_argument("--leaderboard", type=Path, default=LEADERBOARD_DIR, metavar="DIR", help="default: the clone's")
    action.set_defaults(verb=add)


def add(arguments: argparse.Namespace) -> int:
    from pie_bench.leaderboard.entry import add_entry
    from pie_bench.store import RunDirectory

    path = add_entry(RunDirectory(arguments.run_dir), arguments.leaderboard)
    print(f"entry: {path}\nboard: {arguments.leaderboard / 'leaderboard.json'}")
    return 0
