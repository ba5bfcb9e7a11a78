"""Where executions run: here, on this machine's cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Pool(Protocol):
    """Spreads calls over workers; the same executor code runs on every kind."""

    def map_unordered(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Results as they finish. A call starts as soon as its item is there, while `items` still produces."""
        ...


class LocalPool:
    """Threads of this process. Each only waits for a sandboxed process of its own, so threads use all cores.

    (A sandbox dies with the thread that started it: work is never handed from one thread to another.)
    """

    def __init__(self, workers: int | None = None):
        self.workers = workers or len(os.sched_getaffinity(0))

    def map_unordered(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Results as they finish. An exception in a call ends everything; calls not yet started are dropped."""
        executor = ThreadPoolExecutor(self.workers, thread_name_prefix="pie-bench")
        pending: set[Future[R]] = set()
        try:
            for item in items:
                pending.add(executor.submit(function, item))
                done = {future for future in pending if future.done()}
                pending -= done
                for future in done:
                    yield future.result()
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
