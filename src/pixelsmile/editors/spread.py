"""One editor in several processes, each with a GPU of its own, or on the machines of a Ray cluster.

Each process opens the editor for itself and is given a sweep at a time. What an editor makes of a sweep
depends on the sweep alone, so the edits are those of one process; only the order in which they come is
another. A process that dies over a sweep is begun again and given it once more; if it dies again, that sweep
fails.
"""

import asyncio
import multiprocessing
import os
import pickle
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from PIL import Image
from pydantic import JsonValue

from pixelsmile.editors.editor import Capabilities, EditorStoppedError, EditOutcome, Task, TaskEditor
from pixelsmile.errors import InputError
from pixelsmile.workers.pool import begin
from pixelsmile.workers.ray_cluster import RayCluster

Opener = Callable[[], TaskEditor]
_Job = tuple[Task, Image.Image, tuple[float, ...], int]
_Done = tuple[list[EditOutcome], Exception | None]
_About = tuple[Capabilities, dict[str, JsonValue]]

MAX_DEATHS = 2  # of processes over one sweep
_PATIENCE_S = 10.0  # for a process to end by itself
_GPUS = "CUDA_VISIBLE_DEVICES"


class SeatLostError(Exception):
    """The process has ended over its work."""


class Seat(Protocol):
    """A place where an editor works. Its calls block; SeatLostError where the process ends over one."""

    def open(self) -> _About:
        """What the editor says of itself; begins the process where there is none. What opening it raises."""

    def edit(self, job: _Job) -> _Done:
        """The outcomes of a sweep, and what ended it before all were there."""

    def end(self) -> None:
        """Let go of the process, whatever it is doing."""


def spread_editor(opener: Opener, num: int | None = None, ray: str | None = None) -> "SpreadEditor":
    """The editor that `opener` gives, in `num` processes, or on the Ray cluster at that address.

    opener: can be pickled, and is called in each process. num: None for one a GPU, or a processor where there
    is none. Processes get the GPUs that are seen here by turns, and the processors in equal parts.
    InputError where Ray is not there; what opening the editor raises.
    """
    asked = pickle.dumps(opener)
    if ray is None:
        gpus = _gpus_here()
        num = num or len(gpus) or os.cpu_count() or 1
        threads = int(os.environ.get("OMP_NUM_THREADS", 0)) or max(1, (os.cpu_count() or 1) // num)
        places = [{_GPUS: gpus[index % len(gpus)]} if gpus else {} for index in range(num)]
        return SpreadEditor([ProcessSeat(asked, place, threads) for place in places])
    cluster = RayCluster(ray, num or os.cpu_count() or 1)
    cluster.connect()
    num_gpus, num_cpus = _of_cluster()
    seats = [RaySeat(asked, 1 if num_gpus else 0) for _ in range(num or num_gpus or num_cpus)]
    return SpreadEditor(seats, cluster.disconnect)


class SpreadEditor:
    """Several of one editor as one, with as many sweeps under way. The first is opened at once, which raises
    what that raises; the others when there is work for them."""

    def __init__(self, seats: Sequence[Seat], closed: Callable[[], None] = lambda: None) -> None:
        """closed: is called when all have ended."""
        self.max_concurrency = len(seats)
        self._seats, self._closed = seats, closed
        self._free = list(reversed(seats))  # the last is taken first
        self._threads = ThreadPoolExecutor(len(seats))
        try:
            self.capabilities, self._record = seats[0].open()
        except BaseException as error:
            self._end()
            if isinstance(error, SeatLostError):
                raise InputError(
                    "the process of the editor ends as it begins: see what it says above; it may lack memory"
                ) from error
            raise

    def to_record(self) -> dict[str, JsonValue]:
        """What the editor says of itself: in several processes a run is the same run."""
        return dict(self._record)

    async def edit(
        self, task: Task, picture: Image.Image, strengths: Sequence[float], seed: int
    ) -> AsyncGenerator[EditOutcome, None]:
        """One sweep, by whoever is free. EditorStoppedError where the editors are not the same."""
        seat = self._free.pop()
        try:
            outcomes, error = await self._asked(seat, (task, picture, tuple(strengths), seed))
        finally:
            self._free.append(seat)
        for outcome in outcomes:
            yield outcome
        if error is not None:
            raise error

    async def close(self) -> None:
        """End all processes, those at work too."""
        self._end()

    async def _asked(self, seat: Seat, job: _Job) -> _Done:
        here = asyncio.get_running_loop()
        for _ in range(MAX_DEATHS):
            try:
                _, record = await here.run_in_executor(self._threads, seat.open)
                if record != self._record:
                    raise EditorStoppedError(
                        "the editor is not the same in each process, in its files or on its device: give all "
                        "the same"
                    )
                return await here.run_in_executor(self._threads, seat.edit, job)
            except SeatLostError:
                seat.end()
        words = f"the editor's process ended {MAX_DEATHS} times over this sweep, perhaps for lack of memory"
        return [], InputError(f"{words}: try it with fewer processes")

    def _end(self) -> None:
        for seat in self._seats:
            seat.end()
        self._threads.shutdown()
        self._closed()


class Desk:
    """What is in a process: the editor, and one event loop for all that it does.

    No method is a coroutine: Ray would run all of them in an event loop of its own.
    """

    def __init__(self, opener: bytes, folder: str) -> None:
        """folder: that paths are relative to."""
        os.chdir(folder)
        self._opener = opener
        self._runner = asyncio.Runner()

    def open(self) -> _About:
        """Open the editor: what it can do, and its record."""
        self._editor: TaskEditor = pickle.loads(self._opener)()
        return self._editor.capabilities, self._editor.to_record()

    def edit(self, job: _Job) -> _Done:
        """What came, and what it was ended by; both can be pickled."""
        outcomes: list[EditOutcome] = []
        try:
            self._runner.run(_collect(self._editor, job, outcomes))
        except Exception as error:
            return outcomes, _portable(error)
        return outcomes, None

    def close(self) -> None:
        """Let go of the editor."""
        self._runner.run(self._editor.close())
        self._runner.close()


async def _collect(editor: TaskEditor, job: _Job, outcomes: list[EditOutcome]) -> None:
    async with aclosing(editor.edit(*job)) as found:
        async for outcome in found:
            outcomes.append(outcome)


class ProcessSeat:
    """A process of this machine. environment: it has besides, before anything is loaded in it."""

    def __init__(self, opener: bytes, environment: Mapping[str, str], num_threads: int) -> None:
        self._given = opener, os.getcwd(), dict(environment), num_threads
        self._about: _About | None = None
        self._process: BaseProcess | None = None
        self._is_busy = False

    def open(self) -> _About:
        if self._about is None:
            context = multiprocessing.get_context("spawn")
            self._line, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(theirs, *self._given), daemon=True)
            self._is_busy = True
            self._process.start()
            theirs.close()
            self._about, error = self._answer()
            self._is_busy = False
            if error is not None:
                raise error
        assert self._about is not None
        return self._about

    def edit(self, job: _Job) -> _Done:
        self._is_busy = True
        try:
            self._line.send(job)
        except OSError as error:
            raise SeatLostError from error
        done: _Done = self._answer()
        self._is_busy = False
        return done

    def end(self) -> None:
        """In good order where it rests, at once where it works."""
        process, self._process, self._about = self._process, None, None
        if process is None:
            return
        if not self._is_busy:
            with suppress(OSError):
                self._line.send(None)
            process.join(_PATIENCE_S)
        process.kill()
        process.join()
        self._line.close()
        self._is_busy = False

    def _answer(self) -> Any:
        try:
            return self._line.recv()
        except (EOFError, OSError) as error:
            raise SeatLostError from error


class RaySeat:
    """An actor on a machine of a cluster that has a processor to spare, and with num_gpus 1 a GPU."""

    def __init__(self, opener: bytes, num_gpus: int) -> None:
        self._given, self._num_gpus = (opener, os.getcwd()), num_gpus
        self._actor: Any = None
        self._about: _About | None = None

    def open(self) -> _About:
        if self._about is None:
            import ray

            self._actor = ray.remote(Desk).options(num_cpus=1, num_gpus=self._num_gpus).remote(*self._given)
            self._about = self._of(self._actor.open)
        return self._about

    def edit(self, job: _Job) -> _Done:
        done: _Done = self._of(self._actor.edit, job)
        return done

    def end(self) -> None:
        actor, self._actor, self._about = self._actor, None, None
        if actor is not None:
            import ray

            ray.kill(actor)

    def _of(self, method: Any, *given: Any) -> Any:
        """What the actor answers, or raises. SeatLostError where it is gone."""
        import ray

        try:
            return ray.get(method.remote(*given))
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except ray.exceptions.RayError as error:
            raise SeatLostError from error


def _serve(
    line: Connection, opener: bytes, folder: str, environment: Mapping[str, str], threads: int
) -> None:
    """The life of a process: open the editor, do what is asked, end with a None."""
    os.environ.update(environment)
    begin(threads)
    try:
        desk = Desk(opener, folder)
        line.send((desk.open(), None))
    except Exception as error:
        line.send((None, _portable(error)))
        return
    with suppress(EOFError):
        while (job := line.recv()) is not None:
            line.send(desk.edit(job))
    desk.close()


def _portable(error: Exception) -> Exception:
    """The error, or one that says the same where it cannot be sent."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _gpus_here() -> list[str]:
    """As CUDA_VISIBLE_DEVICES names them; none where there are none."""
    if named := os.environ.get(_GPUS):
        return [device.strip() for device in named.split(",")]
    import torch

    return [str(index) for index in range(torch.cuda.device_count())]


def _of_cluster() -> tuple[int, int]:
    """The GPUs and processors of the cluster that we are connected to."""
    import ray

    found = ray.cluster_resources()
    return int(found.get("GPU", 0)), max(1, int(found.get("CPU", 1)))
