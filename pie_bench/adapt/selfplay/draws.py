"""Draws the two problems that each prompt shows, and renders the prompt: Figure 10 of the paper."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from jinja2 import Environment, StrictUndefined, TemplateError

from pie_bench.adapt.selfplay.problems import Problems
from pie_bench.adapt.selfplay.task import SelfPlayTask
from pie_bench.data.load import PairDataset
from pie_bench.data.pair import Pair
from pie_bench.errors import UserError
from pie_bench.hashing import hash_of, sha256
from pie_bench.prompting.prompt import Message, Prompt

_REDRAWS = 25  # of Code 1, until the prompt is short enough, like the authors' script


@dataclass(frozen=True)
class Draw:
    """A prompt: Code 1 and Code 2, the fastest known programs of two problems. The new program must read the same input
    as `code_2`."""

    pair_id: str
    problem_1: str
    problem_2: str
    code_1: str
    code_2: str

    def as_pair(self) -> Pair:
        """The draw as a Pair for models and runs; Code 2 is the source program."""
        return Pair(self.pair_id, self.problem_2, self.code_2, self.code_1, ())

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Drawing:
    """A task's endless sequence of draws from a dataset; draw i depends only on the seed and on i.

    UserError if the training split has too few problems to draw two.
    """

    def __init__(self, task: SelfPlayTask, problems: Problems, descriptions: Mapping[str, str]):
        self._task, self.problems, self._descriptions = task, problems, descriptions
        self._fastest: dict[str, str] = {}
        self.all = problems.ids
        self.eligible = eligible(task, problems)
        if len(self.all) < 2 or not self.eligible:
            raise UserError(
                f"dataset {problems.train.name}: of its {len(self.all)} training problems {len(self.eligible)} have "
                f"{task.draws.min_tests} tests or more; self-play needs at least one of these and one other problem"
            )
        self._order = list(self.eligible)
        random.Random(task.sampling.seed).shuffle(self._order)

    def draws(self, count: int) -> list[Draw]:
        """The first `count` draws, without those whose prompt would be too long."""
        return [draw for draw in map(self._draw, range(count)) if draw is not None]

    def _draw(self, number: int) -> Draw | None:
        second = self._order[number % len(self._order)]
        chance = random.Random(f"{self._task.sampling.seed}:{number}")
        for _ in range(_REDRAWS):
            first = self.all[chance.randrange(len(self.all))]
            if first == second:
                continue
            described = (self._descriptions.get(each, "") for each in (first, second))
            parts = self._code(first), self._code(second), *described
            if sum(map(len, parts)) <= self._task.draws.max_prompt_chars:
                return Draw(f"{second}-{first}-{number}", first, second, parts[0], parts[1])
        return None

    def _code(self, problem_id: str) -> str:
        if problem_id not in self._fastest:
            self._fastest[problem_id] = re.sub(r"\n+", "\n", self.problems.fastest(problem_id)).strip()
        return self._fastest[problem_id]

    def fingerprint(self) -> str:
        """SHA-256 over all that decides the draws."""
        train = [
            [pair.pair_id, pair.problem_id, sha256(pair.src_code.encode()), sha256(pair.tgt_code.encode())]
            for pair in self.problems.train.pairs
        ]
        return hash_of([sorted(train), self.all, self.eligible, dict(self._descriptions)])


def eligible(task: SelfPlayTask, problems: Problems) -> list[str]:
    """The problems that can be Code 2, sorted by id."""
    enough = [each for each in problems.ids if problems.n_tests(each) >= task.draws.min_tests]
    if task.draws.problems is not None:
        enough = sorted(enough, key=lambda each: (-problems.count(each), each))[: task.draws.problems]
    return sorted(enough)


@dataclass(frozen=True)
class DrawnPairs(PairDataset):
    """Draws as a dataset that runs can use; its length is the requested number of draws."""

    drawing: Drawing | None = None
    count: int = 0

    @property
    def _drawing(self) -> Drawing:
        assert self.drawing is not None, "made by `drawn_pairs`"
        return self.drawing

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        return self.chosen()

    def chosen(self, pair_ids: Sequence[str] | None = None, limit: int | None = None) -> tuple[Pair, ...]:
        drawn = tuple(draw.as_pair() for draw in self._drawing.draws(limit or self.count))
        return drawn if pair_ids is None else tuple(pair for pair in drawn if pair.pair_id in set(pair_ids))

    def fingerprint(self) -> str:
        """SHA-256 over all that decides the draws: the training programs, numbers of tests, descriptions."""
        return self._drawing.fingerprint()


def drawn_pairs(drawing: Drawing, count: int) -> DrawnPairs:
    """The first `count` draws as a dataset with the name of the training split."""
    train = drawing.problems.train
    return DrawnPairs(train.name, train.split, train.folder, train.rows, train.rejected, None, {}, drawing, count)


class DrawPrompts:
    """Renders a self-play task's prompts (`prompting.build.Builder`). UserError for an invalid template."""

    def __init__(self, task: SelfPlayTask, draws: Sequence[Draw], descriptions: Mapping[str, str]):
        self._task, self._descriptions = task, descriptions
        self._draws = {draw.pair_id: draw for draw in draws}
        self._templates = Environment(
            undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
        )

    def build(self, pair: Pair, sample_index: int = 0, *, leave_out: int = 0) -> Prompt:
        draw = self._draws[pair.pair_id]
        shown = {
            "description_1": self._descriptions.get(draw.problem_1, ""),
            "code_1": draw.code_1,
            "description_2": self._descriptions.get(draw.problem_2, ""),
            "code_2": draw.code_2,
        }
        text = self._render(self._task.prompt.template, shown)
        messages = [Message("user", text)]
        if self._task.prompt.system is not None:
            messages.insert(0, Message("system", self._render(self._task.prompt.system, {})))
        return Prompt(text, tuple(messages))

    def characters_cut(self, pair: Pair) -> int:
        return 0

    def describe(self) -> dict[str, Any]:
        return {"strategy": "self-play", "descriptions": len(self._descriptions)}

    def _render(self, template: str, values: dict[str, str]) -> str:
        try:
            return self._templates.from_string(template).render(values)
        except TemplateError as error:
            raise UserError(f"task {self._task.task}: its template cannot be rendered: {error}") from None
