"""What is asked of a model behind an address, and what comes back: no exception on the way.

A prompt is texts and encoded pictures; a reply is a text, pictures, or both. So a chat model that judges and
a model that edits pictures are asked through one protocol.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol, runtime_checkable

from pydantic import JsonValue

from pixelsmile.errors import InputError, PixelSmileError

Part = str | bytes
"""A text, or a picture as the bytes of a PNG, JPEG or WebP file."""
Fault = Literal["malformed", "empty", "refused"]
Reason = Literal["malformed", "empty", "refused", "unreachable"]
Refused = Literal["picture", "request"]
"""What a server did not take: it names the picture as the reason, or it may be anything in the request."""


@dataclass(frozen=True)
class Prompt:
    """What goes over the wire, in the order in which the model meets it.

    schema: of the JSON object that is to be answered; None where any answer will do. sha256: the content hash
    of what is asked, by which scripts know it.
    """

    parts: tuple[Part, ...]
    schema: Mapping[str, JsonValue] | None = None
    sha256: str = ""

    @property
    def text(self) -> str:
        """All that is said, a line for each text."""
        return "\n".join(part for part in self.parts if isinstance(part, str))

    @property
    def pictures(self) -> tuple[bytes, ...]:
        """All that is shown."""
        return tuple(part for part in self.parts if isinstance(part, bytes))


def check_not_ours(given: Iterable[str], ours: Iterable[str]) -> None:
    """RemoteError where further fields of a request would change what is asked, as the model or the words."""
    if taken := [name for name in given if name in ours]:
        raise RemoteError(f"{taken[0]} is not to be changed by further fields: leave it out")


def data_uri(picture: bytes) -> str:
    """An encoded picture as the text that stands for it."""
    return f"data:{media_type(picture)};base64,{base64.b64encode(picture).decode()}"


def media_type(picture: bytes) -> str:
    """What kind of file an encoded picture is, as HTTP spells it. ValueError for other bytes."""
    if picture.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if picture.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if picture[:4] == b"RIFF" and picture[8:12] == b"WEBP":
        return "image/webp"
    raise ValueError("a picture goes out as a PNG, JPEG or WebP file")


@dataclass(frozen=True)
class Usage:
    """What one request used or may use. cost: in dollars, 0 where nobody said what a request costs."""

    num_tokens: int = 0
    cost: Decimal = Decimal(0)


NOTHING = Usage()


@dataclass(frozen=True)
class Limits:
    """Bounds of one request, whatever the provider.

    `max_output_tokens` includes the tokens of a model that thinks. `max_picture_tokens` is what a picture of
    `max_side_px` costs at most: it is only used to reserve, and real use is settled afterwards. `price`: of
    one request, in dollars, where that is known.
    """

    timeout_s: float = 120.0
    max_output_tokens: int = 8192
    max_side_px: int = 1024
    max_picture_tokens: int = 4096
    price: Decimal = Decimal(0)

    def bound(self, prompt: Prompt) -> Usage:
        """The most that one request can use: a token of text stands for at least one byte."""
        schema = json.dumps(dict(prompt.schema)) if prompt.schema else ""  # is part of the input
        num_bytes = len((prompt.text + schema).encode(errors="replace"))
        num_picture_tokens = len(prompt.pictures) * self.max_picture_tokens
        return Usage(num_bytes + num_picture_tokens + self.max_output_tokens, self.price)


@dataclass(frozen=True)
class Reply:
    """The server answered: `text` and `pictures`, unless `fault` says why they cannot be used.

    `transcript` is the answer as it came over the wire, without keys and without pictures. `usage` is what
    the server reports, None where it reports none. `pictures` are files as the server made them.
    """

    text: str
    transcript: str
    usage: Usage | None
    fault: Fault | None = None
    detail: str = ""
    pictures: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Failure:
    """The server did not answer, or said no.

    `stops` says that no other request would fare better, `refused` that another prompt may, and `at_once`
    that the next request needs no wait. `advice` is what to do about the first two. `usage` is NOTHING where
    nothing was generated, and None where nobody knows.
    """

    detail: str
    stops: bool = False
    refused: Refused | None = None
    at_once: bool = False
    advice: str = "check the model"
    server_wait_s: float | None = None
    usage: Usage | None = None


class Provider(Protocol):
    """A model behind an API. Making one reads the key; connections are opened by the first `ask`."""

    @property
    def name(self) -> str:
        """The kind of API."""

    @property
    def model(self) -> str:
        """The model's name there."""

    @property
    def parameters(self) -> Mapping[str, JsonValue]:
        """What else decides about the answer, for identities and caches; never a key."""

    @property
    def limits(self) -> Limits | None:
        """Of one request. None: it looks at no parts of a prompt, and costs nothing."""

    async def ask(self, prompt: Prompt) -> Reply | Failure:
        """Send one request; there is no second one behind our back."""

    async def aclose(self) -> None:
        """Close what is open in this event loop."""


@runtime_checkable
class TakesJobs(Protocol):
    """A provider whose server takes a request now and has the picture later."""

    def has_job(self, prompt: Prompt) -> bool:
        """Whether the next `ask` asks about what was taken, and paid for, before: then it costs nothing."""


# What stops many requests. One that gets no answer is no error: it has a reason.


class RemoteError(InputError):
    """A model that cannot be asked at all: a wrong key, model, address or request. The whole run stops."""


class RequestRefusedError(RemoteError):
    """A prompt that the server would not take, where the prompt may be at fault and not the model.

    Whoever asks many decides whether the run stops. detail: what the server said. is_certain: it said that
    the picture is the reason.
    """

    def __init__(self, message: object, detail: str, is_certain: bool) -> None:
        super().__init__(message)
        self.detail = detail
        self.is_certain = is_certain


class BudgetSpentError(PixelSmileError):
    """The next request could pass the budget. An ordinary end: answers are kept, the rest is left."""
