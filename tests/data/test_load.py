"""Datasets: one schema; incomplete rows are reported by id, and broken files by name."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pie_bench.data.load import PairDataset, features, load_dataset
from pie_bench.errors import UserError

ROW = {
    "problem_id": "p1",
    "src_id": "s1",
    "tgt_id": "s2",
    "src_code": "int main(){}",
    "tgt_code": "int main(){ }",
    "tests": ["0", "1"],
    "src_code_tc2time": {"0": 0.5, "1": 0.25},
    "tgt_code_tc2time": {"0": 0.125, "1": None},
}


@pytest.fixture
def pie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes rows as PIE's test split, with tests 0 and 1 of problem p1."""

    def write(*rows: Any) -> Path:
        folder = tmp_path / "merged_test_cases" / "p1"
        folder.mkdir(parents=True, exist_ok=True)
        for test in "01":
            (folder / f"input.{test}.txt").write_text(f"in {test}\n")
            (folder / f"output.{test}.txt").write_text(f"out {test}\n")
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        (tmp_path / "test.jsonl").write_text("".join(line + "\n" for line in lines))
        monkeypatch.setenv("PIE_DATA_DIR", str(tmp_path))
        return tmp_path

    return write


def load() -> PairDataset:
    return load_dataset("pie", "test", with_tests=True)


def test_a_row_becomes_a_pair(pie) -> None:
    pie(ROW)
    dataset = load()
    (pair,) = dataset.pairs
    assert (pair.pair_id, pair.problem_id, pair.tests) == ("s1-s2", "p1", ("0", "1"))
    assert pair.src_seconds == {"0": 0.5, "1": 0.25}
    assert pair.tgt_seconds is None, "a time is missing: none is better than some"
    assert [(t.test_id, t.input, t.expected_output) for t in dataset.tests(pair)] == [
        ("0", b"in 0\n", b"out 0\n"),
        ("1", b"in 1\n", b"out 1\n"),
    ]
    assert dataset.rows.features == features()


def test_rows_that_lack_something_are_reported_with_their_id(pie) -> None:
    pie(
        {**ROW, "src_id": "a", "src_code": " "},
        {**ROW, "src_id": "b", "tests": []},
        {**ROW, "src_id": "c", "tests": ["0", "7"]},
        {k: v for k, v in ROW.items() if k != "tgt_code"} | {"src_id": "d"},
        ROW,
    )
    dataset = load()
    assert [pair.pair_id for pair in dataset.pairs] == ["s1-s2"]
    assert [(row.pair_id, row.reason) for row in dataset.rejected] == [
        ("a-s2", "line 1: src_code is missing"),
        ("b-s2", "line 2: tests is missing"),
        ("c-s2", "line 3: test 7: merged_test_cases/p1/input.7.txt is missing"),
        ("d-s2", "line 4: tgt_code is missing"),
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((ROW, "{broken"), r"test\.jsonl:2: not a row"),
        ((ROW, "[1]"), r"test\.jsonl:2: not a row"),
        ((ROW, ROW), r"test\.jsonl:2: pair s1-s2 was already given on line 1"),
        (({**ROW, "tests": None},), r"test\.jsonl: no usable row; the first: s1-s2: line 1: tests is missing"),
        ((), r"test\.jsonl: no usable row$"),
    ],
)
def test_wrong_files_are_named(pie, rows: tuple, message: str) -> None:
    pie(*rows)
    with pytest.raises(UserError, match=message):
        load()


def test_unknown_names_and_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="unknown dataset 'mnii'; did you mean mini"):
        load_dataset("mnii", "test", with_tests=True)
    with pytest.raises(UserError, match="unknown split 'tset'; did you mean test"):
        load_dataset("mini", "tset", with_tests=True)
    monkeypatch.delenv("PIE_DATA_DIR", raising=False)
    with pytest.raises(UserError, match="PIE_DATA_DIR is not set"):
        load()
    monkeypatch.setenv("PIE_DATA_DIR", str(tmp_path / "missing"))
    with pytest.raises(UserError, match="is not a folder"):
        load()
    monkeypatch.setenv("PIE_DATA_DIR", str(tmp_path))
    with pytest.raises(UserError, match=r"no split 'test': .*test\.jsonl does not exist"):
        load()


def test_the_fingerprint_follows_the_content_not_the_place_or_order(pie, tmp_path: Path) -> None:
    other = {**ROW, "src_id": "s3"}
    pie(ROW, other)
    before = load().fingerprint()
    pie(other, {**ROW, "extra": 1})
    assert load().fingerprint() == before
    (tmp_path / "merged_test_cases" / "p1" / "output.1.txt").write_text("changed\n")
    assert load().fingerprint() != before


def test_mini_is_as_promised(mini: PairDataset) -> None:
    train = load_dataset("mini", "train", with_tests=True)
    assert mini.rejected == train.rejected == ()
    assert len(mini.pairs) >= 10
    assert len({pair.problem_id for pair in mini.pairs}) >= 8
    assert len(train.pairs) >= 40
    assert len({pair.problem_id for pair in train.pairs}) >= 20
    assert not {pair.problem_id for pair in mini.pairs} & {pair.problem_id for pair in train.pairs}
    for dataset in (mini, train):
        assert {pair.kind for pair in dataset.pairs} == {"algorithm", "input_output", "data_structure", "other"}
        assert all(len(pair.tests) >= 8 for pair in dataset.pairs)
        assert all("main" in pair.src_code and pair.src_code != pair.tgt_code for pair in dataset.pairs)


@pytest.mark.pie_data
@pytest.mark.skipif(not os.environ.get("PIE_DATA_DIR"), reason="PIE_DATA_DIR is not set")
def test_the_published_files() -> None:
    dataset = load()
    assert dataset.rejected == ()
    assert dataset.rows.features == load_dataset("mini", "test", with_tests=True).rows.features
    for pair in dataset.pairs:
        assert pair.src_seconds is not None
        assert pair.tgt_seconds is not None
        assert set(pair.src_seconds) == set(pair.tests)
