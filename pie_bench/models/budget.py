"""The cost of answers and where to stop: money is reserved before each call and settled after it."""

from __future__ import annotations

from dataclasses import dataclass

from pie_bench.errors import UserError


class BudgetReached(UserError):
    """The next call could exceed the limit. Nothing is lost: rerun with a higher limit to continue."""


@dataclass
class Budget:
    """All amounts in USD. `limit` None: no limit. `spent` starts at what the run has already cost.

    `lost` is the most that calls without a usable answer (broken connections, time-outs) may have cost: a provider may
    bill them, so they count towards the limit.
    """

    limit: float | None = None
    spent: float = 0.0
    lost: float = 0.0
    reserved: float = 0.0

    def reserve(self, worst: float) -> bool:
        """Reserves the most that a call can cost. False, with nothing reserved, if that could exceed the limit."""
        if self.limit is not None and self.spent + self.lost + self.reserved + worst > self.limit:
            return False
        self.reserved += worst
        return True

    def settle(self, worst: float, cost: float) -> None:
        """Ends a call: releases its reservation and adds its cost to `spent`."""
        self.reserved -= worst
        self.spent += cost

    def lose(self, worst: float) -> bool:
        """Counts a call that may have been billed without an answer; returns whether to risk another one."""
        self.lost += worst
        return self.limit is None or self.spent + self.lost + self.reserved <= self.limit

    def reached(self, worst: float) -> BudgetReached:
        lost = f", up to ${self.lost:.4f} in calls that broke off" if self.lost else ""
        return BudgetReached(
            f"stopped before --max-cost ${self.limit:g}: ${self.spent:.4f} spent{lost}, and the next call could cost "
            f"${worst:.4f}; the same command with a higher --max-cost continues"
        )


def price_of(prompt_tokens: float, completion_tokens: float, price_in: float, price_out: float) -> float:
    """USD; prices are per million tokens."""
    return (prompt_tokens * price_in + completion_tokens * price_out) / 1e6
