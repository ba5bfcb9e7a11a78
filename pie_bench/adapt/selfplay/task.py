"""A self-play task: its prompts show two problems of the training split instead of a slow program."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from pie_bench.config import Strict, load_named, names_in
from pie_bench.errors import UserError, unknown_name
from pie_bench.paths import TASKS_DIR
from pie_bench.task import Task, check_templates

PRESETS_DIR = TASKS_DIR / "selfplay"
VARIABLES = frozenset({"description_1", "code_1", "description_2", "code_2"})


class DrawsSpec(Strict):
    """How pairs of problems are drawn: `count` prompts in all (--draws overrides it), with the problems taking turns as
    Code 2, each next to a Code 1 of another problem.

    Only training problems with at least `min_tests` tests serve as Code 2, and of those only the `problems` with the
    most programs (None: all). Prompts whose programs and descriptions exceed `max_prompt_chars` characters are skipped.
    """

    count: int = Field(ge=1)
    problems: int | None = Field(default=None, ge=1)
    min_tests: int = Field(ge=2)
    max_prompt_chars: int = Field(ge=1)


class SelfPlayTask(Task):
    """A task of `tasks/selfplay/`. Its template sees `VARIABLES`; unknown descriptions are empty."""

    draws: DrawsSpec

    @property
    def task_hash(self) -> str:
        """As for every task, without the number of prompts, so that a self-play may grow."""
        drawn = self.model_copy(update={"draws": self.draws.model_copy(update={"count": 1})})
        return super(SelfPlayTask, drawn).task_hash


def load_preset(name: str, folder: Path | None = None) -> SelfPlayTask:
    """The preset of this name, from the user's folder or the shipped ones.

    UserError, with file and line, for an unknown name or an invalid preset.
    """
    folders = [each for each in (folder, PRESETS_DIR) if each is not None]
    place = next((each for each in folders if name in names_in(each)), None)
    if place is None:
        raise unknown_name("preset", name, (known for each in folders for known in names_in(each)))
    task, located = load_named("task", name, place, SelfPlayTask, shared=TASKS_DIR)
    check_templates(task, located, VARIABLES)
    for part, is_empty in (("prompt.tags", not task.prompt.tags), ("fewshot", task.fewshot.strategy == "none")):
        if not is_empty:
            raise UserError(f"{located.where(*part.split('.'))}: {part}: not available in self-play")
    return task
