"""Processes that do batches: results in order, the same with any number of them.

A batch whose process dies (killed, out of memory, a library that crashes) is done again alone. Where that one
dies too, its rows are done one by one, and those that still end their process are set aside.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Self, TypeVar

from pixelsmile.errors import InputError

T = TypeVar("T")
R = TypeVar("R")

Function = Callable[[Sequence[T]], list[R]]

_AHEAD = 2  # batches a process that wait for it


class Workers:
    """num: of processes; 0 does all in this one, and dies with a batch that does. To be used in `with`."""

    def __init__(self, num: int) -> None:
        self._num = num
        self._executor: ProcessPoolExecutor | None = None

    def map(
        self, function: Function[T, R], batches: Iterable[Sequence[T]], lost: Callable[[T], R]
    ) -> Iterator[list[R]]:
        """What `function` gives for each batch, in order. lost: what stands for a row that ends its process.

        function: can be pickled. What it raises is raised here.
        """
        if self._num == 0:
            yield from map(function, batches)
            return
        waiting: deque[tuple[Sequence[T], Future[list[R]]]] = deque()
        for batch in batches:
            waiting.append((batch, self._submit(function, batch)))
            if len(waiting) > self._num * _AHEAD:
                yield self._result(function, *waiting.popleft(), lost)
        while waiting:
            yield self._result(function, *waiting.popleft(), lost)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)

    def _submit(self, function: Function[T, R], batch: Sequence[T]) -> Future[list[R]]:
        if self._executor is None:
            self._executor = _executor(self._num)
        try:
            return self._executor.submit(function, batch)
        except BrokenProcessPool:
            self._executor.shutdown()
            self._executor = _executor(self._num)
            return self._executor.submit(function, batch)

    def _result(
        self, function: Function[T, R], batch: Sequence[T], future: Future[list[R]], lost: Callable[[T], R]
    ) -> list[R]:
        try:
            return future.result()
        except BrokenProcessPool:
            return _done_alone(function, batch, lost)


def _done_alone(function: Function[T, R], batch: Sequence[T], lost: Callable[[T], R]) -> list[R]:
    try:
        with _executor(1) as executor:
            _require(executor)
            return executor.submit(function, batch).result()
    except BrokenProcessPool:
        if len(batch) == 1:
            return [lost(batch[0])]
        return [result for one in batch for result in _done_alone(function, [one], lost)]


def _require(executor: ProcessPoolExecutor) -> None:
    """See that a process lives at all, before rows are blamed for its death. InputError."""
    try:
        executor.submit(os.getpid).result()
    except BrokenProcessPool as error:
        raise InputError(
            "a process to work in ends as it begins: see what it says above; a script needs its "
            "`if __name__ == '__main__':`, and processes need memory"
        ) from error


def _executor(num: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(num, multiprocessing.get_context("spawn"), initializer=begin)


def begin(num_threads: int = 1) -> None:
    """In a process to work in: so many threads; Ctrl-C is its parent's to hear, and it ends with that."""
    os.environ["OMP_NUM_THREADS"] = str(num_threads)  # read when torch is loaded
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
