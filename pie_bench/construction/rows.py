"""Writes the dataset itself: rows in PIE's columns, the tests that they use, and the manifest with all counts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from pie_bench.construction.database import database, literal, rows, table
from pie_bench.construction.recipe import NEW
from pie_bench.construction.stage import Workplace, metered
from pie_bench.construction.tests import in_order
from pie_bench.hashing import file_sha256

SPLIT_FILES = ("train", "val", "test", NEW)
TESTS_FOLDER = "merged_test_cases"
_HQ = "train_hq"


def write_rows(workplace: Workplace, into: Path, environment_id: str) -> dict[str, int]:
    """Writes a file per split, `train_hq.jsonl`, the tests that rows use, and the origin of every test to a folder;
    returns the number of rows of each."""
    recipe = workplace.recipe
    pairs = table(workplace.path("splits", "pairs.parquet"))
    programs = workplace.programs()
    kept = table(workplace.path("check", "tests.parquet"))
    written = dict.fromkeys((*SPLIT_FILES, _HQ), 0)
    with database(workplace.temporary) as connection, _Files(into) as files:
        problems = connection.execute(
            f"SELECT problem_id, count(*) FROM {pairs} GROUP BY problem_id ORDER BY problem_id"
        ).fetchall()
        with metered("rows", sum(n for _, n in problems), "row") as meter:
            for problem, _ in problems:
                times = _times(connection, workplace, problem)
                tests = sorted(next(iter(times.values())), key=in_order)
                of = f"problem_id = {literal(problem)}"
                codes = {
                    row["code_sha256"]: row["code"]
                    for row in rows(
                        connection,
                        f"SELECT DISTINCT code_sha256, code FROM {programs} WHERE {of} AND code_sha256 IN (SELECT "
                        f"code_sha256 FROM {table(workplace.path('relabel', 'programs.parquet'))} WHERE {of})",
                    )
                }
                details = (
                    f"SELECT p.*, a.date AS src_date, b.date AS tgt_date, a.encoding AS src_encoding, b.encoding AS "
                    f"tgt_encoding, a.language AS src_language, b.language AS tgt_language, a.status AS src_status, "
                    f"b.status AS tgt_status FROM {pairs} p JOIN {programs} a ON a.problem_id = p.problem_id AND "
                    f"a.submission_id = p.src_id JOIN {programs} b ON b.problem_id = p.problem_id AND "
                    f"b.submission_id = p.tgt_id WHERE p.{of} ORDER BY p.user_id, p.src_position, p.tgt_position"
                )
                for pair in rows(connection, details):
                    row = row_of(pair, codes, times, tests, newlines=recipe.newlines)
                    row["environment_id"] = environment_id
                    files.write(pair["split"], row)
                    written[pair["split"]] += 1
                    if pair["hq"]:
                        files.write(_HQ, row)
                        written[_HQ] += 1
                    meter.advance()
                _write_tests(connection, workplace, into, problem, set(tests))
        origins = f"SELECT problem_id, test_id, origin, kept, passed, of FROM {kept}"
        measured = table(workplace.path("relabel", "times.parquet"))
        used = f"SELECT DISTINCT problem_id, test_id, true AS used FROM {measured}"
        columns = "problem_id, test_id, origin, kept, passed, of, coalesce(used, false) AS used"
        query = f"SELECT {columns} FROM ({origins}) LEFT JOIN ({used}) USING (problem_id, test_id)"
        for test in rows(connection, f"{query} ORDER BY problem_id, try_cast(test_id AS INTEGER), test_id"):
            files.write("tests", test)
    return {name: n for name, n in written.items() if n}


class _Files:
    """JSON Lines files in a folder, opened when first written to."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._open: dict[str, IO[str]] = {}

    def write(self, name: str, row: Mapping[str, Any]) -> None:
        if name not in self._open:
            self._open[name] = (self._folder / f"{name}.jsonl").open("w", encoding="utf-8", newline="\n")
        self._open[name].write(json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n")

    def __enter__(self) -> _Files:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._open.values():
            file.close()


def _times(connection: Any, workplace: Workplace, problem: str) -> dict[str, dict[str, float]]:
    """Seconds of the problem's programs, by test."""
    found: dict[str, dict[str, float]] = {}
    times = table(workplace.path("relabel", "times.parquet"))
    query = f"SELECT code_sha256, test_id, seconds FROM {times} WHERE problem_id = {literal(problem)}"
    for row in rows(connection, query):
        found.setdefault(row["code_sha256"], {})[row["test_id"]] = row["seconds"]
    return found


def row_of(
    pair: Mapping[str, Any],
    codes: Mapping[str, str],
    times: Mapping[str, Mapping[str, float]],
    tests: list[str],
    *,
    newlines: str,
) -> dict[str, Any]:
    """A row in PIE's columns, with user, dates and provenance. A reward is the fastest program's time divided by the
    program's."""

    def code(side: str) -> str:
        text = codes[pair[f"{side}_code_sha256"]]
        return text.replace("\n", "\n\n") if newlines == "doubled" else text

    def by_test(side: str) -> dict[str, float]:
        known = times[pair[f"{side}_code_sha256"]]
        return {test: known[test] for test in tests}

    row: dict[str, Any] = {
        "problem_id": pair["problem_id"],
        "user_id": pair["user_id"],
        "language": "cpp",
        "tests": tests,
        "n_tests": len(tests),
        "speedup": pair["speedup"],
        "problem_date": pair["first_date"],
        "target_reward": pair["reward"],
        "src_reward": pair["fastest_seconds"] / pair["src_seconds"],
        "target_reward_pct_bin": pair["tag"],
        "fastest_id": pair["fastest_id"],
        "duplicate_of": pair["duplicate_of"],
        "contaminated": pair["contaminated"],
    }
    for side in ("src", "tgt", "fastest"):
        row[f"{side}_id"] = pair[f"{side}_id"]
        row[f"{side}_code"] = code(side)
        row[f"{side}_agg_runtime"] = pair[f"{side}_seconds"]
        row[f"{side}_code_tc2time"] = by_test(side)
    for side in ("src", "tgt"):
        row[f"{side}_date"] = pair[f"{side}_date"]
        row[f"{side}_status"] = pair[f"{side}_status"]
    row["provenance"] = {
        "newlines": newlines,
        **{f"{side}_{what}": pair[f"{side}_{what}"] for side in ("src", "tgt") for what in ("encoding", "language")},
    }
    return row


def _write_tests(connection: Any, workplace: Workplace, into: Path, problem: str, tests: set[str]) -> None:
    folder = into / TESTS_FOLDER / problem
    folder.mkdir(parents=True)
    given = table(workplace.path("tests", "tests.parquet"))
    for row in rows(connection, f"SELECT test_id, input, output FROM {given} WHERE problem_id = {literal(problem)}"):
        if row["test_id"] in tests:
            (folder / f"input.{row['test_id']}.txt").write_bytes(bytes(row["input"]))
            (folder / f"output.{row['test_id']}.txt").write_bytes(bytes(row["output"]))


def put_in_place(source: Path, target: Path) -> dict[str, str]:
    """Moves what was written into the dataset's folder, replacing the output of earlier builds; returns the hash of
    each file (except the tests: there are too many)."""
    for name in (*(f"{split}.jsonl" for split in SPLIT_FILES), f"{_HQ}.jsonl", "tests.jsonl", f"{NEW}.yaml", "hq.yaml"):
        if not (source / name).is_file():
            (target / name).unlink(missing_ok=True)
    tests = target / TESTS_FOLDER
    if tests.exists():
        gone = target / "stages" / "replaced"
        shutil.rmtree(gone, ignore_errors=True)
        tests.rename(gone)
        shutil.rmtree(gone)
    for path in _files(source):
        path.replace(target / path.name)
    (source / TESTS_FOLDER).rename(tests)
    return {path.name: file_sha256(path) for path in _files(target) if path.name != "manifest.json"}


def _files(folder: Path) -> Iterator[Path]:
    return iter(sorted(p for p in folder.iterdir() if p.is_file() and p.suffix in (".jsonl", ".yaml")))


def write_specs(into: Path, dataset: str, written: Mapping[str, int]) -> None:
    """Writes two more dataset specs over the same files: `new.yaml` tests on problems newer than a date, `hq.yaml`
    trains on the HQ subset."""
    if written.get(NEW):
        lines = f"include: pie.yaml\ndataset: {dataset}-{NEW}\nsplits: {{train: [train], val: [val], test: [{NEW}]}}\n"
        (into / f"{NEW}.yaml").write_text(lines, encoding="utf-8")
    if written.get(_HQ):
        lines = f"include: pie.yaml\ndataset: {dataset}-hq\nsplits: {{train: [{_HQ}], val: [val], test: [test]}}\n"
        (into / "hq.yaml").write_text(lines, encoding="utf-8")
