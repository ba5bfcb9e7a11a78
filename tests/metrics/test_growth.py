"""Exponents of growth and rank correlation, by hand and by what must always hold."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pie_bench.metrics.growth import fitted, rank_correlation


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 2.5])
def test_powers_are_found_exactly(exponent: float) -> None:
    fit = fitted([(size, 3e-6 * size**exponent) for size in (10, 20, 40, 80, 160)])
    assert fit is not None and fit.exponent == pytest.approx(exponent, abs=1e-6)
    assert fit.low == pytest.approx(fit.high, abs=1e-5)


def test_a_bad_fit_has_a_wide_interval() -> None:
    fit = fitted([(10, 1.0), (20, 1.0), (40, 1.0), (80, 9.0), (160, 9.0)])
    assert fit is not None and fit.low < 0.6 < fit.exponent < fit.high


@pytest.mark.parametrize("points", [[], [(1, 1.0), (2, 2.0)], [(1, 1.0), (1, 2.0), (2, 2.0)], [(1, 0.0)] * 5])
def test_too_few_sizes_have_no_fit(points: list[tuple[int, float]]) -> None:
    assert fitted(points) is None


def test_ranks_by_hand() -> None:
    assert rank_correlation([1, 2, 3, 4], [10, 20, 30, 40]) == 1.0
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == -1.0
    assert rank_correlation([1, 1, 2], [1, 2, 3]) == pytest.approx(math.sqrt(3) / 2, abs=1e-6)
    assert rank_correlation([1, 1, 1], [1, 2, 3]) is None and rank_correlation([1, 2], [1, 2]) is None
    with pytest.raises(ValueError, match="not the same number"):
        rank_correlation([1], [])


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=3, max_size=30))
def test_ranks_are_scipys(values: list[tuple[int, int]]) -> None:
    from scipy.stats import spearmanr

    first, second = [[float(each[side]) for each in values] for side in (0, 1)]
    found = rank_correlation(first, second)
    if len(set(first)) > 1 and len(set(second)) > 1:
        assert found == pytest.approx(spearmanr(first, second).statistic, abs=1e-5)
    else:
        assert found is None
