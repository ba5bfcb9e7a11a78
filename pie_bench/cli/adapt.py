"""`adapt`: fine-tunes a model on pairs, locally or through a service; estimates, self-play, studies."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pie_bench.cli import adapt_selfplay, options
from pie_bench.cli.output import print_json
from pie_bench.errors import UserError
from pie_bench.paths import cache_dir

if TYPE_CHECKING:
    from pie_bench.adapt.chat import ChatFiles
    from pie_bench.adapt.lessons import Material
    from pie_bench.adapt.recipe import AdaptRecipe
    from pie_bench.task import Task

RECIPES = "full, hq, perf_cond, lora, hq_selfplay, all_selfplay, chat, or your own YAML file"


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser("adapt", help="fine-tune a model on pairs; self-play; studies of both")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    action = actions.add_parser(
        "train",
        help="fine-tune a model, locally or through a service",
        description="Fine-tune a model by a recipe and export it. The same command resumes an interrupted "
        "training. On several GPUs: torchrun --nproc-per-node N -m pie_bench.cli adapt train … (docs/adapting.md).",
    )
    _add_model(action, "an open model: a name, hf:ID_OR_FOLDER or llama_cpp:FILE.gguf; with --provider, its id there")
    _add_sources(action)
    action.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of this training")
    action.add_argument("--fsdp", action="store_true", help="shard the model over the GPUs, or fail")
    action.add_argument(
        "--report-to", action="append", metavar="X", help="tensorboard, wandb, trackio, …: transformers' own reporting"
    )
    _add_service(action)
    action.set_defaults(verb=train)
    action = actions.add_parser(
        "estimate",
        help="predict memory, tokens, steps and hours of a training",
        description="Predict what a training will take, from the model's configuration and tokenizer alone.",
    )
    _add_model(action, "as for train")
    _add_sources(action)
    action.add_argument("--gpus", type=options.positive, default=1, metavar="N", help="default: %(default)s")
    action.add_argument("--fsdp", action="store_true", help="with the model sharded over them")
    action.add_argument(
        "--tflops",
        type=float,
        metavar="X",
        help="TFLOP/s that a GPU achieves (often 40 %% of its peak)",
    )
    action.set_defaults(verb=estimate)
    action = actions.add_parser(
        "export-openai",
        help="write a training file for fine-tuning services",
        description="Write chats as JSON Lines (messages: system, user, assistant) with the prompts of the recipe's "
        "task.",
    )
    _add_sources(action)
    action.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the files")
    _add_price(action)
    action.set_defaults(verb=export_openai)
    action = actions.add_parser(
        "study",
        help="train, evaluate and compare a grid of models and recipes",
        description="Train, evaluate and compare every cell of a grid. The same command resumes.",
    )
    action.add_argument("study", type=Path, metavar="STUDY.yaml")
    action.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of models, runs and study.json")
    action.add_argument("--workers", type=options.positive, metavar="N", help="programs executed at once")
    options.add_sandbox(action)
    action.add_argument("--json", action="store_true", help="print study.json")
    action.set_defaults(verb=study)
    adapt_selfplay.add_actions(actions)


def _add_model(action: argparse.ArgumentParser, what: str) -> None:
    action.add_argument("--model", required=True, metavar="M", help=what)
    action.add_argument("--model-args", nargs="+", action="extend", metavar="K=V", help="as for run: docs/models.md")


def _add_sources(action: argparse.ArgumentParser) -> None:
    action.add_argument("recipe", metavar="RECIPE", help=RECIPES)
    action.add_argument(
        "--dataset", required=True, metavar="D", help="dataset whose train split to learn from, as for run"
    )
    action.add_argument(
        "--synthetic", metavar="ROWS", help="rows from self-play (file or folder), if the recipe requires them"
    )
    action.add_argument("--include-path", metavar="DIR", help="a folder with your own tasks")


def _add_price(action: argparse.ArgumentParser) -> None:
    action.add_argument(
        "--price", type=options.dollars, metavar="USD", help="the service's price per million training tokens"
    )


def _add_service(action: argparse.ArgumentParser) -> None:
    action.add_argument("--provider", choices=["openai"], help="train through a service with OpenAI's protocol")
    _add_price(action)
    options.add_max_cost(action)
    action.add_argument("--poll", type=float, default=30.0, metavar="SECONDS", help="how often to poll the job")
    action.add_argument("--job", metavar="ID", help="adopt an existing job of the service")


def _material(arguments: argparse.Namespace) -> tuple[AdaptRecipe, Task, Material]:
    from pie_bench.adapt.lessons import load_material, load_task_of
    from pie_bench.adapt.recipe import load_adapt_recipe

    recipe = load_adapt_recipe(arguments.recipe)
    task = load_task_of(recipe, arguments.include_path)
    return recipe, task, load_material(recipe, arguments.dataset, arguments.synthetic)


def train(arguments: argparse.Namespace) -> int:
    from pie_bench.adapt.base import open_base
    from pie_bench.adapt.train import first_process
    from pie_bench.adapt.train import train as trained
    from pie_bench.models.registry import find_model

    if arguments.provider is not None:
        return _train_by_service(arguments)
    entry = find_model(arguments.model, options.model_args(arguments.model_args or ()))
    recipe, task, material = _material(arguments)
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
    if not first_process():
        return 0
    print(f"model: {done.model} (step {done.record['exported_step']} of {done.record['steps']})")
    print(f"next: pie-bench run --task {task.task} --model hf:{done.model} --dataset {arguments.dataset}")
    return 0


def _train_by_service(arguments: argparse.Namespace) -> int:
    from pie_bench import __version__
    from pie_bench.adapt.chat import export_chat
    from pie_bench.adapt.folder import begin, training_lock
    from pie_bench.adapt.service import Job, fine_tune
    from pie_bench.models.openai import OpenAIEntry
    from pie_bench.models.registry import find_model

    name = arguments.model if ":" in arguments.model else f"openai:{arguments.model}"
    entry = find_model(name, options.model_args(arguments.model_args or ()))
    if not isinstance(entry, OpenAIEntry):
        raise UserError(f"--model {arguments.model}: with --provider openai, give the service's model id")
    if arguments.max_cost is not None and arguments.price is None:
        raise UserError("--max-cost: the price of training is unknown; give it with --price, in USD per million tokens")
    recipe, task, material = _material(arguments)
    epochs = recipe.training.epochs
    if epochs is None or epochs != int(epochs):
        raise UserError(f"recipe {recipe.recipe}: services train whole epochs; set training.epochs")
    out: Path = arguments.out
    with training_lock(out):
        files = export_chat(recipe, task, material, out, cache_dir())
        identity = {
            "recipe": recipe.identity(),
            "task": task.task,
            "task_hash": task.task_hash,
            "base": entry.id,
            "dataset": material.dataset,
            "files": dict(files.sha256),
            "versions": {"pie_bench": __version__},
        }
        begin(out, identity)
        _print_files(files, epochs, arguments.price)
        cost = 0.0 if arguments.price is None else files.usd(epochs, arguments.price)
        if arguments.max_cost is not None and cost > arguments.max_cost:
            raise UserError(f"--max-cost {arguments.max_cost:g}: training costs about ${cost:,.2f}; nothing was sent")
        job = Job(int(epochs), recipe.training.seed, f"pie-{recipe.recipe}"[:18], arguments.poll, arguments.job)
        record = fine_tune(entry, job, files, out, identity)
    trained = record["trained_tokens"]
    if trained is not None:
        paid = "" if arguments.price is None else f", ${trained * arguments.price / 1e6:,.2f}"
        print(f"trained tokens: {trained:,}{paid}")
    print(f"model: {record['model']}")
    print(f"next: pie-bench run --task {task.task} --model openai:{record['model']} --dataset {arguments.dataset}")
    return 0


def export_openai(arguments: argparse.Namespace) -> int:
    from pie_bench.adapt.chat import export_chat
    from pie_bench.adapt.folder import training_lock

    recipe, task, material = _material(arguments)
    with training_lock(arguments.out):
        files = export_chat(recipe, task, material, arguments.out, cache_dir())
    _print_files(files, recipe.training.epochs or 1, arguments.price)
    for name, sha256 in sorted(files.sha256.items()):
        print(f"{arguments.out / name}: sha256 {sha256[:16]}…")
    return 0


def _print_files(files: ChatFiles, epochs: float, price: float | None) -> None:
    for line in files.funnel.lines():
        print(line)
    tokens = f"about {files.tokens:,} tokens an epoch (estimated), {epochs:g} epoch{'s' * (epochs != 1)}"
    print(f"{tokens}: about ${files.usd(epochs, price):,.2f}" if price is not None else tokens, flush=True)


def estimate(arguments: argparse.Namespace) -> int:
    from pie_bench.adapt.base import open_base
    from pie_bench.adapt.estimate import estimate_training, shape_of
    from pie_bench.adapt.lessons import Funnel, encode, lessons
    from pie_bench.models.registry import find_model

    entry = find_model(arguments.model, options.model_args(arguments.model_args or ()))
    recipe, task, material = _material(arguments)
    base = open_base(arguments.model, entry, cache_dir())
    funnel = Funnel()
    found = lessons(recipe, task, material.train, funnel, cache_dir())
    encoded = encode(recipe, found, base.tokenizer, base.prompting, funnel)
    made = estimate_training(
        recipe,
        encoded,
        funnel,
        shape_of(base.config, recipe),
        gpus=arguments.gpus,
        fsdp=arguments.fsdp,
        tflops=arguments.tflops,
    )
    print(f"{recipe.recipe} · {arguments.model} · {material.dataset}")
    for line in funnel.lines():
        print(f"  {line}")
    share = "sharded" if arguments.fsdp else "each holds all of it"
    rows = [
        ("tokens", f"{made.tokens:,} an epoch, the longest pair {made.longest:,}; counted by the model's tokenizer"),
        ("steps", f"{made.steps:,} of {recipe.training.batch_size} pairs: about {made.trained_tokens:,} tokens"),
        ("parameters", f"{made.parameters:,}, of which {made.trainable:,} are trained"),
        ("memory", f"about {made.memory_gib:.1f} GiB a GPU ({arguments.gpus}, {share}):"),
        ("", f"{made.states_gib:.1f} weights, gradients and AdamW; {made.activations_gib:.1f} activations"),
        ("hours", "say --tflops" if made.hours is None else f"about {made.hours:.1f} on {arguments.gpus}"),
    ]
    for name, value in rows:
        print(f"  {name:<11} {value}")
    return 0


def study(arguments: argparse.Namespace) -> int:
    import json

    from pie_bench.adapt.study import load_study, run_study

    found, base = load_study(arguments.study)
    more = ["--workers", str(arguments.workers)] if arguments.workers else []
    more += ["--sandbox", arguments.sandbox] if arguments.sandbox else []
    more += ["--unsafe"] if arguments.unsafe else []
    rows = run_study(found, base, arguments.out, arguments=more)
    written = json.loads((arguments.out / "study.json").read_text(encoding="utf-8"))
    if arguments.json:
        print_json(written)
        return 0
    from pie_bench.cli.compare import print_comparison
    from pie_bench.report.compare import Comparison
    from pie_bench.report.summary import print_summary
    from pie_bench.run.run import Run

    runs = [Run(arguments.out / row["run"]) for row in rows]
    print_summary([(run.read_results(), run.results_path) for run in runs])
    comparisons = [Comparison.model_validate(each) for each in written["comparisons"]]
    for number, compared in enumerate(comparisons, 1):
        print()
        shown = [each for each in compared.differences if each.method == "best"]
        print_comparison(compared, shown, legend=number == len(comparisons))
    return 0
