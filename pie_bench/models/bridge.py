"""Lets ordinary code consume an asynchronous stream."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from queue import SimpleQueue
from typing import TypeVar, cast

T = TypeVar("T")


def iterate(stream: AsyncIterator[T], buffer: int = 256) -> Iterator[T]:
    """Yields what an async generator yields. The generator runs in its own thread, so it keeps going whatever the
    consumer does, at most `buffer` items ahead. Its exceptions are raised here; leaving early cancels it.

    Waiting for the next item can be interrupted (Ctrl-C).
    """
    arrived: SimpleQueue[tuple[str, object]] = SimpleQueue()
    loop = asyncio.new_event_loop()
    room = asyncio.Semaphore(buffer)

    async def produce() -> None:
        async for item in stream:
            await room.acquire()
            arrived.put(("item", item))

    def work() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(task)
            arrived.put(("end", None))
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            arrived.put(("error", error))
        finally:
            for left in asyncio.all_tasks(loop):
                left.cancel()
            with suppress(BaseException):
                loop.run_until_complete(stream.aclose())  # type: ignore[attr-defined]
                loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    task = loop.create_task(produce())
    thread = threading.Thread(target=work, name="pie-bench-asking", daemon=True)
    thread.start()
    try:
        while True:
            kind, value = arrived.get()
            if kind == "end":
                return
            if kind == "error":
                raise cast(BaseException, value)
            with suppress(RuntimeError):  # the loop may already be closed: everything has arrived
                loop.call_soon_threadsafe(room.release)
            yield cast(T, value)
    finally:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(task.cancel)
        thread.join(timeout=5)
