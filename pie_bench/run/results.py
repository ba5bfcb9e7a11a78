"""`results.json`: every key typed and explained. It does not depend on when or in what order things ran.

Each number has one name: `best@k` is the expectation over all choices of k samples, `first@k` the paper's number, over
the first k samples. Both are in the maps of `Results` (`metrics` and the three after it), and in `scores` with their
intervals. Programs can use the shortcut `results.speedup.best_at[1]`, see `MetricValues`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pie_bench.plain import shown_model, shown_name
from pie_bench.run.guard import GuardFinding
from pie_bench.run.kills import KillRates

if TYPE_CHECKING:
    import pandas

SCHEMA_VERSION: Literal[3] = 3
Method = Literal["best", "first"]
Time = Literal["process", "after_main"]
Of = Literal["model", "human"]
Scores = dict[str, dict[str, float | None]]  # {metric: {"best@1": value, …, "first@1": value, …}}

# The paper's three metrics, in the order of its tables; every table, page and site leads with them.
HEADLINE = ("percent_optimized", "speedup", "percent_correct")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SampleResult(_Part):
    """One answer of the model."""

    outcome: str = Field(description="its outcome: see `outcomes` in docs/methodology.md")
    seconds: float | None = Field(description="simulated seconds, summed over the pair's tests; null unless ok")
    startup_seconds: float | None = Field(description="the part of `seconds` before main")
    peak_memory_bytes: int | None = Field(
        default=None, description="peak over all tests; null if the simulator does not report it"
    )


class Score(_Part):
    """One number over all pairs, with its 95 % interval (docs/statistics.md)."""

    metric: str = Field(description="see `METRICS` in pie_bench/metrics/best_at_k.py")
    k: int = Field(description="best of this many samples")
    method: Method = Field(description="best@k: expectation over all choices of k samples; first@k: over the first k")
    time: Time = Field(description="the whole process as in the paper, or without start-up")
    of: Of = Field(description="the model's answers, or the pairs' human rewrites")
    value: float | None = Field(description="null if a pair has fewer than k usable samples")
    low: float | None = Field(description="null if the data does not determine its spread, e.g. with only one problem")
    high: float | None
    n_pairs: int

    @property
    def name(self) -> str:
        """`best@k` or `first@k`."""
        return f"{self.method}@{self.k}"


@dataclass(frozen=True)
class MetricValues:
    """One metric's values by k: for the model's answers or the human rewrites, with or without start-up.

    >>> values = MetricValues("speedup", tuple(
    ...     Score(metric="speedup", k=k, method=method, time="process", of="model", value=value, low=low, high=high,
    ...           n_pairs=10)
    ...     for method, k, value, low, high in (
    ...         ("best", 1, 1.28, 1.02, 1.7), ("best", 2, 1.41, 1.1, 1.9),
    ...         ("first", 1, 1.36, 1.0, 1.8), ("first", 2, 1.41, 1.1, 1.9),
    ...     )
    ... ))
    >>> values.best_at[1], values.first_at[1]
    (1.28, 1.36)
    >>> values.score(k=1).low, values.score().k
    (1.02, 2)
    >>> values
    speedup: best@1 1.28 [1.02, 1.7], best@2 1.41 [1.1, 1.9], first@1 1.36 [1, 1.8], first@2 1.41 [1.1, 1.9]
    """

    metric: str
    scores: tuple[Score, ...]
    time: Time = "process"

    @property
    def best_at(self) -> dict[int, float]:
        """{k: best@k}, in the metric's unit (% or ×); NaN if a pair has fewer than k usable samples."""
        return self._at("best")

    @property
    def first_at(self) -> dict[int, float]:
        """{k: first@k}, as the paper reports it; NaN as for `best_at`."""
        return self._at("first")

    @property
    def without_startup(self) -> MetricValues:
        """The same, measured from the start of `main`."""
        return MetricValues(self.metric, self.scores, "after_main")

    def score(self, k: int | None = None, method: Method = "best") -> Score:
        """The value with its interval (`value`, `low`, `high`); k: all samples by default. KeyError for another k."""
        found = {score.k: score for score in self if score.method == method}
        wanted = max(found, default=0) if k is None else k
        if wanted not in found:
            raise KeyError(f"no {method}@{wanted} of {self.metric}; known k: {', '.join(map(str, sorted(found)))}")
        return found[wanted]

    def __iter__(self) -> Iterator[Score]:
        return (score for score in self.scores if score.time == self.time)

    def __repr__(self) -> str:
        return f"{self.metric}: {', '.join(f'{score.name} {_with_bounds(score)}' for score in self)}"

    def _at(self, method: Method) -> dict[int, float]:
        return {s.k: math.nan if s.value is None else s.value for s in self if s.method == method}


class _Metrics:
    """The paper's metrics by attribute, any other by `metric(name)`."""

    def metric(self, name: str) -> MetricValues:
        raise NotImplementedError

    @property
    def percent_optimized(self) -> MetricValues:
        """%Opt: percent of pairs with a correct answer at least 10 % faster than the slow program."""
        return self.metric("percent_optimized")

    @property
    def speedup(self) -> MetricValues:
        """Speedup: mean over pairs of the best answer's speedup, never below 1."""
        return self.metric("speedup")

    @property
    def percent_correct(self) -> MetricValues:
        """%Correct: percent of pairs with a correct answer."""
        return self.metric("percent_correct")


@dataclass(frozen=True)
class HumanValues(_Metrics):
    """The metrics of the pairs' human rewrites, measured here: one program per pair, so k is 1."""

    scores: tuple[Score, ...]

    def metric(self, name: str) -> MetricValues:
        """A metric's values; KeyError for one that the human rewrites do not have."""
        return _values(name, self.scores, "human")


class StartupShare(_Part):
    """Pairs whose best program is at least 10 % faster, and how many of them are not when start-up is excluded."""

    optimized: int
    by_startup_alone: tuple[str, ...] = Field(description="pair ids")


class Memory(_Part):
    """Peak memory of pairs' fastest correct programs, compared with their slow programs."""

    n_pairs: int = Field(description="pairs with a correct program")
    ratio: float | None = Field(description="geometric mean of peak memory over the slow program's; below 1 is less")
    less: int = Field(description="pairs whose program is at least 10 % below the slow one")
    more: int = Field(description="pairs whose program is at least 10 % above the slow one")


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
    unchecked: int = Field(description="correct answers that were not checked: they count as correct")
    n_guard_inputs: int = Field(description="over all pairs with a checked answer")
    by_sanitizer: int = Field(description="answers flagged")
    by_guard_input: int
    by_slower: int = Field(default=0, description="answers whose speedup is far lower on guard inputs than on tests")
    speedups_removed: int = Field(description="flagged answers that were at least 10 % faster")
    speedups_removed_by_sanitizer: int
    speedups_removed_by_guard_input: int
    speedups_removed_by_slower: int = 0
    findings: tuple[GuardFinding, ...]
    metrics: Scores
    metrics_without_startup: Scores


class Interval(_Part):
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


class AgeGroup(_Part):
    """Pairs of problems before a date, or from that date on."""

    boundary: int = Field(description="seconds since 1970")
    n_pairs: int
    speedup: float | None
    percent_optimized: float | None


class Honesty(_Part):
    """What the numbers are made of (docs/what-speedup-means.md), for the best of each pair's answers or for the human
    rewrites. Null: unknown."""

    optimized: int = Field(description="pairs whose program is at least 10 % faster")
    by_startup_alone: int = Field(description="of these, pairs that are not when start-up is excluded")
    by_io_alone: int = Field(description="of the others, pairs whose programs differ only in input and output")
    percent_startup_or_io: float | None = Field(description="of the optimised pairs, by either alone")
    heaviest_pairs: tuple[str, ...] = Field(description="the ten pairs with the largest speedups")
    percent_of_heaviest: float | None = Field(description="their share of the sum behind the mean speedup")
    speedup: float | None = Field(description="mean over pairs")
    speedup_without_heaviest: float | None = Field(description="the same over the other pairs")
    speedup_guarded: float | None = Field(description="with flagged answers counted as wrong, all samples")
    percent_optimized_guarded: float | None
    memory_ratio: float | None = Field(description="peak memory over the slow program's, geometric mean")
    percent_near_human: float | None = Field(description="Opt₀.₉₅: pairs that reach at least 95 % of the human's speed")
    n_ranked: int = Field(description="pairs of problems with at least four accepted programs in the run")
    percentile: float | None = Field(description="median over these pairs, among their problems' accepted programs")
    over_fastest: float | None = Field(
        description="time of the problem's fastest known program over this one's, geometric mean"
    )
    two_way: dict[str, Interval] = Field(description="best@1, problems and samples drawn anew")
    weak_problems: tuple[str, ...] | None = Field(
        default=None, description="whose tests find less than 80 % of mutants (docs/stress.md); null: not known of any"
    )
    optimized_in_weak: int | None = Field(default=None, description="of the optimised pairs, those of weak problems")
    speedup_without_weak: float | None = Field(default=None, description="mean over the pairs of the other problems")
    ages: tuple[AgeGroup, AgeGroup] | None = Field(description="older and newer problems, where the data has dates")


class Fit(_Part):
    """Time ∝ size^exponent: least squares over logarithms, with the slope's 95 % interval."""

    exponent: float
    low: float
    high: float


class Growth(_Part):
    """How a program's time grows on the same input at several sizes."""

    pair_id: str
    role: Literal["source", "target", "candidate"]
    sample_index: int = 0
    points: tuple[tuple[int, float], ...] = Field(description="size, seconds after the start of main")
    fit: Fit | None = Field(description="null for fewer than three sizes")


class Stress(_Part):
    """The metrics on stress inputs (docs/stress.md), over the pairs that have any. An answer that is wrong on the
    dataset's own tests counts as wrong here too."""

    stress_sha256: str = Field(description="of the stress set")
    n_pairs: int
    n_problems: int
    n_inputs: int = Field(description="over all pairs")
    metrics: Scores
    metrics_without_startup: Scores
    human_reference: Scores
    human_reference_without_startup: Scores
    on_paper_tests: Scores = Field(description="the same pairs' metrics on the dataset's own tests")
    on_paper_tests_without_startup: Scores
    human_on_paper_tests: Scores
    human_on_paper_tests_without_startup: Scores
    scores: tuple[Score, ...]
    rank_correlation: dict[Literal["model", "human"], float | None] = Field(
        description="Spearman's, of the pairs' speedups on the two kinds of tests"
    )
    changed_sides: dict[Literal["model", "human"], tuple[str, ...]] = Field(
        description="pairs that are optimised on only one kind of tests"
    )
    growth: tuple[Growth, ...]
    pairs: tuple[PairResult, ...] = Field(description="as in `pairs`, on stress inputs")


class Results(_Part, _Metrics):
    """A run's results.

    `scores` holds every number with its interval. `metrics` and the three maps after it are the values of the task's
    metrics, {metric: {"best@1": value, …, "first@1": value, …}}, with null if a pair has too few usable samples. From
    Python, `results.speedup.best_at[1]`, `results.human.speedup.best_at[1]`, `results.metric(name)` and
    `results.to_pandas()` give the same.
    """

    schema_version: Literal[3] = SCHEMA_VERSION
    task: str
    task_version: int
    task_hash: str = Field(description="hash of all that decides the prompts and the sampling")
    model: str = Field(description="as asked for")
    model_resolved: str = Field(description="what exactly answered")
    model_args: dict[str, str] = Field(default={}, description="those of --model-args that can change an answer")
    answered_by: tuple[str, ...] = Field(default=(), description="models as named in the provider's responses")
    cost_usd: float | None = Field(default=None, description="of all answers, at the registry's or the user's prices")
    answered_prompts: Literal["these", "unknown", "other"] = Field(
        default="these",
        description="whether the answers were given to these prompts; for replayed ones this may be false or unknown",
    )
    n_tokens_estimated: int = Field(default=0, description="answers whose tokens the provider did not count")
    examples: dict[str, Any] = Field(description="how few-shot examples were chosen, with which encoder")
    dataset: str
    split: str
    dataset_fingerprint: str
    environment: str
    environment_id: str = Field(description="the environment of the measurements; never compare across two of these")
    environment_facts: dict[str, str] = Field(description="versions and sums of compiler, libraries and simulator")
    comparator: str | None = Field(
        default=None, description="how outputs were compared (docs/methodology.md); null: from an older version"
    )
    sandbox: str
    n_pairs: int = Field(description="pairs in the metrics")
    n_problems: int
    n_samples: int = Field(description="samples per pair")
    n_rejected_rows: int = Field(description="dataset rows left out because they are incomplete")
    unusable_pairs: tuple[str, ...] = Field(description="pairs left out: their source program fails its tests here")
    metrics: Scores = Field(description="of the model's answers, by the time of the whole process, as in the paper")
    metrics_without_startup: Scores = Field(description="the same, by the time after the start of main")
    human_reference: Scores = Field(description="of the pairs' target programs, whole process")
    human_reference_without_startup: Scores
    scores: tuple[Score, ...] = ()
    interval: dict[str, Any] = Field(default={}, description="how the intervals were computed")
    startup: dict[Literal["model", "human"], StartupShare] = Field(
        default={}, description="speedups due to start-up alone"
    )
    memory: dict[Literal["model", "human"], Memory] | None = Field(
        default=None, description="null if the environment does not report peak memory"
    )
    guards: Guards | None = Field(default=None, description="null: `pie-bench guard` was not run")
    honesty: dict[Literal["model", "human"], Honesty] = Field(
        default={}, description="what the numbers are made of; empty in results from older versions"
    )
    stress: Stress | None = Field(default=None, description="null: not judged on stress inputs (run --tests both)")
    kill_rates: KillRates | None = Field(
        default=None,
        description="how strong the problems' tests are, by problem; null: not known (pie-bench dataset mutants)",
    )
    outcomes: dict[str, int] = Field(description="what became of the model's answers, counted")
    infra_errors: int = Field(description="executions that failed on our side; in no metric: run the command again")
    tokens: dict[str, int] = Field(description="prompt and completion tokens, as the model counted them")
    versions: dict[str, str] = Field(description="packages")
    pairs: tuple[PairResult, ...]

    @model_validator(mode="after")
    def _complete(self) -> Results:
        """Checks that every metric has a score at each k, by both methods and both times: readers rely on it."""
        ks: dict[str, set[int]] = {}
        found: dict[tuple[str, str], set[tuple[int, str, str]]] = {}
        for s in self.scores:
            ks.setdefault(s.of, set()).add(s.k)
            found.setdefault((s.metric, s.of), set()).add((s.k, s.method, s.time))
        for (metric, of), keys in found.items():
            if len(keys) != 4 * len(ks[of]):
                raise ValueError(f"scores: those of {metric} ({of}) are incomplete")
        return self

    def score(self, metric: str, k: int, *, method: str = "best", time: str = "process", of: str = "model") -> Score:
        """One of `scores`; KeyError if there is none."""
        return self._by_key[metric, k, method, time, of]

    def metric(self, name: str) -> MetricValues:
        """A metric's values for the model's answers; KeyError for one that is not in `scores`."""
        return _values(name, self.scores, "model")

    @property
    def human(self) -> HumanValues:
        """The same metrics for the pairs' human rewrites."""
        return HumanValues(self.scores)

    def to_pandas(self, rows: Literal["samples", "pairs", "scores"] = "samples") -> pandas.DataFrame:
        """A data frame with a row per sample, pair, or score; every row names the run's task and model.

        `samples`: each answer's outcome, seconds and start-up seconds (simulated, summed over the tests; NaN unless
        correct) and speedup over the source. `pairs`: the pair's two programs, the number of correct samples and the
        best speedup. `scores`: as in `results.json`.
        """
        import pandas

        make = {"samples": self._sample_rows, "pairs": self._pair_rows, "scores": self._score_rows}[rows]
        return pandas.DataFrame([{"task": self.task, "model": self.model} | row for row in make()])

    def _sample_rows(self) -> Iterator[dict[str, Any]]:
        for pair in self.pairs:
            for index, sample in enumerate(pair.samples):
                yield {
                    **{"pair_id": pair.pair_id, "problem_id": pair.problem_id, "sample_index": index},
                    **sample.model_dump(),
                    "speedup": _ratio(pair.source, sample),
                }

    def _pair_rows(self) -> Iterator[dict[str, Any]]:
        for pair in self.pairs:
            speedups = [ratio for sample in pair.samples if (ratio := _ratio(pair.source, sample)) is not None]
            yield {
                **{"pair_id": pair.pair_id, "problem_id": pair.problem_id},
                **{f"source_{name}": value for name, value in pair.source.model_dump().items()},
                **{f"target_{name}": value for name, value in pair.target.model_dump().items()},
                "recorded_source_seconds": pair.recorded_source_seconds,
                "recorded_target_seconds": pair.recorded_target_seconds,
                "human_speedup": _ratio(pair.source, pair.target),
                "n_samples": len(pair.samples),
                "n_correct": sum(sample.outcome == "ok" for sample in pair.samples),
                "best_speedup": max(speedups, default=None),
            }

    def _score_rows(self) -> Iterator[dict[str, Any]]:
        return ({"name": score.name} | score.model_dump() for score in self.scores)

    def _table(self) -> list[tuple[str, list[Score]]]:
        """(`best@1`, the headline scores), …, for the whole process; the human rewrites last."""
        shown: dict[str, list[Score]] = {}
        for score in self.scores:
            if score.metric in HEADLINE and score.time == "process" and (score.of, score.method) != ("human", "first"):
                shown.setdefault("human" if score.of == "human" else score.name, []).append(score)
        return [
            (name, sorted(row, key=lambda score: HEADLINE.index(score.metric)))
            for name, row in sorted(shown.items(), key=lambda x: (x[1][0].of == "human", x[1][0].method, x[1][0].k))
        ]

    def __repr__(self) -> str:
        said = "; ".join(
            f"{name}: {', '.join(f'{score.metric} {_with_bounds(score)}' for score in row)}"
            for name, row in self._table()
        )
        return f"Results({self._heading()}{': ' if said else ''}{said})"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """The headline table, for notebooks."""
        head = "".join(f"<th>{name}</th>" for name in ("", *HEADLINE))
        body = "".join(
            f"<tr><th>{name}</th>{''.join(f'<td>{_with_bounds(score)}</td>' for score in row)}</tr>"
            for name, row in self._table()
        )
        other = "" if self.answered_prompts == "these" else f"; answers to other prompts: {self.answered_prompts}"
        caption = f"<caption>{escape(self._heading())}{other}</caption>"
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    @property
    def model_shown(self) -> str:
        """The model's name in tables: `model @ host` if a server other than the provider's answered."""
        return shown_model(self.model, self.model_resolved)

    @property
    def size(self) -> str:
        """How much data it covers, e.g. `4 pairs of 3 problems`."""
        counts = ((self.n_pairs, "pair"), (self.n_problems, "problem"))
        return " of ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts)

    def _heading(self) -> str:
        task, dataset = shown_name(self.task), shown_name(f"{self.dataset}/{self.split}")
        return f"{task}, {self.model_shown}, {dataset}, {self.environment}: {self.size}"

    @cached_property
    def _by_key(self) -> dict[tuple[str, int, str, str, str], Score]:
        return {(s.metric, s.k, s.method, s.time, s.of): s for s in self.scores}


def _values(name: str, scores: tuple[Score, ...], of: Of) -> MetricValues:
    known = sorted({score.metric for score in scores if score.of == of})
    if name not in known:
        raise KeyError(f"no {name} of the {of}; known: {', '.join(known) or 'none, since no pair was usable'}")
    return MetricValues(name, tuple(score for score in scores if (score.metric, score.of) == (name, of)))


def _with_bounds(score: Score) -> str:
    """`1.28 [1.02, 1.7]`, or without bounds if there are none."""
    if score.value is None:
        return "–"
    bounds = "" if score.low is None or score.high is None else f" [{score.low:.4g}, {score.high:.4g}]"
    return f"{score.value:.4g}{bounds}"


def _ratio(source: SampleResult, sample: SampleResult) -> float | None:
    """The sample's speedup over the source; None unless both were measured."""
    return source.seconds / sample.seconds if source.seconds and sample.seconds else None
