"""Answers of every kind and style, and inputs reported by users of other tools, are read right."""

import json
from collections import Counter
from pathlib import Path

import pytest

import pie_bench
from benchmarks.hostile_answers import BEFORE, UNITS, hostile, seconds
from pie_bench.cpp import code_tokens
from pie_bench.prompting.extract import extract_code
from tests.prompting import written

SHARED = Path(__file__).parents[3] / "shared"
PROGRAM = (
    '#include <cstdio>\nint main() {\n    int n;\n    scanf("%d", &n);\n    printf("%d\\n", 2 * n);\n    return 0;\n}\n'
)


def test_nearly_all_answers_are_read_right() -> None:
    answers = list(written.written())
    wrong = Counter((answer.family, answer.kind) for answer in answers if not written.is_right(answer))
    assert len(answers) >= 400
    assert len({answer.family for answer in answers}) >= 15
    assert wrong.total() <= 0.005 * len(answers), wrong


@pytest.mark.parametrize("seed", [1, 2])
def test_answers_of_other_seeds_are_read_right_too(seed: int) -> None:
    answers = list(written.written(seed, 14))
    wrong = Counter((answer.family, answer.kind) for answer in answers if not written.is_right(answer))
    assert wrong.total() <= 0.01 * len(answers), wrong


def _programs() -> list[str]:
    rows = Path(pie_bench.__file__).parent / "data" / "mini"
    files = [rows / "test.jsonl", rows / "train.jsonl"]
    files += [path for path in (SHARED / "pie" / "test.jsonl", SHARED / "pie" / "val.jsonl") if path.is_file()]
    columns = ("src_code", "tgt_code", "fastest_code")
    found = {
        row[column] for path in files for row in map(json.loads, path.open()) for column in columns if column in row
    }
    return sorted(code for code in found if isinstance(code, str))


def test_every_program_is_recognised_bare_fenced_and_explained() -> None:
    programs = _programs()
    lost = []
    for program in programs:
        for answer in (
            program,
            f"```cpp\n{program.rstrip()}\n```\n",
            f"Here's the optimized version:\n\n```cpp\n{program.rstrip()}\n```\n\nIt's faster; main() doesn't flush.\n",
        ):
            found = extract_code(answer, "stop").code
            if found is None or code_tokens(found) != code_tokens(program):
                lost.append(answer[:200])
    assert len(programs) >= 50
    assert not lost


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("before", BEFORE)
def test_hostile_text_takes_linear_time(unit: str, before: str) -> None:
    """benchmarks/hostile_answers.py tries ten megabytes; nothing beyond two is read."""

    def in_time() -> bool:
        quarter, whole = (min(seconds(hostile(before, unit, size)) for _ in range(2)) for size in (12_500, 50_000))
        return whole < 8 * quarter + 0.1

    # A busy machine may take longer once, but not three times.
    assert any(in_time() for _ in range(3)), "four times the text takes about four times as long"


def _cases() -> list[Path]:
    folder = SHARED / "cases"
    return sorted(path.parent for path in folder.glob("*/answer.txt")) if folder.is_dir() else []


@pytest.mark.parametrize("case", _cases() or [None], ids=lambda case: case.name if case else "absent")
def test_reported_inputs(case: Path | None) -> None:
    if case is None:
        pytest.skip("shared/cases is absent: KINDS in written.py has a case of each kind")
    text = (case / "answer.txt").read_bytes().decode()
    expected = (case / "expected.txt").read_text()
    if "MAX_TOKENS" in expected:
        assert [extract_code(text, word).reason for word in ("MAX_TOKENS", "LENGTH")] == ["truncated"] * 2
    elif "no_code" in expected and "got: no_code" not in expected:
        assert extract_code(text, "stop").reason == "no_code"
    else:
        assert extract_code(text, "stop").code == (text if case.name == "main-by-macro" else PROGRAM)
