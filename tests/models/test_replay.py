from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pie_bench.errors import UserError
from pie_bench.models.model import Completion, Request
from pie_bench.models.replay import ReplayModel
from pie_bench.prompting.prompt import Prompt
from pie_bench.task import Sampling

SAMPLING = Sampling(n=2, temperature=0.7, top_p=1.0, max_tokens=8, seed=0)
GENERATION = {"pair_id": "a-b", "sample_index": 0, "text": "int main() {}", "finish_reason": "stop"}
ANSWER = {"src_id": "a", "tgt_id": "b", "problem_id": "p1", "completion": "int main() {}"}


def request(pair_id: str, *indices: int) -> Request:
    return Request(pair_id, Prompt("", ()), SAMPLING, 0, indices)


def write(path: Path, *records: object) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def replay(path: Path) -> ReplayModel:
    return ReplayModel(f"replay:{path}", path)


def test_generations_come_back_as_they_were_recorded(tmp_path):
    recorded = [Completion("a-b", 1, "x\u2028y\n", "length", 10, 2, 0.5), Completion("a-b", 0, "", "stop")]
    lines = [asdict(c) | {"seed": 3, "prompt_sha256": Prompt("", ()).sha256} for c in recorded]
    model = replay(write(tmp_path / "generations.jsonl", *lines))
    assert list(model.generate([request("a-b", 0), request("a-b", 1)])) == recorded[::-1]
    model.close()


def test_answers_are_numbered_as_they_appear_within_their_pair(tmp_path):
    answers = [ANSWER, ANSWER | {"tgt_id": "c", "completion": "of a-c"}, ANSWER | {"completion": "second"}]
    model = replay(write(tmp_path / "answers.jsonl", *answers))
    completions = list(model.generate([request("a-b", 1, 0), request("a-c", 0)]))
    assert [c.text for c in completions] == ["second", "int main() {}", "of a-c"]
    assert [c.sample_index for c in completions] == [1, 0, 0]
    assert {c.finish_reason for c in completions} == {"stop"}


def test_answers_to_other_prompts_are_refused_or_say_so(tmp_path):
    other = Prompt("another", ())
    lines = [GENERATION | {"sample_index": i, "prompt_sha256": sum_} for i, sum_ in enumerate(
        [Prompt("", ()).sha256, other.sha256, "", None]
    )]  # fmt: skip
    path = write(tmp_path / "answers.jsonl", *lines)
    with pytest.raises(UserError, match=r"1 of the 4 answers were given to other prompts, first: pair a-b, sample 1;"):
        replay(path).generate([request("a-b", 0, 1, 2, 3)])
    taken = list(ReplayModel("r", path, other_prompts=True).generate([request("a-b", 0, 1, 2, 3)]))
    assert [each.answers_prompt for each in taken] == [None, other.sha256, "unknown", "unknown"]
    again = write(tmp_path / "again.jsonl", asdict(taken[1]) | {"prompt_sha256": Prompt("", ()).sha256})
    with pytest.raises(UserError, match="given to other prompts"):
        replay(again).generate([request("a-b", 1)])


def test_resolved_is_the_content_and_not_the_place(tmp_path):
    one = replay(write(tmp_path / "one.jsonl", GENERATION))
    two = replay(write(tmp_path / "two.jsonl", GENERATION))
    assert one.resolved == two.resolved == "replay:" + hashlib.sha256((tmp_path / "one.jsonl").read_bytes()).hexdigest()
    assert one.name != two.name
    assert replay(write(tmp_path / "two.jsonl", ANSWER)).resolved != one.resolved


def test_what_is_missing_is_said_before_the_first_answer(tmp_path):
    model = replay(write(tmp_path / "answers.jsonl", GENERATION))
    with pytest.raises(UserError, match=r"answers.jsonl: 3 of the 4 .*, first: pair a-b, sample 2;"):
        model.generate([request("a-b", 0, 2, 3), request("c-d", 0)])


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{", "broken JSON"),
        ("\udcff", "broken JSON"),
        ("[]", "line: Input should be a valid dictionary"),
        (json.dumps({"pair_id": "a-b", "text": "", "finish_reason": "stop"}), "sample_index: Field required"),
        (json.dumps(GENERATION | {"sample_index": -1}), "sample_index: .*greater than or equal to 0"),
        (json.dumps(GENERATION | {"sample_index": "1"}), "sample_index: .*valid integer"),
        (json.dumps(ANSWER | {"completion": None}), "completion: .*valid string"),
        (json.dumps({"src_id": "a", "completion": ""}), "tgt_id: Field required"),
    ],
)
def test_a_malformed_line_is_named(tmp_path, line, what):
    path = tmp_path / "answers.jsonl"
    first = json.dumps(GENERATION | {"sample_index": 5}) + "\n\n"  # an empty line is harmless, and counts as a line
    path.write_bytes((first + line + "\n").encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=rf"answers.jsonl:3: {what}") as caught:
        replay(path)
    assert "\n" not in str(caught.value)


def test_an_answer_recorded_twice_is_named(tmp_path):
    path = write(tmp_path / "answers.jsonl", GENERATION, ANSWER)
    with pytest.raises(UserError, match=r"answers.jsonl:2: pair a-b, sample 0 is recorded twice"):
        replay(path)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match=r"none.jsonl: cannot be read \(No such file or directory\)"):
        replay(tmp_path / "none.jsonl")
    with pytest.raises(UserError, match=r"cannot be read \(Is a directory\)"):
        replay(tmp_path)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.text(max_size=20)), max_size=8))
def test_any_text_survives(answers):
    with tempfile.TemporaryDirectory() as folder:
        records = [{"src_id": "s", "tgt_id": tgt, "completion": text} for tgt, text in answers]
        model = replay(write(Path(folder) / "answers.jsonl", *records))
    for tgt in "ab":
        texts = [text for other, text in answers if other == tgt]
        assert [c.text for c in model.generate([request(f"s-{tgt}", *range(len(texts)))])] == texts
