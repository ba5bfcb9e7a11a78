"""What a run will take, from the dataset and the registry alone: nothing is asked, loaded or simulated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pie_bench.execution.environment import load_environment_spec
from pie_bench.models.budget import price_of
from pie_bench.models.checkpoint import local_tokenizer, prompting_of, token_ids
from pie_bench.models.entries import Entry, HfEntry, OpenAIEntry, VllmEntry
from pie_bench.prompting.fit import Room, fitting_prompts
from pie_bench.prompting.prompt import Prompt
from pie_bench.prompting.tokens import (
    CHARACTERS_PER_TOKEN,
    CHARACTERS_PER_TOKEN_SMALL_VOCABULARY,
    estimated_tokens,
)
from pie_bench.stages.generate import prompt_builder
from pie_bench.stages.plan import Plan


@dataclass(frozen=True)
class Estimate:
    """Tokens are of all prompts and answers. `likely_tokens_out`: answers as long as the human rewrites;
    `most_tokens_out`: all as long as they may be. Prices in USD, None where the model has none. `counted` says how
    tokens were counted. `simulation_seconds` is of one core, None where nothing is known of the simulator's speed.
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
    """The whole run, as if nothing of it were done yet."""
    builder = prompt_builder(plan, cache_dir)
    n = plan.task.sampling.n
    count, counted = _counter(plan.model)
    made = fitting_prompts(plan.task, builder, plan.pairs, Room(None, count, exact=False)).by_sample
    prompts = {(pair_id, prompt) for (pair_id, _), prompt in made.items()}  # a pair may have several
    tokens_in = sum(count(prompt) for _, prompt in prompts)
    text = _text_counter(plan.model)
    likely_out = n * sum(min(text(pair.tgt_code), plan.task.sampling.max_tokens) for pair in plan.pairs)
    most_out = n * len(plan.pairs) * plan.task.sampling.max_tokens
    likely = most = one_by_one = None
    if isinstance(plan.model, OpenAIEntry) and plan.model.price_in is not None and plan.model.price_out is not None:
        prices = (plan.model.price_in, plan.model.price_out)
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
    """Every program as slow as its pair's source, and every answer a new program that compiles: rather too much."""
    speed = load_environment_spec(plan.settings.environment).simulator.speed
    if speed is None:
        return None
    simulated = sum(sum(pair.src_seconds.values()) for pair in plan.pairs if pair.src_seconds)
    runs = plan.task.sampling.n + 2
    return programs * speed.program + tests * speed.test + simulated * runs * speed.simulated_second


def _counter(entry: Entry) -> tuple[Callable[[Prompt], int], str]:
    tokenizer = local_tokenizer(entry) if isinstance(entry, VllmEntry | HfEntry) else None
    if tokenizer is not None and isinstance(entry, VllmEntry | HfEntry):
        prompting = prompting_of(entry, tokenizer)
        return lambda prompt: len(token_ids(tokenizer, prompt, prompting)), "by the model's own tokenizer"
    count = _text_counter(entry)
    chat = getattr(entry, "prompting", "chat") == "chat"

    def prompt_tokens(prompt: Prompt) -> int:
        return sum(count(message.content) for message in prompt.messages) if chat else count(prompt.text)

    return prompt_tokens, f"estimated, {_ratio(entry):g} characters a token"


def _text_counter(entry: Entry) -> Callable[[str], int]:
    return lambda text: estimated_tokens(text, _ratio(entry))


def _ratio(entry: Entry) -> float:
    return CHARACTERS_PER_TOKEN if isinstance(entry, OpenAIEntry) else CHARACTERS_PER_TOKEN_SMALL_VOCABULARY
