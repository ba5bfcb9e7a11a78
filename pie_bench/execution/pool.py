"""Where jobs run: here, on this machine's cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")
JOBS_PER_WORKER = 2  # in flight, unless a caller asks for more: one that runs, one that waits for it to end


class Pool(Protocol):
    """Spreads calls over workers; the same code runs on every kind.

    For one that leaves this process, function and items must pickle, as `Executor` and `Job` do.
    """

    def map_unordered(
        self, function: Callable[[T], R], items: Iterable[T], *, in_flight: int | None = None
    ) -> Iterator[R]:
        """Results as they finish, a call for each item.

        `items` is asked for the next one, in the caller's thread, only while fewer than `in_flight` calls are
        unfinished (default: two a worker): what produces them never runs far ahead. Give more where `items` goes over
        from what is there already to what is slow to arrive (answers of a model), and should begin with that at once.

        An exception in a call is raised here as soon as the next item or result is there, and no further call starts.
        So it is when the iterator is closed: calls that have not started never do.
        """
        ...


class LocalPool:
    """Threads of this process. Each only waits for a sandboxed process of its own, so threads use all cores.

    (A sandbox dies with the thread that started it: work is never handed from one thread to another.)
    """

    def __init__(self, workers: int | None = None):
        self.workers = workers or len(os.sched_getaffinity(0))

    def map_unordered(
        self, function: Callable[[T], R], items: Iterable[T], *, in_flight: int | None = None
    ) -> Iterator[R]:
        most = max(1, in_flight or JOBS_PER_WORKER * self.workers)
        executor = ThreadPoolExecutor(self.workers, thread_name_prefix="pie-bench")
        finished: SimpleQueue[Future[R]] = SimpleQueue()
        running = 0
        try:
            for item in items:
                executor.submit(function, item).add_done_callback(finished.put)
                running += 1
                while running >= most or not finished.empty():
                    result = finished.get().result()
                    running -= 1
                    yield result
            while running:
                result = finished.get().result()
                running -= 1
                yield result
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
