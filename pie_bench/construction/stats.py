"""Statistics of any dataset: the paper's Tables 6 to 8 (Appendix A.5) and its study of duplicates (A.9)."""

from __future__ import annotations

import json
import os
import statistics
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from pie_bench.construction.lengths import Count, counter
from pie_bench.cpp import text_sum
from pie_bench.data.record import UnusableRow, parse
from pie_bench.data.rows import rows_of
from pie_bench.data.spec import SPLITS, DatasetSpec, load_spec
from pie_bench.errors import UserError
from pie_bench.hashing import sha256

# Upper bounds of the speedup classes in charts; the last class is open.
SPEEDUP_CLASSES = (1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)


class SplitStats(BaseModel):
    """One split. Lengths are in tokens of `DatasetStats.tokens`, over pairs as in the paper; `speedup_classes` counts
    pairs by SPEEDUP_CLASSES (recorded times; `without_times` have none)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    split: str
    problems: int
    pairs: int
    users: int | None
    different_sources: int
    different_targets: int
    mean_src_tokens: float
    mean_tgt_tokens: float
    median_src_tokens: float
    median_tgt_tokens: float
    median_speedup: float | None
    without_times: int
    speedup_classes: tuple[int, ...]
    pairs_with_the_same_code: int
    pairs_with_the_same_text: int
    programs_by_id: int
    programs_by_code: int
    programs_by_text: int
    texts_with_different_times: int
    largest_difference: float | None


class DatasetStats(BaseModel):
    """A whole dataset. `shared_texts` counts programs (ignoring comments and layout) that occur in both of two splits;
    `funnel` is the build's, if there is one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    tokens: str
    splits: tuple[SplitStats, ...]
    shared_texts: dict[str, int]
    funnel: tuple[dict[str, Any], ...]


def dataset_stats(name: str | os.PathLike[str], tokenizer: str | os.PathLike[str] | None = None) -> DatasetStats:
    """Statistics of the dataset that `--dataset` names. Lengths are in tokens of `tokenizer`, as for `--tokenizer`
    (GPT-2's for the paper's Table 8); without one, in C++ tokens.

    UserError as for `load_dataset`, for a dataset without any split, and for an unusable tokenizer.
    """
    with counter(None if tokenizer is None else os.fspath(tokenizer)) as (tokens, count):
        return _stats(load_spec(name), tokens, count)


def _stats(spec: DatasetSpec, tokens: str, count: Count) -> DatasetStats:
    found: list[tuple[SplitStats, set[str]]] = []
    failed: UserError | None = None
    for split in SPLITS:
        try:
            rows = rows_of(spec, split)
        except UserError as error:
            failed = error
            continue
        found.append(_split_stats(spec, split, (row for _, row in rows.numbered), count))
    if not found:
        raise failed or UserError(f"dataset {spec.dataset}: has no splits")
    shared = {
        f"{one.split} and {other.split}": len(texts & others)
        for place, (one, texts) in enumerate(found)
        for other, others in found[place + 1 :]
    }
    return DatasetStats(
        dataset=spec.dataset,
        tokens=tokens,
        splits=tuple(stats for stats, _ in found),
        shared_texts=shared,
        funnel=_funnel(spec),
    )


def _split_stats(
    spec: DatasetSpec, split: str, rows: Iterator[Mapping[str, Any]], count: Count
) -> tuple[SplitStats, set[str]]:
    problems: set[str] = set()
    users: set[str] = set()
    lengths = {"src": array("L"), "tgt": array("L")}
    tokens: dict[str, int] = {}  # by the code's hash: a program is in many pairs
    texts: dict[str, str] = {}
    ids: dict[str, set[str]] = {"src": set(), "tgt": set()}
    times: dict[str, tuple[float, float]] = {}
    speedups = array("d")
    pairs: Counter[tuple[str, str]] = Counter()
    text_pairs: Counter[tuple[str, str]] = Counter()
    for row in rows:
        try:
            record = parse(row, {**spec.columns, "tests": ()}, None, "ignored")
        except UnusableRow:
            continue
        problems.add(record.problem_id)
        if row.get("user_id") is not None:
            users.add(str(row["user_id"]))
        codes = {"src": record.src_code, "tgt": record.tgt_code}
        sums = {side: sha256(code.encode(errors="replace")) for side, code in codes.items()}
        for side, code in codes.items():
            if sums[side] not in tokens:
                tokens[sums[side]], texts[sums[side]] = count(code), text_sum(code)
            lengths[side].append(tokens[sums[side]])
            own = next((row[name] for name in spec.columns.get(f"{side}_id", ()) if row.get(name)), sums[side])
            ids[side].add(str(own))
        pairs[sums["src"], sums["tgt"]] += 1
        text_pairs[texts[sums["src"]], texts[sums["tgt"]]] += 1
        seconds = {side: getattr(record, f"{side}_seconds") for side in codes}
        if all(seconds.values()):
            total = {side: sum(values) for side, values in seconds.items()}
            speedups.append(total["src"] / total["tgt"] if total["tgt"] else 0.0)
            for side, value in total.items():
                key = f"{record.problem_id} {texts[sums[side]]}"
                low, high = times.get(key, (value, value))
                times[key] = min(low, value), max(high, value)
    if not pairs:
        raise UserError(f"dataset {spec.dataset}: {split}: no usable row")
    classes = [0] * (len(SPEEDUP_CLASSES) + 1)
    for speedup in speedups:
        classes[sum(bound <= speedup for bound in SPEEDUP_CLASSES)] += 1
    spread = [high / low for low, high in times.values() if high > low > 0]
    stats = SplitStats(
        split=split,
        problems=len(problems),
        pairs=pairs.total(),
        users=len(users) or None,
        different_sources=len({source for source, _ in pairs}),
        different_targets=len({target for _, target in pairs}),
        mean_src_tokens=statistics.fmean(lengths["src"]),
        mean_tgt_tokens=statistics.fmean(lengths["tgt"]),
        median_src_tokens=statistics.median(lengths["src"]),
        median_tgt_tokens=statistics.median(lengths["tgt"]),
        median_speedup=statistics.median(speedups) if speedups else None,
        without_times=pairs.total() - len(speedups),
        speedup_classes=tuple(classes),
        pairs_with_the_same_code=pairs.total() - len(pairs),
        pairs_with_the_same_text=text_pairs.total() - len(text_pairs),
        programs_by_id=len(ids["src"] | ids["tgt"]),
        programs_by_code=len(tokens),
        programs_by_text=len(set(texts.values())),
        texts_with_different_times=len(spread),
        largest_difference=max(spread, default=None),
    )
    return stats, set(texts.values())


def _funnel(spec: DatasetSpec) -> tuple[dict[str, Any], ...]:
    """The stages and counts of the build that made it; none if it was not built here."""
    folder = spec.folder()
    try:
        manifest = json.loads(((folder or Path()) / "manifest.json").read_text(encoding="utf-8"))
        return tuple(manifest["funnel"]) if folder is not None else ()
    except (OSError, ValueError, KeyError, TypeError):
        return ()


FUNNEL = (  # narrowing steps: (stage, count, title)
    ("read", "submissions", "submissions"),
    ("read", "in the languages", "in the languages"),
    ("read", "accepted", "accepted"),
    ("trajectories", "in trajectories", "in a trajectory"),
    ("programs", "different from the user's earlier ones", "not sent before"),
    ("programs", "different programs", "different programs"),
    ("check", "compiled", "compile"),
    ("check", "right on all kept tests", "right on all tests"),
    ("relabel", "measured", "measured"),
    ("pairs", "pairs", "pairs"),
    ("splits", "pairs that stay", "pairs in splits"),
)


def funnel_of(stats: DatasetStats) -> list[tuple[str, int]]:
    """The funnel as (title, count), from submissions to pairs; empty for a dataset that was not built here."""
    counts = {stage["stage"]: stage["counts"] for stage in stats.funnel}
    return [(title, counts[stage][name]) for stage, name, title in FUNNEL if name in counts.get(stage, {})]
