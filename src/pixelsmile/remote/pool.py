"""Many calls in flight: results as they finish, nothing paid for twice, ends that leave nothing behind."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from pixelsmile.remote.provider import BudgetSpentError, RemoteError, RequestRefusedError

MAX_REFUSALS = 5

T = TypeVar("T")
R = TypeVar("R")


class Pool(Generic[T, R]):
    """Work on many items at once, at most `max_concurrency`; to be iterated once, with `async for` or `for`.

    Gives (item, result) as they finish. `close` is awaited at the end; whoever stops early closes the
    iterator (`contextlib.aclosing`), and what is in flight is then given up. A spent budget ends the pool as
    if all were done: `stopped` says why and `left` what is missing. A RemoteError is raised after what was in
    flight has come in; any other error at once.
    """

    def __init__(
        self,
        items: Sequence[T],
        work: Callable[[T], Coroutine[Any, Any, R]],
        close: Callable[[], Awaitable[None]],
        *,
        max_concurrency: int = 8,
    ) -> None:
        if max_concurrency < 1:
            raise ValueError(f"{max_concurrency} in flight do nothing")
        self._items, self._work, self._close = items, work, close
        self._max_concurrency = max_concurrency
        self._done: set[int] = set()  # places of items
        self._stop: RemoteError | BudgetSpentError | None = None
        self._begun = False

    @property
    def left(self) -> tuple[T, ...]:
        """The items that have no result, in their order."""
        return tuple(item for place, item in enumerate(self._items) if place not in self._done)

    @property
    def stopped(self) -> str | None:
        """Why the pool ended before all items were done; None where it did not."""
        return str(self._stop) if self._stop is not None else None

    async def __aiter__(self) -> AsyncIterator[tuple[T, R]]:
        if self._begun:
            raise RuntimeError("a pool is iterated once: make another, which does what is left")
        self._begun = True
        works = (self._one(*numbered) for numbered in enumerate(self._items))
        try:
            async with aclosing(
                merged(works, self._max_concurrency, (RemoteError, BudgetSpentError))
            ) as results:
                async for place, result in results:
                    self._done.add(place)
                    yield self._items[place], result
        except RemoteError as stop:
            self._stop = stop
            raise
        except BudgetSpentError as stop:
            self._stop = stop
        finally:
            await self._close()

    def __iter__(self) -> Iterator[tuple[T, R]]:
        """The same without an event loop. Work rests while the caller looks at a result."""
        return in_step(aiter(self))

    async def _one(self, place: int, item: T) -> AsyncGenerator[tuple[int, R], None]:
        yield place, await self._work(item)


async def merged(
    streams: Iterator[AsyncGenerator[R, None]], max_concurrency: int, stops: tuple[type[Exception], ...]
) -> AsyncGenerator[R, None]:
    """What all streams give, as it comes; of each, the next is begun once the one before was taken.

    No stream gives None. An error of `stops` is raised once what is under way has come in, for that may be
    paid for; of several, one of the type that is named first. Any other is raised at once.
    """
    under_way: dict[asyncio.Task[R | None], AsyncGenerator[R, None]] = {}
    finished: asyncio.Queue[asyncio.Task[R | None]] = asyncio.Queue()
    found: list[BaseException] = []

    def begin(stream: AsyncGenerator[R, None]) -> None:
        step = asyncio.create_task(_next(stream))
        under_way[step] = stream
        step.add_done_callback(finished.put_nowait)

    try:
        while True:
            while not found and len(under_way) < max_concurrency and (stream := next(streams, None)):
                begin(stream)
            if not under_way:
                break
            step = await finished.get()
            if isinstance(error := step.exception(), stops):
                found.append(error)
            elif (result := step.result()) is not None:
                yield result
                begin(under_way[step])
            del under_way[step]
    finally:
        for step in under_way:
            step.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        for stream in under_way.values():
            await stream.aclose()
    if found:
        raise min(found, key=lambda error: [isinstance(error, kind) for kind in stops].index(True))


class Once(Generic[R]):
    """Pays once for each key, however many ask for it, now or later."""

    def __init__(self) -> None:
        self._firsts: dict[str, asyncio.Future[R]] = {}

    def has(self, key: str) -> bool:
        """Whether somebody has asked, and may still be waiting."""
        return key in self._firsts

    async def get(self, key: str, pay: Callable[[], Coroutine[Any, Any, R]]) -> R:
        """What `pay` gives, or gave to who was first."""
        if key in self._firsts:
            return await asyncio.shield(self._firsts[key])
        first = self._firsts[key] = asyncio.ensure_future(pay())
        try:
            return await first
        finally:  # cancelled while it is under way: it ends before what it uses is closed
            first.cancel()
            await asyncio.wait([first])


class Refusals:
    """Whether a run goes on when a server will not take a prompt.

    has_answered: whether that model has ever answered, as a cache knows. again: how the user asks once more.
    """

    def __init__(
        self,
        has_answered: Callable[[], bool],
        max_in_a_row: int = MAX_REFUSALS,
        again: str = "ask about them once more with --ask-again",
    ) -> None:
        if max_in_a_row < 1:
            raise ValueError(f"no run goes on to {max_in_a_row} refusals")
        self._has_answered = has_answered
        self._max_in_a_row = max_in_a_row
        self._again = again
        self._num_in_a_row = 0
        self._is_known = False

    def answered(self) -> None:
        """There was an answer: the model can be asked, and what is refused now is a new row."""
        self._num_in_a_row, self._is_known = 0, True

    def check(self, refusal: RequestRefusedError) -> None:
        """RemoteError where it need not be the prompt's fault, and for one too many in a row."""
        self._num_in_a_row += 1
        if self._num_in_a_row >= self._max_in_a_row:
            raise RemoteError(
                f"{self._num_in_a_row} questions in a row were refused ({refusal.detail}): mend the cause, "
                f"then {self._again}"
            ) from None
        self._is_known = self._is_known or self._has_answered()
        if not (refusal.is_certain or self._is_known):
            raise refusal


def in_step(stream: AsyncIterator[R]) -> Iterator[R]:
    """The stream, which has no None, without an event loop of the caller's.

    Ctrl-C ends it at once, also what computes in it: asyncio.Runner would let that come to its end.
    """
    loop = asyncio.new_event_loop()
    step: asyncio.Task[R | None] | None = None
    try:
        while True:
            step = loop.create_task(_next(stream))
            if (result := loop.run_until_complete(step)) is None:
                return
            yield result
    finally:
        loop.call_soon(loop.stop)  # a loop that was interrupted may still mean to stop once
        loop.run_forever()
        if step is not None and not step.done():
            step.cancel()
            loop.run_until_complete(asyncio.wait([step]))
        loop.run_until_complete(_close(stream))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


async def _next(stream: AsyncIterator[R]) -> R | None:
    return await anext(stream, None)


async def _close(stream: AsyncIterator[R]) -> None:
    async with aclosing(stream):  # type: ignore[type-var]
        pass
