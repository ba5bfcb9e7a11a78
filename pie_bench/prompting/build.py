"""Builds a prompt from a task and a pair: which training pairs it shows, and how."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from jinja2 import Environment, StrictUndefined, TemplateError

from pie_bench.data.pair import Pair
from pie_bench.errors import UserError
from pie_bench.hashing import hash_of
from pie_bench.prompting.prompt import Message, Prompt
from pie_bench.prompting.retrieval import SourceIndex
from pie_bench.task import Task


@dataclass(frozen=True)
class Chosen:
    """A training pair that a prompt shows; `similarity` (retrieval only) is the cosine to the query's source."""

    pair: Pair
    similarity: float | None = None


@dataclass(frozen=True)
class _Example:
    """A training source with its fastest target, and every problem that the source solves."""

    pair: Pair
    problem_ids: frozenset[str]


class Builder(Protocol):
    """Renders prompts: a task's `PromptBuilder`, or one that shows something other than the pair."""

    def build(self, pair: Pair, sample_index: int = 0, *, leave_out: int = 0) -> Prompt: ...

    def characters_cut(self, pair: Pair) -> int: ...

    def describe(self) -> dict[str, Any]:
        """What decides the prompts besides the task, for the manifest."""
        ...


class PromptBuilder:
    """Renders a task's prompts. An example never has the query's problem, and no source is shown twice.

    The order of the training pairs does not matter. `cache_dir` caches what retrieval computes.
    Raises UserError for an invalid template, too few training pairs, or an encoder that cannot be loaded.
    """

    def __init__(self, task: Task, train_pairs: Sequence[Pair], cache_dir: Path) -> None:
        self._task = task
        self._fewshot = task.fewshot
        self._templates = Environment(
            undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
        )
        if self._fewshot.rationale:
            train_pairs = [pair for pair in train_pairs if pair.rationale]
        self._corpus = [] if self._fewshot.strategy == "none" else _one_per_source(train_pairs)
        self._require(len(self._corpus), "")
        if self._fewshot.strategy == "random":
            self._drawn = list(range(len(self._corpus)))
            random.Random(self._fewshot.seed).shuffle(self._drawn)
        elif self._fewshot.encoder is not None:
            sources = [example.pair.src_code for example in self._corpus]
            self._index = SourceIndex(self._fewshot.encoder, sources, cache_dir)
        blank = {"src_code": "", "tgt_code": "", "rationale": ""}
        self._render("system", {})  # fail early on an invalid template
        self._render("template", {"src_code": "", "examples": [blank] * self._fewshot.k} | self._tag(0))

    def build(self, pair: Pair, sample_index: int = 0, *, leave_out: int = 0) -> Prompt:
        """The prompt for a sample of `pair`, as text and as messages, after the system message if there is one.
        `leave_out` drops that many examples from the front (with retrieval, the least similar)."""
        shown = [
            {
                "src_code": chosen.pair.src_code,
                "tgt_code": chosen.pair.tgt_code,
                "rationale": chosen.pair.rationale or "",
            }
            for chosen in self.examples(pair)[leave_out:]
        ]
        source = pair.src_code[: self._task.prompt.max_source_chars]
        text = self._render("template", {"src_code": source, "examples": shown} | self._tag(sample_index))
        messages = [Message("user", text)]
        if self._task.prompt.system is not None:
            messages.insert(0, Message("system", self._render("system", {})))
        return Prompt(text, tuple(messages))

    def examples(self, pair: Pair) -> tuple[Chosen, ...]:
        """The training pairs shown for `pair`, in prompt order: as drawn (random), or nearest last (retrieval)."""
        k = self._fewshot.k

        def eligible(row: int) -> bool:
            return pair.problem_id not in self._corpus[row].problem_ids

        if self._fewshot.strategy == "none":
            return ()
        found: list[tuple[int, float | None]]
        if self._fewshot.strategy == "random":
            found = [(row, None) for row in islice(filter(eligible, self._drawn), k)]
        else:
            found = [*self._index.nearest(pair.src_code, k, eligible)[::-1]]
        self._require(len(found), f" of another problem than {pair.problem_id}")
        return tuple(Chosen(self._corpus[row].pair, similarity) for row, similarity in found)

    def passed_over(self, pair: Pair) -> int:
        """How many sources nearer than the farthest example were skipped because they solve the same problem."""
        if self._fewshot.strategy != "retrieval":
            return 0
        shown = {chosen.pair.pair_id for chosen in self.examples(pair)}
        passed = 0
        for row, _ in self._index.nearest(pair.src_code, len(self._corpus), lambda _: True):
            shown.discard(self._corpus[row].pair.pair_id)
            if not shown:
                break
            passed += pair.problem_id in self._corpus[row].problem_ids
        return passed

    def characters_cut(self, pair: Pair) -> int:
        """How many characters of the pair's source the task's limit cuts from the prompt."""
        limit = self._task.prompt.max_source_chars
        return 0 if limit is None else max(0, len(pair.src_code) - limit)

    def describe(self) -> dict[str, Any]:
        """What decides the examples: strategy, k, encoder, and the corpus' size and hash (None if there is none)."""
        pairs = [example.pair for example in self._corpus]
        rows = [[pair.pair_id, pair.problem_id, pair.src_code, pair.tgt_code] for pair in pairs]
        return {
            "strategy": self._fewshot.strategy,
            "k": self._fewshot.k,
            "encoder": self._fewshot.encoder,
            "corpus_size": len(rows),
            "corpus_hash": hash_of(rows) if rows else None,
        }

    def _require(self, count: int, which: str) -> None:
        k = self._fewshot.k
        if count < k:
            sources = "sources with a rationale" if self._fewshot.rationale else "sources"
            raise UserError(
                f"task {self._task.task}: fewshot.k is {k}, but split {self._fewshot.split!r} has only {count} "
                f"different {sources}{which}; give a dataset with more training pairs, or a smaller k"
            )

    def _tag(self, sample_index: int) -> dict[str, Any]:
        tag = self._task.prompt.tag(sample_index)
        return {} if tag is None else {"tag": tag}

    def _render(self, key: str, values: dict[str, Any]) -> str:
        try:
            return self._templates.from_string(getattr(self._task.prompt, key) or "").render(values)
        except TemplateError as error:
            raise UserError(f"task {self._task.task}: prompt.{key} cannot be rendered: {error}") from None


def _one_per_source(pairs: Sequence[Pair]) -> list[_Example]:
    """The candidate examples, sorted by pair_id: for each source the pair with the fastest target (the smallest sum of
    recorded seconds, or the first by pair_id if none are recorded)."""
    by_source: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_source.setdefault(pair.src_code.strip(), []).append(pair)

    def slowness(pair: Pair) -> tuple[bool, float, str]:
        seconds = math.fsum(pair.tgt_seconds.values()) if pair.tgt_seconds else 0.0
        return not pair.tgt_seconds, seconds, pair.pair_id

    examples = [
        _Example(min(same, key=slowness), frozenset(pair.problem_id for pair in same)) for same in by_source.values()
    ]
    return sorted(examples, key=lambda example: example.pair.pair_id)
