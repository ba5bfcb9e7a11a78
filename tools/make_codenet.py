"""Makes a small CodeNet: metadata, programs and tests in the layout of the real one, with every kind of fault that it
has, and `expected.json`: the pairs that must result, known by construction.

A problem's programs are one of mini's with a busy loop before `main`. The number of rounds (the level) makes each level
well over 1.1 times as slow as the one below, however it is measured.

usage: python tools/make_codenet.py DIR [--problems 40] [--users 60] [--submissions 3000] [--seed 0]
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pie_bench.construction.sources import METADATA_COLUMNS
from pie_bench.paths import PACKAGE_DIR

MINI = PACKAGE_DIR / "data" / "mini"
ROUNDS = (0, 400_000, 1_200_000, 3_000_000)
FIRST_ATCODER = 2534
NEW_YEAR_2020 = 1_577_836_800
NOT_ACCEPTED = ("Wrong Answer", "Time Limit Exceeded", "Runtime Error", "Compile Error", "Query Limit Exceeded")
C_HEADERS = {"cstdio", "cstdlib", "cstring", "cmath"}  # quick to compile: problems with only these come first
OTHER_LANGUAGES = ("Python", "Java", "C", "Rust")


@dataclass(frozen=True)
class Program:
    """A program of a problem. `key` identifies its code without comments and layout; `level` is None if it is not
    right."""

    code: bytes
    key: str
    level: int | None


@dataclass(frozen=True)
class Problem:
    problem_id: str
    name: str
    code: str
    tests: list[tuple[bytes, bytes]]


def make(folder: Path, problems: int = 40, users: int = 60, submissions: int = 3000, seed: int = 0) -> dict[str, Any]:
    """Writes everything into `folder`; returns the content of expected.json."""
    chance = random.Random(seed)
    made = _problems(problems)
    expected: dict[str, Any] = {"pairs": [], "dirt": {}, "submissions": 0, "levels": {}}
    _write_tests(folder, made)
    ids = iter(chance.sample(range(1, 10**9), submissions * 2))
    share = [submissions // problems + (n < submissions % problems) for n in range(problems)]
    for number, (problem, wanted) in enumerate(zip(made, share, strict=True)):
        _write_problem(folder, problem, number, wanted, users, ids, chance, expected)
    empty = folder / "metadata" / f"p{problems + 900:05}.csv"  # CodeNet has five problems without a submission
    empty.write_text(",".join(METADATA_COLUMNS) + "\n")
    expected["pairs"].sort()
    (folder / "expected.json").write_text(json.dumps(expected, indent=1, sort_keys=True))
    _write_recipe(folder)
    return expected


def _headers(code: str) -> list[str]:
    return re.findall(r"#include <([^>]+)>", code)


def _problems(number: int) -> list[Problem]:
    known: dict[str, str] = {}
    for split in ("test", "train"):
        for line in (MINI / f"{split}.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            known.setdefault(row["problem_id"], row["tgt_code"])
    names = sorted(known, key=lambda name: (not C_HEADERS.issuperset(_headers(known[name])), name))
    made = []
    for place in range(number):
        mini = names[place % len(names)]
        inputs = sorted((MINI / "merged_test_cases" / mini).glob("input.*.txt"), key=lambda file: file.stat().st_size)
        tests = [
            (file.read_bytes(), file.with_name(file.name.replace("input", "output")).read_bytes())
            for file in inputs[:4]
        ]
        # Half are AIZU's, half AtCoder's; AIZU's names repeat.
        aizu = place % 2 == 0
        problem_id = f"p{place + 1:05}" if aizu else f"p{FIRST_ATCODER + place:05}"
        name = "Sum" if aizu else f"Beginner Contest {place} - {mini}"
        again = "" if place < len(names) else f"\nstatic const int again_{place} = {place};\n"
        made.append(Problem(problem_id, name, known[mini] + again, tests))
    return made


def _program(problem: Problem, level: int, variant: int) -> str:
    loop = (
        f"static const int pace_{variant} = [] {{ volatile unsigned x = 0; for (unsigned i = 0; i < {ROUNDS[level]}u; "
        "i++) x = x + i; return 0; }();\n"
    )
    return f"{problem.code}\n{loop}"


def _write_problem(
    folder: Path,
    problem: Problem,
    number: int,
    wanted: int,
    users: int,
    ids: Any,
    chance: random.Random,
    expected: dict[str, Any],
) -> None:
    began = (NEW_YEAR_2020 if number % 5 == 4 else NEW_YEAR_2020 - 10**8) + number * 1000
    date = began
    rows: list[list[str]] = []
    right: dict[str, list[tuple[int, str, Program]]] = {}
    programs = folder / "data" / problem.problem_id / "C++"
    programs.mkdir(parents=True)

    def dirt(kind: str) -> None:
        expected["dirt"][kind] = expected["dirt"].get(kind, 0) + 1

    def row(submission: str, user: str, **other: str) -> list[str]:
        fields = {
            "submission_id": submission,
            "problem_id": problem.problem_id,
            "user_id": user,
            "date": str(date),
            "language": "C++",
            "original_language": "C++14 (GCC 5.4.1)",
            "filename_ext": "cpp",
            "status": "Accepted",
            "cpu_time": str(chance.randrange(10, 2000)),
            "memory": "3000",
            "code_size": "500",
            "accuracy": "4/4" if problem.name == "Sum" else "",
        }
        return list((fields | other).values())

    dirty = ["empty user", "empty date", "not a date", "missing program", "empty program", "oversized", "binary"]
    dirty += ["broken", "too many columns", "not utf-8", "repeated", "negative"]
    for place in range(wanted):
        date += chance.randrange(0, 500)
        submission = f"s{next(ids):09}"
        user = f"u{chance.randrange(users):09}"
        draw = chance.random()
        if draw < 0.15:
            rows.append(row(submission, user, language=chance.choice(OTHER_LANGUAGES)))
        elif draw < 0.35:
            status = chance.choice(NOT_ACCEPTED)
            negative = chance.random() < 0.2
            rows.append(row(submission, user, status=status, cpu_time="-1" if negative else "30"))
            if negative:
                dirt("negative cpu_time")
            if status == "Query Limit Exceeded":
                dirt("status beyond the table")
        elif place % 25 == 24:  # one of each kind in turn
            _write_dirt(dirty[(place // 25 + number) % len(dirty)], rows, row, submission, user, programs, dirt)
        else:
            program = _drawn(problem, number, chance)
            (programs / f"{submission}.cpp").write_bytes(program.code)
            rows.append(row(submission, user))
            right.setdefault(user, []).append((date, submission, program))
    _expect_pairs(problem, right, expected)
    expected["submissions"] += len(rows)
    path = folder / "metadata" / f"{problem.problem_id}.csv"
    path.parent.mkdir(exist_ok=True)
    lines = [",".join(METADATA_COLUMNS), *(",".join(fields) for fields in rows)]
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape") + b"\n")


def _drawn(problem: Problem, number: int, chance: random.Random) -> Program:
    """A program of the problem: mostly right, of some level; or wrong; or one that does not compile."""
    draw = chance.random()
    if draw < 0.06:
        return Program(b'#include <cstdio>\nint main() { puts("what?"); }\n', "wrong", None)
    if draw < 0.10:
        return Program(b"int main() { return nothing; }\n", "broken", None)
    level, variant = chance.randrange(len(ROUNDS)), int(chance.random() < 0.2 and number % 4 == 0)
    code = _program(problem, level, variant).encode()
    dress = chance.random()
    if dress < 0.1:
        code = b"// \xe9t\xe9\xff\n" + code  # Latin-1
    elif dress < 0.2:
        code = code.replace(b"\n", b"\r\n")
    elif dress < 0.3:
        code = b"/* once more */\n\n" + code
    return Program(code, f"{level}/{variant}", level)


def _write_dirt(
    kind: str, rows: list[list[str]], row: Any, submission: str, user: str, programs: Path, dirt: Any
) -> None:
    contents = {"empty program": b" \n", "oversized": b"//" + b"x" * 70_000, "binary": b"int main() {}\0"}
    fields = {"empty user": {"user_id": ""}, "empty date": {"date": ""}, "not a date": {"date": "yesterday"}}
    if kind == "negative":
        rows.append(row(submission, user, status="Runtime Error", cpu_time="-7"))
        dirt("negative cpu_time")
        return
    if kind == "repeated":
        if rows:
            rows.append(row(submission, user, language="Python"))
            rows.append(row(submission, user, language="Python"))  # only ids of accepted C++ programs matter
        return
    dirt(kind)
    if kind == "broken":
        rows.append(row(submission, user)[:7])
    elif kind == "too many columns":
        rows.append([*row(submission, user), "more"])
    elif kind == "not utf-8":
        rows.append(row(submission, f"{user}\udcff", accuracy="\udcfe"))
    else:
        rows.append(row(submission, user, **fields.get(kind, {})))
        if kind != "missing program":
            (programs / f"{submission}.cpp").write_bytes(contents.get(kind, b"int main() {}\n"))


def _expect_pairs(problem: Problem, right: dict[str, list[tuple[int, str, Program]]], expected: dict[str, Any]) -> None:
    for trajectory in right.values():
        seen: set[str] = set()
        kept: list[tuple[str, int]] = []
        for _, submission, program in sorted(trajectory, key=lambda each: each[:2]):
            if program.key not in seen and program.level is not None:
                kept.append((submission, program.level))
                expected["levels"][submission] = program.level
            seen.add(program.key)
        for place, (source, level) in enumerate(kept):
            for target, faster in kept[place + 1 :]:
                if faster < level:
                    expected["pairs"].append([problem.problem_id, source, target])


def _write_tests(folder: Path, problems: list[Problem]) -> None:
    """Writes one public test per problem in CodeNet's layout, and three generated ones and a wrong one as
    code_contests' parquet, which has the names of its sites only in the file."""
    import pyarrow
    import pyarrow.parquet

    rows = [
        {"name": "1575_A. Another Sorting Problem", "source": 2, "generated_tests": {"input": ["1"], "output": ["1"]}}
    ]
    for problem in problems:
        place = folder / "derived" / "input_output" / "data" / problem.problem_id
        place.mkdir(parents=True)
        (place / "input.txt").write_bytes(problem.tests[0][0])
        (place / "output.txt").write_bytes(problem.tests[0][1])
        generated = [(i.decode(), o.decode()) for i, o in problem.tests[1:3]]
        generated.append((problem.tests[3][0].decode(), "nobody says this\n"))
        generated.append(generated[0])  # a duplicate
        aizu = problem.name == "Sum"
        rows.append(
            {
                "name": f"{problem.problem_id} {problem.name}" if aizu else problem.name,
                "source": 6 if aizu else 5,
                "generated_tests": {"input": [i for i, _ in generated], "output": [o for _, o in generated]},
            }
        )
    table = pyarrow.Table.from_pylist(rows)
    names = ["UNKNOWN_SOURCE", "CODECHEF", "CODEFORCES", "HACKEREARTH", "CODEJAM", "ATCODER", "AIZU"]
    features = {"info": {"features": {"source": {"_type": "ClassLabel", "names": names}}}}
    table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
    (folder / "code_contests").mkdir()
    pyarrow.parquet.write_table(table, folder / "code_contests" / "train-00000-of-00001.parquet")
    (folder / "metadata").mkdir()
    with (folder / "metadata" / "problem_list.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", "name", "dataset", "time_limit", "memory_limit", "rating", "tags", "complexity"])
        for problem in sorted(problems, key=lambda each: each.problem_id):
            site = "AIZU" if problem.name == "Sum" else "AtCoder"
            writer.writerow([problem.problem_id, problem.name, site, "2000", "262144", "", "", ""])


def _write_recipe(folder: Path) -> None:
    (folder / "recipe.yaml").write_text(
        "dataset: made\n"
        "sources: [{kind: codenet, path: .}]\n"
        "tests:\n"
        "  - {kind: code_contests, path: code_contests, problem_list: metadata/problem_list.csv}\n"
        "  - {kind: codenet, path: derived/input_output/data}\n"
        "environment: skylake\n"
        "splits: {val: 0.1, test: 0.2, since: 2020-01-01}\n"
        "pairs: {drop_duplicates: []}\n"
        "max_lost: 0.2\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="makes a small CodeNet")
    parser.add_argument("folder", type=Path)
    for name, default in (("problems", 40), ("users", 60), ("submissions", 3000), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    made = make(arguments.folder, arguments.problems, arguments.users, arguments.submissions, arguments.seed)
    print(f"{arguments.folder}: {made['submissions']} submissions, {len(made['pairs'])} pairs expected")


if __name__ == "__main__":
    main()
