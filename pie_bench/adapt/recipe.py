"""An adaptation recipe: which pairs a model learns from, and how. One YAML file, validated before anything is
loaded."""

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
    """Low-rank adapters: `target_modules` are names of linear layers, or all of them except the head."""

    r: int = Field(default=32, ge=1)
    alpha: int = Field(default=16, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    target_modules: Literal["all-linear"] | tuple[str, ...] = "all-linear"


class Training(Strict):
    """Settings for transformers' Trainer. `batch_size`: pairs per step over all processes; `micro_batch_size`: pairs
    that one process handles at once. It saves checkpoints and evaluates every `save_steps`.
    """

    epochs: float | None = Field(default=None, gt=0)
    max_steps: int | None = Field(default=None, ge=1, description="instead of epochs, or as an upper bound on them")
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
    """A complete recipe. `task` is the one used for evaluation: its template makes the training prompts.

    `pairs`: all of the split, or the `hq_per_problem` pairs of each problem with the highest speedup. `synthetic`: adds
    rows from self-play. A pair longer than `max_tokens` with its answer is left out whole, as is one whose source the
    task would cut; `published` truncates both as the paper's authors did: programs after 1,500 characters, then tokens.
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
            raise ValueError("method lora and the settings of lora must be given together")
        return self

    def dumped(self) -> dict[str, Any]:
        """The recipe as JSON."""
        return self.model_dump(mode="json")

    def identity(self) -> dict[str, Any]:
        """What decides the weights: everything but the description."""
        return self.model_dump(mode="json", exclude={"description"})


def recipe_names() -> list[str]:
    """The names of the shipped recipes."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml") if not path.stem.startswith("_"))


def load_adapt_recipe(name: str | os.PathLike[str], changes: Mapping[str, Any] | None = None) -> AdaptRecipe:
    """The recipe in a YAML file or of a shipped name. `changes` (from a study) override it.

    UserError with file and line for broken YAML, unknown keys and invalid values.
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
