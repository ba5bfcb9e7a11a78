"""`models`: what `--model` takes, and fetching the weights of the embedded one."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from pie_bench.paths import cache_dir

if TYPE_CHECKING:
    from pie_bench.models.entries import Entry


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser("models", help="list models, fetch weights", description="The models that can be asked.")
    parser.set_defaults(verb=list_models)
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    action = actions.add_parser("list", help="what --model takes (the default)")
    action.set_defaults(verb=list_models)
    action = actions.add_parser("get", help="fetch a model's weights into the cache folder")
    action.add_argument("name", metavar="MODEL")
    action.set_defaults(verb=get)


def list_models(arguments: argparse.Namespace) -> int:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from pie_bench.models.registry import forms, load_registry

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("name", "adapter", "answers", "$/M in", "$/M out", "as of", ""):
        table.add_column(title, justify="right" if title.startswith("$") else "left", no_wrap=bool(title))
    for name, entry in load_registry().models.items():
        table.add_row(name, entry.adapter, what_answers(entry), *_price(entry), entry.note or "", style=None)
    console = Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else 200)
    console.print(table)
    console.print(f"or ADAPTER:ID: {', '.join(forms())}", markup=False)
    console.print("prices: USD per million tokens as published then; check them, and see docs/models.md")
    return 0


def get(arguments: argparse.Namespace) -> int:
    from pie_bench.models.registry import weights_of
    from pie_bench.models.weights import get_weights

    print(get_weights(weights_of(arguments.name), cache_dir()))
    return 0


def what_answers(entry: Entry) -> str:
    """The exact model behind a name."""
    if entry.adapter == "llama_cpp":
        return entry.path if entry.weights is None else entry.weights.file_name  # type: ignore[return-value]
    if entry.adapter == "reference":
        return entry.answer
    return entry.path if entry.adapter == "replay" else entry.id


def _price(entry: Entry) -> tuple[str, str, str]:
    if entry.adapter != "openai" or entry.price_in is None or entry.price_out is None:
        return ("", "", "")
    return f"{entry.price_in:.2f}", f"{entry.price_out:.2f}", entry.price_date or ""
