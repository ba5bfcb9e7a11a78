"""`models`: what `--model` takes, and fetching the weights of the embedded one."""

from __future__ import annotations

import argparse
from typing import Any

from pie_bench.paths import cache_dir


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser("models", help="list models, fetch weights", description="The models that can be asked.")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    action = actions.add_parser("list", help="what --model takes")
    action.set_defaults(verb=list_models)
    action = actions.add_parser("get", help="fetch a model's weights into the cache folder")
    action.add_argument("name", metavar="MODEL")
    action.set_defaults(verb=get)


def list_models(arguments: argparse.Namespace) -> int:
    from pie_bench.models.registry import model_names

    print("\n".join(model_names()))
    return 0


def get(arguments: argparse.Namespace) -> int:
    from pie_bench.models.registry import weights_of
    from pie_bench.models.weights import get_weights

    print(get_weights(weights_of(arguments.name), cache_dir()))
    return 0
