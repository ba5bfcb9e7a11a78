"""`adapt`: from a dataset to an adapted model."""

from __future__ import annotations

from typing import Any

from pie_bench.cli import adapt_selfplay


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser("adapt", help="adapt models: synthetic programs from self-play")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    adapt_selfplay.add_actions(actions)
