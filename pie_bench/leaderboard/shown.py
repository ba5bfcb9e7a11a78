"""An entry as the site shows it. Parsing is lenient: any JSON file must yield a page."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pie_bench.plain import plain, shown_model, shown_name

METHODS = {"best": "best@k", "first": "first@k (paper)"}
TIMES = {"process": "whole process", "after_main": "without start-up"}
UNKNOWN = "—"
GROUPED_BY = ("task", "task_hash", "dataset", "dataset_fingerprint", "environment", "environment_id")
_TEXTS = (
    *GROUPED_BY,
    "split",
    "model",
    "model_resolved",
    "status",
    "date",
    "submitter",
    "source",
    "commit",
    "sandbox",
)

_LINK = re.compile(r"https?://[!-~]+")

State = tuple[int, str, str]  # k, method, time
Bounded = tuple[float | None, float | None, float | None]  # value, low, high


@dataclass(frozen=True)
class Shown:
    """An entry as the site shows it: empty text or None for missing fields."""

    id: str
    name: str  # of the model, with the server unless it is the provider's
    texts: Mapping[str, str]  # status, date, task, ..., and the hashes
    n_pairs: int | None
    n_problems: int | None
    n_samples: int | None
    cost: float | None  # US dollars
    cpu_hours: float | None
    guards: str  # how many answers were checked, and how many flagged
    honesty: str  # what the numbers are made of
    stress: str  # the same pairs on stress inputs
    guarded: Mapping[str, Mapping[State, Bounded]]  # like `scores`, with flagged answers counted as wrong
    scores: Mapping[str, Mapping[State, Bounded]]  # by metric
    human: Mapping[str, Mapping[State, Bounded]]
    counts: Mapping[str, Mapping[str, int]]  # outcomes, tokens
    versions: Mapping[str, str]
    model_args: Mapping[str, str]
    links: Sequence[str]
    verification: str  # who re-measured what, and when

    @property
    def page(self) -> str:
        return f"entries/{quote(self.id)}.html"


def adapt(identity: str, raw: Mapping[str, Any]) -> Shown:
    """The only place that knows an entry's fields: any may be missing or have an unexpected type."""
    texts = {name: shown_name(_text(raw.get(name))) for name in _TEXTS}
    if texts["status"] == "self-reported":
        texts["status"] = "unverified"
    n_samples = _whole(raw.get("n_samples"))
    scores: dict[str, dict[State, Bounded]] = {}
    human: dict[str, dict[State, Bounded]] = {}
    guards, guarded = _mapping(raw.get("guards")), dict[str, dict[State, Bounded]]()
    for suffix, time in (("", "process"), ("_without_startup", "after_main")):
        _read_scores(scores, raw.get(f"metrics{suffix}"), time)
        _read_scores(guarded, guards.get(f"metrics{suffix}"), time)
        _read_scores(human, raw.get(f"human_reference{suffix}"), time)
    for score in map(_mapping, _list(raw.get("scores"))):  # like results.json: by both methods, with intervals
        k, into = _whole(score.get("k")), human if score.get("of") == "human" else scores
        method, time = _text(score.get("method")), _text(score.get("time"))
        if k and method in METHODS and time in TIMES:
            value, low, high = (_number(score.get(name)) for name in ("value", "low", "high"))
            into.setdefault(_text(score.get("metric")), {})[k, method, time] = value, low, high
    return Shown(
        id=identity,
        name=shown_model(*(_text(raw.get(name)) for name in ("model", "model_resolved", "adapter"))) or UNKNOWN,
        texts=texts,
        n_pairs=_whole(raw.get("n_pairs")),
        n_problems=_whole(raw.get("n_problems")),
        n_samples=n_samples,
        cost=_number(raw.get("cost", raw.get("cost_usd"))),
        cpu_hours=_number(raw.get("cpu_hours")),
        guards=_guards(guards),
        honesty=_honesty(_mapping(_mapping(raw.get("honesty")).get("model"))),
        stress=_stress(_mapping(raw.get("stress"))),
        guarded=guarded,
        scores=scores,
        human=human,
        counts={name: _counts(raw.get(name)) for name in ("outcomes", "tokens")},
        versions={shown_name(name): shown_name(_text(value)) for name, value in _mapping(raw.get("versions")).items()},
        model_args={name: plain(_text(value)) for name, value in _mapping(raw.get("model_args")).items()},
        links=[link for link in _list(raw.get("links")) if _LINK.fullmatch(_text(link))],
        verification=_verification(_mapping(raw.get("verification"))),
    )


def _read_scores(into: dict[str, dict[State, Bounded]], raw: Any, time: str) -> None:
    for metric, values in _mapping(raw).items():
        for name, value in _mapping(values).items():
            found = re.fullmatch(r"(best|first)@([1-9][0-9]{0,5})", name)
            if found is not None:
                into.setdefault(metric, {})[int(found[2]), found[1], time] = (_number(value), None, None)


def _guards(raw: Mapping[str, Any]) -> str:
    if not raw:
        return ""
    flagged, removed = len(_list(raw.get("findings"))), or_dash(_whole(raw.get("speedups_removed")))
    checked, inputs = (or_dash(_whole(raw.get(name))) for name in ("checked", "n_guard_inputs"))
    changed = f", {removed} speedups removed" if flagged else ""
    return f"{checked} correct answers checked, on {inputs} guard inputs too: {flagged} flagged{changed}"


def _stress(raw: Mapping[str, Any]) -> str:
    """A line; nothing where the entry carries the dataset's own tests only."""
    if not raw:
        return ""

    def speedup(name: str) -> str:
        values = _mapping(_mapping(raw.get(name)).get("speedup"))
        ks = [int(found[1]) for at in values if (found := re.fullmatch(r"best@([1-9][0-9]{0,5})", at))]
        value = _number(values.get(f"best@{max(ks)}")) if ks else None
        return UNKNOWN if value is None else f"{value:.2f}×"

    return (
        f"{or_dash(_whole(raw.get('n_inputs')))} inputs, pairs: {or_dash(_whole(raw.get('n_pairs')))}; Speedup "
        f"{speedup('metrics')} ({speedup('metrics_without_startup')} without start-up), on the same pairs' own tests "
        f"{speedup('on_paper_tests')}; human rewrites {speedup('human_reference')} and "
        f"{speedup('human_on_paper_tests')}"
    )


def _honesty(raw: Mapping[str, Any]) -> str:
    """One line; empty for entries from older versions."""
    if not raw:
        return ""

    def shown(name: str, form: str) -> str:
        value = _number(raw.get(name))
        return UNKNOWN if value is None else form.format(value)

    weak = [plain(_text(name)) for name in _list(raw.get("weak_problems"))]
    alone = [or_dash(_whole(raw.get(name))) for name in ("by_startup_alone", "by_io_alone", "optimized")]
    return (
        f"optimised by start-up alone {alone[0]}, by input and output alone {alone[1]} of {alone[2]} pairs; "
        f"the ten heaviest pairs {shown('percent_of_heaviest', '{:.0f} %')} of Speedup, "
        f"{shown('speedup_without_heaviest', '{:.2f}×')} without them; "
        f"Opt₀.₉₅ {shown('percent_near_human', '{:.1f} %')}; "
        f"peak memory {shown('memory_ratio', '{:.2f}×')}; "
        f"median percentile among accepted programs {shown('percentile', '{:.0f}')}"
        + (f"; problems with weak tests {', '.join(weak)}" if weak else "")
    )


def _verification(raw: Mapping[str, Any]) -> str:
    if not raw:
        return ""
    drawn, of = len(_list(raw.get("programs"))), _whole(raw.get("of"))
    by, date = (shown_name(_text(raw.get(name))) for name in ("by", "date"))
    flagged = len(_list(raw.get("guards_flagged")))
    guarded = f"; {flagged} of {or_dash(_whole(raw.get('guards_checked')))} answers flagged on new inputs"
    return f"{drawn} of {or_dash(of)} programs measured again by {or_dash(by)} on {or_dash(date)}{guarded}"


def or_dash(value: Any) -> Any:
    """The value, or a dash if there is none."""
    return UNKNOWN if value in (None, "") else value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _counts(value: Any) -> dict[str, int]:
    return {name: count for name, each in _mapping(value).items() if (count := _whole(each)) is not None}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) and math.isfinite(value) else None


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None
