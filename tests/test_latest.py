"""What is kept for a long time does not grow."""

from hypothesis import given
from hypothesis import strategies as st

from pie_bench.latest import Latest


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60)), max_size=40))
def test_no_more_is_kept_than_fits(given: list[tuple[int, int]]) -> None:
    kept = Latest[str, bytes](100, len)
    for key, size in given:
        kept.put(str(key), b"x" * size)
        assert kept.get(str(key)) == b"x" * size
        assert sum(map(len, kept._values.values())) == kept._size <= 100


def test_the_least_recently_used_goes_first() -> None:
    kept = Latest[str, int](2)
    kept.put("a", 1)
    kept.put("b", 2)
    assert kept.get("a") == 1
    kept.put("c", 3)
    assert ["a" in kept, "b" in kept, "c" in kept] == [True, False, True]
