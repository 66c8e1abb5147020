"""A server of the routes on a port of this machine, in a thread of its own."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from editing.conftest import model_folder

from pixelsmile.editing.model_choice import ModelChoice
from pixelsmile.web.address import listen
from pixelsmile.web.app import Limits, Server
from pixelsmile.web.gate import Keys
from pixelsmile.web.models import served
from pixelsmile.web.server import StoppingServer, http_server, make_server

__all__ = ["model_folder"]

PHOTO = Path(__file__).parents[2] / "docs" / "astronaut.jpg"


class Running:
    """url: where it listens. http: the loop and the signals of its process."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.http: StoppingServer = http_server(server)
        self._listening = listen("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        asyncio.run(self.http.serve(sockets=[self._listening]))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """As a signal does, twice: at once."""
        self.http.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()

    def client(self, **options: object) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, timeout=60, trust_env=False, **options)


@contextmanager
def running(server: Server) -> Iterator[Running]:
    run = Running(server)
    run.start()
    try:
        yield run
    finally:
        run.stop()


@pytest.fixture(scope="session")
def photographs() -> Iterator[Running]:
    """A server of the geometric model, with the usual limits but for a few pixels."""
    with running(make_server(served(["geometric"], ModelChoice()), Limits(max_pixels=500_000))) as run:
        yield run


@pytest.fixture(scope="session")
def tiny(model_folder: Path) -> Iterator[Running]:
    """A server of the tiny random model, under another name; it asks for a key."""
    models = served([f"tiny={model_folder}"], ModelChoice(adapter=["none"], device="cpu"))
    keys = Keys(["a-key-of-the-tests-0", "a-key-of-the-tests-1"])
    with running(make_server(models, Limits(max_queue=8), keys)) as run:
        yield run


@pytest.fixture
def serve() -> Iterator[Callable[[Server], Running]]:
    """Starts servers that end with the test."""
    runs: list[Running] = []

    def start(server: Server) -> Running:
        runs.append(Running(server))
        runs[-1].start()
        return runs[-1]

    yield start
    for run in runs:
        run.stop()
