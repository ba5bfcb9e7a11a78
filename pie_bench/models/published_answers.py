"""Converts answers in the format of the paper's authors into answers for `--model replay:FILE`.

Their files (LearningOpt/pie, `gem5/gem5_eval.py`) are JSON Lines with one row per pair: the dataset's columns, plus a
list of programs in `generated_answers` (or that list as text, or columns `generated_answers_0`, `generated_answers_1`,
…).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pie_bench.data.load import PairDataset
from pie_bench.errors import UserError
from pie_bench.run.files import iter_jsonl

COLUMN = "generated_answers"


def imported(path: Path, dataset: PairDataset, column: str = COLUMN) -> Iterator[dict[str, Any]]:
    """Records of answers (`pair_id`, `sample_index`, `text`, `finish_reason`), pair by pair in file order.

    A row is matched to its pair by `src_id` and `tgt_id`, else by its two programs. UserError with file and line for a
    row without answers, one that matches no pair or several, and a pair that occurs twice.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected answers as JSON Lines, with a column {column}")
    pair_ids = {pair.pair_id for pair in dataset.pairs}
    by_code: dict[tuple[str, str | None], set[str]] = {}
    for pair in dataset.pairs:
        source, target = pair.src_code.strip(), pair.tgt_code.strip()
        by_code.setdefault((source, target), set()).add(pair.pair_id)
        by_code.setdefault((source, None), set()).add(pair.pair_id)
    seen: dict[str, int] = {}
    for number, row in enumerate(iter_jsonl(path), start=1):
        where = f"{path}:{number}"
        found = _pairs_of(row, pair_ids, by_code)
        if len(found) != 1:
            what = f"matches {len(found)} pairs ({', '.join(sorted(found)[:3])})" if found else "matches no pair"
            raise UserError(
                f"{where}: {what} of {dataset.name}/{dataset.split}; is that the dataset the answers were made for?"
            )
        (pair_id,) = found
        if pair_id in seen:
            raise UserError(f"{where}: pair {pair_id} already occurs on line {seen[pair_id]}")
        seen[pair_id] = number
        for index, text in enumerate(_answers_of(row, column, where)):
            yield {"pair_id": pair_id, "sample_index": index, "text": text, "finish_reason": "stop"}
    if not seen:
        raise UserError(f"{path}: has no rows; expected answers as JSON Lines, with a column {column}")


def _pairs_of(
    row: Mapping[str, Any], pair_ids: set[str], by_code: Mapping[tuple[str, str | None], set[str]]
) -> set[str]:
    by_id = f"{row.get('src_id')}-{row.get('tgt_id')}"
    if by_id in pair_ids:
        return {by_id}
    source, target = row.get("src_code"), row.get("tgt_code")
    if not isinstance(source, str):
        return set()
    if isinstance(target, str):
        return by_code.get((source.strip(), target.strip()), set())
    return by_code.get((source.strip(), None), set())


def _answers_of(row: Mapping[str, Any], column: str, where: str) -> list[str]:
    value = row.get(column)
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):  # a list that went through a CSV
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            raise UserError(f"{where}: {column}: looks like a list but cannot be parsed") from None
    if value is None:
        numbered = sorted(
            (int(match[1]), name)
            for name in row
            if (match := re.fullmatch(rf"{re.escape(column)}_(\d{{1,6}})", name)) and isinstance(row[name], str)
        )
        value = [row[name] for _, name in numbered]
    answers = [value] if isinstance(value, str) else value
    if not isinstance(answers, list) or not answers or not all(isinstance(each, str) for each in answers):
        raise UserError(f"{where}: {column}: expected a program or a list of them; it has {', '.join(sorted(row)[:8])}")
    return answers
