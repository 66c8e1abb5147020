"""Every test runs offline: the model hub is switched off, and no socket leaves this machine."""

import logging
import os
import socket
from collections.abc import Iterator

import pytest
from hypothesis import settings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:  # workers that take all cores each are slower than one alone
    share = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ["OMP_NUM_THREADS"] = str(max(1, share))

settings.register_profile("busy", deadline=None)
settings.load_profile("busy")  # other processes may take the machine for seconds

_LOCAL_HOSTS = ("127.0.0.1", "::1", "localhost", "testserver")


@pytest.fixture(autouse=True)
def no_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered of weights goes with the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(autouse=True)
def same_logging() -> Iterator[None]:
    """Commands set how much is said, for the whole process: the next test begins as this one did."""
    logger = logging.getLogger("pixelsmile")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def connect_locally(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] not in _LOCAL_HOSTS:
            raise PermissionError(f"tests run offline, and this one wanted {address[0]!r}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", connect_locally)
