"""Paces calls to a server: backoff between retries, Retry-After, and adaptive concurrency."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

_MOST_BACKOFF_SECONDS = 60.0


def backoff_seconds(attempt: int, base: float, draw: Callable[[], float] = random.random) -> float:
    """The pause after failed attempt number `attempt` (from 0): exponential, capped, and jittered down to half, so that
    calls that failed together do not return together."""
    return min(_MOST_BACKOFF_SECONDS, base * 2.0 ** min(attempt, 30)) * (0.5 + draw() / 2)


def retry_after_seconds(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """How long a server asks to wait (RFC 9110, 10.2.3: seconds or an HTTP date; OpenAI's milliseconds take
    precedence); None if it does not say so intelligibly."""
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) / unit
        except ValueError:
            try:
                moment = parsedate_to_datetime(value)
            except ValueError:
                continue
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=timezone.utc)
            seconds = (moment - (now or datetime.now(timezone.utc))).total_seconds()
        if seconds == seconds:  # not NaN
            return max(0.0, seconds)
    return None


class Pace:
    """How many calls may be in flight: doubled each round from one until the server first objects, then one more each
    round, and halved at every further objection (additive increase, multiplicative decrease).

    The first call goes alone, so that the others need not relearn what it finds out about the server.
    """

    def __init__(self, most: int):
        self.limit = 1
        self._most = most
        self._met_limit = False
        self._since_raise = 0
        self._epoch = 0
        self._not_before = 0.0

    async def permission(self) -> int:
        """Waits as long as the server asked everyone to; returns the epoch to pass to `objected`."""
        loop = asyncio.get_running_loop()
        while (pause := self._not_before - loop.time()) > 0:
            await asyncio.sleep(pause)
        return self._epoch

    def succeeded(self) -> None:
        self._since_raise += 1
        if not self._met_limit or self._since_raise >= self.limit:
            self._since_raise = 0
            self.limit = min(self._most, self.limit + 1)

    def objected(self, epoch: int, wait_seconds: float | None) -> None:
        """The server is rate-limiting. Objections to calls sent before the last halving do not halve again."""
        if wait_seconds is not None:
            self._not_before = max(self._not_before, asyncio.get_running_loop().time() + wait_seconds)
        if epoch == self._epoch:
            self._epoch += 1
            self._met_limit = True
            self._since_raise = 0
            self.limit = max(1, self.limit // 2)
