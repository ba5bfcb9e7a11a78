"""`adapt`: fine-tuning a model on pairs, here or by a service, and what that will take."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pie_bench.cli import options
from pie_bench.paths import cache_dir


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser("adapt", help="fine-tune a model on pairs; self-play; studies of both")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    action = actions.add_parser(
        "train",
        help="fine-tune a model",
        description="Fine-tunes a model as a recipe says and exports it. The same command continues a training that "
        "was stopped. On several GPUs: torchrun --nproc-per-node N -m pie_bench.cli adapt train … (docs/adapting.md).",
    )
    _add_sources(action)
    action.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of this training")
    action.add_argument("--fsdp", action="store_true", help="shard the model over the GPUs, or fail")
    action.add_argument(
        "--report-to", action="append", metavar="X", help="tensorboard, wandb, trackio, …: transformers' own reporting"
    )
    action.set_defaults(verb=train)


def _add_sources(action: argparse.ArgumentParser, *, model: bool = True) -> None:
    action.add_argument(
        "recipe", metavar="RECIPE", help="full, hq, perf_cond, lora, hq_selfplay, all_selfplay, or your own YAML file"
    )
    if model:
        action.add_argument(
            "--model", required=True, metavar="M", help="an open model: a name, hf:ID_OR_FOLDER, llama_cpp:FILE.gguf"
        )
        action.add_argument("--model-args", nargs="+", action="extend", metavar="K=V", help="as for run")
    action.add_argument("--dataset", required=True, metavar="D", help="whose train split to learn, as for run")
    action.add_argument("--synthetic", metavar="FILE", help="rows from self-play, for recipes that take them")
    action.add_argument("--include-path", metavar="DIR", help="a folder with your own tasks")


def train(arguments: argparse.Namespace) -> int:
    from pie_bench.adapt.base import open_base
    from pie_bench.adapt.lessons import load_material, load_task_of
    from pie_bench.adapt.recipe import load_adapt_recipe
    from pie_bench.adapt.train import train as trained
    from pie_bench.models.registry import find_model

    recipe = load_adapt_recipe(arguments.recipe)
    task = load_task_of(recipe, arguments.include_path)
    entry = find_model(arguments.model, options.model_args(arguments.model_args or ()))
    material = load_material(recipe, arguments.dataset, arguments.synthetic)
    base = open_base(arguments.model, entry, cache_dir())
    done = trained(
        recipe,
        task,
        base,
        material,
        arguments.out,
        cache_dir(),
        fsdp=arguments.fsdp,
        report_to=arguments.report_to or (),
    )
    print(f"model: {done.model} (step {done.record['exported_step']} of {done.record['steps']})")
    print(f"next: pie-bench run --task {task.task} --model hf:{done.model} --dataset {arguments.dataset}")
    return 0
