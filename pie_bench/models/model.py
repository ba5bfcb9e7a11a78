"""The contract between the harness and whatever answers: a Request goes in, Completions stream out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pie_bench.prompting.prompt import Prompt
from pie_bench.run.generation import Completion as Completion  # part of the contract: adapters have it from here
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


def consecutive(indices: Sequence[int], at_most: int) -> Iterator[tuple[int, ...]]:
    """Sample indices in runs without a gap, of no more than `at_most`: what one call for several samples can hold,
    where its choice i is drawn with the call's seed + i."""
    run: list[int] = []
    for index in indices:
        if run and (index != run[-1] + 1 or len(run) == at_most):
            yield tuple(run)
            run = []
        run.append(index)
    if run:
        yield tuple(run)


class Model(ABC):
    """Whatever answers. A subclass needs `generate`; the rest has defaults.

    `name` is what the user asked for, `resolved` what exactly answers (model id, weights' sum): both go into results.
    `identity` is all that decides an answer beside prompt, sampling and seed, with `prompting` ("text" or "chat", what
    of the prompt is read) among it; answers are shared between runs by it. It is None where that cannot be known
    (another model may answer under the same name), or sharing is pointless.
    `notes` are what was found out about the provider while asking, for the manifest.
    One that knows may also have `context: int` (tokens of prompt and answer together) and
    `count_tokens(prompt: Prompt) -> int`: prompts are then made to fit before anything is asked; and
    `check(requests)`, which raises UserError for requests that it cannot answer, before anything is written.
    """

    name: str = ""
    resolved: str = ""
    identity: Mapping[str, Any] | None = None
    notes: Mapping[str, str] = MappingProxyType({})

    @abstractmethod
    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yields a Completion for every sample of every request, in any order, as they finish.

        A run calls it in another thread than the one that made the model.
        """

    def close(self) -> None:  # noqa: B027
        """Frees what the model holds; called once, also after an error elsewhere while `generate` still waits."""
