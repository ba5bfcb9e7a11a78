"""`estimate`: predicts what a run will take, without calling the model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pie_bench.cli import options
from pie_bench.paths import cache_dir

if TYPE_CHECKING:
    from pie_bench.run.run import Run
    from pie_bench.stages.cost import Cost
    from pie_bench.stages.estimate import Estimate
    from pie_bench.stages.plan import Plan

_PROBED_PAIRS = 8


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser(
        "estimate",
        help="predict a run's tokens, cost and CPU time without calling the model",
        description="Predict a run's tokens and cost from dataset and registry, without calling the model, and its CPU "
        "time by judging programs of a few pairs (which the run then need not judge again).",
    )
    options.add_settings(parser)
    parser.add_argument(
        "--probe",
        type=options.natural,
        metavar="N",
        default=_PROBED_PAIRS,
        help="pairs to judge programs of for the CPU time; 0: none, and no CPU time; default: %(default)s",
    )
    options.add_guard(parser)
    options.add_sandbox(parser)
    parser.set_defaults(verb=estimate)


def estimate(arguments: argparse.Namespace) -> int:
    from pie_bench.stages.estimate import estimate as estimated

    for plan, run in options.plans_and_runs(arguments):
        _print(plan, estimated(plan, cache_dir()))
        if arguments.probe:
            _print_rows(_cpu_time(_cost(plan, run, arguments), len(plan.pairs)))
    return 0


def _cost(plan: Plan, run: Run, arguments: argparse.Namespace) -> Cost:
    from pie_bench.execution.executor import open_executor
    from pie_bench.execution.roots import build_roots
    from pie_bench.progress import program_bar
    from pie_bench.stages.cost import cost
    from pie_bench.stages.guard import guards_by_default
    from pie_bench.stages.plan import check_run

    check_run(plan, run)
    sandbox = options.chosen_sandbox(arguments)
    build_roots(plan.settings.environment, sandbox)
    executor = open_executor(plan.settings.environment, cache_dir(), sandbox)
    guarded = arguments.guard if arguments.guard is not None else guards_by_default(plan)
    with program_bar("probe ", unit="pair") as probed:
        return cost(plan, run, executor, cache_dir(), guarded=guarded, pairs=arguments.probe, progress=probed)


def _cpu_time(found: Cost, pairs: int) -> list[tuple[str, str]]:
    parts = [("the dataset's own programs", found.own), ("answers", found.answers), ("guards", found.guards)]
    shown = ", ".join(f"{name} {_hours(part)}" for name, part in parts if part)
    rows = [
        ("CPU time", _hours(found.seconds) + (f": {shown}" if shown else "")),
        ("", f"for {found.programs:,} programs not known yet; {_hours(found.harness)} of it pie_bench's own"),
    ]
    if found.assumed:
        least = f"if no answer holds a program, {_hours(found.own)}"
        rows.append(("", f"if every answer is right, new and as costly as the human rewrite; {least}"))
    return [*rows, ("", f"measured here, on {found.pairs:,} of {pairs:,} pairs")]


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.2f} h" if seconds >= 360 else f"{seconds:.0f} s"


def _print(plan: Plan, found: Estimate) -> None:
    print(f"{plan.task.task} · {plan.settings.model} ({plan.model.label}) · {plan.dataset.name}")
    sampling = plan.task.sampling
    rows = [
        ("prompts", f"{found.prompts:,}"),
        (
            "answers",
            f"{found.samples:,} ({sampling.n} a prompt, at most {sampling.max_tokens:,} tokens each)",
        ),
        ("tokens in", f"{found.tokens_in:,} ({found.counted})"),
        (
            "tokens out",
            f"{found.likely_tokens_out:,} if as long as the human rewrites, at most {found.most_tokens_out:,}",
        ),
    ]
    if found.likely_usd is not None and found.most_usd is not None and found.one_by_one_usd is not None:
        price_in, price_out = plan.model.prices or (0.0, 0.0)
        rows.append(("price", f"${found.likely_usd:,.2f}, at most ${found.most_usd:,.2f}"))
        dated = f", as published {plan.model.prices_as_of}: check current prices" if plan.model.prices_as_of else ""
        rows.append(("", f"at ${price_in:g} in and ${price_out:g} out a million tokens{dated}"))
        if found.one_by_one_usd > found.most_usd:
            rows.append(("", f"at most ${found.one_by_one_usd:,.2f} if a server gives one answer per call"))
    elif plan.model.PAID:
        rows.append(("price", "unknown: --model-args price_in=… price_out=… (USD per million tokens)"))
    else:
        rows.append(("price", "none: it runs here"))
    _print_rows([*rows, ("programs", f"{found.programs:,}, {found.tests:,} runs of them")])


def _print_rows(rows: list[tuple[str, str]]) -> None:
    for name, value in rows:
        print(f"  {name:<11} {value}", flush=True)
