"""Makes prompts fit: the model's context is checked before anything is paid for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pie_bench.data.pair import Pair
from pie_bench.errors import UserError
from pie_bench.prompting.build import Builder
from pie_bench.prompting.prompt import Prompt
from pie_bench.prompting.tokens import CHARACTERS_PER_TOKEN_SMALL_VOCABULARY, estimated_tokens
from pie_bench.task import Task

LEFT_OUT, CUT = "examples_left_out_to_fit", "source_characters_cut"  # keys of `Prompts.describe`, each by pair


@dataclass(frozen=True)
class Room:
    """How many tokens a prompt may have, and how to count them. `exact` is False for an estimate."""

    tokens: int | None
    count: Callable[[Prompt], int]
    exact: bool


@dataclass(frozen=True)
class Prompts:
    """A run's prompts by (pair_id, sample index), their token counts, and how some were shortened.

    By pair: `left_out` is the number of examples dropped, `cut` the number of source characters cut.
    """

    by_sample: Mapping[tuple[str, int], Prompt]
    tokens: Mapping[str, int]
    exact: bool
    left_out: Mapping[str, int]
    cut: Mapping[str, int]

    def describe(self) -> dict[str, Any]:
        """What a result has to say about shortened prompts; empty if there are none."""
        done = {LEFT_OUT: dict(self.left_out), CUT: dict(self.cut)}
        return {key: value for key, value in done.items() if value}

    def notes(self) -> list[str]:
        """The same in words, one line each."""
        lines = []
        if self.left_out:
            shown = ", ".join(f"{pair_id} ({n})" for pair_id, n in list(self.left_out.items())[:3])
            lines.append(
                f"{len(self.left_out)} of {len(self.tokens)} prompts do not fit with all their examples; the farthest "
                f"are not shown: {shown}{', …' if len(self.left_out) > 3 else ''}"
            )
        if self.cut:
            shown = ", ".join(list(self.cut)[:3])
            lines.append(
                f"{len(self.cut)} of {len(self.tokens)} source programs are cut at the task's prompt.max_source_chars: "
                f"{shown}{', …' if len(self.cut) > 3 else ''}"
            )
        return lines


def room_of(model: Any, task: Task, context: int | None) -> Room:
    """How much room `model` has for the prompt, besides its answer.

    A model may declare its `context` (tokens of prompt and answer together) and `count_tokens(prompt)`; the argument
    `context` is the user's value for one that does not. Without `count_tokens`, tokens are estimated from characters.
    """
    counts: Callable[[Prompt], int] | None = getattr(model, "count_tokens", None)
    limits = [limit for limit in (context, getattr(model, "context", None)) if limit is not None]
    tokens = min(limits) - task.sampling.max_tokens if limits else None
    return Room(tokens, counts or estimated_prompt_tokens, counts is not None)


def estimated_prompt_tokens(prompt: Prompt) -> int:
    """Estimated tokens in a prompt, erring on the high side."""
    return sum(estimated_tokens(message.content, CHARACTERS_PER_TOKEN_SMALL_VOCABULARY) for message in prompt.messages)


def fitting_prompts(task: Task, builder: Builder, pairs: Iterable[Pair], room: Room) -> Prompts:
    """Every sample's prompt with as many examples as fit, dropping the least similar first.

    Raises UserError when a prompt does not fit even without examples; source code is never cut to make it fit.
    """
    by_sample: dict[tuple[str, int], Prompt] = {}
    tokens: dict[str, int] = {}
    left_out: dict[str, int] = {}
    cut: dict[str, int] = {}
    too_long: list[str] = []
    for pair in pairs:
        for leave_out in range(task.fewshot.k + 1):
            tokens[pair.pair_id] = room.count(builder.build(pair, leave_out=leave_out))
            if room.tokens is None or tokens[pair.pair_id] <= room.tokens:
                break
        else:
            too_long.append(pair.pair_id)
        if leave_out:
            left_out[pair.pair_id] = leave_out
        if builder.characters_cut(pair):
            cut[pair.pair_id] = builder.characters_cut(pair)
        same = {
            task.prompt.tag(index): builder.build(pair, index, leave_out=leave_out)
            for index in range(min(len(task.prompt.tags) or 1, task.sampling.n))
        }
        for index in range(task.sampling.n):
            by_sample[pair.pair_id, index] = same[task.prompt.tag(index)]
    if too_long:
        about = "" if room.exact else "about "
        raise UserError(
            f"task {task.task}: {len(too_long)} of {len(tokens)} prompts do not fit even without examples: pair "
            f"{too_long[0]} has {about}{tokens[too_long[0]]} tokens, there is room for {room.tokens} (the context less "
            f"sampling.max_tokens {task.sampling.max_tokens}); leave such pairs out with --pairs, or use a model with "
            "a longer context"
        )
    return Prompts(by_sample, tokens, room.exact, left_out, cut)
