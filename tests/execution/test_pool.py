"""The local pool."""

import threading

import pytest

from pie_bench.execution.pool import LocalPool


def test_calls_start_while_items_are_still_produced() -> None:
    first_done = threading.Event()

    def items():
        yield 1
        assert first_done.wait(timeout=30), "the first call waits for the second item"
        yield 2

    def call(item: int) -> int:
        first_done.set()
        return item * 10

    assert sorted(LocalPool(2).map_unordered(call, items())) == [10, 20]


def test_a_failure_ends_everything() -> None:
    def call(item: int) -> int:
        if item == 3:
            raise ValueError("three")
        return item

    with pytest.raises(ValueError, match="three"):
        list(LocalPool(1).map_unordered(call, range(1000)))


def test_as_many_workers_as_cores() -> None:
    assert LocalPool().workers >= 1
    assert list(LocalPool(3).map_unordered(str, [])) == []
