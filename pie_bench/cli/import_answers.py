"""`import-answers`: converts the paper's published answers to a file for `--model replay:FILE`."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser(
        "import-answers",
        help="convert the paper's published answers for replay",
        description="Convert a file with a column of generated answers to one for --model replay:FILE.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="JSON Lines, one row per pair")
    parser.add_argument(
        "--dataset", default="pie", metavar="D", help="dataset the answers are for (default: %(default)s)"
    )
    parser.add_argument("--split", default="test", metavar="S", help="default: %(default)s")
    parser.add_argument("--column", default="generated_answers", metavar="C", help="default: %(default)s")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: FILE with the suffix .answers.jsonl")
    parser.set_defaults(verb=import_answers)


def import_answers(arguments: argparse.Namespace) -> int:
    from pie_bench.data.load import load_dataset
    from pie_bench.models.published_answers import imported
    from pie_bench.run.files import write_jsonl

    dataset = load_dataset(arguments.dataset, arguments.split, with_tests=False)
    records = list(imported(arguments.file, dataset, arguments.column))
    out = arguments.out or arguments.file.with_suffix(".answers.jsonl")
    write_jsonl(out, records)
    counts = Counter(record["pair_id"] for record in records)
    print(f"answers: {out} ({len(records)} answers to {len(counts)} of {len(dataset.pairs)} pairs)")
    print("their prompts are not recorded: results will say so, and the leaderboard rejects them")
    samples = min(counts.values())
    print(f"next: pie-bench run --task … --model replay:{out} --dataset {arguments.dataset} --samples {samples}")
    return 0
