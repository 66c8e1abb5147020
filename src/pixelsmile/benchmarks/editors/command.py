"""Any editor behind a command: started once, it reads a job a line and answers a line each.

    in    {"job": 1, "source_path": ..., "target": "happy", "prompt": ..., "domain": "human", "strength": 0.5,
           "seed": 0, "out_path": ..., "face_box": [x0, y0, x1, y1] or null}
    out   {"job": 1, "ok": true}    once the picture is in out_path (PNG by its name; any format is read)
          {"job": 1, "error": "why there is none"}

All jobs of a sweep are sent at once, and may be answered in any order. Its stdout carries answers and nothing
else; its stderr goes to a log. Where it dies, answers nonsense, or is silent for too long, the oldest job
without an answer fails, with the last line of its stderr; after a death or a silence it is started again and
gets the other jobs once more. It should end when its stdin does.
"""

import json
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from pydantic import BaseModel, JsonValue

from pixelsmile.benchmarks.editors.editor import Made
from pixelsmile.benchmarks.editors.line_process import LineProcess
from pixelsmile.benchmarks.tasks import Task
from pixelsmile.errors import ImageError, InputError, OutputError, one_line
from pixelsmile.hashing import sha256_file
from pixelsmile.images import load_image
from pixelsmile.limits import shown, validated

DEFAULT_TIMEOUT_S = 600.0
MAX_FRUITLESS_STARTS = 3  # in a row, without one answer
_MAX_REASON = 300  # characters
_MAX_LAST_WORDS = 160  # of its stderr, in a reason
_PATIENCE_S = 5.0  # for a command to end by itself


class _Answer(BaseModel):
    """Further fields are the command's own."""

    job: int
    ok: bool = False
    error: str | None = None


@dataclass(frozen=True)
class _Job:
    strength: float
    line: bytes
    out: Path


class CommandEditor:
    """Runs a command. Its faults are failures with a reason, never an exception and never a hang.

    timeout_s: how long it may go without an answer, from its start or from the answer before.
    """

    def __init__(self, command: str, folder: Path, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        """folder: gets `editor.log`, and pictures on their way. InputError where there is no such program."""
        self._command = command
        self._arguments = _split(command)
        self._timeout_s = timeout_s
        self._log = folder / "editor.log"
        self._scratch = folder / "scratch"
        self._process: LineProcess | None = None
        self._num_jobs = 0
        self._num_fruitless = 0
        self._last_end = ""

    def to_record(self) -> dict[str, JsonValue]:
        """The command, and the hashes of the files that it names."""
        files: dict[str, JsonValue] = {
            word: sha256_file(word) for word in self._arguments[1:] if Path(word).is_file()
        }
        return {"kind": "command", "name": self._command, "files": files}

    def edit(self, task: Task, picture: Image.Image, strengths: Sequence[float], seed: int) -> Iterator[Made]:
        """The pictures in the order of the answers."""
        with self._place() as place:
            source = Path(place).absolute() / f"{task.source}.png"
            picture.save(source)
            waiting = {}
            for strength in strengths:
                self._num_jobs += 1
                waiting[self._num_jobs] = _job(self._num_jobs, task, source, strength, seed)
            if self._process is not None and self._process.has_ended:  # with nothing to do: no job's fault
                self._end("the command ended", 1)
            if self._process is not None:
                _send(self._process, waiting.values())
            while waiting:
                number, failure = self._settle(waiting)
                yield _made(waiting.pop(number), failure)

    def close(self) -> None:
        """Ask it to end, and see to it."""
        if self._process is not None:
            self._process.end(_PATIENCE_S)
            self._process = None
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _place(self) -> "tempfile.TemporaryDirectory[str]":
        try:
            self._scratch.mkdir(parents=True, exist_ok=True)
            return tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True)
        except OSError as error:
            raise OutputError(
                f"cannot write to {str(self._scratch)!r} ({error.strerror}): mend that"
            ) from error

    def _settle(self, waiting: dict[int, _Job]) -> tuple[int, str | None]:
        """The number of a job that is done, and what is wrong with it, if anything."""
        oldest = next(iter(waiting))
        if self._process is None:
            if self._num_fruitless >= MAX_FRUITLESS_STARTS:
                return (
                    oldest,
                    f"the command was started {MAX_FRUITLESS_STARTS} times in vain: {self._last_end}",
                )
            self._process = LineProcess(self._arguments, self._log)
            self._num_fruitless += 1
            _send(self._process, waiting.values())
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                line = self._process.receive(deadline - time.monotonic())
            except TimeoutError:
                reason = f"no answer for {self._timeout_s:g} s; does it flush its answers?"
                return oldest, self._end(reason, 0)
            if line is None:
                return oldest, self._end("the command ended before it had answered", 1)
            answer = _read(line)
            if answer is None or not 1 <= answer.job <= self._num_jobs:
                return oldest, f"answered {_shortened(line)}, which is no answer to a job"
            self._num_fruitless = 0
            if answer.job in waiting:  # else it was settled before
                return answer.job, _failure(answer)

    def _end(self, reason: str, patience_s: float) -> str:
        assert self._process is not None
        how = self._process.end(patience_s)
        words = one_line(self._process.last_words(), _MAX_LAST_WORDS)
        self._last_end = f"{reason} ({how})" + (f"; its last words: {words}" if words else "")
        self._process = None
        return self._last_end


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


def _job(number: int, task: Task, source: Path, strength: float, seed: int) -> _Job:
    out = source.with_name(f"{number}.png")
    described = {
        "job": number,
        "source_path": str(source),
        "target": task.target,
        "prompt": task.prompt,
        "domain": task.domain,
        "strength": strength,
        "seed": seed,
        "out_path": str(out),
        "face_box": task.face_box,
    }
    return _Job(strength, json.dumps(described).encode(), out)


def _send(process: LineProcess, jobs: Iterable[_Job]) -> None:
    for job in jobs:
        process.send(job.line)


def _read(line: bytes) -> _Answer | None:
    try:
        return validated(_Answer, line)
    except InputError:
        return None


def _failure(answer: _Answer) -> str | None:
    if answer.error is not None:
        return f"the editor said: {one_line(answer.error, _MAX_REASON) or 'nothing'}"
    return None if answer.ok else "answered neither ok nor error"


def _made(job: _Job, failure: str | None) -> Made:
    if failure is None and not job.out.exists():
        failure = "answered ok, but wrote no picture to out_path"
    if failure is not None:
        return Made(job.strength, None, failure)
    try:
        return Made(job.strength, load_image(job.out))
    except ImageError as error:
        return Made(job.strength, None, str(error).replace(repr(str(job.out)), "what it wrote"))


def _shortened(line: bytes) -> str:
    return shown(line.decode(errors="replace").strip())
