"""The contract between the harness and a model: Requests go in, Completions stream out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pie_bench.prompting.prompt import Prompt
from pie_bench.run.generation import Completion as Completion  # part of the contract: adapters import it from here
from pie_bench.task import Sampling


@dataclass(frozen=True)
class Request:
    """The samples wanted for one prompt. Sample i is drawn with seed `seed + i`, whatever else is requested, so that a
    resumed run gets the same samples as an uninterrupted one."""

    pair_id: str
    prompt: Prompt
    sampling: Sampling
    seed: int
    sample_indices: tuple[int, ...]


def consecutive(indices: Sequence[int], at_most: int) -> Iterator[tuple[int, ...]]:
    """Splits sample indices into gapless runs of at most `at_most`: what one call for several samples can hold, since
    its choice i is drawn with the call's seed + i."""
    run: list[int] = []
    for index in indices:
        if run and (index != run[-1] + 1 or len(run) == at_most):
            yield tuple(run)
            run = []
        run.append(index)
    if run:
        yield tuple(run)


class Model(ABC):
    """A model. A subclass needs `generate`; the rest has defaults.

    `name` is what the user asked for, `resolved` what exactly answers (model id, hash of the weights); results hold
    both. `identity` is all that decides an answer besides prompt, sampling and seed, including `prompting` ("text" or
    "chat": which form of the prompt is read). Runs share answers by it. It is None where it cannot be known (another
    model may answer under the same name) or sharing is pointless. `notes` are facts learnt about the provider while
    asking, for the manifest. A subclass may also have `context: int` (tokens of prompt and answer together) and
    `count_tokens(prompt: Prompt) -> int`, by which prompts are made to fit before any request; and `check(requests)`,
    which raises UserError for requests that it cannot answer, before anything is written.
    """

    name: str = ""
    resolved: str = ""
    identity: Mapping[str, Any] | None = None
    notes: Mapping[str, str] = MappingProxyType({})

    @abstractmethod
    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yields a Completion for every sample of every request, in any order, as they finish.

        A run calls it in a different thread from the one that created the model.
        """

    def close(self) -> None:  # noqa: B027
        """Frees what the model holds. Called once, possibly after an error elsewhere while `generate` still waits."""
