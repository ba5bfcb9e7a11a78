"""A model's answer: `Completion` as the model returns it, `Generation` as a line of `generations.jsonl` stores it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field, PlainValidator


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.40} is not text")
    return value


# An answer may hold a lone surrogate, which pydantic's `str` rejects.
Text = Annotated[str, PlainValidator(_text)]
Index = Annotated[int, Field(ge=0, strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Amount = Annotated[float, Field(ge=0, strict=True)]


# length, LENGTH, max_tokens, MAX_TOKENS, FINISH_REASON_MAX_TOKENS, max_output_tokens, model_length, token_limit,
# model_context_window_exceeded, incomplete, truncated, …
_CUT = re.compile(
    r"length|max(?:imum)?[\W_]*(?:\w+[\W_]+)?tokens?|limit|truncat|exceed|incomplete|cut[\W_]?off", re.IGNORECASE
)


def was_cut(finish_reason: str) -> bool:
    """Whether an answer was cut off at a token limit, whatever the provider calls that."""
    return _CUT.search(finish_reason) is not None


@dataclass(frozen=True)
class Completion:
    """One sample. `finish_reason` is the provider's term (`stop`, `length`, …); `latency_seconds` is wall time.

    `tokens_estimated`: the provider did not count this sample's tokens. `shares_prompt`: its prompt was sent and paid
    for with another sample. `cost_usd`: at the registry's prices; None if no price is known or nothing was paid. `raw`:
    what was sent along with the prompt, and the provider's response without the other samples. `answers_prompt`: None
    for an answer to this very prompt; for a replayed answer `"unknown"` (its prompt was not recorded) or the hash of
    the other prompt it was given to. `reasoning`: the model's thinking tags, if its entry names them.
    """

    __pydantic_config__: ClassVar = {"extra": "ignore", "allow_inf_nan": False}

    pair_id: Text
    sample_index: Index
    text: Text
    finish_reason: Text
    prompt_tokens: Index = 0
    completion_tokens: Index = 0
    latency_seconds: Amount | None = 0.0
    tokens_estimated: Flag | None = False
    shares_prompt: Flag | None = False
    cost_usd: Amount | None = None
    raw: Mapping[str, Any] | None = None
    answers_prompt: Text | None = None
    reasoning: tuple[Text, Text] | None = None


@dataclass(frozen=True)
class Generation(Completion):
    """A completion with what it answers: the prompt's hash and the seed used.

    `shared`: it was taken from another run and cost nothing here.
    """

    prompt_sha256: Text = ""
    seed: Index = 0
    shared: Flag = False

    @property
    def key(self) -> tuple[str, int]:
        return (self.pair_id, self.sample_index)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
