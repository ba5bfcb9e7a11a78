"""The pure parts of the analyses."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pie_bench.metrics.analyses import (
    ERROR_CLASSES,
    TimedProgram,
    correlation,
    duplicates,
    error_class,
    share_wrong,
    shrunk_constants,
)


@pytest.mark.parametrize(
    ("outcome", "tests_wrong", "speedup", "expected"),
    [
        ("compile_error", None, None, "compile"),
        ("compile_timeout", None, None, "compile"),
        ("no_code", None, None, "no_program"),
        ("truncated", None, None, "no_program"),
        ("wrong_output", 1.0, None, "wrong_95"),
        ("wrong_output", 0.951, None, "wrong_95"),
        ("wrong_output", 0.95, None, "wrong_75"),
        ("wrong_output", 0.75, None, "wrong_25"),
        ("runtime_error", 0.25, None, "wrong_0"),
        ("forbidden", None, None, "wrong_95"),
        ("ok", 0.0, 0.98, "slower"),
        ("ok", 0.0, 0.991, "same"),
        ("ok", 0.0, 1.0, "same"),
        ("ok", 0.0, 1.02, "faster"),
        ("ok", 0.0, 1.1, "optimized"),
        ("infra_error", None, None, None),
    ],
)
def test_classes_of_answers(outcome: str, tests_wrong: float, speedup: float, expected: str) -> None:
    assert error_class(outcome, tests_wrong, speedup) == expected
    assert expected is None or expected in ERROR_CLASSES


def test_share_of_tests_wrong() -> None:
    assert share_wrong([]) is None
    assert share_wrong(["ok", "wrong_output", "runtime_error", "ok"]) == 0.5


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=3, max_size=40))
def test_correlations_are_scipys(points: list[tuple[float, float]]) -> None:
    from scipy import stats

    x, y = (np.round(np.array(values), 3) for values in zip(*points, strict=True))
    found = correlation(x, y, np.arange(len(x)), resamples=10)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert math.isnan(found.pearson)
        return
    assert found.pearson == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-7)
    assert found.spearman == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-7)


def test_a_correlation_has_an_interval_once_there_are_problems_enough() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=300)
    y = 0.6 * x + 0.8 * generator.normal(size=300)
    found = correlation(x, y, np.repeat(np.arange(30), 10))
    assert found.pearson_low < 0.6 < found.pearson_high
    assert found.pearson_high - found.pearson_low < 0.4
    assert math.isnan(correlation(x[:9], y[:9], np.arange(9)).pearson_low)


@pytest.mark.parametrize(
    ("source", "answer", "expected"),
    [
        ("#define N 100005\nint a[N];", "#define N 1005\nint a[N];", [("N", 100005, 1005), ("a[]", 100005, 1005)]),
        ("const int MAX = 1e6 + 10;", "constexpr int MAX = 1000;", [("MAX", 1000010, 1000)]),
        ("int dp[1 << 20];", "int dp[1<<10];", [("dp[]", 1 << 20, 1 << 10)]),
        ("int g[505][505];", "int g[505][100];", [("g[]", 505 * 505, 50500)]),
        ("const int N = 100'000, M = 2 * 10;", "const int N = 100'000;", []),
        ("int a[100005];", "int a[200005];", []),
        ("int a[100005];", "std::vector<int> a(n);", []),
        ("int a[10];", "int a[5];", []),
        ("// int a[100005];", "int a[70];", []),
        ("int a[f(100005)]; const int N = x ? 1 : 2;", "int a[((((]; const int N = ", []),
    ],
)
def test_constants_made_smaller(source: str, answer: str, expected: list[tuple[str, float, float]]) -> None:
    assert [(each.name, each.before, each.after) for each in shrunk_constants(source, answer)] == expected


@settings(max_examples=30)
@given(st.text(), st.text())
def test_any_text_can_be_searched_for_constants(source: str, answer: str) -> None:
    assert shrunk_constants(source, source) == []
    shrunk_constants(source, answer)


def test_a_constant_that_would_take_forever_is_ignored() -> None:
    assert shrunk_constants("const int N = 1 << 1000000000;", "const int N = 70;") == []


def test_the_same_code_with_different_times() -> None:
    def program(where: str, code: str, seconds: float, problem: str = "p1", tests: str = "01") -> TimedProgram:
        return TimedProgram(where, problem, code, tuple(tests), seconds)

    found = duplicates(
        [
            program("a", "int main() { return 0; }", 1.0),
            program("b", "int main(){\n  return 0; // twice\n}", 1.5),
            program("c", "int main() { return 0; }", 1.0, tests="0"),
            program("d", "int main() { return 0; }", 1.0, problem="p2"),
            program("e", "int main() { return 1; }", 2.0),
            program("f", "int main() { return 1; }", 2.0),
        ]
    )
    assert [(group.programs, group.ratio) for group in found] == [(("a", "b"), 1.5), (("e", "f"), 1.0)]
