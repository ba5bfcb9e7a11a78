"""Replays recorded answers from a JSONL file: our own `generations.jsonl`, or answers by `src_id` and `tgt_id`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pie_bench.data.pair import Pair
from pie_bench.errors import UserError
from pie_bench.hashing import sha256
from pie_bench.models.budget import Budget
from pie_bench.models.entry import ModelEntry
from pie_bench.models.model import Completion, Model, Request

UNKNOWN_PROMPT = "unknown"


class _Generation(BaseModel):
    """A line of `generations.jsonl`; its other fields do not matter here."""

    model_config = ConfigDict(strict=True)

    pair_id: str
    sample_index: int = Field(ge=0)
    text: str
    finish_reason: str
    prompt_tokens: int = Field(default=0, ge=0)
    completion_tokens: int = Field(default=0, ge=0)
    latency_seconds: float = Field(default=0.0, ge=0)
    prompt_sha256: str | None = None
    answers_prompt: str | None = None
    reasoning: list[str] | None = Field(default=None, min_length=2, max_length=2)


class _Answer(BaseModel):
    """An answer without a sample index: its position among its pair's answers counts."""

    model_config = ConfigDict(strict=True)

    src_id: str
    tgt_id: str
    completion: str
    finish_reason: str = "stop"
    prompt_sha256: str | None = None


@dataclass(frozen=True)
class _Recorded:
    """A recorded answer, and the SHA-256 of the prompt it was given to (None: not recorded)."""

    completion: Completion
    prompt_sha256: str | None


class ReplayEntry(ModelEntry):
    """Answers recorded in a file. `answers_for_other_prompts`: also accept those given to other prompts."""

    FIXED = ModelEntry.FIXED | {"path"}
    FORM = ("path", "FILE")
    RECORDED = True

    adapter: Literal["replay"]
    path: str
    answers_for_other_prompts: bool = False

    def exact(self, cache_dir: Path) -> str | None:
        return resolved_as(read_answers(Path(self.path).expanduser()))

    def open(self, name: str, pairs: Mapping[str, Pair], cache_dir: Path, budget: Budget) -> ReplayModel:
        return ReplayModel(name, Path(self.path).expanduser(), other_prompts=self.answers_for_other_prompts)


class ReplayModel(Model):
    """Replays recorded answers. `resolved` identifies the file's content, independently of its location.

    Refuses an answer that was given to another prompt unless `other_prompts`; such an answer is then marked
    (`answers_prompt`), as is one whose prompt was not recorded.

    Raises UserError for an unreadable file, a line that is not an answer, and a duplicate answer.
    """

    def __init__(self, name: str, path: Path, *, other_prompts: bool = False):
        self.name = name
        self._path = path
        self._other_prompts = other_prompts
        content = read_answers(path)
        self.resolved = resolved_as(content)
        self._recorded = _parse(content, path)

    def check(self, requests: Iterable[Request]) -> None:
        """Raises UserError when a requested answer is not recorded, or was given to another prompt."""
        self.generate(requests)

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Checks all requests (see `check`) before the first answer."""
        wanted = [(request, (request.pair_id, index)) for request in requests for index in request.sample_indices]
        missing = [key for _, key in wanted if key not in self._recorded]
        if missing:
            pair_id, index = missing[0]
            raise UserError(
                f"{self._path}: {len(missing)} of the {len(wanted)} requested answers are not recorded, "
                f"first: pair {pair_id}, sample {index}; ask for fewer samples or pairs, or record them"
            )
        answers = [self._answer(request, self._recorded[key]) for request, key in wanted]
        others = [answer for answer in answers if answer.answers_prompt not in (None, UNKNOWN_PROMPT)]
        if others and not self._other_prompts:
            raise UserError(
                f"{self._path}: {len(others)} of the {len(wanted)} answers were given to other prompts, first: pair "
                f"{others[0].pair_id}, sample {others[0].sample_index}; use the task and dataset they were made with, "
                "or accept them with --answers-for-other-prompts"
            )
        return iter(answers)

    @staticmethod
    def _answer(request: Request, recorded: _Recorded) -> Completion:
        given = recorded.prompt_sha256
        if given == request.prompt.sha256:
            return recorded.completion
        return replace(recorded.completion, answers_prompt=given or UNKNOWN_PROMPT)


def read_answers(path: Path) -> bytes:
    """The file's content; UserError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); expected recorded answers, JSONL") from None


def resolved_as(content: bytes) -> str:
    """The model's exact identity: the SHA-256 of the file."""
    return f"replay:{sha256(content)}"


def _parse(content: bytes, path: Path) -> dict[tuple[str, int], _Recorded]:
    recorded: dict[tuple[str, int], _Recorded] = {}
    seen: Counter[str] = Counter()
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            if isinstance(record, dict) and "src_id" in record and "pair_id" not in record:
                answer = _Answer.model_validate(record)
                pair_id = f"{answer.src_id}-{answer.tgt_id}"
                completion = Completion(pair_id, seen[pair_id], answer.completion, answer.finish_reason)
                seen[pair_id] += 1
                given = answer.prompt_sha256
            else:
                line_of_a_run = _Generation.model_validate(record)
                fields = line_of_a_run.model_dump(exclude={"prompt_sha256", "answers_prompt", "reasoning"})
                tags = line_of_a_run.reasoning
                completion = Completion(**fields, reasoning=(tags[0], tags[1]) if tags else None)
                # A replayed answer may itself have been given to another prompt than the one recorded beside it.
                given = line_of_a_run.answers_prompt or line_of_a_run.prompt_sha256
                given = None if given == UNKNOWN_PROMPT else given
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            where = ".".join(map(str, problem["loc"])) or "line"
            raise UserError(f"{path}:{number}: {where}: {problem['msg']}; not a recorded answer") from None
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}:{number}: broken JSON ({error}); not a recorded answer") from None
        key = (completion.pair_id, completion.sample_index)
        if key in recorded:
            raise UserError(f"{path}:{number}: pair {key[0]}, sample {key[1]} is recorded twice; keep one of them")
        recorded[key] = _Recorded(completion, given or None)
    return recorded
