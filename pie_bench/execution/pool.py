"""Runs jobs on this machine's cores; for other machines see ray_pool.py."""

from __future__ import annotations

import os
import resource
import subprocess
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol, TypeVar
from weakref import WeakSet

T = TypeVar("T")
R = TypeVar("R")
JOBS_PER_WORKER = 2  # in flight by default: one runs, one waits


class Pool(Protocol):
    """Spreads calls over workers; callers need not know which kind.

    For workers in other processes, the function and its items must be picklable, as `Executor` and `Job` are.
    """

    def map_unordered(
        self,
        function: Callable[[T], R],
        items: Iterable[T],
        *,
        lost: Callable[[T, str], R] | None = None,
        in_flight: int | None = None,
    ) -> Iterator[R]:
        """Calls `function` on each item and yields the results as they finish.

        A separate thread pulls from `items`, and only while fewer than `in_flight` calls are unfinished (default: two
        per worker), so the producer never runs far ahead. Pass more if `items` begins with what is already available
        and continues with what arrives slowly (a model's answers) and should be requested right away.

        An exception in a call or in `items` is raised at once, even while the next item is awaited, and no further call
        starts. The same happens when the iterator is closed: calls that have not started never do, and `items` is
        closed as soon as its current item arrives.

        `lost` supplies the result for an item whose call killed several workers, given the reason; without it, that is
        an error. (A call in this process can only kill the process.)
        """
        ...

    def cpu_seconds(self) -> float:
        """CPU time so far of the processes that calls have started; use differences."""
        ...


class LocalPool:
    """Threads of this process. Each only waits for its own sandboxed process, so threads use all cores.

    (A sandbox dies with the thread that started it, so work never moves between threads.)
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


_LASTING: WeakSet[subprocess.Popen[bytes]] = WeakSet()
_LASTING_LOCK = threading.Lock()


def lasts(child: subprocess.Popen[bytes]) -> None:
    """Has the CPU time of a child that outlives the call that started it counted before it ends."""
    with _LASTING_LOCK:
        _LASTING.add(child)


def cpu_seconds_of_children() -> float:
    """CPU time of this process's finished children and their descendants, and of those that last (`lasts`)."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    # In this order: one that ends in between is missed once, and never counted twice.
    with _LASTING_LOCK:
        lasting = [child.pid for child in _LASTING if child.returncode is None]
    return usage.ru_utime + usage.ru_stime + sum(map(_cpu_seconds, lasting))


def _cpu_seconds(pid: int) -> float:
    """CPU time of a process; 0 if it is gone."""
    try:
        fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime, stime


def as_they_finish(submit: Callable[[T], Future[R]], items: Iterable[T], in_flight: int) -> Iterator[R]:
    """`Pool.map_unordered` on top of any `submit`."""
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

    # A daemon, so that a process that exits on an error does not wait for a slow item.
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
    """No more items: `calls` were started; `error` is what `items` raised, if anything."""

    calls: int
    error: BaseException | None = None
