"""Trajectories: one user's submissions to one problem, ordered by date; and their programs as text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pie_bench.construction.database import ParquetRows, database, literal, one, rows, table, write_parquet
from pie_bench.construction.findings import Findings
from pie_bench.construction.recipe import CodeNetSource, Recipe, path_of
from pie_bench.construction.sources import codenet_folder, stop_if_lost
from pie_bench.construction.stage import Outcome, Part, Workplace, metered, part, parts_in, summed
from pie_bench.cpp import text_sum
from pie_bench.hashing import sha256
from pie_bench.progress import Meter

PROGRAMS_SCHEMA = {
    **dict.fromkeys(("submission_id", "problem_id", "user_id"), "string"),
    **dict.fromkeys(("date", "position"), "int64"),
    "language": "string",
    "status": "string",
    "cpu_time": "int64",
    "code": "string",
    "code_sha256": "string",
    "text_sha256": "string",
    "encoding": "string",
}

_PROGRAM_COUNTS = ("in trajectories", "readable", "different from the user's earlier ones")
_PROGRAMS_AT_ONCE = 10_000  # the most that a killed build reads again


def order_trajectories(workplace: Workplace, into: Path) -> Outcome:
    """Writes `submissions.parquet`: sorted by problem, user, date and id, with each one's position in its trajectory,
    without repeated ids; and `problems.parquet`: the date of each problem's first submission."""
    recipe = workplace.recipe
    read = workplace.stages / "read"
    findings = Findings()
    with database(workplace.temporary) as connection, metered("trajectories", None, "step") as meter:
        kept = table(*parts_in(read))
        total = one(connection, f"SELECT count(*) FROM {kept}")
        # First find repeated ids, by their hash: the whole table is then sorted once instead of twice.
        connection.execute(
            "CREATE TEMP TABLE suspects AS SELECT hash(submission_id) AS id FROM "
            f"{kept} GROUP BY hash(submission_id) HAVING count(*) > 1"
        )
        meter.advance()
        connection.execute(
            "CREATE TEMP TABLE repeated AS SELECT submission_id, file, place FROM "
            f"(SELECT submission_id, file, place, row_number() OVER (PARTITION BY submission_id ORDER BY file, place) "
            f"AS nth FROM {kept} WHERE hash(submission_id) IN (SELECT id FROM suspects)) WHERE nth > 1"
        )
        count = one(connection, "SELECT count(*) FROM repeated")
        if count:
            named = connection.execute("FROM repeated ORDER BY file, place LIMIT 20").fetchall()
            findings.add("repeated submission_id", count=count, lost=count)
            findings.kinds["repeated submission_id"].named += [f"{i}: {f}: row {p}" for i, f, p in named]
        unique = f"(FROM {kept} ANTI JOIN repeated USING (submission_id, file, place))" if count else kept
        sizes = "count(*) OVER (PARTITION BY problem_id, user_id)"
        enough = "WHERE length > 1" if recipe.programs == "trajectories" else ""
        query = (
            "SELECT * EXCLUDE (length), row_number() OVER (PARTITION BY problem_id, user_id ORDER BY date, "
            f"submission_id) AS position FROM (SELECT *, {sizes} AS length FROM {unique}) {enough} "
            "ORDER BY problem_id, user_id, date, submission_id"
        )
        written = write_parquet(connection, query, into / "submissions.parquet")
        meter.advance()
        dates = [path.with_suffix(".dates") for path in parts_in(read)]
        first = f"SELECT problem_id, min(first_date) AS first_date FROM {table(*dates)} GROUP BY problem_id"
        write_parquet(connection, f"{first} ORDER BY problem_id", into / "problems.parquet")
        meter.advance()
        submissions = table(into / "submissions.parquet")
        counts = {
            "accepted": total,
            "with an id of their own": total - count,
            "in trajectories": written,
            "trajectories": one(
                connection, f"SELECT count(*) FROM (SELECT DISTINCT problem_id, user_id FROM {submissions})"
            ),
            "problems": one(connection, f"SELECT count(DISTINCT problem_id) FROM {submissions}"),
        }
    stop_if_lost(findings, total, recipe, "accepted submissions")
    return Outcome(counts, findings, {})


def read_programs(workplace: Workplace, into: Path) -> Outcome:
    """Writes parquet files with the submissions and their code as text (`Workplace.programs`), some problems each.

    Drops what is not text, empty or too long; of equal programs in one trajectory (ignoring comments and layout) keeps
    the first.
    """
    recipe = workplace.recipe
    submissions = table(workplace.path("trajectories", "submissions.parquet"))
    folders = _folders(workplace)
    counts = dict.fromkeys(_PROGRAM_COUNTS, 0)
    found: list[list[dict[str, Any]]] = []
    with database(workplace.temporary) as connection:
        sizes = connection.execute(f"SELECT problem_id, count(*) FROM {submissions} GROUP BY 1 ORDER BY 1").fetchall()
        with metered("programs", sum(size for _, size in sizes), "program") as meter:
            for number, (first, last) in enumerate(_batches(sizes, _PROGRAMS_AT_ONCE)):
                some = f"FROM {submissions} WHERE problem_id BETWEEN {literal(first)} AND {literal(last)}"

                def make(target: Path, some: str = some) -> Part:
                    return _read_some(rows(connection, some), target, folders, recipe, meter)

                before = meter.done
                made = part(into, f"{number:05}", make)
                if meter.done == before:  # an earlier attempt made it
                    meter.advance(made.counts["in trajectories"])
                counts = summed(counts, made.counts)
                found.append(made.findings)
        findings = Findings.merged(found)
        stop_if_lost(findings, counts["in trajectories"], recipe, "programs")
        counts["different programs"] = one(
            connection,
            f"SELECT count(*) FROM (SELECT DISTINCT problem_id, code_sha256 FROM {table(*parts_in(into))})",
        )
    return Outcome(counts, findings, {})


def _batches(sizes: Iterable[tuple[str, int]], at_once: int) -> Iterator[tuple[str, str]]:
    """Splits problems into runs of about `at_once` submissions; yields the first and last of each."""
    run: list[str] = []
    held = 0
    for problem, size in sizes:
        run.append(problem)
        held += size
        if held >= at_once:
            yield run[0], run[-1]
            run, held = [], 0
    if run:
        yield run[0], run[-1]


def _read_some(
    submissions: Iterable[Mapping[str, Any]], target: Path, folders: Mapping[str, Path], recipe: Recipe, meter: Meter
) -> Part:
    findings = Findings()
    counts = dict.fromkeys(_PROGRAM_COUNTS, 0)
    trajectory: tuple[str, str] | None = None
    seen: set[str] = set()
    with ParquetRows(target, PROGRAMS_SCHEMA) as out:
        for row in submissions:
            meter.advance()
            counts["in trajectories"] += 1
            if (row["problem_id"], row["user_id"]) != trajectory:
                trajectory, seen = (row["problem_id"], row["user_id"]), set()
            found = _code_of(row, folders, recipe, findings)
            if found is None:
                continue
            counts["readable"] += 1
            code, encoding = found
            text_sha256 = text_sum(code)
            if text_sha256 in seen:
                continue
            seen.add(text_sha256)
            counts["different from the user's earlier ones"] += 1
            kept = {column: row[column] for column in PROGRAMS_SCHEMA if column in row and column != "code"}
            sums = {"code_sha256": sha256(code.encode()), "text_sha256": text_sha256}
            out.add(kept | {"code": code, "encoding": encoding} | sums, weight=len(code))
    return Part(counts, findings.to_json())


def _folders(workplace: Workplace) -> Mapping[str, Path]:
    """Where the programs are, by the folder of the metadata."""
    found = {}
    for number, source in enumerate(workplace.recipe.sources):
        if isinstance(source, CodeNetSource):
            path = path_of(source.path, workplace.base)
            folder = codenet_folder(path, workplace.stages / "read" / f"{number:02}-unpacked")
            began = folder
            if path.is_file():  # it was unpacked, and its metadata read, while that stage was unfinished
                began = workplace.stages / "read.partial" / folder.relative_to(workplace.stages / "read")
            found[str(began / "metadata")] = folder / "data"
    return found


def _code_of(
    row: Mapping[str, Any], folders: Mapping[str, Path], recipe: Recipe, findings: Findings
) -> tuple[str, str] | None:
    """A submission's code and its original encoding; None if it is unusable."""
    data = row["code"]
    where = f"{row['file']}: row {row['place']}: {row['submission_id']}"
    if data is None:
        folder = folders.get(str(Path(row["file"]).parent))
        if folder is None:
            findings.add("empty program", where, lost=1)
            return None
        path = next(_candidates(folder / row["problem_id"] / row["language"], row["submission_id"]), None)
        if path is None:
            place = folder / row["problem_id"] / row["language"] / f"{row['submission_id']}.cpp"
            findings.add("missing program", str(place), lost=1)
            return None
        where = str(path)
        data = path.read_bytes()
    data = bytes(data)
    if len(data) > recipe.max_code_bytes:
        findings.add("oversized program", where, lost=1)
        return None
    if not data.strip():
        findings.add("empty program", where, lost=1)
        return None
    if b"\0" in data:
        findings.add("binary program", where, lost=1)
        return None
    code, encoding = decoded(data)
    if encoding != "utf-8":
        findings.add(f"program is not UTF-8, read as {encoding}", where)
    return code, encoding


def _candidates(folder: Path, submission_id: str) -> Iterator[Path]:
    if re.fullmatch(r"[A-Za-z0-9_-]+", submission_id):
        for ending in (".cpp", ".cc", ".cxx", ".c"):
            path = folder / f"{submission_id}{ending}"
            if path.is_file():
                yield path


def decoded(data: bytes) -> tuple[str, str]:
    """Text with UNIX newlines, and its encoding: UTF-8, else a Japanese one, else Latin-1 (which never fails, and only
    affects comments and strings)."""
    for encoding in ("utf-8-sig", "cp932", "latin-1"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return text.replace("\r\n", "\n").replace("\r", "\n"), encoding.removesuffix("-sig")
    raise AssertionError("Latin-1 takes everything")
