"""The local pool, and what running jobs elsewhere requires."""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from pie_bench.data.pair import TestCase
from pie_bench.execution.executor import Executor, Job
from pie_bench.execution.pool import LocalPool
from pie_bench.run.verdict import Candidate

DOUBLE = '#include <cstdio>\nint main(){ int n; scanf("%d", &n); printf("%d\\n", 2 * n); }'


def test_calls_start_while_items_are_still_produced() -> None:
    first_done = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        assert first_done.wait(timeout=30), "the first call waits for the second item"
        yield 2

    def call(item: int) -> int:
        first_done.set()
        return item * 10

    assert sorted(LocalPool(2).map_unordered(call, items())) == [10, 20]


def test_a_failure_ends_everything() -> None:
    called = []

    def call(item: int) -> int:
        called.append(item)
        if item == 3:
            raise ValueError("three")
        return item

    with pytest.raises(ValueError, match="three"):
        list(LocalPool(1).map_unordered(call, range(1000)))
    assert max(called) <= 3 + 2, "those in flight at most"


def test_a_failure_is_raised_while_the_next_item_is_still_waited_for() -> None:
    waiting, arrived, closed = threading.Event(), threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        try:
            yield 1
            waiting.set()
            assert arrived.wait(timeout=10)
            yield 2
            raise AssertionError("asked for more after the failure")
        finally:
            closed.set()

    def call(item: int) -> int:
        assert waiting.wait(timeout=10)
        raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 1"):
        list(LocalPool(1).map_unordered(call, items()))
    arrived.set()
    assert closed.wait(timeout=30), "what produces items is closed as soon as it comes back"


def test_a_failure_of_what_produces_items_is_raised() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("no second item")

    results = LocalPool(1).map_unordered(str, items())
    with pytest.raises(ValueError, match="no second item"):
        list(results)


def test_as_many_workers_as_this_process_may_use_cores() -> None:
    allowed = os.sched_getaffinity(0)
    assert LocalPool().workers == len(allowed)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert LocalPool().workers == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert list(LocalPool(3).map_unordered(str, [])) == []


@pytest.mark.parametrize(("in_flight", "most"), [(None, 2 * 3), (10, 10)])
def test_items_are_not_produced_far_ahead_of_the_work(in_flight: int | None, most: int) -> None:
    lock = threading.Lock()
    produced = finished = ahead = 0

    def items() -> Iterator[int]:
        nonlocal produced, ahead
        for item in range(200):
            with lock:
                produced += 1
                ahead = max(ahead, produced - finished)
            yield item

    def call(item: int) -> int:
        return item

    for _ in LocalPool(3).map_unordered(call, items(), in_flight=in_flight):
        with lock:
            finished += 1
    assert produced == finished == 200
    assert ahead <= most


def test_closing_the_iterator_cancels_what_has_not_started() -> None:
    go_on, called = threading.Event(), []

    def call(item: int) -> int:
        called.append(item)
        assert item == 0 or go_on.wait(timeout=30)
        return item

    results = LocalPool(1).map_unordered(call, range(100), in_flight=50)
    assert next(results) == 0
    results.close()
    go_on.set()
    time.sleep(0.1)
    assert len(called) <= 2, "the one that ran and, perhaps, the next"


@pytest.mark.parametrize("in_flight", [None, 20_000])
def test_ten_thousand_jobs_cost_less_than_a_second_of_cpu_time(in_flight: int | None) -> None:
    def cpu_seconds(jobs: int) -> float:
        began = time.process_time()
        assert sum(1 for _ in LocalPool(2).map_unordered(abs, range(jobs), in_flight=in_flight)) == jobs
        return time.process_time() - began

    cpu_seconds(100)
    assert min(cpu_seconds(10_000) for _ in range(3)) < 1.0


def test_another_process_judges_a_job(executor: Executor) -> None:
    tests = (TestCase("0", b"2\n", b"4\n"), TestCase("1", b"5\n", b"10\n"))
    jobs = [Job(Candidate("p", "candidate", index, code), tests) for index, code in enumerate((DOUBLE, "int main(){}"))]
    here = [executor(job) for job in jobs]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        there = list(pool.map(executor, jobs))
    assert there == here
    assert [verdict.outcome for verdict in there] == ["ok", "wrong_output"]
