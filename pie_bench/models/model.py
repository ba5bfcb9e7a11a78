"""The contract between the harness and whatever answers: a Request goes in, Completions stream out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from pie_bench.prompting.prompt import Prompt
from pie_bench.task import Sampling


@dataclass(frozen=True)
class Request:
    """Samples wanted of one prompt. Sample i is drawn with seed `seed + i`, whatever else is asked for beside it,
    so that a resumed run gets the samples an uninterrupted one would have got."""

    pair_id: str
    prompt: Prompt
    sampling: Sampling
    seed: int
    sample_indices: tuple[int, ...]


@dataclass(frozen=True)
class Completion:
    """One sample. `finish_reason` is the provider's word (`stop`, `length`, …); `latency_seconds` is wall time."""

    pair_id: str
    sample_index: int
    text: str
    finish_reason: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    latency_seconds: float = 0.0


class Model(Protocol):
    """What every adapter implements.

    `name` is what the user asked for, `resolved` what exactly answers (model id, weights' sum): both go into results.
    One that knows may also have `context: int` (tokens of prompt and answer together) and
    `count_tokens(prompt: Prompt) -> int`: prompts are then made to fit before anything is asked.
    """

    name: str
    resolved: str

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yields a Completion for every sample of every request, in any order, as they finish."""
        ...

    def close(self) -> None:
        """Frees what the model holds; called once, also after an error."""
        ...
