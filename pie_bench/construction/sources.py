"""Reads submissions, as published by CodeNet, from parquet or from JSON Lines, into one table, counting faults."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import os
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from pie_bench.construction.database import database, listed, literal, name, one
from pie_bench.construction.findings import Findings
from pie_bench.construction.recipe import (
    REQUIRED_SUBMISSION_COLUMNS,
    SUBMISSION_COLUMNS,
    CodeNetSource,
    Recipe,
    Source,
    TableSource,
    path_of,
)
from pie_bench.construction.stage import Outcome, Part, Workplace, metered, part, summed
from pie_bench.errors import UserError

if TYPE_CHECKING:
    import duckdb

METADATA_COLUMNS = (
    *("submission_id", "problem_id", "user_id", "date", "language", "original_language", "filename_ext", "status"),
    *("cpu_time", "memory", "code_size", "accuracy"),
)
_NEEDED = ("submission_id", "problem_id", "user_id", "date", "language", "status", "cpu_time")
_FILES_AT_ONCE = 32
_ROWS_AT_ONCE = 50_000
_FIRST_DATE, _LAST_DATE = 0, 4_102_444_800  # 1970 to 2100, in seconds
# The statuses listed in CodeNet's README, which says that there are others.
KNOWN_STATUSES = (
    *("Compile Error", "Wrong Answer", "Time Limit Exceeded", "Memory Limit Exceeded", "Accepted"),
    *("Judge Not Available", "Output Limit Exceeded", "Runtime Error", "WA: Presentation Error"),
    *("Waiting for Judging", "Waiting for Re-judging", "Judge System Error"),
)
_WITHOUT_METADATA = (
    "the metadata has not been in IBM's archive since 2025; use the copy on Kaggle or Zenodo that has it, or the "
    "parquet files of hf:iNeil77/CodeNet as a source of kind parquet (if they have dates)"
)


def read_sources(workplace: Workplace, into: Path) -> Outcome:
    """Reads every source's submissions in the recipe's languages and statuses, as parts of parquet; and the date of
    each problem's first submission.

    UserError if a source is missing, has no dates, or loses more than the recipe allows.
    """
    recipe = workplace.recipe
    counts: dict[str, int] = {}
    found: list[list[dict[str, Any]]] = []
    for number, source in enumerate(recipe.sources):
        path = path_of(source.path, workplace.base)
        for made in _parts_of_source(source, path, recipe, into, f"{number:02}", workplace.temporary):
            counts = summed(counts, made.counts)
            found.append(made.findings)
    findings = Findings.merged(found)
    stop_if_lost(findings, counts.get("submissions", 0), recipe, "submissions")
    if not counts.get("submissions"):
        raise UserError(f"recipe {recipe.dataset}: its sources contain no submissions")
    return Outcome(counts, findings, {})


def stop_if_lost(findings: Findings, of: int, recipe: Recipe, what: str) -> None:
    """Raises UserError if bad input has cost more than the recipe allows."""
    share = findings.lost / max(of, findings.lost, 1)
    if share > recipe.max_lost:
        worst = sorted(findings.kinds.items(), key=lambda item: -item[1].lost)[:3]
        why = "; ".join(f"{kind}: {found.lost}" + _first(found.named) for kind, found in worst if found.lost)
        raise UserError(
            f"recipe {recipe.dataset}: {100 * share:.3g} % of {what} would be lost ({why}); "
            f"fix that, or allow it with max_lost (now {recipe.max_lost})"
        )


def _first(named: Sequence[str]) -> str:
    return f", the first {named[0]}" if named else ""


def identity(recipe: Recipe, base: Path) -> list[Any]:
    """Identifies the sources on this machine: names, sizes and modification times of their files."""
    return [_identity_of(path_of(source.path, base)) for source in recipe.sources]


def _identity_of(path: Path) -> list[Any]:
    files = sorted(path.glob("metadata/p[0-9]*.csv")) if (path / "metadata").is_dir() else files_at(path)
    found = [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    return [str(path), len(found), found]


def identity_of_programs(recipe: Recipe, base: Path) -> list[str]:
    """Identifies the programs in CodeNet's folders on this machine: for each source a hash over their names, sizes and
    modification times (other sources' programs are in the files covered by `identity`)."""
    found = []
    for source in recipe.sources:
        path = path_of(source.path, base)
        if not isinstance(source, CodeNetSource) or path.is_file():
            continue
        total = hashlib.sha256()
        data = codenet_folder(path, path) / "data"
        for problem in sorted(data.iterdir()) if data.is_dir() else ():
            if recipe.problems is not None and problem.name not in recipe.problems:
                continue
            for folder in (problem / language for language in recipe.languages):
                with os.scandir(folder) if folder.is_dir() else nullcontext(()) as entries:
                    stats = sorted((entry.name, entry.stat()) for entry in entries)
                for file, stat in stats:
                    total.update(f"{folder}/{file} {stat.st_size} {stat.st_mtime_ns}\n".encode(errors="replace"))
        found.append(total.hexdigest())
    return found


def files_at(path: Path, endings: Sequence[str] = ("",)) -> list[Path]:
    """The files that a path in a recipe denotes: itself, those in the folder, or those that match the glob."""
    if path.is_file():
        return [path]
    candidates = path.rglob("*") if path.is_dir() else path.parent.glob(path.name) if path.parent.is_dir() else ()
    return sorted(file for file in candidates if file.is_file() and file.name.endswith(tuple(endings)))


def _parts_of_source(
    source: Source, path: Path, recipe: Recipe, into: Path, label: str, temporary: Path
) -> Iterator[Part]:
    if isinstance(source, CodeNetSource):
        yield from _codenet(path, recipe, into, label, temporary)
        return
    endings = (".parquet",) if source.kind == "parquet" else (".jsonl", ".jsonl.gz")
    files = files_at(path, endings)
    if not files:
        raise UserError(f"recipe {recipe.dataset}: {path}: no file {' or '.join(endings)} is there")
    read = _read_parquet if source.kind == "parquet" else _read_jsonl
    with metered(f"read {path.name}", sum(file.stat().st_size for file in files), "B", scale=True) as meter:
        for number, file in enumerate(files):

            def make(target: Path, file: Path = file) -> Part:
                return read(file, source, recipe, target, temporary)

            yield part(into, f"{label}-{number:05}", make)
            meter.advance(file.stat().st_size)


# --- CodeNet -----------------------------------------------------------------------------------------------------


def codenet_folder(path: Path, unpacked: Path) -> Path:
    """The folder with a CodeNet source's `metadata` and `data`: the path itself, one inside it, or its unpacked tar."""
    root = unpacked if path.is_file() else path
    for folder in (root, *sorted(p for p in root.glob("*") if p.is_dir())):
        if (folder / "metadata").is_dir() or (folder / "data").is_dir():
            return folder
    return root


def _codenet(path: Path, recipe: Recipe, into: Path, label: str, temporary: Path) -> Iterator[Part]:
    if path.is_file():
        yield _unpacked(path, recipe, into / f"{label}-unpacked")
    folder = codenet_folder(path, into / f"{label}-unpacked")
    files = sorted(
        file
        for file in (folder / "metadata").glob("p[0-9]*.csv")
        if recipe.problems is None or file.stem in recipe.problems
    )
    if not files:
        there = "there is no metadata/" if not (folder / "metadata").is_dir() else "metadata/ holds no pXXXXX.csv"
        raise UserError(
            f"recipe {recipe.dataset}: {folder}: {there}: without users and dates no pairs; {_WITHOUT_METADATA}"
        )
    yield part(into, f"{label}-absent", lambda _: _without_metadata(folder, recipe))
    with metered("read metadata", sum(file.stat().st_size for file in files), "B", scale=True) as meter:
        for start in range(0, len(files), _FILES_AT_ONCE):
            batch = files[start : start + _FILES_AT_ONCE]
            number = start // _FILES_AT_ONCE
            yield part(into, f"{label}-{number:05}", lambda to, b=batch: _read_metadata(b, recipe, to, temporary))  # type: ignore[misc]
            meter.advance(sum(file.stat().st_size for file in batch))


class _Entry(tarfile.TarInfo):
    """An entry whose header must be intact: `tarfile` takes a broken or missing one for the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Entry:
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                raise  # the end
            raise tarfile.ReadError(f"broken header: {error}") from error


def _unpacked(archive: Path, recipe: Recipe, target: Path) -> Part:
    """Unpacks metadata and the programs of the recipe's languages from a tar; anything after a break in it is lost."""
    done = target.with_name(f"{target.name}.json")
    if done.is_file():
        return Part(**json.loads(done.read_text(encoding="utf-8")))
    findings = Findings()
    last = "its start"
    try:
        with (
            tarfile.open(archive, "r|*", tarinfo=_Entry) as tar,
            metered(f"unpack {archive.name}", None, "file") as meter,
        ):
            for member in tar:
                parts = member.name.split("/")
                wanted = len(parts) >= 2 and (
                    (parts[-2] == "metadata" and parts[-1].endswith(".csv"))
                    or (len(parts) >= 4 and parts[-4] == "data" and parts[-2] in recipe.languages)
                )
                if wanted and member.isreg() and ".." not in parts:
                    kept = parts[-2:] if parts[-2] == "metadata" else parts[-4:]
                    file = tar.extractfile(member)
                    assert file is not None, "a regular file"
                    content = file.read()
                    if len(content) < member.size:
                        raise EOFError("it ends inside a file")
                    place = target.joinpath(*kept)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(content)
                last = member.name
                meter.advance()
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        findings.add("truncated archive", f"{archive}: after {last}: {' '.join(str(error).split())}")
    made = Part({}, findings.to_json())
    target.mkdir(parents=True, exist_ok=True)
    done.write_text(json.dumps({"counts": {}, "findings": made.findings}), encoding="utf-8")
    return made


def _without_metadata(folder: Path, recipe: Recipe) -> Part:
    """Counts as lost the programs of problems without metadata."""
    findings = Findings()
    for problem in sorted((folder / "data").glob("p[0-9]*")) if (folder / "data").is_dir() else ():
        if (recipe.problems is None or problem.name in recipe.problems) and not (
            folder / "metadata" / f"{problem.name}.csv"
        ).is_file():
            programs = sum(1 for language in recipe.languages for _ in (problem / language).glob("*"))
            findings.add("missing metadata", f"{folder / 'metadata' / problem.name}.csv", lost=programs)
    return Part({"submissions": findings.lost}, findings.to_json())


def _read_metadata(files: Sequence[Path], recipe: Recipe, target: Path, temporary: Path) -> Part:
    findings = Findings()
    counts: dict[str, int] = {"files": len(files)}
    by_header: dict[tuple[str, ...], list[Path]] = {}
    for file in files:
        with file.open("rb") as opened:
            header = tuple(opened.readline().decode("utf-8-sig", "replace").strip("\r\n").split(","))
        absent = [column for column in _NEEDED if column not in header]
        if header == ("",):
            findings.add("empty file", str(file))
        elif absent:
            lost = _lines(file) - 1
            counts["submissions"] = counts.get("submissions", 0) + lost
            findings.add("wrong columns", f"{file}:1: no {', '.join(absent)}", lost=lost)
        elif len(set(header)) < len(header):
            lost = _lines(file) - 1
            counts["submissions"] = counts.get("submissions", 0) + lost
            findings.add("wrong columns", f"{file}:1: a column is there twice", lost=lost)
        else:
            by_header.setdefault(header, []).append(file)
    with database(temporary) as connection:
        connection.execute(f"CREATE TEMP TABLE batch ({_batch_columns()})")
        for header, group in sorted(by_header.items()):
            _load_csv(connection, header, group, findings, counts)
        counts = summed(counts, _classified(connection, recipe, findings, _CsvLines(), in_files=True))
        _write_kept(connection, recipe, target)
    return Part(counts, findings.to_json())


def _lines(file: Path) -> int:
    with file.open("rb") as opened:
        return sum(1 for line in opened if line.strip())


def _batch_columns() -> str:
    texts = ", ".join(f"{column} VARCHAR" for column in SUBMISSION_COLUMNS if column != "code")
    return f"{texts}, code BLOB, file VARCHAR, place BIGINT"


def _load_csv(
    connection: duckdb.DuckDBPyConnection,
    header: tuple[str, ...],
    files: Sequence[Path],
    findings: Findings,
    counts: dict[str, int],
) -> None:
    """Loads rows of CSV files with the same header into `batch`; lines that are not rows become findings."""
    columns = "{" + ", ".join(f"{literal(column)}: 'VARCHAR'" for column in header) + "}"
    reader = (
        f"read_csv({listed(files)}, columns={columns}, auto_detect=false, header=true, delim=',', quote='\"', "
        "escape='\"', nullstr='', filename='file', parallel=false, store_rejects=true, rejects_limit=0)"
    )
    wanted = ", ".join(column for column in SUBMISSION_COLUMNS if column != "code")
    # Rows stay in file order (one thread), so a row's place is its number minus that of its file's first row.
    connection.execute(
        f"INSERT INTO batch SELECT {wanted}, NULL, file, place - min(place) OVER (PARTITION BY file) + 1 "
        f"FROM (SELECT *, row_number() OVER () AS place FROM {reader})"
    )
    rejected = connection.execute(
        "SELECT DISTINCT ON (scan_id, file_id, line) file_path, line, error_type FROM reject_errors "
        "JOIN reject_scans USING (scan_id, file_id) ORDER BY file_path, line, error_type"
    ).fetchall()
    for file, line, kind in rejected:
        findings.add(f"broken line ({kind.lower()})", f"{file}:{line}", lost=1)
    counts["submissions"] = counts.get("submissions", 0) + len(rejected)
    connection.execute("DELETE FROM reject_errors")
    connection.execute("DELETE FROM reject_scans")


class _CsvLines:
    """Maps a row's place in a CSV to its line, given blank lines, broken ones and line breaks in quotes."""

    def __call__(self, file: str, place: int) -> str:
        with Path(file).open(encoding="utf-8", errors="surrogateescape", newline="") as opened:
            reader = csv.reader(opened)
            header = next(reader, [])
            read = [place for place, column in enumerate(header) if column in _NEEDED]  # bad bytes elsewhere pass
            number = 0
            for row in reader:
                broken = len(row) != len(header) or any(
                    "\udc80" <= letter <= "\udcff" for at in read for letter in row[at]
                )
                if row and not broken:
                    number += 1
                    if number == place:
                        return f"{file}:{reader.line_num}"
        return file


# --- tables with the code in them --------------------------------------------------------------------------------


def _read_parquet(file: Path, source: TableSource, recipe: Recipe, target: Path, temporary: Path) -> Part:
    import pyarrow
    import pyarrow.parquet

    findings = Findings()
    try:
        there = set(pyarrow.parquet.read_schema(file).names)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        size = file.stat().st_size
        findings.add("truncated or unreadable file", f"{file}: {' '.join(str(error).split())[:120]} ({size} bytes)")
        raise_if_all_lost(findings, file, recipe)
        return Part({"files": 1}, findings.to_json())
    _check_columns(there, source, str(file), recipe)

    def value(column: str) -> str:
        if source.theirs(column) in there:
            theirs = name(source.theirs(column))
            return f"epoch({theirs})" if column == "date" and _is_time(file, source.theirs("date")) else theirs
        return literal(source.defaults[column]) if column in source.defaults else "NULL"

    with database(temporary) as connection:
        connection.execute(f"CREATE TEMP TABLE batch ({_batch_columns()})")
        # Code is loaded as bytes: the next stage finds what is not UTF-8.
        values = ", ".join(
            f"CAST({value(column)} AS {'BLOB' if column == 'code' else 'VARCHAR'}) AS {column}"
            if column != "code"
            else f"encode({value('code')}) AS code"
            if _is_text(file, source.theirs("code"))
            else f"{value('code')} AS code"
            for column in SUBMISSION_COLUMNS
        )
        reader = f"read_parquet({literal(file)}, file_row_number=true)"
        counts: dict[str, int] = {"files": 1}
        rows = pyarrow.parquet.read_metadata(file).num_rows
        _create_kept(connection)
        # One slice at a time: a whole shard's code may not fit into memory.
        for start in range(0, rows, _ROWS_AT_ONCE):
            connection.execute("DELETE FROM batch")
            connection.execute(
                f"INSERT INTO batch SELECT {values}, {literal(file)}, file_row_number + 1 FROM {reader} "
                f"WHERE file_row_number >= {start} AND file_row_number < {start + _ROWS_AT_ONCE}"
            )
            counts = summed(counts, _classified(connection, recipe, findings, _row_of, in_files=False))
            _add_kept(connection, recipe)
        _write_added(connection, target)
    return Part(counts, findings.to_json())


def raise_if_all_lost(findings: Findings, file: Path, recipe: Recipe) -> None:
    """An unreadable file loses an unknown number of submissions, so it counts as more than allowed."""
    if recipe.max_lost < 1:
        named = findings.kinds["truncated or unreadable file"].named[-1]
        raise UserError(
            f"recipe {recipe.dataset}: {named}: the number of lost submissions is unknown; fetch it again, or remove "
            f"it from the recipe (max_lost: 1 builds without it)"
        )


def _is_text(file: Path, column: str) -> bool:
    import pyarrow
    import pyarrow.parquet

    kind = pyarrow.parquet.read_schema(file).field(column).type
    return bool(pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind))


def _is_time(file: Path, column: str) -> bool:
    import pyarrow
    import pyarrow.parquet

    kind = pyarrow.parquet.read_schema(file).field(column).type
    return bool(pyarrow.types.is_timestamp(kind) or pyarrow.types.is_date(kind))


def _check_columns(there: Iterable[str], source: TableSource, where: str, recipe: Recipe) -> None:
    names = sorted(map(str, there))
    for column in REQUIRED_SUBMISSION_COLUMNS:
        if source.theirs(column) not in names and column not in source.defaults:
            why = ": without it a trajectory has no order" if column == "date" else ""
            raise UserError(
                f"recipe {recipe.dataset}: {where}: no column {source.theirs(column)}{why}; there are "
                f"{', '.join(names)}; name the one that has it: columns: {{{column}: …}}"
            )


def _row_of(file: str, place: int) -> str:
    return f"{file}: row {place}"


def _line_of(file: str, place: int) -> str:
    return f"{file}:{place}"


def _read_jsonl(file: Path, source: TableSource, recipe: Recipe, target: Path, temporary: Path) -> Part:
    """Reads line by line, so that faults can be located."""
    import pyarrow

    findings = Findings()
    counts: dict[str, int] = {"files": 1}
    schema = pyarrow.schema(
        [(column, pyarrow.binary() if column == "code" else pyarrow.string()) for column in SUBMISSION_COLUMNS]
        + [("file", pyarrow.string()), ("place", pyarrow.int64())]
    )
    with database(temporary) as connection:
        _create_kept(connection)
        lines = _json_submissions(file, source, recipe, findings, counts)
        while rows := list(islice(lines, _ROWS_AT_ONCE)):
            batch = pyarrow.Table.from_pylist(rows, schema=schema)
            connection.register("batch", batch)
            counts = summed(counts, _classified(connection, recipe, findings, _line_of, in_files=False))
            _add_kept(connection, recipe)
            connection.unregister("batch")
        _write_added(connection, target)
    return Part(counts, findings.to_json())


def _json_submissions(
    file: Path, source: TableSource, recipe: Recipe, findings: Findings, counts: dict[str, int]
) -> Iterator[dict[str, Any]]:
    def lost(what: str, number: int) -> None:
        counts["submissions"] = counts.get("submissions", 0) + 1
        findings.add(what, f"{file}:{number}", lost=1)

    number = 0
    try:
        with cast("IO[bytes]", gzip.open(file) if file.name.endswith(".gz") else file.open("rb")) as opened:
            for number, line in enumerate(opened, start=1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError):
                    lost("broken line (not JSON in UTF-8)", number)
                    continue
                if not isinstance(row, dict):
                    lost("broken line (not an object)", number)
                    continue
                if number == 1:
                    _check_columns(row, source, str(file), recipe)
                yield _json_submission(row, source, str(file), number)
    except (EOFError, zlib.error, OSError) as error:
        findings.add("truncated or unreadable file", f"{file}:{number + 1}: {' '.join(str(error).split())[:120]}")
        raise_if_all_lost(findings, file, recipe)


def _json_submission(row: Mapping[str, Any], source: TableSource, file: str, number: int) -> dict[str, Any]:
    def value(column: str) -> str | None:
        found = row.get(source.theirs(column), source.defaults.get(column))
        if isinstance(found, bool) or not isinstance(found, (str, int, float)):
            return None
        return str(int(found)) if isinstance(found, float) and found.is_integer() else str(found)

    texts: dict[str, Any] = {column: value(column) for column in SUBMISSION_COLUMNS}
    for column, text in texts.items():
        if text is not None:
            encoded = text.encode("utf-8", "replace" if column != "code" else "surrogatepass")
            texts[column] = encoded if column == "code" else encoded.decode()
    return texts | {"file": file, "place": number}


# --- what all have in common -------------------------------------------------------------------------------------

# Conditions that make a row unusable; the first that holds is counted.
_FAULTS = (
    ("empty submission_id", "submission_id IS NULL OR trim(submission_id) = ''"),
    ("empty problem_id", "problem_id IS NULL OR trim(problem_id) = ''"),
    ("unusable problem_id", "NOT regexp_full_match(problem_id, '[A-Za-z0-9_-]+')"),
    ("empty user_id", "user_id IS NULL OR trim(user_id) = ''"),
    ("empty date", "date IS NULL OR trim(date) = ''"),
    ("not a date", f"seconds IS NULL OR seconds < {_FIRST_DATE} OR seconds > {_LAST_DATE}"),
)
_NOTES = (
    ("negative cpu_time", "TRY_CAST(cpu_time AS DOUBLE) < 0"),
    ("cpu_time is not a number", "cpu_time IS NOT NULL AND TRY_CAST(cpu_time AS DOUBLE) IS NULL"),
    ("empty cpu_time", "cpu_time IS NULL AND date IS NOT NULL"),
    (
        "a status beyond CodeNet's table",
        f"status IS NOT NULL AND status NOT IN ({', '.join(map(literal, KNOWN_STATUSES))})",
    ),
    ("empty status", "status IS NULL"),
)
_SECONDS = "coalesce(CAST(TRY_CAST(date AS DOUBLE) AS BIGINT), CAST(epoch(TRY_CAST(date AS TIMESTAMP)) AS BIGINT))"


def _classified(
    connection: duckdb.DuckDBPyConnection,
    recipe: Recipe,
    findings: Findings,
    where: Callable[[str, int], str],
    *,
    in_files: bool,
) -> dict[str, int]:
    """Classifies the rows of `batch`: creates the view `judged`, with `fault` and `seconds`; returns counts."""
    cases = [*_FAULTS]
    if in_files:
        cases.append(("problem_id is not the file's", "parse_filename(file, true) <> problem_id"))
    fault = "CASE " + " ".join(f"WHEN {test} THEN {literal(what)}" for what, test in cases) + " END"
    chosen = "" if recipe.problems is None else f" WHERE problem_id IN ({', '.join(map(literal, recipe.problems))})"
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW judged AS SELECT *, {fault} AS fault FROM "
        f"(SELECT *, {_SECONDS} AS seconds FROM batch{chosen})"
    )
    for what, count in connection.execute(
        "SELECT fault, count(*) FROM judged WHERE fault IS NOT NULL GROUP BY fault ORDER BY fault"
    ).fetchall():
        findings.add(what, count=count, lost=count)
        _name(connection, f"fault = {literal(what)}", what, findings, where)
    for what, test in _NOTES:
        count = one(connection, f"SELECT count(*) FROM judged WHERE fault IS NULL AND {test}")
        if count:
            findings.add(what, count=count)
            _name(connection, f"fault IS NULL AND {test}", what, findings, where)
    languages, statuses = (", ".join(map(literal, names)) for names in (recipe.languages, recipe.statuses))
    counted = connection.execute(
        "SELECT count(*), count(*) FILTER (fault IS NULL), "
        f"count(*) FILTER (fault IS NULL AND language IN ({languages})), "
        f"count(*) FILTER (fault IS NULL AND language IN ({languages}) AND status IN ({statuses})) FROM judged"
    ).fetchone()
    assert counted is not None
    return dict(zip(("submissions", "well formed", "in the languages", "accepted"), counted, strict=True))


def _name(
    connection: duckdb.DuckDBPyConnection, test: str, what: str, findings: Findings, where: Callable[[str, int], str]
) -> None:
    wanted = findings.wants_names(what)
    if wanted > 0:
        query = f"SELECT file, place FROM judged WHERE {test} ORDER BY file, place LIMIT {wanted}"
        for file, place in connection.execute(query).fetchall():
            findings.kinds[what].named.append(where(file, place))


def _kept_query(recipe: Recipe) -> str:
    languages, statuses = (", ".join(map(literal, names)) for names in (recipe.languages, recipe.statuses))
    cpu = "CASE WHEN TRY_CAST(cpu_time AS DOUBLE) >= 0 THEN CAST(TRY_CAST(cpu_time AS DOUBLE) AS BIGINT) END"
    return (
        "SELECT trim(submission_id) AS submission_id, problem_id, trim(user_id) AS user_id, seconds AS date, language, "
        f"status, {cpu} AS cpu_time, code, file, place FROM judged WHERE fault IS NULL "
        f"AND language IN ({languages}) AND status IN ({statuses})"
    )


_DATES = "SELECT problem_id, min(seconds) AS first_date FROM judged WHERE fault IS NULL GROUP BY problem_id"


def _write_kept(connection: duckdb.DuckDBPyConnection, recipe: Recipe, target: Path) -> None:
    _create_kept(connection)
    _add_kept(connection, recipe)
    _write_added(connection, target)


def _create_kept(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE TEMP TABLE kept (submission_id VARCHAR, problem_id VARCHAR, user_id VARCHAR, date BIGINT, "
        "language VARCHAR, status VARCHAR, cpu_time BIGINT, code BLOB, file VARCHAR, place BIGINT)"
    )
    connection.execute("CREATE TEMP TABLE dates (problem_id VARCHAR, first_date BIGINT)")


def _add_kept(connection: duckdb.DuckDBPyConnection, recipe: Recipe) -> None:
    connection.execute(f"INSERT INTO kept {_kept_query(recipe)}")
    connection.execute(f"INSERT INTO dates {_DATES}")


def _write_added(connection: duckdb.DuckDBPyConnection, target: Path) -> None:
    dates = "SELECT problem_id, min(first_date) AS first_date FROM dates GROUP BY problem_id ORDER BY problem_id"
    connection.execute(f"COPY ({dates}) TO {literal(target.with_suffix('.dates'))} (FORMAT parquet)")
    connection.execute(f"COPY (FROM kept) TO {literal(target)} (FORMAT parquet, COMPRESSION zstd)")
