"""Servers that take a request now and have its picture later: a job, asked about until it ends.

Where a job is asked about is on disk before it is: a run that was killed asks about the jobs that it has paid
for. A job is paid for when the server takes it, whatever becomes of it; asking about it costs nothing, so
faults on the way (429, 500, a cut answer) are outlived here, and the client hears of the job's end.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import JsonValue

from pixelsmile.remote.answers import NOT_FOUND, Answer, ServerError, is_retried
from pixelsmile.remote.connection import Connection, foreign
from pixelsmile.remote.openai_images import picture_fault
from pixelsmile.remote.provider import NOTHING, Failure, Limits, Prompt, Reply, Usage
from pixelsmile.store.json_lines import LineWriter, Record, read_lines

_GONE = (NOT_FOUND, 410)
FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 5.0  # before a question about a job
_AT_WORK = Failure("it is still at work")


class JobLine(Record):
    """Where a job is asked about, by the hash of what was asked for; None where nothing is left to ask."""

    key: str
    address: str | None


class JobLog:
    """The jobs that servers have taken, in a file of lines; the last of a key counts. One writer at a time.

    path: None keeps them in memory alone. InputError for a file that is none, OutputError where it cannot be
    written.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lines: LineWriter | None = None
        self._addresses: dict[str, str | None] | None = None if path else {}

    def read(self, key: str) -> str | None:
        """Where the job is asked about that was taken for `key`."""
        return self._known().get(key) if key else None

    def write(self, key: str, address: str | None) -> None:
        """Put a job on disk, or that it has ended. Without a key nothing is kept."""
        if not key:
            return
        self._known()[key] = address
        if self._path is not None:
            self._lines = self._lines or LineWriter(self._path)
            self._lines.write(JobLine(key=key, address=address))

    def close(self) -> None:
        """Close the file."""
        if self._lines is not None:
            self._lines.close()
            self._lines = None

    def _known(self) -> dict[str, str | None]:
        if self._addresses is None:
            lines = read_lines(self._path, JobLine) if self._path else ()
            self._addresses = {line.key: line.address for line in lines}
        return self._addresses


@dataclass(frozen=True)
class JobState:
    """What a server says about a job. address: where it is asked about, empty where it does not say.

    `not taken` is a job whose picture or words the server refuses, `refused` one whose result it withholds,
    `unknown` one that it has forgotten. pictures: of one that is done, their addresses, or themselves in
    base64. cost: in dollars, None where it does not say.
    """

    address: str
    status: Literal["pending", "done", "not taken", "refused", "failed", "unknown"]
    detail: str = ""
    pictures: tuple[str, ...] = ()
    cost: Decimal | None = None
    answer: Answer | None = None


class JobProvider(ABC):
    """One model of a service that answers with jobs; each request asks for one edit.

    limits: `timeout_s` is that of each exchange, and of the time from taking a job to its end: what takes
    longer is a failure, and the job is asked about again. jobs: those of before.
    """

    name: ClassVar[str]

    def __init__(
        self,
        model: str,
        connection: Connection,
        settings: Mapping[str, JsonValue],
        limits: Limits,
        jobs: JobLog | None,
    ) -> None:
        self.model = model
        self.limits = limits
        self._connection = connection
        self._settings = settings
        self._jobs = jobs or JobLog()

    @property
    def parameters(self) -> Mapping[str, JsonValue]:
        """Server, settings, and the size of pictures."""
        return {
            "server": self._connection.host,
            **self._settings,
            "max_side_px": self.limits.max_side_px,
        }

    def has_job(self, prompt: Prompt) -> bool:
        """Whether a job was taken for this prompt, which is asked about next and not paid for again."""
        return self._job(prompt) is not None

    async def ask(self, prompt: Prompt) -> Reply | Failure:
        """The pictures of the job that was taken for this prompt, or else of a new one."""
        address = self._job(prompt)
        if address is not None:
            outcome = await self._outcome(prompt, JobState(address, "pending"), NOTHING)
        else:
            taken = self._said(await self._connection.post(self._path(), record=self._request(prompt)))
            if not isinstance(taken, JobState):
                return taken
            paid = None if taken.cost is None else Usage(0, taken.cost)
            if not self._connection.leads_home(taken.address):
                return replace(foreign(taken.address), usage=paid)
            self._jobs.write(prompt.sha256, taken.address)
            outcome = await self._outcome(prompt, taken, paid)
        return self._connection.clean(outcome) if isinstance(outcome, Reply) else outcome

    async def aclose(self) -> None:
        """Close the connections of this event loop, and the file of jobs."""
        self._jobs.close()
        await self._connection.aclose()

    def _job(self, prompt: Prompt) -> str | None:
        """Where the job is asked about that was taken for this prompt; an address from elsewhere is none."""
        address = self._jobs.read(prompt.sha256)
        return address if address and self._connection.leads_home(address) else None

    @abstractmethod
    def _path(self) -> str:
        """Where requests go."""

    @abstractmethod
    def _request(self, prompt: Prompt) -> dict[str, Any]:
        """What goes there."""

    @abstractmethod
    def _state(self, answer: Answer) -> JobState | Reply:
        """What an answer says, to a request or to a question about a job; a Reply where it says nothing."""

    async def _outcome(self, prompt: Prompt, state: JobState, paid: Usage | None) -> Reply | Failure:
        """Ask about a job until it ends. paid: what it has cost, None where nobody says."""
        end_s, wait_s, address = time.monotonic() + self.limits.timeout_s, FIRST_WAIT_S, state.address
        trouble = _AT_WORK
        while True:
            if state.status == "done" and state.pictures:
                fetched = await self._fetched(prompt, state, paid)
                if isinstance(fetched, Reply):
                    return fetched
                trouble = fetched
            elif state.status != "pending":
                self._jobs.write(prompt.sha256, None)
                return _ended(state, paid)
            asked_s = max(wait_s, trouble.server_wait_s or 0.0)
            if time.monotonic() + asked_s > end_s:
                detail = f"no picture within {self.limits.timeout_s:g} s ({trouble.detail}): the job is kept"
                return Failure(detail, server_wait_s=trouble.server_wait_s, usage=paid)
            await asyncio.sleep(asked_s)
            wait_s = min(wait_s * 1.5, _LONGEST_WAIT_S)
            if state.status == "done":
                continue
            match self._said(await self._connection.get(address), of_job=True):
                case JobState(status="done") as state:
                    wait_s = FIRST_WAIT_S
                case JobState() as state:
                    trouble = _AT_WORK
                case Failure() as trouble if trouble.stops or trouble.refused:
                    return replace(trouble, usage=paid)
                case Failure() as trouble:
                    pass
                case Reply() as reply:
                    trouble = Failure(reply.detail)

    def _said(
        self, answer: Answer | ServerError | Reply | Failure, *, of_job: bool = False
    ) -> JobState | Reply | Failure:
        match answer:
            case Answer():
                return self._state(answer)
            case ServerError(answer=Answer() as held) if isinstance(state := self._state(held), JobState):
                return state  # a job that went wrong is no request that did
            case ServerError(status=status, message=message) if of_job and status in _GONE:
                return JobState("", "unknown", message)
            case ServerError():
                return answer.failure(answer.advice(self._connection.key))
        return answer

    async def _fetched(self, prompt: Prompt, state: JobState, paid: Usage | None) -> Reply | Failure:
        """The pictures of a job that is done; a Failure where asking once more may help."""
        transcript = state.answer.body if state.answer else ""
        pictures = []
        for named in state.pictures:
            picture = await self._picture(named, state)
            if isinstance(picture, Reply | Failure):
                return replace(picture, usage=paid)
            if isinstance(picture, ServerError):
                if is_retried(picture.status):
                    return picture.failure("")
                self._jobs.write(prompt.sha256, None)
                detail = f"its picture is no longer there ({picture.status}: {picture.message})"
                return Reply("", transcript, paid, "empty", detail)
            if fault := picture_fault(picture):
                return Reply("", transcript, paid, *fault)
            pictures.append(picture or b"")
        return Reply("", transcript, paid, pictures=tuple(pictures))

    async def _picture(self, named: str, state: JobState) -> bytes | ServerError | Reply | Failure | None:
        if named.startswith(("https:", "http:")):
            return await self._connection.download(named)
        return state.answer.picture(named) if state.answer else None


def _ended(state: JobState, paid: Usage | None) -> Reply | Failure:
    """What a job's end without a picture is to the client."""
    transcript = state.answer.body if state.answer else ""
    match state.status:
        case "not taken":
            return Failure(state.detail, refused="picture", advice="leave the picture out", usage=paid)
        case "unknown":
            return Failure(f"the server has forgotten the job ({state.detail})", at_once=True, usage=paid)
        case "refused":
            return Reply("", transcript, paid, "refused", state.detail)
        case "failed":
            return Reply("", transcript, paid, "empty", f"the job failed ({state.detail})")
    return Reply("", transcript, paid, "empty", "the job ended without a picture")
