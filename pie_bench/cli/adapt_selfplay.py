"""`adapt selfplay`: generates new programs, filters and optimises them, and selects training pairs.
docs/selfplay.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pie_bench.cli import options, run
from pie_bench.cli.output import print_json, print_table
from pie_bench.defaults import DEFAULT_ENVIRONMENT
from pie_bench.paths import cache_dir
from pie_bench.plain import plain

if TYPE_CHECKING:
    from pie_bench.adapt.selfplay.funnel import Step
    from pie_bench.adapt.selfplay.place import Place


def add_actions(actions: Any) -> None:
    """The group `selfplay` and its stages."""
    parser = actions.add_parser("selfplay", help="make synthetic training pairs, one stage at a time")
    stages = parser.add_subparsers(title="stages", metavar="STAGE", required=True)
    _add_generate(stages)
    _add_filter(stages)
    _add_optimise(stages)
    _add_select(stages)


def _add_generate(stages: Any) -> None:
    parser = stages.add_parser(
        "generate",
        help="ask a model for new programs",
        description="Ask for programs that read a training problem's input format and do something else. "
        "The same command resumes; more draws or samples extend the run.",
    )
    _add_folder(parser)
    options.add_model(parser)
    options.add_context(parser)
    parser.add_argument("--dataset", metavar="D", help="dataset to draw problems from; default: mini")
    parser.add_argument(
        "--preset",
        metavar="P",
        default="default",
        help="default (every training problem), published (ten, as in the paper) or one of --include-path",
    )
    parser.add_argument("--include-path", metavar="DIR", help="a folder with your own presets")
    parser.add_argument("--draws", type=options.positive, metavar="N", help="prompts (default: the preset's)")
    parser.add_argument(
        "--samples", type=options.positive, metavar="K", help="answers per prompt (default: the preset's)"
    )
    parser.add_argument(
        "--descriptions", type=Path, metavar="DIR", help="problem descriptions, PROBLEM.html, as in CodeNet"
    )
    parser.add_argument(
        "--environment",
        metavar="E",
        default=DEFAULT_ENVIRONMENT,
        help="environment in which later stages compile and measure; default: %(default)s",
    )
    parser.add_argument("--dry-run", action="store_true", help="print the prompts, without calling the model")
    options.add_max_cost(parser)
    parser.set_defaults(verb=generate)


def _add_filter(stages: Any) -> None:
    parser = stages.add_parser(
        "filter",
        help="keep programs that do something new; group those that do the same",
        description="Compile and run the programs, compare their behaviour with every program of the dataset, and "
        "group those that behave the same.",
    )
    _add_folder(parser)
    parser.add_argument(
        "--against",
        choices=("every", "fastest"),
        default="every",
        help="must differ from every program of the dataset, or from the fastest of each problem; default: %(default)s",
    )
    parser.add_argument(
        "--representatives",
        type=options.positive,
        metavar="N",
        default=1,
        help="programs per class to optimise; default: %(default)s",
    )
    options.add_execution(parser, "programs run")
    parser.add_argument("--json", action="store_true", help="print the funnel as JSON")
    parser.set_defaults(verb=filter_answers)


def _add_optimise(stages: Any) -> None:
    parser = stages.add_parser(
        "optimise",
        help="make a program of each class faster, with any model",
        description="A run over the classes' representatives, each with its own outputs as the expected ones. The same "
        "command resumes.",
    )
    _add_folder(parser)
    options.add_model(parser)
    options.add_context(parser)
    parser.add_argument("--task", metavar="T", default="pie_finetuned", help="default: %(default)s")
    parser.add_argument("--include-path", metavar="DIR", help="a folder with your own tasks")
    parser.add_argument("--encoder", metavar="X", help="encoder for tasks that retrieve examples; default: the task's")
    parser.add_argument("--limit", type=options.positive, metavar="N", help="only the first N programs")
    parser.add_argument(
        "--samples", type=options.positive, metavar="K", help="answers per program (default: the task's)"
    )
    parser.add_argument(
        "--guard",
        action=argparse.BooleanOptionalAction,
        help="re-check faster answers with sanitizers and on new inputs; flagged ones are not selected "
        "(default: if programs have 80 tests or more)",
    )
    options.add_max_cost(parser)
    options.add_execution(parser, "programs run")
    parser.set_defaults(verb=optimise)


def _add_select(stages: Any) -> None:
    parser = stages.add_parser(
        "select",
        help="keep the pairs worth training on, as a dataset",
        description="Write DIR/dataset: the pairs with a large speedup, a few per class.",
    )
    _add_folder(parser)
    parser.add_argument(
        "--min-speedup", type=_at_least_one, metavar="X", default=5.0, help="simulated; default: %(default)s"
    )
    parser.add_argument(
        "--per-class", type=options.positive, metavar="N", default=3, help="pairs per class; default: %(default)s"
    )
    parser.add_argument("--json", action="store_true", help="print the funnel as JSON")
    parser.set_defaults(verb=select_pairs)


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="the self-play's folder, one for all stages")


def _at_least_one(text: str) -> float:
    value = float(text)
    if not 1 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text}")
    return value


def generate(arguments: argparse.Namespace) -> int:
    from pie_bench.adapt.selfplay.generate import begin, generation, plan_generation
    from pie_bench.adapt.selfplay.place import Place
    from pie_bench.api import settings_of
    from pie_bench.stages.progress import run_progress

    settings = settings_of(
        arguments.preset,
        arguments.model,
        dataset=arguments.dataset,
        environment=arguments.environment,
        limit=arguments.draws,
        samples=arguments.samples,
        pairs=None,
        shard=None,
        encoder=None,
        model_args=options.model_args(arguments.model_args or ()),
        context=arguments.context,
        include_path=arguments.include_path,
        answers_for_other_prompts=False,
    )
    place = Place(arguments.folder)
    planned = plan_generation(settings, arguments.descriptions)
    plan, directory = planned.plan, place.generate
    with place.generating():
        run.say_what_is_left_out(plan)
        with generation(planned, place, cache_dir(), arguments.max_cost) as pending:
            if arguments.dry_run:
                run.print_dry_run(plan, directory, pending)
                return 0
            begin(planned, place)
            with run_progress(plan, directory, tally=pending.tally, executing=False) as progress:
                for _ in pending.arriving():
                    progress("generated")
    print(f"generations: {directory.generations_path}\nnext: pie-bench adapt selfplay filter {place.folder}")
    return 0


def filter_answers(arguments: argparse.Namespace) -> int:
    from pie_bench.adapt.selfplay.filter import filter_programs
    from pie_bench.adapt.selfplay.place import Place
    from pie_bench.execution.executor import open_executor
    from pie_bench.execution.pool import LocalPool
    from pie_bench.execution.roots import build_roots

    place = Place(arguments.folder)
    with place.locked():
        environment = place.generate.read_manifest().settings.environment
        sandbox = options.chosen_sandbox(arguments)
        build_roots(environment, sandbox)
        executor = open_executor(environment, cache_dir(), sandbox)
        steps = filter_programs(
            place,
            executor,
            LocalPool(arguments.workers),
            against=arguments.against,
            representatives=arguments.representatives,
        )
    _print_funnel(steps, place, arguments.json)
    if not arguments.json:
        print(f"classes: {place.classes_path}\nnext: pie-bench adapt selfplay optimise {place.folder} --model M")
    return 1 if any("infra_error" in step.lost for step in steps) else 0


def optimise(arguments: argparse.Namespace) -> int:
    from pie_bench.adapt.selfplay.optimise import example_builder, plan_optimisation
    from pie_bench.adapt.selfplay.place import Place
    from pie_bench.api import complete
    from pie_bench.execution.pool import LocalPool
    from pie_bench.stages.generate import prepared

    place = Place(arguments.folder)
    with place.locked(), place.optimise.locked():
        plan = plan_optimisation(
            place,
            arguments.task,
            arguments.model,
            samples=arguments.samples,
            limit=arguments.limit,
            model_args=options.model_args(arguments.model_args or ()),
            context=arguments.context,
            include_path=arguments.include_path,
            encoder=arguments.encoder,
        )
        builder = example_builder(plan, place, cache_dir())
        with prepared(plan, place.optimise, cache_dir(), arguments.max_cost, builder) as pending:
            run.say_what_was_done(pending)
            finished = complete(
                plan,
                place.optimise,
                options.chosen_sandbox(arguments),
                pool=LocalPool(arguments.workers),
                guard=arguments.guard,
                pending=pending,
                progress=True,
            )
    print(f"verdicts: {place.optimise.verdicts_path}\nnext: pie-bench adapt selfplay select {place.folder}")
    return 1 if finished.results.infra_errors else 0


def select_pairs(arguments: argparse.Namespace) -> int:
    from pie_bench.adapt.selfplay.place import Place
    from pie_bench.adapt.selfplay.select import select

    place = Place(arguments.folder)
    with place.locked():
        steps = select(place, min_speedup=arguments.min_speedup, per_class=arguments.per_class)
    _print_funnel([*place.funnel()], place, arguments.json)
    if not arguments.json:
        if not steps[-1].left:
            print(plain(f"note: {place.dataset} has no pairs: no answer was correct and fast enough"), file=sys.stderr)
        print(f"dataset: {place.dataset}")
    return 0


def _print_funnel(steps: Sequence[Step], place: Place, as_json: bool) -> None:
    from dataclasses import asdict

    from pie_bench.adapt.selfplay.funnel import rows

    if as_json:
        print_json([asdict(step) for step in steps])
    else:
        print_table(["step", "left", "lost"], rows(steps))
