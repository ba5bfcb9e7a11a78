"""What self-play asks a model for: a task whose prompts show two problems of the training split, not a slow program."""

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
    """How pairs of problems are drawn: `count` prompts in all (--draws changes it), in turn for each problem as Code 2,
    each beside a Code 1 of another problem.

    Only training problems with `min_tests` tests or more are Code 2, of those the `problems` with the most programs
    (None: all). A prompt whose programs and descriptions have more than `max_prompt_chars` characters is not asked.
    """

    count: int = Field(ge=1)
    problems: int | None = Field(default=None, ge=1)
    min_tests: int = Field(ge=2)
    max_prompt_chars: int = Field(ge=1)


class SelfPlayTask(Task):
    """A task of `tasks/selfplay/`. Its template sees `VARIABLES`; descriptions are empty where none are known."""

    draws: DrawsSpec

    @property
    def task_hash(self) -> str:
        """As of every task; how many prompts there are is not in it: a self-play may grow."""
        drawn = self.model_copy(update={"draws": self.draws.model_copy(update={"count": 1})})
        return super(SelfPlayTask, drawn).task_hash


def load_preset(name: str, folder: Path | None = None) -> SelfPlayTask:
    """The preset of this name, of the user's own folder or the shipped ones.

    UserError, with file and line, for an unknown name and for what is not as it should be.
    """
    folders = [each for each in (folder, PRESETS_DIR) if each is not None]
    place = next((each for each in folders if name in names_in(each)), None)
    if place is None:
        raise unknown_name("preset", name, (known for each in folders for known in names_in(each)))
    task, located = load_named("task", name, place, SelfPlayTask, shared=TASKS_DIR)
    check_templates(task, located, VARIABLES)
    for part, is_empty in (("prompt.tags", not task.prompt.tags), ("fewshot", task.fewshot.strategy == "none")):
        if not is_empty:
            raise UserError(f"{located.where(*part.split('.'))}: {part}: self-play has none")
    return task
