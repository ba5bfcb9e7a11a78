"""Predicts a run's tokens and price from the dataset and the registry alone, without requests or loading. (cost.py
predicts its CPU time.)"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pie_bench.models.budget import price_of
from pie_bench.prompting.fit import Room, fitting_prompts
from pie_bench.stages.generate import prompt_builder
from pie_bench.stages.plan import Plan


@dataclass(frozen=True)
class Estimate:
    """Token counts cover all prompts and answers. `likely_tokens_out`: if answers are as long as the human rewrites;
    `most_tokens_out`: if all have the maximum length. Prices in USD, None if the model has none. `counted` says how
    tokens were counted. `programs` and `tests` are those of the whole run: what is known of them costs less.
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
    )
