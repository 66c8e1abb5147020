"""A budget of requests and tokens that stops before it would be passed.

Before a request its tokens are reserved, at their upper bound; afterwards they are settled with what the
server reports. Where it reports nothing (a timeout, a closed connection), the reservation counts as spent.
"""

import asyncio
import math
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock

from pixelsmile.judges.judge import BudgetSpentError

_MOST_TOKENS = 10_000_000  # of one request: no model takes as many


def counted(reported: object) -> int | None:
    """A server's count of the tokens of one request; None, as if nothing were reported, for what is none.

    None are texts, truths, what is not finite, less than one, and more than any model takes.
    """
    if isinstance(reported, bool) or not isinstance(reported, int | float):
        return None
    return math.ceil(reported) if 0 < reported <= _MOST_TOKENS else None


@dataclass(frozen=True)
class Spending:
    """What has been sent and used so far, and what is reserved for requests in flight."""

    num_requests: int
    num_tokens: int
    num_reserved_tokens: int


class Budget:
    """Limits for all judges that share it, in any number of tasks, event loops and threads.

    A server may use more than was reserved for a request only where its own limit on output tokens fails;
    from then on that much is reserved for each.
    """

    def __init__(self, max_requests: int | None = None, max_tokens: int | None = None) -> None:
        for what, limit in (("requests", max_requests), ("tokens", max_tokens)):
            if limit is not None and limit < 0:
                raise ValueError(f"a budget of {limit} {what} is none")
        self._max_requests = max_requests
        self._max_tokens = max_tokens
        self._num_requests = 0
        self._num_tokens = 0
        self._num_reserved = 0
        self._largest = 0
        self._lock = Lock()
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    @property
    def spending(self) -> Spending:
        """The count of this moment."""
        with self._lock:
            return Spending(self._num_requests, self._num_tokens, self._num_reserved)

    async def reserve(self, num_tokens: int) -> "Reservation":
        """Room for one request of at most `num_tokens`.

        Waits while requests in flight hold what may come back; BudgetSpentError once nothing can.
        """
        while True:
            with self._lock:
                need = max(num_tokens, self._largest)
                self._check(need)
                if (
                    self._max_tokens is None
                    or self._num_tokens + self._num_reserved + need <= self._max_tokens
                ):
                    self._num_requests += 1
                    self._num_reserved += need
                    return Reservation(self, need)
                loop = asyncio.get_running_loop()
                waiter = loop.create_future()
                self._waiters.append((loop, waiter))
            await waiter

    def _check(self, need: int) -> None:
        """BudgetSpentError where waiting would not help."""
        no_requests = self._max_requests is not None and self._num_requests >= self._max_requests
        no_tokens = self._max_tokens is not None and self._num_tokens + need > self._max_tokens
        if no_requests or no_tokens:
            raise BudgetSpentError(
                f"the budget is spent: {_of(self._num_requests, self._max_requests)} requests and "
                f"{_of(self._num_tokens, self._max_tokens)} tokens used, and the next request may need "
                f"{need:,} tokens"
            )

    def _settle(self, num_reserved: int, num_used: int) -> None:
        with self._lock:
            self._num_reserved -= num_reserved
            self._num_tokens += num_used
            self._largest = max(self._largest, num_used)
            waiters, self._waiters = self._waiters, []
        for loop, waiter in waiters:
            with suppress(RuntimeError):  # that loop has ended, and nobody waits in it
                loop.call_soon_threadsafe(_wake, waiter)


class Reservation:
    """Tokens held for one request until it is settled."""

    def __init__(self, budget: Budget, num_tokens: int) -> None:
        self._budget = budget
        self._num_tokens = num_tokens
        self._settled = False

    def settle(self, num_tokens: int | None) -> None:
        """Count what the server reports, or the whole reservation where it reports nothing. Once."""
        if self._settled:
            raise RuntimeError("a reservation is settled once")
        if num_tokens is not None and num_tokens < 0:
            raise ValueError(f"{num_tokens} tokens cannot be used")
        self._settled = True
        self._budget._settle(self._num_tokens, self._num_tokens if num_tokens is None else num_tokens)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _of(count: int, limit: int | None) -> str:
    return f"{count:,}" if limit is None else f"{count:,} of {limit:,}"
