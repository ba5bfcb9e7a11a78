"""Where jobs run: here, on this machine's cores; ray_pool.py has other machines'."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
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
        self,
        function: Callable[[T], R],
        items: Iterable[T],
        *,
        lost: Callable[[T, str], R] | None = None,
        in_flight: int | None = None,
    ) -> Iterator[R]:
        """Results as they finish, a call for each item.

        `items` is asked for the next one, in a thread of its own, only while fewer than `in_flight` calls are
        unfinished (default: two a worker): what produces them never runs far ahead. Give more where `items` goes over
        from what is there already to what is slow to arrive (answers of a model), and should begin with that at once.

        An exception in a call, or in `items`, is raised here at once, also while the next item is waited for, and no
        further call starts. So it is when the iterator is closed: calls that have not started never do, and `items` is
        closed as soon as it has come back with what it was asked for last.

        `lost` gives the result for an item whose call has ended several workers, and says how; without it that is an
        error. (A call in this process can only end the process.)
        """
        ...

    def cpu_seconds(self) -> float:
        """CPU time of the processes that calls have started, so far; differences count."""
        ...


class LocalPool:
    """Threads of this process. Each only waits for a sandboxed process of its own, so threads use all cores.

    (A sandbox dies with the thread that started it: work is never handed from one thread to another.)
    """

    def __init__(self, workers: int | None = None):
        self.workers = workers or len(os.sched_getaffinity(0))

    def map_unordered(
        self,
        function: Callable[[T], R],
        items: Iterable[T],
        *,
        lost: Callable[[T, str], R] | None = None,
        in_flight: int | None = None,
    ) -> Iterator[R]:
        executor = ThreadPoolExecutor(self.workers, thread_name_prefix="pie-bench")
        try:
            yield from as_they_finish(
                lambda item: executor.submit(function, item), items, in_flight or JOBS_PER_WORKER * self.workers
            )
        finally:
            executor.shutdown(wait=False, cancel_futures=True)

    def cpu_seconds(self) -> float:
        return cpu_seconds_of_children()


def cpu_seconds_of_children() -> float:
    """CPU time of this process's children that have ended, and of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def as_they_finish(submit: Callable[[T], Future[R]], items: Iterable[T], in_flight: int) -> Iterator[R]:
    """`Pool.map_unordered` for whatever starts calls."""
    happened: SimpleQueue[Future[R] | _Ended] = SimpleQueue()
    room = threading.Semaphore(max(1, in_flight))
    stopped = threading.Event()

    def start_calls() -> None:
        calls = 0
        try:
            room.acquire()
            for item in items:
                if stopped.is_set():
                    break
                submit(item).add_done_callback(happened.put)
                calls += 1
                room.acquire()
            if isinstance(items, Generator):
                items.close()
            happened.put(_Ended(calls))
        except BaseException as error:
            happened.put(_Ended(calls, error))

    # A daemon: a process that ends because of an error does not wait for a slow item.
    threading.Thread(target=start_calls, name="pie-bench-items", daemon=True).start()
    done, calls = 0, None
    try:
        while done != calls:
            event = happened.get()
            if isinstance(event, _Ended):
                if event.error is not None:
                    raise event.error
                calls = event.calls
            else:
                result = event.result()
                done += 1
                room.release()
                yield result
    finally:
        stopped.set()
        room.release()


@dataclass(frozen=True)
class _Ended:
    """There are no more items: so many calls were started; or getting one raised an error."""

    calls: int
    error: BaseException | None = None
