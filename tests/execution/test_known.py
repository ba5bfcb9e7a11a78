"""A program is judged once, and nothing else is mistaken for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pie_bench.data.pair import TestCase
from pie_bench.execution import executor as module
from pie_bench.execution.executor import Executor
from pie_bench.execution.known import key_of
from pie_bench.run.verdict import Candidate, Reading, Verdict

DOUBLE = '#include <cstdio>\nint main() { int n; if (scanf("%d", &n) == 1) printf("%d\\n", 2 * n); }'
TESTS = [TestCase("a", b"2\n", b"4\n"), TestCase("b", b"5\n", b"10\n")]
OURS = Candidate("p-q", "candidate", 0, DOUBLE, src_code="int main() {}", problem_id="p1", reading=Reading("bare"))


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[Candidate]:
    """What is judged, as it is."""
    seen: list[Candidate] = []
    judge = module.judge

    def noted(subject, workshop):
        seen.append(subject.candidate)
        return judge(subject, workshop)

    monkeypatch.setattr(module, "judge", noted)
    return seen


def test_a_known_program_is_not_judged_again(executor: Executor, judged: list[Candidate]) -> None:
    first = executor.execute(OURS, TESTS)
    assert first.outcome == "ok"
    assert executor.execute(OURS, TESTS) == first
    elsewhere = replace(OURS, pair_id="r-s", sample_index=5, reading=Reading("fenced"))
    expected = replace(first, pair_id="r-s", sample_index=5, reading=Reading("fenced"))
    assert executor.execute(elsewhere, TESTS) == expected
    assert len(judged) == 1
    crashing = "#include <cstdlib>\nint main() { abort(); }"
    for wrong in (DOUBLE.replace("2 *", "3 *"), "int main() { return x; }", crashing):
        ours = replace(OURS, code=wrong)
        assert executor.execute(ours, TESTS) == executor.execute(ours, TESTS)
    assert len(judged) == 4


def test_what_may_turn_out_differently_is_judged_again(executor: Executor, judged: list[Candidate]) -> None:
    for candidate in (
        replace(OURS, code=None, reason="no_code"),
        replace(OURS, code="int main() { return x; }", alternatives=(DOUBLE,)),
        replace(OURS, code="int main() { for (;;) *new char[1 << 20] = 1; }"),  # out of memory
    ):
        judged.clear()
        assert executor.execute(candidate, TESTS) == executor.execute(candidate, TESTS)
        assert len(judged) == 2


def test_everything_that_decides_a_verdict_is_in_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {
        key_of(OURS, TESTS, True, "e"),
        key_of(OURS, TESTS, False, "e"),
        key_of(OURS, TESTS, True, "f"),
        key_of(OURS, TESTS[:1], True, "e"),
        key_of(OURS, TESTS[::-1], True, "e"),
        key_of(OURS, [TESTS[0], replace(TESTS[1], expected_output=b"11\n")], True, "e"),
        key_of(replace(OURS, code=DOUBLE + "\n"), TESTS, True, "e"),
        key_of(replace(OURS, code="\udc80"), TESTS, True, "e"),
        key_of(replace(OURS, code="\udc81"), TESTS, True, "e"),
        key_of(replace(OURS, src_code=""), TESTS, True, "e"),
        key_of(replace(OURS, role="source"), TESTS, True, "e"),
        key_of(replace(OURS, problem_id="p2"), TESTS, True, "e"),
    }
    assert len(keys) == 12
    monkeypatch.setattr("pie_bench.execution.known.judging_sha256", lambda: "another version's")
    assert key_of(OURS, TESTS, True, "e") not in keys


def test_it_is_kept_and_damaged_records_are_judged_again(
    executor: Executor, judged: list[Candidate], tmp_path: Path
) -> None:
    store = executor._workshop.store
    key = key_of(OURS, TESTS, True, executor.environment.environment_id)
    first = executor.execute(OURS, TESTS)
    assert store.get_verdict(key) == first
    with store._connection:
        store._connection.execute("UPDATE verdict SET record = '{}'")
    assert store.get_verdict(key) is None
    assert executor.execute(OURS, TESTS) == first
    assert len(judged) == 2
    assert isinstance(store.get_verdict(key), Verdict)
