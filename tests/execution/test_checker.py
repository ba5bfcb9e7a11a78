"""The two comparators."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pie_bench.execution.checker import paper_comparator, strict_comparator


@pytest.mark.parametrize(
    ("output", "expected", "paper", "strict"),
    [
        ("1 2\n3", "1 2\n3\n", True, True),
        ("1 2\n3\nmore\n", "1 2\n3\n", True, False),  # PIE's ignores further lines
        ("1 2", "1 2\n3\n", False, False),
        ("0.3334", "0.3333", True, False),
        ("0.335", "0.333", False, False),
        ("1 0.3334", "1 0.3333", False, False),  # only a whole line is taken for a number
        ("1  2", "1 2", False, True),  # whitespace inside a line counts for PIE's
        ("1\n2", "1 2", False, True),
        ("nan", "1", False, False),
        ("yes", "YES", False, False),
        ("", "", True, True),
        ("anything", "", True, False),
        ("", "x", False, False),
        ("100000000000000001", "100000000000000000", True, False),  # equal as floats
    ],
)
def test_what_each_accepts(output: str, expected: str, paper: bool, strict: bool) -> None:
    assert paper_comparator(output, expected) is paper
    assert strict_comparator(output, expected) is strict


@given(st.text())
def test_every_output_equals_itself(text: str) -> None:
    assert paper_comparator(text, text)
    assert strict_comparator(text, text)


@given(st.lists(st.integers()), st.lists(st.integers()))
def test_strict_is_equality_of_tokens(a: list[int], b: list[int]) -> None:
    assert strict_comparator("\n".join(map(str, a)), " ".join(map(str, b))) is (a == b)
