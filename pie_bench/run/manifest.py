"""`manifest.json`: what defines a run, and what is learnt while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pie_bench.defaults import DEFAULT_ENVIRONMENT
from pie_bench.run.kills import KillRates

SCHEMA_VERSION = 2

EXTENT = ("limit", "samples", "pairs", "shard")  # how much of a task a run covers: the only settings that may grow


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)


class Settings(BaseModel):
    """What the user asked for; None means the task's own value.

    `pairs`: only these ids, in this order. `shard`: of these only the i-th of n parts, "i/n". `include_path`: a folder
    with the user's tasks. `context`: the model's context in tokens, if it does not report it. `model_args`: the
    adapter's settings. `tests`: the dataset's own, or its stress inputs instead.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str
    model: str
    dataset: str | None = None
    environment: str = DEFAULT_ENVIRONMENT
    limit: int | None = Field(default=None, ge=1)
    samples: int | None = Field(default=None, ge=1)
    encoder: str | None = None
    model_args: Mapping[str, str] = Field(default_factory=dict)
    pairs: tuple[str, ...] | None = None
    shard: str | None = Field(default=None, pattern=r"^[1-9][0-9]*/[1-9][0-9]*$")
    include_path: str | None = None
    context: int | None = Field(default=None, ge=1)
    tests: Literal["paper", "stress"] = "paper"


class StressFacts(_Part):
    """The stress inputs on which a run's programs were judged too: the set's hash, each pair's inputs, and by problem
    and input the size, for inputs of a family (the same input at several sizes)."""

    sha256: str
    pairs: dict[str, list[str]]
    families: dict[str, dict[str, int]]


class GenerationFacts(_Part):
    """What generated the answers: the exact model, and how few-shot examples were chosen."""

    model_resolved: str
    examples: dict[str, Any]


class ExecutionFacts(_Part):
    """The environment in which the programs were measured."""

    name: str
    environment_id: str
    facts: dict[str, str]
    sandbox: str


class Manifest(_Part):
    """A run's manifest.

    `identity` defines the run: a folder belongs to one identity for good. `provider`: facts learnt about the server;
    `simulators`: which simulator on this machine measured, by environment; `plugins`: the plug-ins used (kind, name,
    package, version of each). `cpu_seconds`: CPU time of all compilers, programs, analyses and simulators, guards
    included, None if unknown. `kill_rates`: how strong the tests of the dataset's problems are, if known. `merged`: for
    each run that this one was merged from, what it was.
    """

    schema_version: int = SCHEMA_VERSION
    settings: Settings
    identity: dict[str, Any]
    rejected_rows: list[dict[str, Any]] = Field(default_factory=list)
    created: str | None = None
    command: list[Any] = Field(default_factory=list)
    host: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, Any] = Field(default_factory=dict)
    generation: GenerationFacts | None = None
    execution: ExecutionFacts | None = None
    stress: StressFacts | None = None
    kill_rates: KillRates | None = None
    provider: dict[str, Any] | None = None
    plugins: list[dict[str, str]] = Field(default_factory=list)
    simulators: dict[str, Any] | None = None
    cpu_seconds: float | None = None
    merged: list[dict[str, Any]] = Field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As the file stores it: parts not known yet are omitted; `cpu_seconds` null means that it cannot be known."""
        return self.model_dump(mode="python", exclude_unset=True)
