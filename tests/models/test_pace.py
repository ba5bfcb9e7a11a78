from __future__ import annotations

import asyncio
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pie_bench.models.pace import Pace, backoff_seconds, retry_after_seconds

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Fri, 02 Jan 2026 03:04:35 GMT"}, 30),
        ({"retry-after": "Fri, 02 Jan 2026 03:00:00 GMT"}, 0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "?", "retry-after": "9"}, 9),
    ],
)
def test_retry_after(headers, seconds):
    assert retry_after_seconds(headers, NOW) == seconds


@given(st.integers(0, 10_000), st.floats(0.001, 10), st.floats(0, 1))
def test_back_off_grows_and_is_bounded(attempt, base, drawn):
    seconds = backoff_seconds(attempt, base, lambda: drawn)
    whole = min(60.0, base * 2.0 ** min(attempt, 30))
    assert whole / 2 <= seconds <= whole <= 60


def test_it_doubles_until_the_first_objection_and_then_grows_slowly():
    async def play() -> None:
        pace = Pace(most=64)
        sizes = []
        for _ in range(5):
            sizes.append(pace.limit)
            for _ in range(pace.limit):
                pace.succeeded()
        assert sizes == [1, 2, 4, 8, 16]
        epoch = await pace.permission()
        for _ in range(32):  # all those under way object to the same thing
            pace.objected(epoch, None)
        assert pace.limit == 16
        for _ in range(16):
            pace.succeeded()
        assert pace.limit == 17, "one more each round"
        for _ in range(20):
            pace.objected(await pace.permission(), None)
        assert pace.limit == 1
        for _ in range(10_000):
            pace.succeeded()
        assert pace.limit == 64

    asyncio.run(play())


def test_everyone_waits_for_as_long_as_the_server_says():
    async def play() -> float:
        pace = Pace(most=4)
        loop = asyncio.get_running_loop()
        started = loop.time()
        pace.objected(0, 0.03)
        pace.objected(0, 0.01)
        await asyncio.gather(pace.permission(), pace.permission())
        return loop.time() - started

    assert asyncio.run(play()) >= 0.03
