"""Answers recorded earlier, from a JSONL file: our own `generations.jsonl`, or answers by `src_id` and `tgt_id`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pie_bench.errors import UserError
from pie_bench.hashing import sha256
from pie_bench.models.model import Completion, Request


class _Generation(BaseModel):
    """A line of `generations.jsonl`; what else it holds does not matter here."""

    model_config = ConfigDict(strict=True)

    pair_id: str
    sample_index: int = Field(ge=0)
    text: str
    finish_reason: str
    prompt_tokens: int = Field(default=0, ge=0)
    completion_tokens: int = Field(default=0, ge=0)
    latency_seconds: float = Field(default=0.0, ge=0)


class _Answer(BaseModel):
    """An answer without a number: the order of appearance within its pair counts."""

    model_config = ConfigDict(strict=True)

    src_id: str
    tgt_id: str
    completion: str
    finish_reason: str = "stop"


class ReplayModel:
    """Gives back recorded answers. `resolved` is the file's content, wherever it lies.

    Raises UserError for a file that cannot be read, a line that is no answer, and an answer that is there twice.
    """

    def __init__(self, name: str, path: Path):
        self.name = name
        self.identity = None
        self.notes: Mapping[str, str] = {}
        self._path = path
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); expected recorded answers, JSONL") from None
        self.resolved = f"replay:{sha256(content)}"
        self._recorded = _parse(content, path)

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Checks all requests before the first answer: UserError when one asks for what is not recorded."""
        wanted = [(request.pair_id, index) for request in requests for index in request.sample_indices]
        missing = [key for key in wanted if key not in self._recorded]
        if missing:
            pair_id, index = missing[0]
            raise UserError(
                f"{self._path}: {len(missing)} of the {len(wanted)} answers asked for are not recorded, "
                f"first: pair {pair_id}, sample {index}; ask for fewer samples or pairs, or record them"
            )
        return (self._recorded[key] for key in wanted)

    def close(self) -> None:
        pass


def _parse(content: bytes, path: Path) -> dict[tuple[str, int], Completion]:
    recorded: dict[tuple[str, int], Completion] = {}
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
            else:
                completion = Completion(**_Generation.model_validate(record).model_dump())
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            where = ".".join(map(str, problem["loc"])) or "line"
            raise UserError(f"{path}:{number}: {where}: {problem['msg']}; not a recorded answer") from None
        except ValueError as error:
            raise UserError(f"{path}:{number}: broken JSON ({error}); not a recorded answer") from None
        key = (completion.pair_id, completion.sample_index)
        if key in recorded:
            raise UserError(f"{path}:{number}: pair {key[0]}, sample {key[1]} is recorded twice; keep one of them")
        recorded[key] = completion
    return recorded
