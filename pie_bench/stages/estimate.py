"""Predicts what a run will take from the dataset and the registry alone, without requests, loading or simulation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pie_bench.execution.environment import load_environment_spec
from pie_bench.models.budget import price_of
from pie_bench.prompting.fit import Room, fitting_prompts
from pie_bench.stages.generate import prompt_builder
from pie_bench.stages.plan import Plan


@dataclass(frozen=True)
class Estimate:
    """Token counts cover all prompts and answers. `likely_tokens_out`: if answers are as long as the human rewrites;
    `most_tokens_out`: if all have the maximum length. Prices in USD, None if the model has none. `counted` says how
    tokens were counted. `simulation_seconds` is for one core, None if the simulator's speed is unknown.
    """

    prompts: int
    samples: int
    tokens_in: int
    likely_tokens_out: int
    most_tokens_out: int
    likely_usd: float | None
    most_usd: float | None
    one_by_one_usd: float | None
    counted: str
    programs: int
    tests: int
    simulation_seconds: float | None


def estimate(plan: Plan, cache_dir: Path) -> Estimate:
    """An estimate for the whole run, as if none of it were done yet."""
    builder = prompt_builder(plan, cache_dir)
    n = plan.task.sampling.n
    count, counted = plan.model.token_counter()
    made = fitting_prompts(plan.task, builder, plan.pairs, Room(None, count, exact=False)).by_sample
    prompts = {(pair_id, prompt) for (pair_id, _), prompt in made.items()}  # a pair may have several
    tokens_in = sum(count(prompt) for _, prompt in prompts)
    likely_out = n * sum(min(plan.model.tokens_in(pair.tgt_code), plan.task.sampling.max_tokens) for pair in plan.pairs)
    most_out = n * len(plan.pairs) * plan.task.sampling.max_tokens
    likely = most = one_by_one = None
    prices = plan.model.prices
    if prices is not None:
        likely = price_of(tokens_in, likely_out, *prices)
        most = price_of(tokens_in, most_out, *prices)
        one_by_one = price_of(n * tokens_in, most_out, *prices)
    programs = len(plan.pairs) * (n + 2)
    tests = sum(len(pair.tests) for pair in plan.pairs) * (n + 2)
    return Estimate(
        prompts=len(prompts),
        samples=n * len(plan.pairs),
        tokens_in=tokens_in,
        likely_tokens_out=likely_out,
        most_tokens_out=most_out,
        likely_usd=likely,
        most_usd=most,
        one_by_one_usd=one_by_one,
        counted=counted,
        programs=programs,
        tests=tests,
        simulation_seconds=_simulation_seconds(plan, programs, tests),
    )


def _simulation_seconds(plan: Plan, programs: int, tests: int) -> float | None:
    """An upper bound: every program as slow as its pair's source, and every answer a new program that compiles."""
    speed = load_environment_spec(plan.settings.environment).simulator.speed
    if speed is None:
        return None
    simulated = sum(sum(pair.src_seconds.values()) for pair in plan.pairs if pair.src_seconds)
    runs = plan.task.sampling.n + 2
    return programs * speed.program + tests * speed.test + simulated * runs * speed.simulated_second
