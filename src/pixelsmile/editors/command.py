"""Any editor behind a command: started once, it reads a job a line and answers a line each.

    in    {"job": 1, "source_path": ..., "target": "happy", "prompt": ..., "domain": "human", "strength": 0.5,
           "seed": 0, "out_path": ..., "face_box": [x0, y0, x1, y1] or null}
          and "units": {"jaw_drop": 0.4, ...} at full strength, where it is asked for one look of the target
    out   {"job": 1, "ok": true}    once the picture is in out_path (PNG by its name; any format is read)
          {"job": 1, "error": "why there is none"}

All jobs of a sweep are sent at once, those of several sweeps where it may be given them, and may be answered
in any order. Its stdout carries answers and nothing else; its stderr goes to a log. Where it dies, answers
nonsense, or is silent for too long, the oldest job without an answer fails, with the last line of its stderr;
after a death or a silence it is started again and gets the other jobs once more. It should end when its stdin
does.
"""

import asyncio
import json
import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
from asyncio.subprocess import SubprocessStreamProtocol
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from pydantic import BaseModel, JsonValue

from pixelsmile.editors.editor import Capabilities, EditOutcome, Task
from pixelsmile.errors import ImageError, InputError, OutputError, one_line
from pixelsmile.hashing import sha256_file
from pixelsmile.images import load_image
from pixelsmile.limits import shown, validated

DEFAULT_TIMEOUT_S = 600.0
MAX_FRUITLESS_STARTS = 3  # in a row, without one answer
_MAX_REASON = 300  # characters
_MAX_LAST_WORDS = 160  # of its stderr, in a reason
_MAX_LOG = 4096  # bytes of its stderr that are read for them
_MAX_LINE = 1_000_000  # bytes of an answer
_PATIENCE_S = 5.0  # for a command to end by itself
_LOOK_S = 0.2  # how often to see whether a silent program has ended


class _Answer(BaseModel):
    """Further fields are the command's own."""

    job: int
    ok: bool = False
    error: str | None = None


@dataclass(frozen=True, eq=False)
class _Job:
    """failures: of its sweep, where it is put with what is wrong, if anything, once it is settled."""

    strength: float
    line: bytes
    out: Path
    failures: "asyncio.Queue[tuple[_Job, str | None]]"


class CommandEditor:
    """Runs a command. Its faults are failures with a reason, never an exception and never a hang.

    timeout_s: how long it may go without an answer, from its start or from the answer before.
    max_concurrency: how many sweeps it is given at once.
    """

    capabilities = Capabilities()

    def __init__(
        self, command: str, folder: Path, *, timeout_s: float = DEFAULT_TIMEOUT_S, max_concurrency: int = 1
    ) -> None:
        """folder: gets `editor.log`, and pictures on their way. InputError where there is no such program."""
        self.max_concurrency = max_concurrency
        self._command = command
        self._arguments = _split(command)
        self._timeout_s = timeout_s
        self._log = folder / "editor.log"
        self._scratch = folder / "scratch"
        self._program: _Program | None = None
        self._waiting: dict[int, _Job] = {}  # by number, the oldest first
        self._attendant: asyncio.Task[None] | None = None
        self._num_jobs = 0
        self._num_fruitless = 0
        self._last_end = ""

    def to_record(self) -> dict[str, JsonValue]:
        """The command, and the hashes of the files that it names."""
        files: dict[str, JsonValue] = {
            word: sha256_file(word) for word in self._arguments[1:] if Path(word).is_file()
        }
        return {"kind": "command", "name": self._command, "files": files}

    async def edit(
        self, task: Task, picture: Image.Image, strengths: Sequence[float], seed: int
    ) -> AsyncGenerator[EditOutcome, None]:
        """The pictures in the order of the answers."""
        with self._place() as place:
            source = Path(place).absolute() / f"{task.source}.png"
            picture.save(source)
            jobs = self._jobs(task, source, strengths, seed)
            self._give(jobs)
            try:
                for _ in jobs:
                    job, failure = await self._settled(next(iter(jobs.values())).failures)
                    yield _outcome(job, failure)
            finally:  # given up: nobody waits for the others any more
                for number in jobs:
                    self._waiting.pop(number, None)

    async def close(self) -> None:
        """Ask it to end, and see to it."""
        if self._attendant is not None:
            self._attendant.cancel()
            await asyncio.wait([self._attendant])
        if self._program is not None:
            await self._program.end(_PATIENCE_S)
            self._program = None
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _place(self) -> "tempfile.TemporaryDirectory[str]":
        try:
            self._scratch.mkdir(parents=True, exist_ok=True)
            return tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True)
        except OSError as error:
            raise OutputError(
                f"cannot write to {str(self._scratch)!r} ({error.strerror}): mend that"
            ) from error

    def _jobs(self, task: Task, source: Path, strengths: Sequence[float], seed: int) -> dict[int, _Job]:
        failures: asyncio.Queue[tuple[_Job, str | None]] = asyncio.Queue()
        jobs = {}
        for strength in strengths:
            self._num_jobs += 1
            out = source.with_name(f"{self._num_jobs}.png")
            described = {
                "job": self._num_jobs,
                "source_path": str(source),
                "target": task.target,
                "prompt": task.prompt,
                "domain": task.domain,
                "strength": strength,
                "seed": seed,
                "out_path": str(out),
                "face_box": task.face_box,
                **({} if task.units is None else {"units": dict(task.units)}),
            }
            jobs[self._num_jobs] = _Job(strength, json.dumps(described).encode(), out, failures)
        return jobs

    def _give(self, jobs: dict[int, _Job]) -> None:
        """Have the jobs done, by the program that runs or by the next one."""
        self._waiting |= jobs
        if self._attendant is None or self._attendant.done():
            self._attendant = asyncio.create_task(self._attend())
        elif self._program is not None:
            self._program.send(jobs.values())

    async def _settled(self, failures: "asyncio.Queue[tuple[_Job, str | None]]") -> tuple[_Job, str | None]:
        """The next job of a sweep; what the attendant raises."""
        assert self._attendant is not None
        found = asyncio.ensure_future(failures.get())
        await asyncio.wait([found, self._attendant], return_when=asyncio.FIRST_COMPLETED)
        if not found.done() and failures.empty():
            found.cancel()
            self._attendant.result()
        return await found

    async def _attend(self) -> None:
        """Settle jobs as long as there are any."""
        if self._program is not None and self._program.has_ended:  # with nothing to do: no job's fault
            await self._end("the command ended", 1)
        elif self._program is not None:
            self._program.send(self._waiting.values())
        while self._waiting:
            number, failure = await self._settle()
            if (job := self._waiting.pop(number, None)) is not None:
                job.failures.put_nowait((job, failure))

    async def _settle(self) -> tuple[int, str | None]:
        """The number of a job that is done, and what is wrong with it, if anything."""
        oldest = next(iter(self._waiting))
        if self._program is None:
            if self._num_fruitless >= MAX_FRUITLESS_STARTS:
                return (
                    oldest,
                    f"the command was started {MAX_FRUITLESS_STARTS} times in vain: {self._last_end}",
                )
            self._program = await _Program.start(self._arguments, self._log)
            self._num_fruitless += 1
            self._program.send(self._waiting.values())
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                line = await self._program.receive(deadline - time.monotonic())
            except TimeoutError:
                reason = f"no answer for {self._timeout_s:g} s; does it flush its answers?"
                return oldest, await self._end(reason, 0)
            if line is None:
                return oldest, await self._end("the command ended before it had answered", 1)
            answer = _read(line)
            if answer is None or not 1 <= answer.job <= self._num_jobs:
                return oldest, f"answered {_shortened(line)}, which is no answer to a job"
            self._num_fruitless = 0
            if answer.job in self._waiting:  # else it was settled before
                return answer.job, _failure(answer)

    async def _end(self, reason: str, patience_s: float) -> str:
        assert self._program is not None
        how = await self._program.end(patience_s)
        words = one_line(self._program.last_words(), _MAX_LAST_WORDS)
        self._last_end = f"{reason} ({how})" + (f"; its last words: {words}" if words else "")
        self._program = None
        return self._last_end


class _Program:
    """One run of a program that is spoken to in lines; what it starts ends with it."""

    def __init__(
        self,
        transport: asyncio.SubprocessTransport,
        pipes: SubprocessStreamProtocol,
        log: Path,
        log_start: int,
    ) -> None:
        """log_start: where its words begin in `log`, after those of runs before."""
        assert pipes.stdin is not None
        assert pipes.stdout is not None
        self._transport, self._stdin, self._stdout = transport, pipes.stdin, pipes.stdout
        self._log, self._log_start = log, log_start

    @classmethod
    async def start(cls, arguments: Sequence[str], log: Path) -> "_Program":
        """Start it, its stderr added to the file `log`. InputError where it cannot be started."""
        loop = asyncio.get_running_loop()
        try:
            with log.open("ab") as stderr:
                log_start = stderr.tell()
                transport, pipes = await loop.subprocess_exec(
                    lambda: SubprocessStreamProtocol(_MAX_LINE, loop),
                    *arguments,
                    stderr=stderr,
                    start_new_session=True,
                )
        except OSError as error:
            raise InputError(
                f"cannot start {arguments[0]!r} ({error.strerror}): check the command after command:"
            ) from error
        return cls(transport, pipes, log, log_start)

    @property
    def has_ended(self) -> bool:
        """Whether it runs no more; lines of its may still wait."""
        return self._transport.get_returncode() is not None

    def send(self, jobs: Iterable[_Job]) -> None:
        """Have the jobs' lines written as soon as the program takes them."""
        for job in jobs:
            if not self._stdin.is_closing():  # where it has ended, `receive` finds out
                self._stdin.write(job.line + b"\n")

    async def receive(self, timeout_s: float) -> bytes | None:
        """The next line; None once the program has ended. TimeoutError after that long without either."""
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            ended = self.has_ended  # asked before the look: its last lines may still be on the way
            try:
                return await asyncio.wait_for(self._stdout.readline(), min(left, _LOOK_S)) or None
            except TimeoutError:  # a descendant outside of its group may hold the pipe for ever
                if ended:
                    return None
            except ValueError:  # longer than _MAX_LINE
                return b"a line without end"
        raise TimeoutError

    async def end(self, patience_s: float) -> str:
        """Close its input, wait that long, then kill it and what it started. How it ended, in words."""
        self._stdin.close()
        is_killed = not await self._has_ended_within(patience_s)
        self._kill()
        await self._has_ended_within(_PATIENCE_S)
        self._transport.close()  # also what a descendant holds open
        code = self._transport.get_returncode() or 0
        if is_killed:
            return "it was stopped"
        return f"killed by signal {-code}" if code < 0 else f"exit code {code}"

    def last_words(self) -> str:
        """The last line of its stderr that says anything; empty where none does."""
        with suppress(OSError), self._log.open("rb") as log:
            log.seek(max(self._log_start, log.seek(0, os.SEEK_END) - _MAX_LOG))
            lines = log.read(_MAX_LOG).decode(errors="replace").splitlines()
            return next((line.strip() for line in reversed(lines) if line.strip()), "")
        return ""

    async def _has_ended_within(self, patience_s: float) -> bool:
        """Looked at again and again: to wait for a process is to wait for whoever holds its pipes."""
        deadline = time.monotonic() + patience_s
        while not self.has_ended and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        return self.has_ended

    def _kill(self) -> None:
        if sys.platform == "win32":
            with suppress(ProcessLookupError):
                self._transport.kill()
            return
        with suppress(ProcessLookupError, PermissionError):  # all of it has ended
            os.killpg(self._transport.get_pid(), signal.SIGKILL)


def _split(command: str) -> list[str]:
    try:
        arguments = shlex.split(command)
    except ValueError as error:
        raise InputError(f"cannot split the command {command!r} ({error}): check its quotes") from error
    if not arguments:
        raise InputError('no command after command: write for example command:"python my_editor.py"')
    if shutil.which(arguments[0]) is None:
        raise InputError(f"there is no program {arguments[0]!r}: check the command after command:")
    return arguments


def _read(line: bytes) -> _Answer | None:
    try:
        return validated(_Answer, line)
    except InputError:
        return None


def _failure(answer: _Answer) -> str | None:
    if answer.error is not None:
        return f"the editor said: {one_line(answer.error, _MAX_REASON) or 'nothing'}"
    return None if answer.ok else "answered neither ok nor error"


def _outcome(job: _Job, failure: str | None) -> EditOutcome:
    if failure is None and not job.out.exists():
        failure = "answered ok, but wrote no picture to out_path"
    if failure is not None:
        return EditOutcome(job.strength, None, failure)
    try:
        return EditOutcome(job.strength, load_image(job.out))
    except ImageError as error:
        return EditOutcome(job.strength, None, str(error).replace(repr(str(job.out)), "what it wrote"))


def _shortened(line: bytes) -> str:
    return shown(line.decode(errors="replace").strip())
