"""An editor behind an address: a model that edits pictures, told a task's words.

It takes no strength and no seed: one edit for each source and its words, by any of the services of
`editors/services.py`. What it made is kept under the hash of model, settings, words and pixels, so that no
answer is paid for twice.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from weakref import WeakValueDictionary

from PIL import Image
from pydantic import JsonValue

from pixelsmile.editors.editor import Capabilities, EditorStoppedError, EditOutcome, Task
from pixelsmile.editors.grids import is_grid
from pixelsmile.errors import ImageError
from pixelsmile.hashing import sha256_bytes, sha256_json
from pixelsmile.images import load_image
from pixelsmile.remote import (
    AnswerCache,
    Answered,
    Budget,
    BudgetSpentError,
    Client,
    Limits,
    Picture,
    Prompt,
    Provider,
    Refusals,
    RemoteError,
    Reply,
    RequestRefusedError,
    RetryPolicy,
    UnusableReplyError,
)
from pixelsmile.remote.openai_images import one_picture

CACHE_NAME = "answers.sqlite"
DEFAULT_TIMEOUT_S = 300.0
DEFAULT_CONCURRENCY = 8
MAX_UNREACHED = 3  # tasks in a row, each asked for as often as `RetryPolicy` has it


@dataclass(frozen=True)
class RemoteSettings:
    """How a model behind an address is asked, and what may be spent on it.

    size: as the service takes it (None: its own). extra: further fields of the request, such as quality or
    seed. price: the most that one edit costs, in dollars. max_requests, max_cost (in dollars): where the run
    stops.
    """

    size: str | None = None
    key_env: str | None = None
    extra: Mapping[str, JsonValue] = field(default_factory=dict)
    timeout_s: float = DEFAULT_TIMEOUT_S
    price: Decimal = Decimal(0)
    max_requests: int | None = None
    max_cost: Decimal | None = None


class RemoteEditor:
    """Asks a model for one edit of each task; what it will not give is a failure with its reason.

    folder: gets CACHE_NAME. EditorStoppedError, from `edit`, for a spent budget, and for a server that cannot
    be asked, is not reached for MAX_UNREACHED tasks in a row, or refuses one task after the other.
    """

    capabilities = Capabilities(continuous=False, face_box=False)

    def __init__(
        self,
        provider: Provider,
        folder: Path,
        *,
        budget: Budget | None = None,
        retry: RetryPolicy | None = None,
        max_concurrency: int = DEFAULT_CONCURRENCY,
    ) -> None:
        self.max_concurrency = max_concurrency
        self._provider = provider
        self.budget = budget or Budget()
        self._client = Client(provider, "editor", retry=retry, budget=self.budget)
        self._cache_file = folder / CACHE_NAME
        self._cache: AnswerCache | None = None
        self._identity = sha256_json(self.to_record())
        self._refusals = Refusals(self._has_answered, again="run this again")
        self._num_unreached = 0  # in a row
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def to_record(self) -> dict[str, JsonValue]:
        """The model, the server, and every setting that reaches it; never a key."""
        return {
            "kind": self._provider.name,
            "name": self._provider.model,
            "parameters": dict(self._provider.parameters),
        }

    async def edit(
        self, task: Task, picture: Image.Image, strengths: Sequence[float], seed: int
    ) -> AsyncGenerator[EditOutcome, None]:
        """One edit, at strength 1; a seed has no say in it."""
        for strength in strengths:
            if strength != 1:
                yield EditOutcome(strength, None, "the model takes no strength: ask at strength 1")
                continue
            try:
                edited = await self._edited(task.prompt, Picture.read(picture))
                yield _no_grid(edited, picture)
            except BudgetSpentError as stop:
                raise EditorStoppedError(
                    f"{stop}: a larger one does the rest, with the same command"
                ) from stop
            except RemoteError as stop:
                raise EditorStoppedError(stop) from stop

    async def close(self) -> None:
        """Close the connections and the cache."""
        await self._client.aclose()
        if self._cache is not None:
            self._cache.close()
            self._cache = None

    async def _edited(self, words: str, picture: Picture) -> EditOutcome:
        key = sha256_json([self._identity, words, picture.sha256])
        lock = self._asking.setdefault(key, asyncio.Lock())
        async with lock:  # who asks the same while it is under way waits, and pays nothing
            return await self._edited_alone(key, words, picture)

    async def _edited_alone(self, key: str, words: str, picture: Picture) -> EditOutcome:
        if (kept := self._kept(key)) is not None:
            return _outcome(kept)
        limits = self._provider.limits or Limits()
        try:
            answered = await self._client.ask(
                Prompt((picture.png(limits.max_side_px), words), sha256=key), _whole_picture
            )
        except RequestRefusedError as refusal:
            self._num_unreached = 0
            self._refusals.check(refusal)
            return EditOutcome(1.0, None, f"unscored: refused ({refusal.detail})", "refused")
        self._count_unreached(answered)
        if answered.value is None:
            fault = answered.reason if answered.reason in ("refused", "unreachable") else "failed"
            return EditOutcome(1.0, None, f"unscored: {answered.reason} ({answered.detail})", fault)
        self._refusals.answered()
        file, image = answered.value
        self._keep(key, file)
        return EditOutcome(1.0, image)

    def _count_unreached(self, answered: Answered[tuple[bytes, Image.Image]]) -> None:
        """RemoteError for one too many: a server that is gone would cost its minute for every task."""
        self._num_unreached = self._num_unreached + 1 if answered.reason == "unreachable" else 0
        if self._num_unreached >= MAX_UNREACHED:
            raise RemoteError(
                f"{self._client.name} was not reached for {self._num_unreached} edits in a row "
                f"({answered.detail}): see that it runs, then run this again for the rest"
            )

    def _opened(self) -> AnswerCache:
        if self._cache is None:
            self._cache = AnswerCache(self._cache_file)
        return self._cache

    def _has_answered(self) -> bool:
        return self._opened().has_answers(self._identity)

    def _kept(self, key: str) -> bytes | None:
        text = self._opened().read(key)
        return None if text is None else self._opened().picture(text)

    def _keep(self, key: str, picture: bytes) -> None:
        self._opened().write(
            key,
            sha256_bytes(picture),
            is_answer=True,
            model=self.to_record(),
            model_sha256=self._identity,
            question_sha256=key,
            domain="",
            pictures=[picture],
        )


def _whole_picture(reply: Reply) -> tuple[bytes, Image.Image]:
    """The file and its picture: what is damaged is asked for again, and not kept."""
    file = one_picture(reply)
    try:
        return file, load_image(file)
    except ImageError as error:
        raise UnusableReplyError(_damage(error)) from error


def _no_grid(edited: EditOutcome, source: Image.Image) -> EditOutcome:
    """The edit; or that there is none, where it is several pictures side by side."""
    if edited.image is None or not is_grid(edited.image, source):
        return edited
    size = f"{edited.image.width} x {edited.image.height} px"
    return EditOutcome(1.0, None, f"unscored: malformed (a grid of several pictures came, {size})")


def _outcome(picture: bytes) -> EditOutcome:
    try:
        return EditOutcome(1.0, load_image(picture))
    except ImageError as error:
        return EditOutcome(1.0, None, f"unscored: malformed ({_damage(error)})")


def _damage(error: ImageError) -> str:
    return f"what it sent {str(error).removeprefix('the picture ')}"
