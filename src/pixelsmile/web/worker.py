"""The model worker: one thread a device that makes all edits, since no engine is made for several threads.

Whoever has work hands over a generator function, and is called back with what comes of it:

    def work(tools: Tools) -> Iterator[object]:
        yield from stream_edit(tools.editor(), source, faces, [Request("happy")])

    job = worker.submit("geometric", work, print)   # Started, Progress, ..., EditResult, Done; or Failed
    job.cancel()

An edit of a model that makes batches waits, inside its generator, until the worker runs it with the edits
of others that are sampled alike. Each sample has its own noise: what a batch holds besides changes nothing.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace

from pixelsmile.editing.editor import Editor
from pixelsmile.editing.engine import (
    BatchingEngine,
    EditJob,
    Engine,
    EngineInfo,
    EngineResult,
    Progress,
)
from pixelsmile.editing.session import FaceFinder
from pixelsmile.errors import PixelSmileError
from pixelsmile.judges.judge import Judge
from pixelsmile.web.models import Desk, Loaded

_log = logging.getLogger(__name__)

MAX_TOGETHER = 8  # jobs that are begun together, so that their edits may share batches
_WAITING = Progress("encode", 0, 1)  # of an edit that the worker has not run yet
_USUAL_S = 1.0  # of a job, before any was measured
_MEMORY = 0.2  # weight of the last job in the mean


@dataclass(frozen=True)
class Started:
    """The worker has begun."""


@dataclass(frozen=True)
class Done:
    """All came that was to come. seconds: since the worker began."""

    seconds: float


@dataclass(frozen=True)
class Failed:
    """Nothing more comes, for this reason."""

    error: Exception


class StoppedError(PixelSmileError):
    """The worker takes no more work."""


class Tools:
    """What a job works with, for as long as it runs."""

    def __init__(self, desk: Desk, model: str | None) -> None:
        self._desk, self._model = desk, model
        self.engine: _SharedEngine | None = None

    def editor(self, previews: int = 0) -> Editor:
        """The editor with the job's model. previews: as of `EditJob`. LoadingError."""
        assert self._model is not None
        self.engine = _SharedEngine(self._desk.model(self._model), previews)
        return Editor(self.engine)

    def finder(self, say: Callable[[str], None]) -> FaceFinder:
        """Finds faces; `say` is told what a person should know."""
        return self._desk.finder(say)

    def judge(self, name: str) -> Judge:
        """A judge of this machine: photo or embedded."""
        return self._desk.judge(name)


Work = Callable[[Tools], Iterator[object]]


class Job:
    """Work that was handed over. `tell` is called in the worker's thread, and never after `cancel`."""

    def __init__(
        self,
        model: str | None,
        work: Work,
        tell: Callable[[object], None],
        forget: "Callable[[Job], None]" = lambda job: None,
    ) -> None:
        """forget: is called when it is cancelled."""
        self.model = model
        self._work, self._tell, self._forget = work, tell, forget
        self._cancelled = threading.Event()
        self._steps: Iterator[object] | None = None
        self._tools: Tools | None = None
        self._began = 0.0
        self.seconds: float | None = None  # that it took, once it is over

    def cancel(self) -> None:
        """Let it go: what waits is never begun, what runs ends with the step at hand. From any thread."""
        self._cancelled.set()
        self._forget(self)

    @property
    def is_cancelled(self) -> bool:
        return self._cancelled.is_set()

    def begin(self, desk: Desk) -> None:
        """Run to where it waits for the engine, or to its end."""
        self._began = time.monotonic()
        self._tools = Tools(desk, self.model)
        self._say(Started())
        try:
            self._steps = self._work(self._tools)
        except Exception as error:
            self._end(Failed(error))
            return
        self.go_on()

    def go_on(self) -> None:
        """The same from where it waits."""
        if self._steps is None:
            return
        try:
            while not self.is_cancelled:
                event = next(self._steps)
                if event is _WAITING:
                    return
                self._say(event)
        except StopIteration:
            self._end(Done(time.monotonic() - self._began))
        except Exception as error:
            self._end(Failed(error))
        else:
            self._end(None)

    @property
    def ticket(self) -> "_Ticket | None":
        """The edit that it waits for; a cancelled job waits for none."""
        if self.is_cancelled:
            self.go_on()
        engine = None if self._tools is None else self._tools.engine
        return None if engine is None else engine.ticket

    def fail(self, error: Exception) -> None:
        """End it for a reason that is none of its own, unless it has ended."""
        if self.seconds is None:
            self._end(Failed(error))

    def _end(self, event: object | None) -> None:
        steps, self._steps = self._steps, None
        if isinstance(steps, Generator):
            steps.close()
        self._tools = None
        self.seconds = time.monotonic() - self._began if self._began else 0.0
        if event is not None:
            self._say(event)

    def _say(self, event: object) -> None:
        if self.is_cancelled:
            return
        try:
            self._tell(event)
        except RuntimeError:  # whoever listened is gone, and the loop that called back is closed
            self.cancel()


@dataclass
class _Ticket:
    """An edit that waits for the worker, and what has come of it."""

    job: EditJob
    events: deque[Progress | EngineResult] = field(default_factory=deque)
    error: Exception | None = None
    is_closed: bool = False


class _SharedEngine:
    """An engine as one job sees it: it gives the job's edits to the worker, and waits."""

    def __init__(self, loaded: Loaded, previews: int) -> None:
        self._engine, self._previews = loaded.engine, previews
        self.info: EngineInfo = loaded.info
        self.ticket: _Ticket | None = None

    @property
    def multiple_px(self) -> int:
        return self._engine.multiple_px

    def stream(self, job: EditJob) -> Iterator[Progress | EngineResult]:
        ticket = self.ticket = _Ticket(replace(job, previews=self._previews))
        try:
            while True:
                while ticket.events:
                    event = ticket.events.popleft()
                    if isinstance(event, EngineResult):
                        self.ticket, ticket.is_closed = None, True
                        yield event
                        return
                    yield event
                if ticket.error is not None:
                    raise ticket.error
                yield _WAITING
        finally:
            ticket.is_closed = True
            if self.ticket is ticket:
                self.ticket = None


class Worker:
    """Takes work, one thread a desk, and does it in the order in which it came.

    Work of one model that waits together is begun together. What is to be waited for is `num_waiting`; how
    many may wait is the caller's matter. on_batch: is told how many edits went through an engine together.
    """

    def __init__(
        self,
        desks: Sequence[Desk],
        max_together: int = MAX_TOGETHER,
        on_batch: Callable[[int], None] = lambda number: None,
    ) -> None:
        self._max_together, self._on_batch = max_together, on_batch
        self._waiting: deque[Job] = deque()
        self._running: set[Job] = set()
        self._changed = threading.Condition()
        self._is_stopping = False
        self._mean_s = _USUAL_S
        self._threads = [
            threading.Thread(target=self._work_at, args=(desk,), name=f"model-worker-{number}", daemon=True)
            for number, desk in enumerate(desks)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, model: str | None, work: Work, tell: Callable[[object], None]) -> Job:
        """Hand over work that needs this model (None: none). StoppedError after `stop`."""
        job = Job(model, work, tell, self._forget)
        with self._changed:
            if self._is_stopping:
                raise StoppedError("the server is stopping: ask again in a minute")
            self._waiting.append(job)
            self._changed.notify()
        return job

    @property
    def num_waiting(self) -> int:
        return len(self._waiting)

    @property
    def num_running(self) -> int:
        return len(self._running)

    def expected_s(self) -> float:
        """In about what time work that is handed over now would begin, by the mean of the last jobs."""
        jobs_ahead = self.num_waiting + self.num_running
        return jobs_ahead * self._mean_s / max(1, len(self._threads))

    def stop(self) -> None:
        """Finish what was begun; what waits fails with StoppedError."""
        with self._changed:
            self._is_stopping = True
            left = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        for job in left:
            job.fail(StoppedError("the server is stopping, and had not begun this: ask again in a minute"))

    def join(self, timeout_s: float | None = None) -> None:
        """Wait until the threads have ended, after `stop`."""
        for thread in self._threads:
            thread.join(timeout_s)

    def _forget(self, job: Job) -> None:
        """Let a cancelled job go at once, with the picture that it holds."""
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)

    def _work_at(self, desk: Desk) -> None:
        while jobs := self._next(desk):
            try:
                for job in jobs:
                    job.begin(desk)
                while group := self._group(jobs):
                    self._run(desk, group)
            except Exception as error:  # the thread goes on: others wait
                _log.error("the worker failed", exc_info=error)
                for job in jobs:
                    job.fail(error)
            finally:
                with self._changed:
                    self._running.difference_update(jobs)
                for job in jobs:
                    if job.seconds is not None and not job.is_cancelled:
                        self._mean_s += _MEMORY * (job.seconds / len(jobs) - self._mean_s)

    def _next(self, desk: Desk) -> list[Job]:
        """The job that came first and, where its model makes batches, others of that model; or the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_stopping)
            if not self._waiting:
                return []
            first = self._waiting.popleft()
            self._running.add(first)
        if first.model is None or not self._makes_batches(desk, first.model):
            return [first]
        with self._changed:
            alike = [job for job in self._waiting if job.model == first.model]
            jobs = [first, *alike[: self._max_together - 1]]
            for job in jobs[1:]:
                self._waiting.remove(job)
            self._running.update(jobs)
        return jobs

    def _makes_batches(self, desk: Desk, model: str) -> bool:
        try:
            return isinstance(desk.model(model).engine, BatchingEngine)
        except PixelSmileError:  # the job itself will say so
            return False

    def _group(self, jobs: Sequence[Job]) -> list[Job]:
        """The first of the jobs that waits for the engine, and those whose edits can go with it."""
        tickets = [(job, ticket) for job in jobs if (ticket := job.ticket) is not None]
        if not tickets:
            return []
        key = tickets[0][1].job.batch_key
        return [job for job, ticket in tickets if ticket.job.batch_key == key]

    def _run(self, desk: Desk, group: list[Job]) -> None:
        """Run the edits that a group waits for; if they fail together, each alone, so that none has to
        suffer for another.
        """
        model = group[0].model
        assert model is not None
        tickets = [ticket for job in group if (ticket := job.ticket) is not None]
        if len(tickets) < len(group):  # cancelled since
            return
        if len(group) > 1 and not isinstance(desk.model(model).engine, BatchingEngine):
            group, tickets = group[:1], tickets[:1]
        self._on_batch(len(group))
        events = _events(desk.model(model).engine, [ticket.job for ticket in tickets])
        try:
            for place, event in events:
                tickets[place].events.append(event)
                group[place].go_on()
                for job in group:
                    if job.is_cancelled:
                        job.go_on()
                if all(ticket.is_closed for ticket in tickets):
                    return
            raise RuntimeError("the engine ended without a picture")
        except Exception as error:
            left = [job for job, ticket in zip(group, tickets, strict=True) if not ticket.is_closed]
            if len(group) > 1:
                for job in left:
                    self._run(desk, [job])
                return
            tickets[0].error = error
            for job in left:
                job.go_on()
        finally:
            events.close()


def _events(
    engine: Engine, jobs: Sequence[EditJob]
) -> Generator[tuple[int, Progress | EngineResult], None, None]:
    if isinstance(engine, BatchingEngine) and len(jobs) > 1:
        yield from engine.stream_many(jobs)
    else:
        (job,) = jobs
        for event in engine.stream(job):
            yield 0, event
