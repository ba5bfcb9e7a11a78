"""`models`: lists what `--model` accepts, and downloads the embedded model's weights."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from pie_bench.paths import cache_dir


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser(
        "models", help="list models, fetch weights", description="List the models, or fetch weights."
    )
    _add_json(parser)
    parser.set_defaults(verb=list_models)
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    action = actions.add_parser("list", help="list what --model accepts (the default action)")
    _add_json(action)
    action.set_defaults(verb=list_models)
    action = actions.add_parser("get", help="download a model's weights into the cache")
    action.add_argument("name", metavar="MODEL")
    action.set_defaults(verb=get)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def list_models(arguments: argparse.Namespace) -> int:
    from pie_bench.models.registry import forms, named_entries, provenance

    entries = named_entries()
    if arguments.json:
        import json

        rows = [
            {
                "name": name,
                "adapter": entry.adapter,
                "answers": entry.label,
                "usd_per_million_in": entry.prices and entry.prices[0],
                "usd_per_million_out": entry.prices and entry.prices[1],
                "prices_as_of": entry.prices_as_of,
                "note": entry.note,
                "plugin": provenance(name),
            }
            for name, entry in entries.items()
        ]
        print(json.dumps({"models": rows, "forms": forms()}, indent=2, ensure_ascii=False))
        return 0
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("name", "adapter", "answers", "$/M in", "$/M out", "as of", ""):
        table.add_column(title, justify="right" if title.startswith("$") else "left", no_wrap=bool(title))
    for name, entry in entries.items():
        price_in, price_out = ("", "") if entry.prices is None else (f"{price:.2f}" for price in entry.prices)
        as_of = "" if entry.prices is None else entry.prices_as_of or ""
        table.add_row(name, entry.adapter, entry.label, price_in, price_out, as_of, entry.note or "", style=None)
    console = Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else 200)
    console.print(table)
    console.print(f"or ADAPTER:ID: {', '.join(forms())}; or package.module:Class", markup=False)
    console.print("prices: USD per million tokens, as published on the date shown; check them: docs/models.md")
    return 0


def get(arguments: argparse.Namespace) -> int:
    from pie_bench.models.registry import weights_of
    from pie_bench.models.weights import get_weights

    print(get_weights(weights_of(arguments.name), cache_dir()))
    return 0
