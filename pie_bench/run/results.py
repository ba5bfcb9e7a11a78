"""`results.json`: every key typed and explained. Nothing in it depends on when or in what order things ran."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pie_bench.run.guard import GuardFinding

SCHEMA_VERSION = 2
Scores = dict[str, dict[str, float | None]]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SampleResult(_Part):
    """One answer of the model."""

    outcome: str = Field(description="what became of it: see `outcomes` in docs/methodology.md")
    seconds: float | None = Field(description="simulated seconds, summed over the pair's tests; null unless ok")
    startup_seconds: float | None = Field(description="the part of `seconds` before main")


class Score(_Part):
    """One number over all pairs, with its 95 % interval (docs/statistics.md)."""

    metric: str = Field(description="see `METRICS` in pie_bench/metrics/best_at_k.py")
    k: int = Field(description="best of this many samples")
    method: Literal["default", "paper"] = Field(description="expectation over subsets of k samples, or the first k")
    time: Literal["process", "after_main"] = Field(description="the whole process as in the paper, or without start-up")
    of: Literal["model", "human"] = Field(description="the model's answers, or the pairs' human rewrites")
    value: float | None = Field(description="null where a pair has fewer than k usable samples")
    low: float | None = Field(description="null where the data says nothing of its spread, e.g. one problem only")
    high: float | None
    n_pairs: int


class StartupShare(_Part):
    """Pairs whose best program is at least 10 % faster, and those among them that are not without start-up."""

    optimized: int
    by_startup_alone: tuple[str, ...] = Field(description="pair ids")


class PairResult(_Part):
    """One pair and the model's answers to it."""

    pair_id: str
    problem_id: str
    source: SampleResult = Field(description="the slow program, measured here")
    target: SampleResult = Field(description="the human rewrite, measured here")
    recorded_source_seconds: float | None = Field(description="what the dataset records for the slow program (gem5)")
    recorded_target_seconds: float | None = Field(description="what the dataset records for the human rewrite (gem5)")
    samples: tuple[SampleResult, ...]


class Guards(_Part):
    """What the guards found, and the paper's metrics with the flagged answers counted as wrong (docs/guards.md)."""

    checked: int = Field(description="correct answers that were checked")
    unchecked: int = Field(description="correct answers that were not: they are counted as they are")
    n_guard_inputs: int = Field(description="over all pairs with a checked answer")
    by_sanitizer: int = Field(description="answers flagged")
    by_guard_input: int
    speedups_removed: int = Field(description="flagged answers that were at least 10 % faster")
    speedups_removed_by_sanitizer: int
    speedups_removed_by_guard_input: int
    findings: tuple[GuardFinding, ...]
    metrics: Scores
    metrics_without_startup: Scores


class Results(_Part):
    """A run's results.

    `scores` holds every number; `metrics` and the three maps after it are the paper's part of them, {metric: {"best@k":
    value}}, with null where a pair has fewer than k usable samples.
    """

    schema_version: int = SCHEMA_VERSION
    task: str
    task_version: int
    task_hash: str = Field(description="over all that decides the prompts and the sampling")
    model: str = Field(description="as asked for")
    model_resolved: str = Field(description="what exactly answered")
    model_args: dict[str, str] = Field(default={}, description="those of --model-args that can change an answer")
    answered_by: tuple[str, ...] = Field(default=(), description="models as the provider's own responses name them")
    cost_usd: float | None = Field(default=None, description="of all answers, at the registry's or the user's prices")
    answered_prompts: Literal["these", "unknown", "other"] = Field(
        default="these",
        description="whether the answers were given to these prompts; replayed ones may not have been, or not say",
    )
    n_tokens_estimated: int = Field(default=0, description="answers whose own tokens the provider did not count")
    examples: dict[str, Any] = Field(description="how few-shot examples were chosen, with which encoder")
    dataset: str
    split: str
    dataset_fingerprint: str
    environment: str
    environment_id: str = Field(description="what the seconds were measured in; never compare across two of these")
    environment_facts: dict[str, str] = Field(description="versions and sums of compiler, libraries and simulator")
    sandbox: str
    n_pairs: int = Field(description="pairs in the metrics")
    n_problems: int
    n_samples: int = Field(description="samples per pair")
    n_rejected_rows: int = Field(description="rows of the dataset left out because they lack something")
    unusable_pairs: tuple[str, ...] = Field(description="pairs left out: their source program fails its tests here")
    metrics: Scores = Field(description="of the model's answers, on the whole process's time, as in the paper")
    metrics_without_startup: Scores = Field(description="the same on time after the start of main")
    human_reference: Scores = Field(description="of the pairs' target programs, whole process")
    human_reference_without_startup: Scores
    scores: tuple[Score, ...] = ()
    interval: dict[str, Any] = Field(default={}, description="how the intervals were made")
    startup: dict[Literal["model", "human"], StartupShare] = Field(
        default={}, description="what start-up alone decides"
    )
    guards: Guards | None = Field(default=None, description="null: `pie-bench guard` was not run")
    outcomes: dict[str, int] = Field(description="what became of the model's answers, counted")
    infra_errors: int = Field(description="executions that failed on our side; in no metric: run the command again")
    tokens: dict[str, int] = Field(description="prompt and completion tokens, as the model counted them")
    versions: dict[str, str] = Field(description="packages")
    pairs: tuple[PairResult, ...]

    @model_validator(mode="after")
    def _complete(self) -> Results:
        """Every metric has a score at each k, by both methods and both times: what reads them relies on it."""
        ks: dict[str, set[int]] = {}
        found: dict[tuple[str, str], set[tuple[int, str, str]]] = {}
        for s in self.scores:
            ks.setdefault(s.of, set()).add(s.k)
            found.setdefault((s.metric, s.of), set()).add((s.k, s.method, s.time))
        for (metric, of), keys in found.items():
            if len(keys) != 4 * len(ks[of]):
                raise ValueError(f"scores: those of {metric} ({of}) are not complete")
        return self

    def score(self, metric: str, k: int, *, method: str = "default", time: str = "process", of: str = "model") -> Score:
        """One of `scores`; KeyError when there is none such."""
        return self._by_key[metric, k, method, time, of]

    @cached_property
    def _by_key(self) -> dict[tuple[str, int, str, str, str], Score]:
        return {(s.metric, s.k, s.method, s.time, s.of): s for s in self.scores}
