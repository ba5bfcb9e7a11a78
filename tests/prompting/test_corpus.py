"""Completions labelled by hand with the program that a reader takes as the answer, in each style that models use."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from pie_bench.cpp import code_tokens
from pie_bench.prompting.extract import extract_code

CORPUS = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Case:
    name: str
    text: str
    finish_reason: str
    source: str | None
    code: str | None
    reason: str | None


def read(path: Path) -> list[Case]:
    cases = []
    sources = (
        {} if path.name == "sources.txt" else {c.name.partition(": ")[2]: c.code for c in read(CORPUS / "sources.txt")}
    )
    for block in path.read_text(encoding="utf-8").removeprefix("=== ").split("\n=== "):
        head, _, body = block.partition("\n\n")
        name, *options = head.split("\n")
        keys = dict(option.split(": ") for option in options)
        lines = body.removesuffix("\n").split("\n")
        assert all(line[:2] in ("> ", "| ", ">", "|") for line in lines), f"{path.name}: {name}: a line without a mark"
        marked = [line[2:] for line in lines if line[0] == ">"]
        ends = "\r\n" if keys.get("ends") == "crlf" else "\n"
        code = "\n".join(marked) if marked else None
        assert (code is None) == ("expect" in keys), f"{path.name}: {name}: either marked lines or expect"
        cases.append(
            Case(
                f"{path.stem}: {name}",
                ends.join(line[2:] for line in lines),
                keys.get("finish", "stop"),
                sources[keys["source"]] if "source" in keys else None,
                code,
                keys.get("expect"),
            )
        )
    return cases


def labelled() -> list[Case]:
    return [case for path in sorted(CORPUS.glob("*.txt")) if path.name != "sources.txt" for case in read(path)]


def right(case: Case) -> bool:
    found = extract_code(case.text, case.finish_reason, src_code=case.source)
    if case.code is None or found.code is None:
        return (found.code, found.reason) == (case.code, case.reason)
    return found.code.strip("\n") == case.code.strip("\n")


@pytest.mark.parametrize("case", labelled(), ids=lambda case: case.name)
def test_the_program_is_the_one_a_reader_takes(case: Case) -> None:
    found = extract_code(case.text, case.finish_reason, src_code=case.source)
    assert right(case), f"expected {case.reason or case.code!r}, found {found}"


def test_the_score(capsys: pytest.CaptureFixture[str]) -> None:
    cases = labelled()
    score = sum(map(right, cases))
    with capsys.disabled():
        print(f"\nextraction: {score} of {len(cases)} labelled completions")
    assert len(cases) >= 60
    assert score == len(cases)


@pytest.mark.pie_data
def test_real_answers() -> None:
    data = Path(os.environ.get("PIE_DATA_DIR", ""))
    if "PIE_DATA_DIR" not in os.environ or not (data / "model_answers.jsonl").is_file():
        pytest.skip("no real model answers: PIE_DATA_DIR/model_answers.jsonl is absent")
    rows = {(row["src_id"], row["tgt_id"]): row["src_code"] for row in _rows(data / "test.jsonl")}
    answers = _rows(data / "model_answers.jsonl")
    for label in json.loads((CORPUS / "real.json").read_text()):
        answer = answers[label["row"] - 1]
        lines = answer["completion"].split("\n")[label["first_line"] - 1 : label["last_line"]]
        found = extract_code(answer["completion"], "stop", src_code=rows[answer["src_id"], answer["tgt_id"]])
        assert code_tokens(found.code or "") == code_tokens("\n".join(lines)), f"row {label['row']}"


def _rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
