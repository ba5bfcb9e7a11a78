"""A task: what to ask a model, and how. One YAML file each in `tasks/`, fully validated here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from pie_bench import registry
from pie_bench.config import Located, Strict, load_named, names_in, parse_yaml
from pie_bench.errors import UserError, unknown_name
from pie_bench.hashing import hash_of
from pie_bench.paths import TASKS_DIR


class Sampling(Strict):
    """How to draw answers. `stop` strings end an answer and are not part of it."""

    n: int = Field(ge=1, le=1000)
    temperature: float = Field(ge=0, le=2)
    top_p: float = Field(gt=0, le=1)
    max_tokens: int = Field(ge=1)
    stop: tuple[str, ...] = ()
    seed: int = Field(ge=0)


class FewShot(Strict):
    """Which training pairs a prompt shows (the paper, Section 3.1): none, `k` random ones, or the `k` nearest.

    `dataset` is their source (None: the dataset in question); `rationale`: each must have one.
    """

    strategy: Literal["none", "random", "retrieval"]
    k: int = Field(default=0, ge=0, le=64)
    dataset: str | None = None
    split: str = "train"
    seed: int = Field(default=0, ge=0)
    encoder: str | None = None
    rationale: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> FewShot:
        if (self.strategy == "none") != (self.k == 0):
            raise ValueError(f"strategy {self.strategy} cannot have k = {self.k}")
        if (self.strategy == "retrieval") != (self.encoder is not None):
            raise ValueError("an encoder is required for strategy retrieval, and only allowed there")
        return self


class PromptSpec(Strict):
    """Jinja2 templates. `template` sees `src_code`, `examples` (each with `src_code`, `tgt_code`, `rationale`) and,
    with `tags`, the sample's `tag`: sample i has `tags[i % len(tags)]`.

    A longer source program is cut to its first `max_source_chars` characters (None: shown whole).
    """

    template: str = Field(min_length=1)
    system: str | None = None
    tags: tuple[int, ...] = ()
    max_source_chars: int | None = Field(default=None, ge=1)

    def tag(self, sample_index: int) -> int | None:
        """The tag in a sample's prompt; None for prompts without tags."""
        return self.tags[sample_index % len(self.tags)] if self.tags else None


# Options newer than the first tasks: they enter the hash only if they are used.
_LATER_OPTIONS = {"prompt": ("tags", "max_source_chars"), "fewshot": ("dataset", "rationale")}


class Task(Strict):
    """A complete task variant: everything in its YAML after resolving includes."""

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
        """SHA-256 over everything that decides the prompts and how they are answered, except the number of samples.

        The dataset is left out: it can be exchanged (`--dataset`) and has its own fingerprint.
        """
        decides = self.model_dump(mode="json", exclude={"description", "dataset", "split", "metrics"})
        del decides["sampling"]["n"]
        for part, options in _LATER_OPTIONS.items():
            for option in options:
                if not decides[part][option]:
                    del decides[part][option]
        return hash_of(decides)


class Group(Strict):
    """Several tasks under one name: a YAML file next to theirs. `tasks` lists names, groups and globs."""

    group: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    description: str
    tasks: tuple[str, ...] = Field(min_length=1)


def task_names(*folders: Path) -> list[str]:
    """Names of the tasks in the folders (default: the shipped ones)."""
    return sorted(name for name, path in _files(folders).items() if not _is_group(path))


def group_names(*folders: Path) -> list[str]:
    """Names of the groups in the folders (default: the shipped ones)."""
    return sorted(name for name, path in _files(folders).items() if _is_group(path))


def select_tasks(wanted: Iterable[str], *folders: Path) -> list[str]:
    """Expands names, groups and globs (`pie_retrieval_*`) to task names, in the given order, without repetitions.

    Raises UserError for an unknown name, a glob that matches nothing, and groups that contain each other.
    """
    tasks, groups = task_names(*folders), group_names(*folders)
    files = _files(folders)

    def expand(name: str, within: tuple[str, ...]) -> list[str]:
        if name in tasks:
            return [name]
        if name in within:
            raise UserError(f"group {within[0]} contains itself: {' → '.join((*within, name))}")
        if name in groups:
            group, _ = load_named("group", name, files[name].parent, Group)
            return [task for part in group.tasks for task in expand(part, (*within, name))]
        if any(sign in name for sign in "*?["):
            matching = [task for task in tasks if fnmatchcase(task, name)]
            if matching:
                return matching
        if within:
            raise UserError(f"group {within[-1]}: {unknown_name('task', name, [*tasks, *groups])}")
        raise unknown_name("task", name, [*tasks, *groups])

    return list(dict.fromkeys(task for name in wanted for task in expand(name, ())))


def load_task(name: str, *folders: Path) -> Task:
    """The task called `name`; earlier folders take precedence (default: the shipped ones).

    Includes are looked up next to the including file, then among the shipped tasks. Raises UserError for an unknown
    name (suggesting similar ones), broken YAML, a circular include, and anything invalid, with file, line and what was
    expected.
    """
    files = _files(folders)
    if name not in files or _is_group(files[name]):
        raise unknown_name("task", name, task_names(*folders))
    task, located = load_named("task", name, files[name].parent, Task, shared=TASKS_DIR)
    check_templates(task, located, {"src_code", "examples"} | ({"tag"} if task.prompt.tags else set()))
    _check_names(task, located)
    return task


def folder_of(name: str, *folders: Path) -> Path:
    """The folder with the task called `name` (default: the shipped ones)."""
    return _files(folders)[name].parent


def _files(folders: Sequence[Path]) -> dict[str, Path]:
    """Tasks and groups by name. UserError for an invalid folder, and for duplicate names."""
    files: dict[str, Path] = {}
    for folder in folders or (TASKS_DIR,):
        if not folder.is_dir():
            raise UserError(f"--include-path {folder}: not a folder; give one with task YAML files")
        for name in names_in(folder):
            path = folder / f"{name}.yaml"
            if name in files:
                raise UserError(f"{path}: there is already a task {name}: {files[name]}; give it another name")
            files[name] = path
    return files


def _is_group(path: Path) -> bool:
    return "group" in parse_yaml(path)[0]


def _check_names(task: Task, located: Located) -> None:
    """Checks that metrics and encoder exist; plug-ins are located, but not imported yet."""
    checked: list[tuple[registry.Kind, str, tuple[str | int, ...]]] = [
        ("metrics", name, ("metrics", number)) for number, name in enumerate(task.metrics)
    ]
    if task.fewshot.encoder is not None:
        encoder = task.fewshot.encoder
        prefix = encoder.partition(":")[0]
        known = registry.find_if_there("encoders", prefix) is not None
        checked.append(("encoders", prefix if known else encoder, ("fewshot", "encoder")))
    for kind, name, at in checked:
        try:
            registry.find(kind, name)
        except UserError as error:
            raise UserError(f"{located.where(*at)}: {'.'.join(map(str, at))}: {error}") from None


def check_templates(task: Task, located: Located, known: Set[str]) -> None:
    """Raises UserError, with file and line, for an invalid template, or one with a variable that is not `known`."""
    from jinja2 import Environment, TemplateSyntaxError, meta

    environment = Environment()
    nothing: Set[str] = frozenset()
    for key, allowed in (("template", known), ("system", nothing)):
        at = f"{located.where('prompt', key)}: prompt.{key}"
        try:
            variables = meta.find_undeclared_variables(environment.parse(getattr(task.prompt, key) or ""))
        except TemplateSyntaxError as error:
            raise UserError(f"{at}: line {error.lineno} of the template: {error.message}") from None
        except RecursionError:
            raise UserError(f"{at}: nested too deeply") from None
        if variables - allowed:
            expected = f"expected one of {', '.join(sorted(allowed))}" if allowed else "it takes none"
            raise UserError(f"{at}: unknown variable {min(variables - allowed)!r}; {expected}")
        if key == "template" and task.prompt.tags and "tag" not in variables:
            raise UserError(f"{at}: there are prompt.tags, but the template does not use tag")
