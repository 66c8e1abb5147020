"""One model behind an address, asked until there is an answer: again after failures, within a budget.

Waits are exponential with full jitter: Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog,
2015). Where a server names a wait, that is kept.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Generic, TypeVar

from pixelsmile.errors import one_line
from pixelsmile.limits import shown
from pixelsmile.remote.budget import Budget
from pixelsmile.remote.provider import (
    NOTHING,
    BudgetSpentError,
    Failure,
    Fault,
    Prompt,
    Provider,
    Reason,
    RemoteError,
    Reply,
    RequestRefusedError,
    TakesJobs,
    Usage,
)

logger = logging.getLogger(__name__)

_LONG_WAIT_S = 5.0
T = TypeVar("T")


@dataclass(frozen=True)
class RetryPolicy:
    """How often one prompt is sent, and how long it waits in between.

    `max_requests` counts everything that was sent; `max_answers` the answers that came but could not be used:
    those are paid for. A server that asks for more than `max_wait_s` stops the run.
    """

    max_requests: int = 8
    max_answers: int = 4
    base_s: float = 1.0
    cap_s: float = 60.0
    max_wait_s: float = 600.0

    def __post_init__(self) -> None:
        if not 1 <= self.max_answers <= self.max_requests:
            raise ValueError(f"1 <= {self.max_answers} answers <= {self.max_requests} requests does not hold")

    def wait_s(self, num_failures: int, generator: Random, server_wait_s: float | None = None) -> float:
        """How long to wait after the `num_failures`-th failure in a row (from 1).

        A server's wish is kept, and up to `base_s` is added so that not everybody is back at once.
        """
        if server_wait_s is not None:
            return server_wait_s + generator.uniform(0, self.base_s)
        return generator.uniform(0, min(self.cap_s, self.base_s * 2.0 ** min(num_failures - 1, 64)))


class UnusableReplyError(ValueError):
    """A reply that is not in the agreed form, or says no. The message says what is wrong with it."""

    def __init__(self, message: str, reason: Fault = "malformed") -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Answered(Generic[T]):
    """What was made of the reply, or the reason why there is nothing; every reply as it came, in order."""

    value: T | None
    reason: Reason | None
    detail: str
    transcript: tuple[str, ...]


class Client:
    """One model for many prompts, in one event loop. role: what it is to the user, as in "the judge".

    `generator` spreads the waits and nothing else. Clients may share a `budget`. After a RemoteError (but for
    a RequestRefusedError) or BudgetSpentError all other calls end with the same error, until `aclose`.
    """

    def __init__(
        self,
        provider: Provider,
        role: str = "model",
        *,
        retry: RetryPolicy | None = None,
        budget: Budget | None = None,
        generator: Random | None = None,
    ) -> None:
        self.provider = provider
        self._role = role
        self._retry = retry or RetryPolicy()
        self._budget = budget or Budget()
        self._generator = generator or Random()
        self._stop: RemoteError | BudgetSpentError | None = None
        self._stopped: asyncio.Event | None = None  # belongs to one event loop
        self._has_said_wait = False

    @property
    def name(self) -> str:
        """Role, model and server, for messages."""
        server = self.provider.parameters.get("server", self.provider.name)
        return f"the {self._role} {shown(self.provider.model)} at {server}"

    async def ask(self, prompt: Prompt, read: Callable[[Reply], T]) -> Answered[T]:
        """What `read` makes of a reply, or why there is nothing.

        read: UnusableReplyError has it asked again. RemoteError or BudgetSpentError where the run is to stop;
        a RequestRefusedError stops only this.
        """
        transcript: list[str] = []
        num_failures = 0
        fault: tuple[Reason, str] = ("unreachable", "nothing was asked")
        for num_requests in range(1, self._retry.max_requests + 1):
            reply = await self._send(prompt)
            if isinstance(reply, Failure):
                num_failures += not reply.at_once
                fault = ("unreachable", reply.detail)
            else:
                transcript.append(reply.transcript)
                try:
                    return Answered(_usable(reply, read), None, "", tuple(transcript))
                except UnusableReplyError as error:
                    fault = (error.reason, str(error))
            if num_requests == self._retry.max_requests or len(transcript) == self._retry.max_answers:
                break
            logger.info("%s: %s (%s), asking again", self.name, *fault)
            await self._wait(reply, num_failures)
        reason, detail = fault
        return Answered(None, reason, one_line(detail), tuple(transcript))

    async def aclose(self) -> None:
        """Close the provider's connections, and forget why the client stopped."""
        self._stop = self._stopped = None
        await self.provider.aclose()

    async def _send(self, prompt: Prompt) -> Reply | Failure:
        """One request within the budget, or a question about one that was paid for."""
        if self._stop is not None:
            raise self._stop
        if isinstance(self.provider, TakesJobs) and self.provider.has_job(prompt):
            reply = await self.provider.ask(prompt)
        else:
            reply = await self._within_budget(prompt)
        if isinstance(reply, Failure) and (reply.stops or reply.refused):
            raise self._unanswered(reply)
        return reply

    async def _within_budget(self, prompt: Prompt) -> Reply | Failure:
        limits = self.provider.limits
        bound = limits.bound(prompt) if limits else NOTHING
        try:
            reservation = await self._budget.reserve(bound)
        except BudgetSpentError as stop:
            self._halt(stop)
            raise
        used = None
        try:
            reply = await self.provider.ask(prompt)
            used = reply.usage
            if used and used.num_tokens and not used.cost:  # the server counts no money: it costs its price
                used = Usage(used.num_tokens, bound.cost)
        finally:
            reservation.settle(used)
        return reply

    def _unanswered(self, failure: Failure) -> RemoteError | BudgetSpentError:
        """The error for a prompt that the server will not take, or for a model that no prompt reaches."""
        message = f"{self.name} cannot be asked ({failure.detail}): {failure.advice}"
        if failure.refused:
            return RequestRefusedError(message, failure.detail, failure.refused == "picture")
        return self._halt(RemoteError(message))

    def _halt(self, stop: RemoteError | BudgetSpentError) -> RemoteError | BudgetSpentError:
        """Let everybody who waits know, and give back the error that was first."""
        self._stop = self._stop or stop
        if self._stopped is not None:
            self._stopped.set()
        return self._stop

    async def _wait(self, reply: Reply | Failure, num_failures: int) -> None:
        """Sleep before the next request, but no longer than until the client stops."""
        if isinstance(reply, Reply) or reply.at_once:
            return
        if (reply.server_wait_s or 0.0) > self._retry.max_wait_s:
            raise self._halt(
                RemoteError(
                    f"{self.name} asks for {reply.server_wait_s:,.0f} s of patience ({reply.detail}): run "
                    "again later, what was done is kept"
                )
            )
        wait_s = self._retry.wait_s(num_failures, self._generator, reply.server_wait_s)
        if wait_s >= _LONG_WAIT_S and not self._has_said_wait:
            self._has_said_wait = True  # once, where a person would notice
            if reply.server_wait_s is not None:
                asked = f"asks for a wait of {reply.server_wait_s:.0f} s"
            else:
                asked = "does not answer"
            logger.warning("%s %s (%s): waiting", self.name, asked, reply.detail)
        self._stopped = self._stopped or asyncio.Event()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), wait_s)


def _usable(reply: Reply, read: Callable[[Reply], T]) -> T:
    if reply.fault is not None:
        raise UnusableReplyError(reply.detail, reply.fault)
    return read(reply)
