"""A budget of requests, tokens and money that stops before it would be passed.

Before a request its tokens and its cost are reserved, at their upper bound; afterwards they are settled with
what the server reports. Where it reports nothing (a timeout, a closed connection), the reservation counts as
spent.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from threading import Lock

from pixelsmile.remote.provider import BudgetSpentError, Usage


@dataclass(frozen=True)
class Spending:
    """What has been sent and used so far, and what is reserved for requests in flight."""

    num_requests: int
    used: Usage
    reserved: Usage

    @property
    def num_tokens(self) -> int:
        return self.used.num_tokens


class Budget:
    """Limits for all that share it, in any number of tasks, event loops and threads. max_cost: in dollars.

    A server may use more than was reserved for a request only where its own limit on output tokens fails;
    from then on that much is reserved for each.
    """

    def __init__(
        self,
        max_requests: int | None = None,
        max_tokens: int | None = None,
        max_cost: Decimal | None = None,
    ) -> None:
        for what, limit in (("requests", max_requests), ("tokens", max_tokens), ("dollars", max_cost)):
            if limit is not None and not limit >= 0:
                raise ValueError(f"a budget of {limit} {what} is none")
        self._max_requests, self._max_tokens, self._max_cost = max_requests, max_tokens, max_cost
        self._num_requests = 0
        self._used = self._reserved = self._largest = Usage()
        self._lock = Lock()
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    @property
    def spending(self) -> Spending:
        """The count of this moment."""
        with self._lock:
            return Spending(self._num_requests, self._used, self._reserved)

    async def reserve(self, bound: Usage) -> "Reservation":
        """Room for one request that uses at most `bound`.

        Waits while requests in flight hold what may come back; BudgetSpentError once nothing can.
        """
        while True:
            with self._lock:
                need = _larger(bound, self._largest)
                self._check(need)
                if self._fits(_sum(_sum(self._used, self._reserved), need)):
                    self._num_requests += 1
                    self._reserved = _sum(self._reserved, need)
                    return Reservation(self, need)
                loop = asyncio.get_running_loop()
                waiter = loop.create_future()
                self._waiters.append((loop, waiter))
            await waiter

    def _fits(self, usage: Usage) -> bool:
        return (self._max_tokens is None or usage.num_tokens <= self._max_tokens) and (
            self._max_cost is None or usage.cost <= self._max_cost
        )

    def _check(self, need: Usage) -> None:
        """BudgetSpentError where waiting would not help."""
        no_requests = self._max_requests is not None and self._num_requests >= self._max_requests
        if not no_requests and self._fits(_sum(self._used, need)):
            return
        used = f"{_of(self._num_requests, self._max_requests)} requests and "
        used += f"{_of(self._used.num_tokens, self._max_tokens)} tokens"
        needs = f"{need.num_tokens:,} tokens"
        if self._max_cost is not None:
            used += f" for {_of(self._used.cost, self._max_cost)} dollars"
            needs += f" for {need.cost:,} dollars"
        raise BudgetSpentError(f"the budget is spent: {used} used, and the next request may need {needs}")

    def _settle(self, reserved: Usage, used: Usage) -> None:
        with self._lock:
            self._reserved = Usage(
                self._reserved.num_tokens - reserved.num_tokens, self._reserved.cost - reserved.cost
            )
            self._used = _sum(self._used, used)
            self._largest = _larger(self._largest, used)
            waiters, self._waiters = self._waiters, []
        for loop, waiter in waiters:
            with suppress(RuntimeError):  # that loop has ended, and nobody waits in it
                loop.call_soon_threadsafe(_wake, waiter)


class Reservation:
    """What is held for one request until it is settled."""

    def __init__(self, budget: Budget, reserved: Usage) -> None:
        self._budget = budget
        self._reserved = reserved
        self._settled = False

    def settle(self, used: Usage | None) -> None:
        """Count what the server reports, or the whole reservation where it reports nothing. Once."""
        if self._settled:
            raise RuntimeError("a reservation is settled once")
        if used is not None and (used.num_tokens < 0 or used.cost < 0):
            raise ValueError(f"{used} cannot be used")
        self._settled = True
        self._budget._settle(self._reserved, self._reserved if used is None else used)


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(one.num_tokens + other.num_tokens, one.cost + other.cost)


def _larger(one: Usage, other: Usage) -> Usage:
    return Usage(max(one.num_tokens, other.num_tokens), max(one.cost, other.cost))


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _of(count: int | Decimal, limit: int | Decimal | None) -> str:
    return f"{count:,}" if limit is None else f"{count:,} of {limit:,}"
