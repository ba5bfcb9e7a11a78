"""Makes pairs: any two programs of a trajectory of which the later is sufficiently faster; splits, HQ subset and
tags."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from pie_bench.construction.database import ParquetRows, database, literal, one, rows, table, write_parquet
from pie_bench.construction.findings import Findings
from pie_bench.construction.recipe import NEW, HighQuality, Recipe, Splits, path_of
from pie_bench.construction.stage import Outcome, Workplace, metered
from pie_bench.cpp import text_sum
from pie_bench.errors import UserError
from pie_bench.hashing import sha256

TAGS = 10
_ORDER = "problem_id, user_id, src_position, tgt_position"  # of pairs, in every file of them


def make_pairs(workplace: Workplace, into: Path) -> Outcome:
    """Writes `pairs.parquet`: the pairs with their seconds, and the earlier pair that each duplicates, if any; and
    `fastest.parquet`: the fastest program of each problem."""
    recipe = workplace.recipe
    programs = workplace.programs()
    measured = table(workplace.path("relabel", "programs.parquet"))
    rule = recipe.pairs
    faster = {
        "ratio": f"a.seconds / b.seconds > {rule.threshold}",
        "paper": f"(a.seconds - b.seconds) / a.seconds > {rule.threshold} - 1",
    }[rule.rule]
    with database(workplace.temporary) as connection, metered("pairs", None, "step") as meter:
        timed = (
            "SELECT submission_id, problem_id, user_id, position, code_sha256, text_sha256, seconds, "
            f"{_lines()} AS lines FROM {programs} JOIN {measured} USING (problem_id, code_sha256)"
        )
        write_parquet(connection, f"{timed} ORDER BY problem_id, user_id, position", into / "timed.parquet")
        meter.advance()
        kept = [faster]
        if rule.max_lines is not None:
            kept.append(f"a.lines <= {rule.max_lines} AND b.lines <= {rule.max_lines}")
        if rule.max_line_change is not None:
            kept.append(f"abs(a.lines - b.lines) <= {rule.max_line_change} * a.lines")
        timed = table(into / "timed.parquet")
        side = ", ".join(
            f"{letter}.{column} AS {name}_{column}"
            for letter, name in (("a", "src"), ("b", "tgt"))
            for column in ("position", "code_sha256", "text_sha256", "seconds")
        )
        joined = (
            "SELECT a.problem_id, a.user_id, a.submission_id AS src_id, b.submission_id AS tgt_id, "
            f"{side}, a.seconds / b.seconds AS speedup "
            f"FROM {timed} a JOIN {timed} b ON a.problem_id = b.problem_id AND a.user_id = b.user_id "
            f"AND a.position < b.position WHERE {' AND '.join(kept)}"
        )
        # The same two texts again, by any user, for any problem (Appendix A.9).
        marked = (
            "SELECT *, first_value(src_id || '-' || tgt_id) OVER (PARTITION BY src_text_sha256, tgt_text_sha256 "
            f"ORDER BY {_ORDER}) AS first FROM ({joined})"
        )
        query = (
            "SELECT * EXCLUDE (first), CASE WHEN first <> src_id || '-' || tgt_id THEN first END AS duplicate_of "
            f"FROM ({marked}) ORDER BY {_ORDER}"
        )
        found = write_parquet(connection, query, into / "pairs.parquet")
        meter.advance()
        fastest = (
            "SELECT * EXCLUDE (nth) FROM (SELECT problem_id, submission_id, user_id, code_sha256, seconds, "
            f"row_number() OVER (PARTITION BY problem_id ORDER BY seconds, submission_id) AS nth FROM {timed}) "
            "WHERE nth = 1 ORDER BY problem_id"
        )
        write_parquet(connection, fastest, into / "fastest.parquet")
        pairs = table(into / "pairs.parquet")
        counts = {
            "measured submissions": one(connection, f"SELECT count(*) FROM {timed}"),
            "two of one trajectory": one(
                connection,
                f"SELECT coalesce(CAST(sum(n * (n - 1) / 2) AS BIGINT), 0) FROM (SELECT count(*) AS n FROM {timed} "
                "GROUP BY problem_id, user_id)",
            ),
            "pairs": found,
            "duplicates of another pair": one(
                connection, f"SELECT count(*) FROM {pairs} WHERE duplicate_of IS NOT NULL"
            ),
            "different sources": one(connection, f"SELECT count(DISTINCT src_code_sha256) FROM {pairs}"),
            "different targets": one(connection, f"SELECT count(DISTINCT tgt_code_sha256) FROM {pairs}"),
            "problems": one(connection, f"SELECT count(DISTINCT problem_id) FROM {pairs}"),
        }
    if not found:
        raise UserError(
            f"recipe {recipe.dataset}: no pair is left: {counts['measured submissions']} submissions were measured, "
            f"{counts['two of one trajectory']} times two of one trajectory; {workplace.stages} holds all counts"
        )
    return Outcome(counts, Findings(), {})


def _lines() -> str:
    return "len(list_filter(string_split(code, chr(10)), lambda line: trim(line) <> ''))"


# --- splits ------------------------------------------------------------------------------------------------------


def split_pairs(workplace: Workplace, into: Path) -> Outcome:
    """Writes `splits.parquet`: each problem's split; and `pairs.parquet`: the remaining pairs, with split, reward, tag
    and whether they belong to the HQ subset."""
    recipe = workplace.recipe
    pairs = table(workplace.path("pairs", "pairs.parquet"))
    fastest = table(workplace.path("pairs", "fastest.parquet"))
    dates = table(workplace.path("trajectories", "problems.parquet"))
    published, published_texts = _published(workplace)
    facts: dict[str, Any] = {}
    with database(workplace.temporary) as connection:
        problems = connection.execute(
            f"SELECT problem_id, first_date FROM {dates} "
            f"WHERE problem_id IN (SELECT problem_id FROM {pairs}) ORDER BY 1"
        ).fetchall()
        chosen = assigned(dict(problems), recipe.splits, published)
        with ParquetRows(
            into / "splits.parquet", {"problem_id": "string", "split": "string", "first_date": "int64"}
        ) as out:
            for problem, date in problems:
                out.add({"problem_id": problem, "split": chosen[problem], "first_date": date})
        splits = table(into / "splits.parquet")
        with ParquetRows(into / "published.parquet", {"text_sha256": "string"}) as out:
            for text in sorted(published_texts):
                out.add({"text_sha256": text})
        known = f"SELECT text_sha256 FROM {table(into / 'published.parquet')}"
        held_out = (
            f"SELECT DISTINCT unnest([src_text_sha256, tgt_text_sha256]) AS text_sha256 FROM {pairs} "
            f"JOIN {splits} USING (problem_id) WHERE split <> 'train' UNION {known}"
        )
        connection.execute(f"CREATE TEMP TABLE held_out AS {held_out}")
        inside = "IN (FROM held_out)"
        contaminated = f"split = 'train' AND (src_text_sha256 {inside} OR tgt_text_sha256 {inside})"
        dropped = ", ".join(map(literal, recipe.pairs.drop_duplicates)) or "''"
        # Of duplicates, keep the first in the split, not the first overall.
        connection.execute(
            f"CREATE TEMP TABLE staged AS SELECT *, {contaminated} AS contaminated, split IN ({dropped}) AND "
            "row_number() OVER (PARTITION BY split, src_text_sha256, tgt_text_sha256 ORDER BY problem_id, user_id, "
            f"src_position, tgt_position) > 1 AS again FROM {pairs} JOIN {splits} USING (problem_id)"
        )
        leaks = one(connection, "SELECT count(*) FROM staged WHERE contaminated")
        if leaks and recipe.splits.contaminated == "stop":
            first = one(connection, "SELECT min(src_id || '-' || tgt_id) FROM staged WHERE contaminated")
            raise UserError(
                f"recipe {recipe.dataset}: {leaks} training pairs have a program that is also held out, the first "
                f"{first}; splits.contaminated: drop leaves them out"
            )
        gone = "NOT again" + (" AND NOT contaminated" if recipe.splits.contaminated == "drop" else "")
        query = (
            "SELECT staged.*, fastest.submission_id AS fastest_id, fastest.code_sha256 AS fastest_code_sha256, "
            "fastest.seconds AS fastest_seconds, fastest.seconds / tgt_seconds AS reward "
            f"FROM staged JOIN {fastest} fastest USING (problem_id) WHERE {gone} "
            f"ORDER BY {_ORDER}"
        )
        write_parquet(connection, query, into / "staged.parquet")
        staged = table(into / "staged.parquet")
        facts["tags"] = _tag(connection, staged, recipe, into)
        _choose_hq(connection, staged, recipe.hq, into)
        final = (
            f"SELECT * EXCLUDE (again) FROM {staged} JOIN {table(into / 'tags.parquet')} USING (src_id, tgt_id) "
            f"LEFT JOIN (SELECT *, true AS hq FROM {table(into / 'hq.parquet')}) USING (src_id, tgt_id) "
            f"ORDER BY {_ORDER}"
        )
        write_parquet(connection, final, into / "pairs.parquet")
        made = table(into / "pairs.parquet")
        counts = {
            "pairs": one(connection, f"SELECT count(*) FROM {pairs}"),
            "duplicates dropped": one(connection, "SELECT count(*) FROM staged WHERE again"),
            "training pairs with a held-out program": leaks,
            "pairs that stay": one(connection, f"SELECT count(*) FROM {made}"),
        }
        for split, n, of in connection.execute(
            f"SELECT split, count(*), count(DISTINCT problem_id) FROM {made} GROUP BY split ORDER BY split"
        ).fetchall():
            counts |= {f"{split} pairs": n, f"{split} problems": of}
        counts["hq pairs"] = one(connection, f"SELECT count(*) FROM {made} WHERE hq")
        counts["hq problems"] = one(connection, f"SELECT count(DISTINCT problem_id) FROM {made} WHERE hq")
        per_split = f"SELECT DISTINCT split, user_id FROM {made}"
        facts["users in several splits"] = one(
            connection, f"SELECT count(*) FROM (SELECT user_id FROM ({per_split}) GROUP BY user_id HAVING count(*) > 1)"
        )
        facts["published problems by split"] = dict(sorted(Counter(published.values()).items()))
    return Outcome(counts, Findings(), facts)


def assigned(dates: Mapping[str, int], splits: Splits, published: Mapping[str, str]) -> dict[str, str]:
    """Each problem's split. `dates` has the problems' first submissions in seconds, `published` fixed splits.

    Problems are ordered by the hash of seed and id, so adding or removing one moves few others.
    """
    chosen = {problem: published[problem] for problem in dates if problem in published}
    free = [problem for problem in dates if problem not in chosen]
    if splits.since is not None:
        import datetime

        midnight = datetime.datetime.combine(splits.since, datetime.time(), datetime.timezone.utc).timestamp()
        chosen |= {problem: NEW for problem in free if dates[problem] >= midnight}
        free = [problem for problem in free if problem not in chosen]
    if published:
        return chosen | dict.fromkeys(free, "train")
    drawn = sorted(free, key=lambda problem: sha256(f"{splits.seed}:{problem}".encode()))
    test, val = (min(_number(size, len(free)), len(free)) for size in (splits.test, splits.val))
    for place, problem in enumerate(drawn):
        chosen[problem] = "test" if place < test else "val" if place < test + val else "train"
    return chosen


def _number(size: float, of: int) -> int:
    """A number of problems, or a share of them if below 1 (at least one)."""
    return int(size) if size >= 1 or size == 0 else max(1, round(size * of))


def _published(workplace: Workplace) -> tuple[dict[str, str], set[str]]:
    """The published splits of problems, and the texts of the programs in val and test (if the files have them)."""
    problems: dict[str, str] = {}
    texts: set[str] = set()
    for split, given in workplace.recipe.splits.published.items():
        path = path_of(given, workplace.base)
        for number, line in _lines_of(path):
            row = _published_row(line, f"{path}:{number}")
            other = problems.setdefault(row["problem_id"], split)
            if other != split:
                raise UserError(f"{path}:{number}: problem {row['problem_id']} is also in {other}")
            if split != "train":
                codes = [row.get(column) for column in ("src_code", "tgt_code", "input", "target")]
                texts |= {text_sum(code) for code in codes if isinstance(code, str)}
    return problems, texts


def _lines_of(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line.strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); expected rows with problem_id, or an id a line") from None


def _published_row(line: str, where: str) -> dict[str, Any]:
    if not line.startswith("{"):
        return {"problem_id": line}
    try:
        row = json.loads(line)
        if isinstance(row["problem_id"], str):
            return dict(row)
    except (ValueError, KeyError):
        pass
    raise UserError(f"{where}: not a row with problem_id")


# --- tags --------------------------------------------------------------------------------------------------------


def thresholds(rewards: Sequence[float], tags: int = TAGS) -> list[float]:
    """The values that cut sorted rewards into `tags` parts as equal as possible: nine for ten, each one of the
    values."""
    return [rewards[max(0, math.ceil(len(rewards) * part / tags) - 1)] for part in range(1, tags)] if rewards else []


def tag_of(reward: float, cuts: Sequence[float]) -> int:
    """1 plus the number of cuts below it: equal rewards share a tag."""
    return 1 + sum(cut < reward for cut in cuts)


def _tag(connection: Any, staged: str, recipe: Recipe, into: Path) -> dict[str, Any]:
    """Writes `tags.parquet`, with thresholds from the training rows: `global` over all of them, `per-problem` over
    those of each problem (rows of problems without training rows get none)."""
    grouped = "problem_id" if recipe.tags == "per-problem" else "'all'"
    sample = f"SELECT {grouped} AS of, reward FROM {staged} WHERE split = 'train' ORDER BY 1, 2"
    cuts: dict[str, list[float]] = {}
    # Only numbers are held: eight bytes per pair of a group.
    for group, found in groupby(rows(connection, sample), key=lambda row: str(row["of"])):
        cuts[group] = thresholds([row["reward"] for row in found])
    schema = {"src_id": "string", "tgt_id": "string", "tag": "int64"}
    with ParquetRows(into / "tags.parquet", schema) as out:
        for row in rows(connection, f"SELECT src_id, tgt_id, {grouped} AS of, reward FROM {staged}"):
            known = cuts.get(str(row["of"]))
            tag = None if known is None else tag_of(row["reward"], known)
            out.add({"src_id": row["src_id"], "tgt_id": row["tgt_id"], "tag": tag})
    facts: dict[str, Any] = {"method": recipe.tags, "of": "fastest / target seconds", "from": "training rows"}
    if recipe.tags == "global":
        facts["thresholds"] = cuts.get("all", [])
    return facts


# --- HQ ----------------------------------------------------------------------------------------------------------


def _choose_hq(connection: Any, staged: str, options: HighQuality, into: Path) -> None:
    query = (
        f"SELECT problem_id, user_id, src_id, tgt_id, src_code_sha256, tgt_code_sha256 FROM {staged} "
        "WHERE split = 'train' ORDER BY problem_id, speedup DESC, src_id, tgt_id"
    )
    with ParquetRows(into / "hq.parquet", {"src_id": "string", "tgt_id": "string"}) as out:
        for _, found in groupby(rows(connection, query), key=lambda row: str(row["problem_id"])):
            for row in highest(found, options):
                out.add({"src_id": row["src_id"], "tgt_id": row["tgt_id"]})


def highest(pairs: Iterable[Mapping[str, Any]], options: HighQuality) -> list[Mapping[str, Any]]:
    """The HQ subset of one problem's pairs, which are given fastest first."""
    caps = (
        ("src_code_sha256", options.per_source),
        ("tgt_code_sha256", options.per_target),
        ("user_id", options.per_user),
    )
    taken: Counter[tuple[str, Any]] = Counter()
    chosen: list[Mapping[str, Any]] = []
    for pair in pairs:
        if len(chosen) == options.per_problem:
            break
        if any(cap is not None and taken[column, pair[column]] >= cap for column, cap in caps):
            continue
        taken.update((column, pair[column]) for column, _ in caps)
        chosen.append(pair)
    return chosen
