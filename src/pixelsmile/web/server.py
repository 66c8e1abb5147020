"""The process around the routes: it listens, and stops so that every client gets an answer.

The first SIGTERM or SIGINT: what was begun is finished, what waits and what is new gets 503 with Retry-After.
The second ends at once.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn

from pixelsmile.editing.edit_files import OutputFormat
from pixelsmile.web.app import Limits, Server
from pixelsmile.web.gate import Keys
from pixelsmile.web.metrics import Metrics
from pixelsmile.web.models import MAX_LOADED, Desk, Served
from pixelsmile.web.worker import Worker

_log = logging.getLogger(__name__)

_LINGER_S = 0.5  # for clients that come while the last answer goes out
_LOOK_S = 0.05


def make_server(
    models: Served,
    limits: Limits | None = None,
    keys: Keys | None = None,
    form: OutputFormat | None = None,
    *,
    max_loaded: int = MAX_LOADED,
    devices: tuple[str | None, ...] = (None,),
    load_now: bool = False,
) -> Server:
    """The routes with a worker for each device.

    form: how files are marked and signed. load_now: load models, as many as stay, at once. ModelError where
    one cannot be loaded.
    """
    metrics = Metrics()
    desks = [Desk(models, max_loaded, device) for device in devices]
    metrics.watch("models_loaded", "Models in memory", lambda: sum(desk.num_loaded for desk in desks))
    if load_now:
        for desk in desks:
            for name in list(models.choices)[:max_loaded]:
                desk.model(name)
    return Server(models, Worker(desks, on_batch=metrics.batched), metrics, limits, keys, form)


def run(server: Server, listening: socket.socket) -> None:
    """Serve until a signal, and what was begun then to its end."""
    http_server(server).run(sockets=[listening])


def http_server(server: Server) -> "StoppingServer":
    """What serves the routes."""
    config = uvicorn.Config(
        server.gate,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    return StoppingServer(config, server)


class StoppingServer(uvicorn.Server):
    """Uvicorn closes its door at a signal; this one first answers those who still knock."""

    def __init__(self, config: uvicorn.Config, server: Server) -> None:
        super().__init__(config)
        self._server = server
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Task[None] | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            await super().serve(sockets)
        finally:
            self._server.close()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by the signal."""
        if self._server.gate.is_stopping or self._loop is None:
            self.should_exit = self.force_exit = True
            return
        self._server.gate.is_stopping = True
        self._loop.call_soon_threadsafe(self._begin_to_end)

    def _begin_to_end(self) -> None:
        _log.info("stopping: what was begun is finished, again to end at once")
        self._ending = asyncio.ensure_future(self._end())

    async def _end(self) -> None:
        self._server.worker.stop()
        ends_at = asyncio.get_running_loop().time() + self._server.limits.timeout_s
        await _until(lambda: not self._server.slots.taken, ends_at)
        await asyncio.sleep(_LINGER_S)
        for listening in self.servers:  # from here on nobody gets in; who is in gets an answer
            listening.close()
        await asyncio.sleep(_LINGER_S)
        await _until(lambda: not self._server.gate.num_open, ends_at)
        self.should_exit = True


async def _until(is_so: Callable[[], bool], ends_at: float) -> None:
    while not is_so() and asyncio.get_running_loop().time() < ends_at:
        await asyncio.sleep(_LOOK_S)
