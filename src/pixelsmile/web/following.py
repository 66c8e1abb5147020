"""From the worker's thread to a request: what comes of its jobs, for as long as its client is there."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Any, Self

from starlette.types import Receive

from pixelsmile.web.answers import ApiError
from pixelsmile.web.worker import Done, Failed, Job, Work, Worker

_Event = tuple[int, object]


class ClientGoneError(Exception):
    """Nobody waits for the answer any more."""


class Following:
    """The events of jobs, by the number of the job, until all are done. Leaving the block cancels the rest.

    receive: of the request, to see that its client left; None where somebody else looks.
    """

    def __init__(self, worker: Worker, ends_at: float, receive: Receive | None) -> None:
        self._worker, self._ends_at, self._receive = worker, ends_at, receive
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[_Event] = asyncio.Queue()
        self._jobs: list[Job] = []
        self._gone: asyncio.Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Cancel what is left."""
        self.watch(None)
        for job in self._jobs:
            job.cancel()

    def watch(self, receive: Receive | None) -> None:
        """From now on look with this whether the client leaves; with None, no more."""
        self._receive = receive
        if self._gone is not None and receive is None:
            self._gone.cancel()
            self._gone = None

    def submit(self, model: str | None, works: Sequence[Work]) -> None:
        """Hand the work over. StoppedError."""
        for number, work in enumerate(works):
            self._jobs.append(self._worker.submit(model, work, self._teller(number)))

    async def events(self) -> AsyncIterator[_Event]:
        """Number and event, but for Done and Failed: an error is raised.

        ApiError where the time is over; ClientGoneError.
        """
        num_left = len(self._jobs)
        while num_left:
            number, event = await self._next()
            match event:
                case Done():
                    num_left -= 1
                case Failed():
                    raise event.error
                case _:
                    yield number, event

    async def _next(self) -> _Event:
        if self._gone is None and self._receive is not None:
            self._gone = asyncio.ensure_future(_until_gone(self._receive))
        coming = asyncio.ensure_future(self._events.get())
        waiting: set[asyncio.Future[Any]] = {coming} if self._gone is None else {coming, self._gone}
        try:
            left_s = max(0.0, self._ends_at - time.monotonic())
            done, _ = await asyncio.wait(waiting, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not coming.done():
                coming.cancel()
        if coming in done:
            return coming.result()
        if done:
            raise ClientGoneError
        raise out_of_time()

    def _teller(self, number: int) -> Callable[[object], None]:
        def tell(event: object) -> None:
            self._loop.call_soon_threadsafe(self._events.put_nowait, (number, event))

        return tell


def out_of_time() -> ApiError:
    return ApiError(
        504, "this took longer than the server allows: ask for fewer or smaller pictures", "timeout",
        kind="server_error",
    )  # fmt: skip


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
