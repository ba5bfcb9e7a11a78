"""Pairs as chats for fine-tuning services: JSON Lines with the messages of the task used for evaluation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pie_bench.adapt.lessons import Funnel, Lesson, Material, lessons
from pie_bench.adapt.recipe import AdaptRecipe
from pie_bench.data.pair import Pair
from pie_bench.errors import UserError
from pie_bench.hashing import file_sha256
from pie_bench.prompting.tokens import estimated_tokens
from pie_bench.run.files import write_jsonl
from pie_bench.task import Task

LEAST_ROWS = 10  # OpenAI's minimum
MOST_BYTES = 512_000_000  # per file
_FRAME_TOKENS = 4  # overhead of the chat format per message


@dataclass(frozen=True)
class ChatFiles:
    """The files to upload: their hashes, rows and estimated tokens of the training file, and what was left out."""

    train: Path
    validation: Path | None
    sha256: Mapping[str, str]
    rows: int
    tokens: int
    funnel: Funnel

    def usd(self, epochs: float, price: float) -> float:
        """The estimated training cost at `price` USD per million tokens."""
        return self.tokens * epochs * price / 1e6


def export_chat(recipe: AdaptRecipe, task: Task, material: Material, out: Path, cache_dir: Path) -> ChatFiles:
    """Writes `train.jsonl` and, where there are pairs to validate with, `validation.jsonl`.

    Rows of more than `max_tokens` (estimated) are left out and counted. UserError if fine-tuning services would reject
    the files.
    """
    funnel = Funnel()
    train = out / "train.jsonl"
    tokens = _write(train, recipe, task, material.train, funnel, cache_dir)
    if funnel.used < LEAST_ROWS:
        raise UserError(f"recipe {recipe.recipe}: {funnel.used} rows are left; services require at least {LEAST_ROWS}")
    validation: Path | None = None
    if material.validation_of(task):
        validation = out / "validation.jsonl"
        _write(validation, recipe, task, material.validation_of(task), Funnel(), cache_dir)
    files = [path for path in (train, validation) if path is not None]
    for path in files:
        if path.stat().st_size > MOST_BYTES:
            raise UserError(f"{path}: {path.stat().st_size / 1e6:.0f} MB; services take at most {MOST_BYTES / 1e6:.0f}")
    return ChatFiles(train, validation, {p.name: file_sha256(p) for p in files}, funnel.used, tokens, funnel)


def chat_row(lesson: Lesson) -> dict[str, Any]:
    """The messages used for evaluation, followed by the answer."""
    messages = [{"role": message.role, "content": message.content} for message in lesson.prompt.messages]
    return {"messages": [*messages, {"role": "assistant", "content": lesson.answer}]}


def _write(path: Path, recipe: AdaptRecipe, task: Task, pairs: Iterable[Pair], funnel: Funnel, cache_dir: Path) -> int:
    """Writes the file and returns its estimated number of tokens."""
    rows, total = [], 0
    for lesson in lessons(recipe, task, pairs, funnel, cache_dir):
        row = chat_row(lesson)
        tokens = sum(estimated_tokens(message["content"]) + _FRAME_TOKENS for message in row["messages"])
        if tokens > recipe.max_tokens:
            funnel.leave_out(lesson.pair, f"about more than max_tokens {recipe.max_tokens}")
            continue
        funnel.used += 1
        if not lesson.whole:
            funnel.cut.append(lesson.pair.pair_id)
        rows.append(row)
        total += math.ceil(tokens)
    write_jsonl(path, rows)
    return total
