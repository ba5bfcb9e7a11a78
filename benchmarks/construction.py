"""The cost of reading all of CodeNet's metadata: 13.9 M synthetic rows in 4,053 files, sorted into trajectories.

usage: nice python -m benchmarks.construction FOLDER [--rows 13916868] [--problems 4053]
Prints CPU seconds, wall seconds and the peak of the process's memory.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import time
from pathlib import Path

from pie_bench.construction.database import database, literal
from pie_bench.construction.recipe import CodeNetSource, CodeNetTests, Recipe
from pie_bench.construction.sources import METADATA_COLUMNS, read_sources
from pie_bench.construction.stage import Workplace
from pie_bench.construction.trajectories import order_trajectories


def make_metadata(folder: Path, rows: int, problems: int) -> None:
    """Writes rows in CodeNet's proportions: 58 % C++, of which 54 % accepted, with some negative times and odd
    statuses."""
    folder.mkdir(parents=True)
    with database(folder) as connection:
        for problem in range(problems):
            first, last = (place * rows // problems for place in (problem, problem + 1))
            draw = "CAST(hash(i * 7919 + {}) % 1000 AS BIGINT)"
            values = {
                "submission_id": "printf('s%09d', (i * 982451653) % 1000000007)",
                "problem_id": literal(f"p{problem:05}"),
                "user_id": f"printf('u%09d', {draw.format(1)})",
                "date": f"1200000000 + ({draw.format(3)} * {draw.format(4)} * 300) % 400000000",
                "language": f"CASE WHEN {draw.format(5)} < 575 THEN 'C++' ELSE 'Python' END",
                "original_language": "'C++14 (GCC 5.4.1)'",
                "filename_ext": "'cpp'",
                "status": f"CASE WHEN {draw.format(6)} < 543 THEN 'Accepted' WHEN {draw.format(6)} < 545 THEN "
                "'Internal error' ELSE 'Wrong Answer' END",
                "cpu_time": f"CASE WHEN {draw.format(7)} < 2 THEN -1 ELSE {draw.format(8)} END",
                "memory": draw.format(9),
                "code_size": draw.format(10),
                "accuracy": "NULL",
            }
            columns = ", ".join(f"{values[column]} AS {column}" for column in METADATA_COLUMNS)
            query = f"SELECT {columns} FROM range({first}, {last}) t(i)"
            connection.execute(f"COPY ({query}) TO {literal(folder / f'p{problem:05}.csv')} (HEADER)")


def main() -> None:
    parser = argparse.ArgumentParser(description="the cost of reading CodeNet's metadata")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=13_916_868)
    parser.add_argument("--problems", type=int, default=4053)
    arguments = parser.parse_args()
    source = arguments.folder / "codenet"
    if not source.exists():
        make_metadata(source / "metadata", arguments.rows, arguments.problems)
        print("made; run it again to measure, so that making does not count")
        return
    shutil.rmtree(arguments.folder / "out", ignore_errors=True)
    recipe = Recipe(
        dataset="made",
        sources=(CodeNetSource(kind="codenet", path=str(source)),),
        tests=(CodeNetTests(kind="codenet", path="none"),),
    )
    workplace = Workplace(arguments.folder / "out", recipe, arguments.folder)
    workplace.temporary.mkdir(parents=True)
    began = time.monotonic()
    for stage, function in (("read", read_sources), ("trajectories", order_trajectories)):
        before = time.process_time()
        done = workplace.run(stage, {}, lambda into, function=function: function(workplace, into))  # type: ignore[misc]
        print(f"{stage}: {time.process_time() - before:.1f} CPU s, {dict(done.counts)}")
    usage = resource.getrusage(resource.RUSAGE_SELF)
    size = sum(file.stat().st_size for file in (source / "metadata").iterdir())
    print(
        f"{arguments.rows} rows, {size / 1e6:.0f} MB: {usage.ru_utime + usage.ru_stime:.1f} CPU s, "
        f"{time.monotonic() - began:.1f} s of wall clock, peak {usage.ru_maxrss / 1e6:.2f} GB"
    )


if __name__ == "__main__":
    main()
