"""A task: what is asked of a model, and how. One YAML file each in `tasks/`, checked here, never skipped."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from pie_bench.config import Located, Strict, load_named, names_in
from pie_bench.errors import UserError
from pie_bench.hashing import hash_of
from pie_bench.paths import TASKS_DIR


class Sampling(Strict):
    """How answers are drawn. `stop` strings end an answer and are not part of it."""

    n: int = Field(ge=1, le=1000)
    temperature: float = Field(ge=0, le=2)
    top_p: float = Field(gt=0, le=1)
    max_tokens: int = Field(ge=1)
    stop: tuple[str, ...] = ()
    seed: int = Field(ge=0)


class FewShot(Strict):
    """Which training pairs a prompt shows (the paper, Section 3.1): none, `k` random ones, or the `k` nearest."""

    strategy: Literal["none", "random", "retrieval"]
    k: int = Field(default=0, ge=0, le=64)
    split: str = "train"
    seed: int = Field(default=0, ge=0)
    encoder: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> FewShot:
        if (self.strategy == "none") != (self.k == 0):
            raise ValueError(f"strategy {self.strategy} cannot have k = {self.k}")
        if (self.strategy == "retrieval") != (self.encoder is not None):
            raise ValueError("an encoder belongs to strategy retrieval, and only there")
        return self


class PromptSpec(Strict):
    """Jinja2 templates. `template` sees `src_code` and `examples` (each with `src_code`, `tgt_code`)."""

    template: str = Field(min_length=1)
    system: str | None = None


class Task(Strict):
    """A task variant, complete: everything in its YAML after its includes."""

    task: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    version: int = Field(ge=1)
    description: str
    dataset: str
    split: str = "test"
    prompt: PromptSpec
    fewshot: FewShot
    sampling: Sampling
    metrics: tuple[str, ...] = Field(min_length=1)

    @property
    def task_hash(self) -> str:
        """sha256 over everything that decides the prompts and how they are answered, except how many samples.

        The dataset is left out: it can be exchanged (`--dataset`) and has a fingerprint of its own.
        """
        decides = self.model_dump(mode="json", exclude={"description", "dataset", "split", "metrics"})
        del decides["sampling"]["n"]
        return hash_of(decides)


def task_names(folder: Path = TASKS_DIR) -> list[str]:
    """Names of the tasks in a folder."""
    return names_in(folder)


def load_task(name: str, folder: Path = TASKS_DIR) -> Task:
    """The task called `name`.

    Raises UserError for an unknown name (with the closest known ones), broken YAML, a circular include, and anything
    that is not as it should be: file, line and what was expected.
    """
    task, located = load_named("task", name, folder, Task)
    _check_templates(task, located)
    return task


def _check_templates(task: Task, located: Located) -> None:
    from jinja2 import Environment, TemplateSyntaxError, meta

    environment = Environment()
    for key, allowed in (("template", {"src_code", "examples"}), ("system", set())):
        at = f"{located.where('prompt', key)}: prompt.{key}"
        try:
            variables = meta.find_undeclared_variables(environment.parse(getattr(task.prompt, key) or ""))
        except TemplateSyntaxError as error:
            raise UserError(f"{at}: line {error.lineno} of the template: {error.message}") from None
        if variables - allowed:
            expected = f"expected one of {', '.join(sorted(allowed))}" if allowed else "it takes none"
            raise UserError(f"{at}: unknown variable {min(variables - allowed)!r}; {expected}")
