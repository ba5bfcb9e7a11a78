"""Answers in the format of the paper's authors: every row finds its pair, and rows without one are named."""

import json
from pathlib import Path

import pytest

from pie_bench.cli.main import main
from pie_bench.data.load import PairDataset
from pie_bench.errors import UserError
from pie_bench.models.published_answers import imported
from pie_bench.run.files import read_jsonl


def write(path: Path, *rows: dict) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def ids(pair_id: str) -> dict[str, str]:
    return dict(zip(("src_id", "tgt_id"), pair_id.split("-", 1), strict=True))


def test_every_form_finds_its_pair(mini: PairDataset, tmp_path: Path) -> None:
    a, b, c, d = mini.pairs[:4]
    path = write(
        tmp_path / "gen.jsonl",
        ids(a.pair_id) | {"generated_answers": ["one", "two"]},
        {"src_code": b.src_code + "\n", "tgt_code": b.tgt_code, "generated_answers": "only"},
        ids(c.pair_id) | {"generated_answers": str(["x\n'", 'y"'])},
        ids(d.pair_id) | {"generated_answers_1": "second", "generated_answers_0": "first", "generated_answers_x": 1},
    )
    found = [(r["pair_id"], r["sample_index"], r["text"]) for r in imported(path, mini)]
    assert found == [
        (a.pair_id, 0, "one"),
        (a.pair_id, 1, "two"),
        (b.pair_id, 0, "only"),
        (c.pair_id, 0, "x\n'"),
        (c.pair_id, 1, 'y"'),
        (d.pair_id, 0, "first"),
        (d.pair_id, 1, "second"),
    ]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"src_id": "x", "tgt_id": "y", "generated_answers": ["a"]}, r":1: matches no pair of mini/test; is that"),
        ({"generated_answers": []}, r":1: generated_answers: expected a program or a list"),
        ({"generated_answers": "[1, open('x')]"}, r":1: generated_answers: looks like a list but cannot be parsed"),
        ({"generated": ["a"]}, r":1: generated_answers: expected .* it has generated, src_id, tgt_id"),
    ],
)
def test_what_cannot_be_imported_is_named(row: dict, said: str, mini: PairDataset, tmp_path: Path) -> None:
    row = ids(mini.pairs[0].pair_id) | row
    with pytest.raises(UserError, match=said):
        list(imported(write(tmp_path / "gen.jsonl", row), mini))


def test_the_verb_writes_answers_that_replay_takes(cache: Path, mini: PairDataset, tmp_path: Path, capsys) -> None:
    rows = [ids(pair.pair_id) | {"generated_answers": [pair.tgt_code, "no"]} for pair in mini.pairs]
    path = write(tmp_path / "gen.jsonl", *rows)
    assert main(["import-answers", str(path), "--dataset", "mini"]) == 0
    assert "20 answers to 10 of 10 pairs" in capsys.readouterr().out
    answers = tmp_path / "gen.answers.jsonl"
    assert len(read_jsonl(answers)) == 20
    options = ["--task", "pie_instruct", "--model", f"replay:{answers}", "--dataset", "mini", "--limit", "1"]
    assert main(["generate", *options, "--samples", "2", "--run-dir", str(tmp_path / "run")]) == 0
