"""What is known of a model before it is opened: its settings, identity, prices, and how to open it.

An adapter is a subclass of `ModelEntry` in its own file, next to the Model that it opens, plus a line in
pie_bench/registry.py. `models.yaml` gives entries names, `--model-args` changes them, and `adapter:anything` creates
one from the adapter's defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError, field_validator

from pie_bench.config import Strict
from pie_bench.data.pair import Pair
from pie_bench.errors import UserError, unknown_name
from pie_bench.models.budget import Budget
from pie_bench.models.model import Model
from pie_bench.models.weights import Weights
from pie_bench.prompting.prompt import Prompt
from pie_bench.prompting.tokens import CHARACTERS_PER_TOKEN_SMALL_VOCABULARY, estimated_tokens

Prompting = Literal["text", "chat"]
B = TypeVar("B", bound=BaseModel)


class Reasoning(Strict):
    """The model's thinking tags, if they are not among the well-known ones (docs/answers.md)."""

    start: str = Field(min_length=1)
    end: str = Field(min_length=1)


class ModelEntry(Strict):
    """Settings of a model. A subclass has a field `adapter: Literal["its name"]` and implements `open`.

    `FIXED` fields belong to the name; --model-args cannot change them. `OPERATIONAL` ones affect how answers are
    obtained and paid for, not the answers themselves, so no hash includes them.
    `FORM`: for `adapter:anything`, the field that `anything` fills and its description for users; None: no such form.
    `PAID`: answers cost money. `RECORDED`: they exist already, so that an estimate may read them.
    `CHARACTERS_PER_TOKEN`: its tokenizer's rate for C++, for estimates.
    """

    FIXED: ClassVar[frozenset[str]] = frozenset({"adapter", "note"})
    OPERATIONAL: ClassVar[frozenset[str]] = frozenset({"note"})
    FORM: ClassVar[tuple[str, str] | None] = None
    PAID: ClassVar[bool] = False
    RECORDED: ClassVar[bool] = False
    CHARACTERS_PER_TOKEN: ClassVar[float] = CHARACTERS_PER_TOKEN_SMALL_VOCABULARY

    adapter: str
    note: str | None = Field(default=None, description="caveats to know before choosing it")
    reasoning: Reasoning | None = Field(
        default=None, description="its own tags around thinking: {start, end}, or on the command line START…END"
    )

    @field_validator("reasoning", mode="before")
    @classmethod
    def _two_tags(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        start, _, end = value.partition("…")
        if not (start.strip() and end.strip()):
            raise ValueError("expected START…END, the tags around its thinking")
        return {"start": start.strip(), "end": end.strip()}

    @property
    def label(self) -> str:
        """The model's id or file, for lists of models."""
        return str(getattr(self, self.FORM[0])) if self.FORM else ""

    @property
    def prices(self) -> tuple[float, float] | None:
        """USD per million tokens of prompts and of answers; None if unknown."""
        return None

    @property
    def prices_as_of(self) -> str | None:
        """The month (YYYY-MM) in which `prices` were published."""
        return None

    def to_fetch(self) -> Weights | None:
        """The weights that `pie-bench models get` fetches."""
        return None

    def exact(self, cache_dir: Path) -> str | None:
        """The model's exact identity, if known without loading anything: the opened model's `resolved` starts with it.

        None where only the opened model knows. Raises UserError when files it names cannot be read.
        """
        return None

    def token_counter(self) -> tuple[Callable[[Prompt], int], str]:
        """A function that counts a prompt's tokens for estimates, and a description of it. Downloads nothing."""
        chat = getattr(self, "prompting", "chat") == "chat"

        def count(prompt: Prompt) -> int:
            texts = [message.content for message in prompt.messages] if chat else [prompt.text]
            return sum(self.tokens_in(text) for text in texts)

        return count, f"estimated, {self.CHARACTERS_PER_TOKEN:g} characters a token"

    def tokens_in(self, text: str) -> int:
        """The estimated number of tokens in a text."""
        return estimated_tokens(text, self.CHARACTERS_PER_TOKEN)

    def open(self, name: str, pairs: Mapping[str, Pair], cache_dir: Path, budget: Budget) -> Model:
        """The model, ready to answer; the caller closes it. `pairs`: those it will be asked about, by id.

        Raises UserError, before anything is paid for, if the model cannot be used.
        """
        raise NotImplementedError

    def with_arguments(self, arguments: Mapping[str, str]) -> ModelEntry:
        """The entry with `--model-args` applied; UserError for an unknown argument or an invalid value."""
        allowed = [name for name in type(self).model_fields if name not in self.FIXED]
        check_names(self.adapter, arguments, allowed)
        return checked_arguments(type(self), self.model_dump(exclude_unset=True), arguments)

    def deciding(self, arguments: Mapping[str, str]) -> dict[str, str]:
        """Those of the given `--model-args` that can change an answer."""
        return {key: value for key, value in sorted(arguments.items()) if key not in self.OPERATIONAL}


def check_names(adapter: str, arguments: Mapping[str, str], allowed: list[str]) -> None:
    """Raises UserError for an argument in `--model-args` that the adapter does not have."""
    for key in arguments:
        if key not in allowed:
            if not allowed:
                raise UserError(f"--model-args {key}: {adapter} models take none")
            raise UserError(f"--model-args: {unknown_name(f'{adapter} argument', key, allowed)}")


def checked_arguments(settings: type[B], given: Mapping[str, Any], arguments: Mapping[str, str]) -> B:
    """`settings` built from the given values and `--model-args`; UserError for an invalid value."""
    try:
        return settings.model_validate({**given, **arguments})
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
    key = str(problem["loc"][0]) if problem["loc"] else ""
    said = problem["msg"].removeprefix("Value error, ")
    value = "=…" if key == "base_url" else f"={arguments[key]}" if key in arguments else ""  # no password
    raise UserError(f"--model-args{key and ' '}{key}{value}: {said}")
