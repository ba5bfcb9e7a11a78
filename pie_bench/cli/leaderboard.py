"""`leaderboard`: entries from finished runs, and the site made from them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pie_bench.paths import LEADERBOARD_DIR


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser(
        "leaderboard", help="enter a finished run, make the site", description="The leaderboard's entries."
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    action = actions.add_parser("add", help="write a run's entry and refresh leaderboard.json")
    action.add_argument("run_dir", type=Path, metavar="RUN_DIR")
    action.add_argument("--leaderboard", type=Path, default=LEADERBOARD_DIR, metavar="DIR", help="default: the clone's")
    action.set_defaults(verb=add)
    action = actions.add_parser("render", help="make a static site from the entries: index.html and a page an entry")
    action.add_argument("--out", type=Path, metavar="DIR", help="default: site/ in the leaderboard's folder")
    action.add_argument("--leaderboard", type=Path, default=LEADERBOARD_DIR, metavar="DIR", help="default: the clone's")
    action.set_defaults(verb=render)


def add(arguments: argparse.Namespace) -> int:
    from pie_bench.leaderboard.entry import add_entry
    from pie_bench.store import RunDirectory

    path = add_entry(RunDirectory(arguments.run_dir), arguments.leaderboard)
    print(f"entry: {path}\nboard: {arguments.leaderboard / 'leaderboard.json'}")
    return 0


def render(arguments: argparse.Namespace) -> int:
    from pie_bench.leaderboard.site import write_site

    index, entries = write_site(arguments.leaderboard, arguments.out or arguments.leaderboard / "site")
    print(f"site: {index} ({entries} {'entry' if entries == 1 else 'entries'})")
    return 0
