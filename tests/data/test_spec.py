"""Where rows come from and what their columns are called: files, a Hub dataset, a user's YAML file."""

import json
import os
from pathlib import Path

import pytest

from pie_bench.data.load import load_dataset
from pie_bench.data.spec import load_spec
from pie_bench.errors import UserError

FIRST = {"problem_id": "p1", "src_id": "s1", "tgt_id": "s2", "src_code": "int main(){}", "tgt_code": "int main(){ }"}
SECOND = {
    "problem_id": "p1",
    "submission_id_v0": "s1",
    "submission_id_v1": "s2",
    "input": "int main(){}",
    "target": "int main(){ }",
    "src_code_runtime": 2.0,
    "tgt_agg_runtime": 0.5,
}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a split in each of the published sets of columns, as PIE_DATA_DIR."""
    (tmp_path / "train.jsonl").write_text(json.dumps(FIRST) + "\n")
    (tmp_path / "val.jsonl").write_text(json.dumps(SECOND) + "\n")
    tests = tmp_path / "merged_test_cases" / "p1"
    tests.mkdir(parents=True)
    for kind in ("input", "output"):
        (tests / f"{kind}.0.txt").write_text(f"{kind}\n")
    monkeypatch.setenv("PIE_DATA_DIR", str(tmp_path))
    return tmp_path


def test_both_published_sets_of_columns_are_read(data: Path) -> None:
    (first,) = load_dataset("pie", "train", with_tests=False).pairs
    (second,) = load_dataset("pie", "val", with_tests=False).pairs
    assert (first.pair_id, first.src_code, first.tgt_code) == (second.pair_id, second.src_code, second.tgt_code)
    assert second.src_seconds == {"all": 2.0}
    assert second.tgt_seconds == {"all": 0.5}
    assert first.src_seconds is None


def test_a_users_yaml_maps_other_names(data: Path) -> None:
    row = {"task": "p1", "slow_id": "a", "fast_id": "b", "slow": "int main(){}", "fast": "int main(){ }", "t": [0]}
    (data / "held_out.jsonl").write_text(json.dumps(row) + "\n")
    (data / "mine.yaml").write_text(
        "include: pie.yaml\ndataset: mine\nsource: .\nsplits: {test: [held_out]}\n"
        "columns: {problem_id: [task], src_id: [slow_id], tgt_id: [fast_id], src_code: [slow], tgt_code: [fast], "
        "tests: [t]}\n"
    )
    dataset = load_dataset(str(data / "mine.yaml"), "test", with_tests=True)
    (pair,) = dataset.pairs
    assert (dataset.name, pair.pair_id, pair.tests) == ("mine", "a-b", ("0",))
    assert dataset.tests(pair)[0].expected_output == b"output\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("columns: {src_cod: [x]}", r"mine\.yaml:2: columns: unknown key 'src_cod'; did you mean src_code"),
        ("columns: {src_code: []}", r"mine\.yaml:2: columns: src_code is missing"),
        ("splits: {tset: [x]}", r"mine\.yaml:2: splits: unknown key 'tset'; did you mean test"),
        ("sources: x", r"mine\.yaml:2: sources: unknown key 'sources'; did you mean source"),
    ],
)
def test_a_wrong_yaml_says_where(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.yaml").write_text(f"include: pie.yaml\n{text}\n")
    with pytest.raises(UserError, match=message):
        load_spec(str(tmp_path / "mine.yaml"))


def test_invalid_names(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"unknown dataset 'mnii'; did you mean mini\? \(also: hf:OWNER/NAME"):
        load_spec("mnii")
    with pytest.raises(UserError, match="no such file"):
        load_spec(str(tmp_path / "no.yaml"))


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_hub_dataset(data: Path, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that `datasets` accepts, here a folder: the same columns, the Hub's split names, tests from files."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hf"))
    folder = data / "hub"
    folder.mkdir()
    rows = [FIRST | {"tests": ["0"], "src_code_tc2time": {"0": 0.5}, "tgt_code_tc2time": {"0": None}}]
    for split in ("test", "validation"):
        made = datasets.Dataset.from_list(rows)
        if form == "parquet":
            made.to_parquet(str(folder / f"{split}.parquet"))
        else:
            (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    dataset = load_dataset(f"hf:{folder}", "test", with_tests=True)
    (pair,) = dataset.pairs
    assert (pair.pair_id, pair.src_seconds, pair.tgt_seconds) == ("s1-s2", {"0": 0.5}, None)
    assert dataset.tests(pair)[0].input == b"input\n"
    assert len(load_dataset(f"hf:{folder}", "val", with_tests=False).pairs) == 1
    with pytest.raises(UserError, match="no split 'train'; it has test, validation"):
        load_dataset(f"hf:{folder}", "train", with_tests=False)


def test_a_missing_hub_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match=r"dataset hf:/no/such/folder: cannot be loaded"):
        load_dataset("hf:/no/such/folder", "train", with_tests=False)


@pytest.mark.pie_data
@pytest.mark.skipif(not os.environ.get("PIE_DATA_DIR"), reason="PIE_DATA_DIR is not set")
def test_the_published_validation_rows() -> None:
    dataset = load_dataset("pie", "val", with_tests=False)
    assert dataset.rejected == ()
    assert all(pair.tgt_seconds is not None for pair in dataset.pairs)
