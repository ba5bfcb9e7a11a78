"""A recipe: which pairs a model learns from, and how. One YAML file, checked before anything is loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from pie_bench.config import Located, Strict, deep_merge
from pie_bench.errors import UserError
from pie_bench.paths import RECIPES_DIR

FOLDER = RECIPES_DIR / "adapt"


class Lora(Strict):
    """Low-rank adapters: `target_modules` are names of linear layers, or all of them but the head's."""

    r: int = Field(default=32, ge=1)
    alpha: int = Field(default=16, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    target_modules: Literal["all-linear"] | tuple[str, ...] = "all-linear"


class Training(Strict):
    """What goes to transformers' Trainer. `batch_size` is pairs a step over all processes, `micro_batch_size` those
    that a process takes at once. Checkpoints and evaluation are every `save_steps`.
    """

    epochs: float | None = Field(default=None, gt=0)
    max_steps: int | None = Field(default=None, ge=1, description="instead of epochs, or fewer than they have")
    batch_size: int = Field(ge=1)
    micro_batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    schedule: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "linear"
    warmup_steps: int = Field(default=0, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    optimizer: str = "adamw_torch"
    gradient_checkpointing: bool = False
    compile: bool = False
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: int = Field(default=0, ge=0)
    save_steps: int = Field(default=50, ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> Training:
        if self.epochs is None and self.max_steps is None:
            raise ValueError("it needs epochs or max_steps")
        if self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"batch_size {self.batch_size} is not a multiple of micro_batch_size {self.micro_batch_size}"
            )
        return self


class AdaptRecipe(Strict):
    """A recipe, complete. `task` is the one that evaluates the model: its template makes the prompts to learn from.

    `pairs`: all of the split, or of each problem the `hq_per_problem` with the highest speedup. `synthetic`: rows from
    self-play come on top. A pair that takes more than `max_tokens` with its answer is left out whole, as is one whose
    source the task would cut; `published` cuts both as the paper's authors did: programs after 1,500 characters, then
    tokens.
    """

    recipe: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    description: str = ""
    task: str
    pairs: Literal["all", "hq"] = "all"
    hq_per_problem: int = Field(default=4, ge=1)
    synthetic: bool = False
    method: Literal["full", "lora"] = "full"
    lora: Lora | None = None
    max_tokens: int = Field(ge=8)
    published: bool = False
    training: Training

    @model_validator(mode="after")
    def _consistent(self) -> AdaptRecipe:
        if (self.method == "lora") != (self.lora is not None):
            raise ValueError("method lora and the settings of lora belong together")
        return self

    def dumped(self) -> dict[str, Any]:
        """The recipe as JSON has it."""
        return self.model_dump(mode="json")

    def identity(self) -> dict[str, Any]:
        """What of it decides the weights: all but its description."""
        return self.model_dump(mode="json", exclude={"description"})


def recipe_names() -> list[str]:
    """The shipped ones."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml") if not path.stem.startswith("_"))


def load_adapt_recipe(name: str | os.PathLike[str], changes: Mapping[str, Any] | None = None) -> AdaptRecipe:
    """The recipe in a YAML file or of a shipped name. `changes` (of a study) are laid over it.

    UserError with file and line for broken YAML, unknown keys and values that are not as they should be.
    """
    file = Path(name).expanduser()
    if not file.is_file() and (FOLDER / f"{os.fspath(name)}.yaml").is_file():
        file = FOLDER / f"{os.fspath(name)}.yaml"
    if not file.is_file():
        raise UserError(
            f"{os.fspath(name)}: no such recipe; give a YAML file, or the name of a shipped one: "
            f"{', '.join(recipe_names())}"
        )
    located = Located(file.resolve(), FOLDER)
    if changes:
        located.data = deep_merge(located.data, dict(changes))
    return located.validate(AdaptRecipe)
