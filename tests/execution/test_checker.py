"""The comparators that are functions; test_comparing.py covers those that are programs."""

import os
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pie_bench.data.load import load_dataset
from pie_bench.errors import UserError
from pie_bench.execution.checker import (
    checker_sources,
    paper_comparator,
    same_output,
    standard_comparator,
    strict_comparator,
)


@pytest.mark.parametrize(
    ("output", "expected", "paper", "strict"),
    [
        ("1 2\n3", "1 2\n3\n", True, True),
        ("1 2\n3\nmore\n", "1 2\n3\n", True, False),  # PIE's ignores further lines
        ("1 2", "1 2\n3\n", False, False),
        ("0.3334", "0.3333", True, False),
        ("0.335", "0.333", False, False),
        ("1 0.3334", "1 0.3333", False, False),  # only a whole line can be a number
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


@pytest.mark.parametrize(
    ("output", "expected", "paper", "standard"),
    [
        ("100000000000000001", "100000000000000000", True, False),
        ("1" * 5000, "1" * 4999 + "2", False, False),
        ("1" * 5000, "0" + "1" * 5000, False, True),
        ("-0", "0", True, True),
        ("+7", "007", True, True),
        ("9007199254740993.0", "9007199254740992", True, False),
        ("0.3334", "0.3333", True, True),
        ("1.001", "1", True, True),  # as floats they are less than 1e-3 apart
        ("1e3", "1000", True, True),
        ("1_000", "1000", True, False),
        ("١٢", "12", True, False),
        (" 5 \n", "5", True, True),
        ("inf", "Infinity", False, False),
        ("nan", "nan", True, True),
        ("1\n2\nmore", "1\n2", True, True),
        ("1", "1\n2", False, False),
        ("garbage", "", True, False),
        ("garbage", " \n", True, False),
        ("\n", "", True, True),
        ("", "", True, True),
        ("1e400", "1e401", False, False),
        ("1e400", "1e400", True, True),
        ("1e400", "inf", False, False),
        ("1e999999999", "1", False, False),
        ("1e-400", "0", True, True),
        ("NaN", "nan", False, False),
        ("nan", "1", False, False),
        ("-0.0", "0", True, True),
        ("0x1p3", "8", False, False),
        ("٣", "3", True, False),
        ("５", "5", True, False),
        ("5\r\n6\r\n", "5\n6\n", True, True),
        ("5\x00", "5", False, False),
        ("5\n\x00", "5", True, True),  # a further line
        ("\x00", "", True, False),
        ("-" + "9" * 30, "-" + "9" * 29 + "8", True, False),
        ("9007199254740993", "9007199254740992", True, False),
        ("007", "7", True, True),
        ("+5", "5", True, True),
        ("5.", "5", True, True),
        (".5", "0.5", True, True),
    ],
)
def test_where_the_standard_comparator_differs_from_the_papers(
    output: str, expected: str, paper: bool, standard: bool
) -> None:
    assert paper_comparator(output, expected) is paper
    assert standard_comparator(output, expected) is standard


@pytest.mark.parametrize(("name", "same"), [("paper", True), ("standard", False), ("strict", False)])
def test_invalid_text_equals_only_itself(name: str, same: bool) -> None:
    assert same_output(name, b"a\xff", b"a\xfe") is same
    assert same_output(name, b"a\xff", b"a\xff")


_NUMBERS = st.one_of(
    st.integers(-(2**52), 2**52).map(str), st.floats(-1e9, 1e9).map(repr), st.text("ab1 .\n", max_size=6), st.just("")
)


@given(st.lists(_NUMBERS, max_size=4).map("\n".join), st.lists(_NUMBERS, min_size=1, max_size=4).map("\n".join))
def test_on_numbers_that_floats_hold_the_standard_comparator_is_the_papers(output: str, expected: str) -> None:
    if expected.strip():
        assert standard_comparator(output, expected) is paper_comparator(output, expected)


def test_a_checkers_headers_are_put_in_once(tmp_path: Path) -> None:
    (tmp_path / "testlib.h").write_text("int shared;\n")
    (tmp_path / "p1.cpp").write_text('#include "testlib.h"\n#include "testlib.h"\n#include "absent.h"\nint main() {}\n')
    sources = checker_sources(f"checker:{tmp_path}")
    assert list(sources) == ["p1"]
    assert sources["p1"].count("int shared;") == 1
    assert '#include "absent.h"' in sources["p1"]


def test_a_folder_without_checkers_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="contains no checker"):
        checker_sources(f"checker:{tmp_path}")
    with pytest.raises(UserError, match=r"nothing\.cpp: cannot be read"):
        checker_sources(f"checker:{tmp_path}/nothing.cpp")


@pytest.mark.parametrize("dataset", ["mini", "pie"])
def test_on_the_datasets_tests_the_standard_comparator_is_the_papers(
    dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = Path(__file__).parents[3] / "shared" / "pie"
    if dataset == "pie" and "PIE_DATA_DIR" not in os.environ:
        if not shared.is_dir():
            pytest.skip("PIE_DATA_DIR is not set")
        monkeypatch.setenv("PIE_DATA_DIR", str(shared))
    loaded = load_dataset(dataset, "test")
    expected: defaultdict[str, set[bytes]] = defaultdict(set)
    for pair in loaded.pairs:
        expected[pair.problem_id].update(test.expected_output for test in loaded.tests(pair))
    compared = 0
    for outputs in expected.values():
        # Each test's output as the answer to every other of its problem, whole and with something changed.
        for wanted in outputs:
            for output in {
                *outputs,
                wanted + b"more\n",
                wanted[: len(wanted) // 2],
                b"",
                wanted.replace(b"1", b"1.0001"),
            }:
                assert same_output("standard", output, wanted) is same_output("paper", output, wanted), (output, wanted)
                compared += 1
    assert compared > 100
