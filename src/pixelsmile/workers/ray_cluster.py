"""Ray: batches done on the machines of a cluster, with the functions and results of the pool of processes.

Ray Data does the work: a batch is a row of a data set, `map_batches` calls the function, and what a worker
had under way that died is done again by another. Each worker has a process of its own for the function
(`Workers`), so that a row which ends it costs no worker, and is set aside as it is without Ray. Every machine
has to see the folder of the data set and its sources under the same path, and to have pixelsmile installed.
"""

import logging
import os
import pickle
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from pixelsmile.errors import InputError, install
from pixelsmile.workers.pool import Function, Workers

T = TypeVar("T")
R = TypeVar("R")

LOCAL = "local"  # an address: a cluster of this machine alone, for the time of the work
_HERE = "auto"
_ANSWERS_WITHIN_S = 10.0  # Ray itself tries for minutes
_MOST_BATCHES, _MOST_BYTES = 512, 64 * 2**20  # that are handed over in one go: what is in memory here
# It tells nobody of its use, and prints nothing of deaths, least of all between the lines of --json.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": "^",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


class RayCluster:
    """address: of a running cluster, `auto` for the one of this machine, or LOCAL, and then with num workers.

    To be used in `with`, or between `connect` and `disconnect`. InputError where Ray is not installed, and
    where no cluster answers.
    """

    def __init__(self, address: str, num: int) -> None:
        if find_spec("ray") is None:
            raise InputError(f"--ray needs the package ray: {install('ray')}")
        if address not in (LOCAL, _HERE):
            _check_answers(address)
        self._address, self._num = address, max(1, num)

    def connect(self) -> None:
        """Begin the cluster, or join it."""
        os.environ.update(_QUIET)  # read when ray is loaded
        import ray

        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
        try:
            if self._address == LOCAL:
                ray.init(LOCAL, num_cpus=self._num, include_dashboard=False, **options)
            else:
                ray.init(self._address, **options)
        except Exception as error:  # Ray raises bare ones, as where a node takes too long to start
            raise InputError(f"no cluster of Ray at {self._address!r} takes work ({error})") from error

    def disconnect(self) -> None:
        """Leave it; a local one ends."""
        import ray

        ray.shutdown()

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disconnect()


class RayWorkers(RayCluster):
    """Batches on a cluster, as `Workers` does them here."""

    def map(
        self, function: Function[T, R], batches: Iterable[Sequence[T]], lost: Callable[[T], R]
    ) -> Iterator[list[R]]:
        """What `function` gives for each batch, in order. lost: what stands for a row that ends its process.

        function: can be pickled. What it raises is raised here.
        """
        answer = _Answer(function, lost, os.getcwd())
        for window in _windows(batches):
            for results, error in map(pickle.loads, _mapped(answer, window)):
                if error is not None:
                    raise error
                yield results


@dataclass(frozen=True)
class _Answer(Generic[T, R]):
    """The function as Ray Data calls it: results, or what it has raised, as bytes.

    folder: that paths are relative to.
    """

    function: Function[T, R]
    lost: Callable[[T], R]
    folder: str

    def __call__(self, given: dict[str, Any]) -> dict[str, list[bytes]]:
        return {"answer": [self._one(batch) for batch in given["batch"]]}

    def _one(self, batch: bytes) -> bytes:
        os.chdir(self.folder)
        try:
            (results,) = _process().map(self.function, [pickle.loads(batch)], self.lost)
        except Exception as error:
            return pickle.dumps((None, error))
        return pickle.dumps((results, None))


@cache
def _process() -> Workers:
    """One for each worker of Ray; it ends with that."""
    return Workers(1)


def _check_answers(address: str) -> None:
    """InputError where nobody listens at HOST:PORT."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise InputError(f"--ray {address!r} is no address: give HOST:PORT, {_HERE}, or nothing")
    try:
        socket.create_connection((host, int(port)), _ANSWERS_WITHIN_S).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"no cluster of Ray answers at {address!r} ({error}): start one there") from error


def _mapped(answer: _Answer[T, R], batches: Sequence[bytes]) -> Iterator[bytes]:
    """The answers to the batches, in order. InputError where a machine cannot do the work."""
    import ray

    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    found = ray.data.from_items([{"batch": batch} for batch in batches], override_num_blocks=len(batches))
    try:
        for row in found.map_batches(answer.__call__, batch_size=1, num_cpus=1).iter_rows():
            yield row["answer"]
    except ray.exceptions.RayError as error:
        raise InputError(f"Ray could not do the work, the same command goes on ({error})") from error


def _windows(batches: Iterable[Sequence[T]]) -> Iterator[list[bytes]]:
    """As many batches as are handed over in one go, pickled."""
    window: list[bytes] = []
    for batch in batches:
        window.append(pickle.dumps(batch))
        if len(window) == _MOST_BATCHES or sum(map(len, window)) >= _MOST_BYTES:
            yield window
            window = []
    if window:
        yield window
