"""`estimate`: predicts what a run will take, without calling the model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pie_bench.cli import options
from pie_bench.paths import cache_dir

if TYPE_CHECKING:
    from pie_bench.stages.estimate import Estimate
    from pie_bench.stages.plan import Plan


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser(
        "estimate",
        help="predict a run's tokens, cost and time without calling the model",
        description="Predict a run's tokens, cost and time from dataset and registry, without calling the model.",
    )
    options.add_settings(parser)
    parser.set_defaults(verb=estimate)


def estimate(arguments: argparse.Namespace) -> int:
    from pie_bench.stages.estimate import estimate as estimated

    for plan, _ in options.plans_and_runs(arguments):
        _print(plan, estimated(plan, cache_dir()))
    return 0


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
    programs = f"{found.programs:,} programs, {found.tests:,} runs"
    if found.simulation_seconds is None:
        rows.append(("simulation", f"{programs}; the speed of {plan.settings.environment} on this machine is unknown"))
    else:
        rows.append(("simulation", f"{programs}: at most about {_duration(found.simulation_seconds)} of one core"))
    for name, value in rows:
        print(f"  {name:<11} {value}")


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
