"""The settings of a model behind the OpenAI protocol, shared by all parts of that adapter."""

from __future__ import annotations

from typing import ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from pie_bench.models.entry import ModelEntry, Prompting
from pie_bench.prompting.tokens import CHARACTERS_PER_TOKEN


class OpenAISettings(ModelEntry):
    """Prices are in USD per million tokens, without discounts.

    `temperature` and `top_p`: "default" sends none, for models that accept none; the task's values then do not apply.
    `weights_label` names what a self-hosted server serves, so that its answers can be told apart and shared.
    """

    FIXED = ModelEntry.FIXED | {"id", "price_date"}
    OPERATIONAL = ModelEntry.OPERATIONAL | {
        *("price_in", "price_out", "price_date", "api_key_env", "check_model", "concurrency", "timeout_seconds"),
        *("retries", "backoff_seconds", "max_wait_seconds", "max_tokens_parameter"),
    }
    FORM = ("id", "MODEL_ID")
    PAID = True
    CHARACTERS_PER_TOKEN: ClassVar[float] = CHARACTERS_PER_TOKEN

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
    def _both_prices(self) -> OpenAISettings:
        if (self.price_in is None) != (self.price_out is None):
            raise ValueError("price_in and price_out must be given together")
        return self

    @property
    def prices(self) -> tuple[float, float] | None:
        return None if self.price_in is None or self.price_out is None else (self.price_in, self.price_out)

    @property
    def prices_as_of(self) -> str | None:
        return self.price_date


def checked_base_url(value: str) -> str:
    """An http(s) URL without a key in it (results record it) and without a trailing slash; ValueError otherwise."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected a URL such as http://localhost:8000/v1")
    if parts.username is not None or parts.query:
        raise ValueError("it is written into results, so it must hold no password or query; keys come from api_key_env")
    return value.rstrip("/")
