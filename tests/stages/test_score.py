"""Scoring: from verdicts to results, and what a verdict records."""

from pathlib import Path

import pytest

from pie_bench.data.load import PairDataset
from pie_bench.execution.executor import Executor
from pie_bench.run import files
from pie_bench.run.files import append_jsonl, iter_jsonl, read_jsonl
from pie_bench.run.run import Run
from pie_bench.run.verdict import Candidate


def test_a_verdict_holds_the_sums_of_what_was_counted(executor: Executor, mini: PairDataset) -> None:
    pair = mini.pairs[5]
    verdict = executor.execute(Candidate(pair.pair_id, "target", 0, pair.tgt_code), mini.tests(pair)[:2])
    assert verdict.outcome == "ok"
    assert verdict.counters["instructions"] == sum(test.instructions or 0 for test in verdict.tests)
    for counters, seconds in (
        (verdict.counters, verdict.runtime_seconds),
        (verdict.startup_counters, verdict.startup_seconds),
    ):
        assert 286e-12 * counters["cycles"] == pytest.approx(seconds, rel=1e-12)
    assert 0 < verdict.startup_counters["instructions"] < verdict.counters["instructions"]
    assert verdict.from_json(verdict.to_json()) == verdict
    wrong = executor.execute(Candidate(pair.pair_id, "candidate", 0, "int main() {}"), mini.tests(pair)[:1])
    assert (wrong.counters, wrong.startup_counters) == ({}, {})


def test_verdicts_without_counters_can_be_read_and_tests_left_out(tmp_path: Path) -> None:
    directory = Run(tmp_path)
    record = {"pair_id": "a", "role": "candidate", "sample_index": 0, "environment_id": "e", "outcome": "ok"}
    append_jsonl(directory.verdicts_path, record | {"tests": [{"test_id": "0", "outcome": "ok", "seconds": 1.0}]})
    (whole,) = directory.read_verdicts().values()
    (short,) = directory.read_verdicts(with_tests=False).values()
    assert whole.counters == {}
    assert (len(whole.tests), len(short.tests)) == (1, 0)


@pytest.mark.parametrize("size", [1, 5, 1 << 20])
def test_half_a_last_line_is_cut_off_however_long(tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files._cut_half_line, "__defaults__", (size,))
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"a": 1}\n{"a": 2}\n{"a": "' + b"x" * 3000)
    assert [record["a"] for record in iter_jsonl(path)] == [1, 2]
    assert path.read_bytes() == b'{"a": 1}\n{"a": 2}\n'
    path.write_bytes(b"no newline at all")
    assert read_jsonl(path) == []
    assert path.read_bytes() == b""
