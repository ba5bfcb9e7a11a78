"""What is said of a model before it is opened: its settings, what answers, what it costs, how it is opened.

An adapter is a subclass of `ModelEntry` in a file of its own, beside the Model that it opens, and a line in
pie_bench/registry.py. `models.yaml` gives entries names, `--model-args` changes them, and `adapter:anything` makes one
from its defaults.
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
    """What a model puts around its thinking, where it is none of the tags that are known anyway (docs/answers.md)."""

    start: str = Field(min_length=1)
    end: str = Field(min_length=1)


class ModelEntry(Strict):
    """Settings of a model. A subclass has a field `adapter: Literal["its name"]` and says how it is opened.

    `FIXED` fields belong to the name and cannot be changed by --model-args; `OPERATIONAL` ones change how answers are
    had and paid for, not which answers: they are in no hash.
    `FORM`: for `adapter:anything`, the field that `anything` is, and what a user is told it is; None: it has no such.
    `PAID`: answers cost money. `CHARACTERS_PER_TOKEN`: where nobody counts, what its tokenizer makes of C++.
    """

    FIXED: ClassVar[frozenset[str]] = frozenset({"adapter", "note"})
    OPERATIONAL: ClassVar[frozenset[str]] = frozenset({"note"})
    FORM: ClassVar[tuple[str, str] | None] = None
    PAID: ClassVar[bool] = False
    CHARACTERS_PER_TOKEN: ClassVar[float] = CHARACTERS_PER_TOKEN_SMALL_VOCABULARY

    adapter: str
    note: str | None = Field(default=None, description="what a user should know before choosing it")
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
        """What answers, in a list of models: an id, a file."""
        return str(getattr(self, self.FORM[0])) if self.FORM else ""

    @property
    def prices(self) -> tuple[float, float] | None:
        """USD per million tokens, of prompts and of answers; None where none is known."""
        return None

    @property
    def prices_as_of(self) -> str | None:
        """The month (YYYY-MM) in which `prices` were published."""
        return None

    def to_fetch(self) -> Weights | None:
        """The weights that `pie-bench models get` fetches."""
        return None

    def exact(self, cache_dir: Path) -> str | None:
        """What would answer, known without loading anything: the opened model's `resolved` starts with it.

        None where only the opened model knows. Raises UserError where the files that it names cannot be read.
        """
        return None

    def token_counter(self) -> tuple[Callable[[Prompt], int], str]:
        """How many tokens a prompt has for estimates, and how that is counted. Nothing is downloaded."""
        chat = getattr(self, "prompting", "chat") == "chat"

        def count(prompt: Prompt) -> int:
            texts = [message.content for message in prompt.messages] if chat else [prompt.text]
            return sum(self.tokens_in(text) for text in texts)

        return count, f"estimated, {self.CHARACTERS_PER_TOKEN:g} characters a token"

    def tokens_in(self, text: str) -> int:
        """About how many tokens a text has."""
        return estimated_tokens(text, self.CHARACTERS_PER_TOKEN)

    def open(self, name: str, pairs: Mapping[str, Pair], cache_dir: Path, budget: Budget) -> Model:
        """The model, ready to answer; the caller closes it. `pairs` are those it will be asked about, by id.

        Raises UserError for what stands in the way, before anything is paid for.
        """
        raise NotImplementedError

    def with_arguments(self, arguments: Mapping[str, str]) -> ModelEntry:
        """The entry changed by `--model-args`; UserError for what this adapter does not have or take."""
        allowed = [name for name in type(self).model_fields if name not in self.FIXED]
        check_names(self.adapter, arguments, allowed)
        return checked_arguments(type(self), self.model_dump(exclude_unset=True), arguments)

    def deciding(self, arguments: Mapping[str, str]) -> dict[str, str]:
        """Those of the given `--model-args` that can change an answer."""
        return {key: value for key, value in sorted(arguments.items()) if key not in self.OPERATIONAL}


def check_names(adapter: str, arguments: Mapping[str, str], allowed: list[str]) -> None:
    """UserError for a name in `--model-args` that the adapter does not have."""
    for key in arguments:
        if key not in allowed:
            if not allowed:
                raise UserError(f"--model-args {key}: {adapter} models take none")
            raise UserError(f"--model-args: {unknown_name(f'{adapter} argument', key, allowed)}")


def checked_arguments(settings: type[B], given: Mapping[str, Any], arguments: Mapping[str, str]) -> B:
    """`settings` made from what is given and `--model-args`; UserError for a value that it does not take."""
    try:
        return settings.model_validate({**given, **arguments})
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
    key = str(problem["loc"][0]) if problem["loc"] else ""
    said = problem["msg"].removeprefix("Value error, ")
    value = "=…" if key == "base_url" else f"={arguments[key]}" if key in arguments else ""  # no password
    raise UserError(f"--model-args{key and ' '}{key}{value}: {said}")
