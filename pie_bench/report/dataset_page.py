"""A page about a dataset: its tables and charts in one self-contained file."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from pie_bench.construction.stats import SPEEDUP_CLASSES, DatasetStats, funnel_of
from pie_bench.report import charts
from pie_bench.report.templates import templates_in
from pie_bench.report.text import cell_text

_FOLDER = Path(__file__).with_name("page")
Table = tuple[str, str, list[str], list[list[Any]]]


def tables(stats: DatasetStats) -> list[Table]:
    """(title, table of the paper, columns, rows) for each table, with unrounded numbers."""
    splits = stats.splits
    return [
        (
            "Problems and pairs",
            "Tables 6 and 7",
            ["split", "problems", "pairs", "users", "sources", "targets", "median speedup", "no times"],
            [
                [s.split, s.problems, s.pairs, s.users, s.different_sources, s.different_targets, s.median_speedup]
                + [s.without_times]
                for s in splits
            ],
        ),
        (
            f"Lengths in {stats.tokens}",
            "Table 8; the paper counts with GPT-2's tokenizer",
            ["split", "mean source", "mean target", "median source", "median target"],
            [[s.split, s.mean_src_tokens, s.mean_tgt_tokens, s.median_src_tokens, s.median_tgt_tokens] for s in splits],
        ),
        (
            "Duplicates",
            "Appendix A.9; text: comments and layout aside",
            ["split", "pairs: same code", "same text", "programs: ids", "codes", "texts", "different times", "largest"],
            [
                [s.split, s.pairs_with_the_same_code, s.pairs_with_the_same_text, s.programs_by_id, s.programs_by_code]
                + [s.programs_by_text, s.texts_with_different_times, s.largest_difference]
                for s in splits
            ],
        ),
        (
            "Programs in two splits",
            "comments and layout aside",
            ["splits", "programs"],
            [[name, count] for name, count in stats.shared_texts.items()],
        ),
    ]


def pictures(stats: DatasetStats) -> list[tuple[str, str]]:
    """(title, SVG) for each chart."""
    funnel = funnel_of(stats)
    made = [("From submissions to pairs", charts.bars(funnel, "From submissions to pairs"))] if funnel else []
    bounds = [f"{bound:g}×" for bound in SPEEDUP_CLASSES]
    labels = [
        f"below {bounds[0]}",
        *(f"{a} to {b}" for a, b in pairwise(bounds)),
        f"{bounds[-1]} and more",
    ]
    for number, split in enumerate(stats.splits):
        if split.pairs > split.without_times:
            rows = list(zip(labels, split.speedup_classes, strict=True))
            title = f"Speedups of {split.split}"
            made.append((title, charts.bars(rows, title, charts.run_colour(number))))
    return made


def write_dataset_page(stats: DatasetStats, path: Path) -> None:
    """Writes the page."""
    environment = templates_in(_FOLDER)
    text = environment.get_template("dataset.html.j2").render(
        style=(_FOLDER / "page.css").read_text(),
        dataset=stats.dataset,
        tables=tables(stats),
        pictures=pictures(stats),
        cell=cell_text,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8", "replace"))
