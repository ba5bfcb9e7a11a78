"""What can be said of a model: one class an adapter. `models.yaml` gives such entries names, `--model-args` changes
them, and `adapter:anything` makes one from its defaults."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator

from pie_bench.config import Strict
from pie_bench.errors import UserError, unknown_name
from pie_bench.models.weights import Weights

Prompting = Literal["text", "chat"]


class _Entry(Strict):
    """`FIXED` fields belong to the name and cannot be changed by --model-args; `OPERATIONAL` ones change how answers
    are had and paid for, not which answers: they are in no hash."""

    FIXED: ClassVar[frozenset[str]] = frozenset({"adapter", "note"})
    OPERATIONAL: ClassVar[frozenset[str]] = frozenset({"note"})

    note: str | None = Field(default=None, description="what a user should know before choosing it")

    def with_arguments(self, arguments: Mapping[str, str]) -> Entry:
        """The entry changed by `--model-args`; UserError for what this adapter does not have or take."""
        allowed = [name for name in type(self).model_fields if name not in self.FIXED]
        for key in arguments:
            if key not in allowed:
                adapter = getattr(self, "adapter", "this")
                if not allowed:
                    raise UserError(f"--model-args {key}: {adapter} models take none")
                raise UserError(f"--model-args: {unknown_name(f'{adapter} argument', key, allowed)}")
        try:
            return type(self).model_validate(self.model_dump(exclude_unset=True) | dict(arguments))  # type: ignore[return-value]
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            key = str(problem["loc"][0]) if problem["loc"] else ""
            said = problem["msg"].removeprefix("Value error, ")
            given = "=…" if key == "base_url" else f"={arguments[key]}" if key in arguments else ""  # no password
            raise UserError(f"--model-args{key and ' '}{key}{given}: {said}") from None

    def exact(self, cache_dir: Path) -> str | None:
        """What exactly would answer, as the loaded model's `resolved` says it; None where only loading it tells."""
        return None

    def deciding(self, arguments: Mapping[str, str]) -> dict[str, str]:
        """Those of the given `--model-args` that can change an answer."""
        return {key: value for key, value in sorted(arguments.items()) if key not in self.OPERATIONAL}


class OpenAIEntry(_Entry):
    """A model behind the OpenAI protocol. Prices are in USD per million tokens, without discounts.

    `temperature` and `top_p`: "default" sends none, for models that take none; the task's values do not hold then.
    `weights_label` names what a server of one's own serves, so that its answers can be told apart and shared.
    """

    FIXED = _Entry.FIXED | {"id", "price_date"}
    OPERATIONAL = _Entry.OPERATIONAL | {
        *("price_in", "price_out", "price_date", "api_key_env", "check_model", "concurrency", "timeout_seconds"),
        *("retries", "backoff_seconds", "max_wait_seconds", "max_tokens_parameter"),
    }

    adapter: Literal["openai"]
    id: str = Field(min_length=1)
    prompting: Prompting = "chat"
    base_url: str | None = None
    weights_label: str | None = Field(default=None, min_length=1)
    temperature: Literal["task", "default"] = "task"
    top_p: Literal["task", "default"] = "task"
    reasoning_effort: str | None = None
    max_tokens_parameter: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    price_in: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    price_out: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    price_date: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}$")
    api_key_env: str = Field(default="OPENAI_API_KEY", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    check_model: bool = True
    concurrency: int = Field(default=32, ge=1, le=1000)
    timeout_seconds: float = Field(default=600, gt=0)
    retries: int = Field(default=8, ge=0, le=100)
    backoff_seconds: float = Field(default=1, gt=0)
    max_wait_seconds: float = Field(default=600, gt=0)

    @field_validator("base_url")
    @classmethod
    def _plain(cls, value: str | None) -> str | None:
        return None if value is None else checked_base_url(value)

    @model_validator(mode="after")
    def _both_prices(self) -> OpenAIEntry:
        if (self.price_in is None) != (self.price_out is None):
            raise ValueError("price_in and price_out belong together")
        return self


def checked_base_url(value: str) -> str:
    """An http(s) URL without a key in it (it goes into results) and without a slash at its end; ValueError else."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected a URL such as http://localhost:8000/v1")
    if parts.username is not None or parts.query:
        raise ValueError("it is written into results, so it must hold no password or query; keys come from api_key_env")
    return value.rstrip("/")


class _CheckpointEntry(_Entry):
    """A transformers checkpoint: a hub's id (with a `revision`) or a local folder."""

    FIXED = _Entry.FIXED | {"id"}

    id: str = Field(min_length=1)
    revision: str | None = None
    prompting: Literal["auto", "text", "chat"] = Field(default="auto", description="auto: chat if it has a template")
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    trust_remote_code: bool = False


class VllmEntry(_CheckpointEntry):
    """Run here by vLLM's offline engine. What is left out is vLLM's own default."""

    OPERATIONAL = _CheckpointEntry.OPERATIONAL | {"gpu_memory_utilization", "max_model_len", "max_num_seqs"}

    adapter: Literal["vllm"]
    tensor_parallel_size: int = Field(default=1, ge=1)
    quantization: str | None = None
    enforce_eager: bool = False
    max_model_len: int | None = Field(default=None, ge=1)
    max_num_seqs: int | None = Field(default=None, ge=1)
    gpu_memory_utilization: float | None = Field(default=None, gt=0, le=1)


class HfEntry(_CheckpointEntry):
    """Run here by transformers, sample by sample. `device` is torch's word; auto: a GPU if there is one."""

    adapter: Literal["hf"]
    device: str = "auto"


class LlamaCppEntry(_Entry):
    """A GGUF file run in this process. `context` is in tokens: prompt and answer together."""

    FIXED = _Entry.FIXED | {"weights", "path"}
    OPERATIONAL = _Entry.OPERATIONAL | {"context", "threads"}

    adapter: Literal["llama_cpp"]
    weights: Weights | None = None
    path: str | None = None
    context: int = Field(default=8192, ge=1)
    prompting: Literal["auto", "text", "chat"] = Field(default="auto", description="auto: chat if it has a template")
    threads: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _one_file(self) -> LlamaCppEntry:
        if (self.weights is None) == (self.path is None):
            raise ValueError("it needs either weights or a path")
        return self


class ReferenceEntry(_Entry):
    """Answers with one of the pair's own programs."""

    FIXED = _Entry.FIXED | {"answer"}

    adapter: Literal["reference"]
    answer: Literal["src_code", "tgt_code"]


class ReplayEntry(_Entry):
    """Answers recorded in a file. `answers_for_other_prompts`: take those that were given to other prompts too."""

    FIXED = _Entry.FIXED | {"path"}

    adapter: Literal["replay"]
    path: str
    answers_for_other_prompts: bool = False

    def exact(self, cache_dir: Path) -> str | None:
        from pie_bench.models.replay import read_answers, resolved_as

        return resolved_as(read_answers(Path(self.path).expanduser()))


Entry = OpenAIEntry | VllmEntry | HfEntry | LlamaCppEntry | ReferenceEntry | ReplayEntry
NamedEntry = Annotated[Entry, Field(discriminator="adapter")]

# `adapter:anything`: the class, which of its fields `anything` is, and what a user is told it is.
FORMS: dict[str, tuple[Any, str, str]] = {
    "openai": (OpenAIEntry, "id", "MODEL_ID"),
    "vllm": (VllmEntry, "id", "ID_OR_FOLDER"),
    "hf": (HfEntry, "id", "ID_OR_FOLDER"),
    "llama_cpp": (LlamaCppEntry, "path", "FILE.gguf"),
    "replay": (ReplayEntry, "path", "FILE"),
}
