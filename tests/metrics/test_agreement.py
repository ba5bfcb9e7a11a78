"""How far two rulers agree."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from pie_bench.metrics.agreement import Compared, agreement

speedups = st.floats(min_value=0.01, max_value=100, allow_nan=False)


def compared(*pairs: tuple[float, float]) -> list[Compared]:
    return [Compared(f"pair{i}", "target", one, other) for i, (one, other) in enumerate(pairs)]


def test_by_hand() -> None:
    found = agreement(compared((1.05, 1.2), (2.0, 2.0), (3.0, 4.0), (1.0, 1.0)))
    assert found.programs == 4
    assert found.same_verdict == 3
    assert [one.pair_id for one in found.disagreements] == ["pair0"]
    assert found.rank_correlation == pytest.approx(1.0)
    assert found.median_error == pytest.approx(0.125 / 2)
    assert found.worst_error == pytest.approx(0.25)


def test_fewer_than_two_values_have_no_correlation() -> None:
    assert math.isnan(agreement([]).median_error)
    assert math.isnan(agreement(compared((1.0, 2.0))).rank_correlation)


@given(st.lists(st.tuples(speedups, speedups), min_size=2, max_size=30))
def test_rank_correlation_is_spearmans(pairs: list[tuple[float, float]]) -> None:
    found = agreement(compared(*pairs)).rank_correlation
    one, other = zip(*pairs, strict=True)
    if len(set(one)) == 1 or len(set(other)) == 1:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(spearmanr(one, other).statistic, abs=1e-9)
