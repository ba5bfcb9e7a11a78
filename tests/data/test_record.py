"""What holds for every row: ids depend on the content alone, and tests in rows arrive byte for byte."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pie_bench.data.record import parse, parse_tests
from pie_bench.data.spec import load_spec

COLUMNS = load_spec("mini").columns
TEXT = st.text(st.characters(exclude_categories=("Cs",)))  # all but lone surrogates
CODE = TEXT.filter(str.strip)
TESTS = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5, unique_by=lambda test: test[0])


def row(src_code: str, tgt_code: str, tests: list[tuple[str, str]], **more: Any) -> dict[str, Any]:
    inline = [{"input": given, "output": expected} for given, expected in tests]
    return {"src_code": src_code, "tgt_code": tgt_code, "tests": inline, **more}


@given(TESTS)
def test_tests_in_rows_arrive_as_they_are(tests: list[tuple[str, str]]) -> None:
    wanted = [(given.encode(), expected.encode()) for given, expected in tests]
    dictionaries = [{"stdin": given, "expected": expected} for given, expected in tests]
    lists = {"inputs": [given for given, _ in tests], "outputs": [expected for _, expected in tests]}
    for form in (dictionaries, lists, [list(test) for test in tests], json.dumps(dictionaries), json.dumps(lists)):
        ids, inline = parse_tests(json.loads(json.dumps(form)))
        assert inline is not None
        assert [(test.input, test.expected_output) for test in inline] == wanted
        assert ids == tuple(str(number) for number in range(len(tests)))


@given(CODE, CODE, TESTS, st.randoms(use_true_random=False))
def test_ids_follow_the_content(src_code: str, tgt_code: str, tests: list[tuple[str, str]], random: Any) -> None:
    first = row(src_code, tgt_code, tests)
    shuffled = list(row(src_code, tgt_code, random.sample(tests, len(tests)), rationale="x", other=1).items())
    random.shuffle(shuffled)
    record, other = parse(first, COLUMNS, None), parse(dict(shuffled), COLUMNS, None)
    assert (record.pair_id, record.problem_id) == (other.pair_id, other.problem_id)
    unread = parse(first, COLUMNS, None, "ignored")
    assert (record.pair_id, record.problem_id) == (unread.pair_id, unread.problem_id), "as when tests are not wanted"
    assert record.pair_id.isprintable()


@given(CODE, CODE, CODE, TESTS, TESTS)
def test_different_content_has_different_ids(
    one: str, other: str, tgt_code: str, tests: list[tuple[str, str]], other_tests: list[tuple[str, str]]
) -> None:
    first, second = (
        parse(row(one, tgt_code, tests), COLUMNS, None),
        parse(row(other, tgt_code, other_tests), COLUMNS, None),
    )
    assert (first.pair_id == second.pair_id) == (one == other)
    assert (first.problem_id == second.problem_id) == (sorted(tests) == sorted(other_tests))


def test_ids_stay_what_they_are() -> None:
    """Results name pairs by these ids: a change here would turn old runs into runs of another dataset."""
    record = parse(row("int main(){}", "int main(){;}", [("1", "2")]), COLUMNS, None)
    assert record.pair_id == "7febc7bf845d25c8-a8e75f138ce8acc1"
    assert record.problem_id == "2ba1e093386e3abd"


def test_tags_are_1_to_10_whatever_the_published_files_call_them() -> None:
    for name in ("target_reward_pct_bin", "target_reward_updated_pct_bin"):
        assert parse(row("a", "b", [], **{name: 10}), COLUMNS, None, "ignored").tag == 10
        assert parse(row("a", "b", [], **{name: 3.0}), COLUMNS, None, "ignored").tag == 3
        for wrong in (0, 11, 2.5, "7", True, None, float("nan")):
            assert parse(row("a", "b", [], **{name: wrong}), COLUMNS, None, "ignored").tag is None
