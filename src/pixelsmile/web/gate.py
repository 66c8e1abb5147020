"""What stands before every route: keys, limits, the count of what is taken in, answers to what is refused.

A refusal goes out after what the client is still sending was read and thrown away: who is cut off while it
sends never sees the answer.
"""

import asyncio
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pixelsmile.errors import InputError
from pixelsmile.limits import read_text
from pixelsmile.web.answers import RETRY_S, ApiError, own_fault, refusal
from pixelsmile.web.metrics import Metrics

_log = logging.getLogger(__name__)

_MIN_KEY = 16  # characters
_MAX_THROWN_AWAY = 512 * 2**20
_THROWING_AWAY_S = 10.0
_PIECE_BYTES = 256 * 2**10  # of an answer: no more of it waits in a socket for a client that reads slowly
_SENDING_S = 120.0  # of a piece
_SLOT = "pixelsmile.slot"  # in the scope of a request
GONE = 499  # as servers count clients that left


class Keys:
    """The keys that open the server. Compared in the same time whatever is wrong with one."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._digests = [hashlib.sha256(key.encode()).digest() for key in keys]

    @classmethod
    def read(cls, path: Path) -> "Keys":
        """One key a line; lines that begin with # do not count. InputError."""
        lines = [line.strip() for line in read_text(path).splitlines()]
        keys = [line for line in lines if line and not line.startswith("#")]
        if not keys:
            raise InputError(
                f"{str(path)!r} holds no key: write one a line, as `openssl rand -hex 32` makes them"
            )
        for number, key in enumerate(keys, 1):
            if len(key) < _MIN_KEY or not (key.isascii() and key.isprintable()) or " " in key:
                raise InputError(
                    f"key {number} of {str(path)!r} is none: it takes {_MIN_KEY} or more letters and digits, "
                    "as `openssl rand -hex 32` makes them"
                )
        return cls(keys)

    def open_with(self, authorization: str) -> bool:
        """Whether the header carries one of the keys."""
        scheme, _, key = authorization.partition(" ")
        digest = hashlib.sha256(key.strip().encode()).digest()
        found = [hmac.compare_digest(digest, known) for known in self._digests]  # all of them, always
        return scheme.lower() == "bearer" and any(found)


class Slots:
    """How many requests are taken in at once, from the first byte of a picture to the last of its answer.

    Whoever takes a slot for a request has it given back by the gate, at the end of the answer.
    """

    def __init__(self, number: int) -> None:
        self.number, self.taken = number, 0

    def take(self, scope: Scope, retry_after_s: float) -> None:
        """ApiError 429 where there is none."""
        if self.taken >= self.number:
            raise ApiError(
                429, f"the server has {self.number} requests at once and takes no more: ask again",
                "queue_full", kind="rate_limit_error", retry_after_s=retry_after_s,
            )  # fmt: skip
        self.taken += 1
        scope[_SLOT] = self


class Gate:
    """The outermost ASGI application. is_stopping: new requests are refused, answers close connections."""

    def __init__(self, app: ASGIApp, metrics: Metrics, keys: Keys | None, max_bytes: int) -> None:
        self._app, self._metrics, self._keys, self._max_bytes = app, metrics, keys, max_bytes
        self.is_stopping = False
        self.num_open = 0  # requests under way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self)
        self.num_open += 1
        try:
            self._check(scope["path"], exchange.headers)
            await self._app(scope, exchange.receive, exchange.send)
        except Exception as error:
            await exchange.refuse(error)
        finally:
            self.num_open -= 1
            if (slots := scope.pop(_SLOT, None)) is not None:
                slots.taken -= 1
            status = exchange.status or GONE
            seconds = time.monotonic() - exchange.began
            self._metrics.answered(scope["path"], status, seconds)
            if status == GONE:
                self._metrics.client_left()
            _log.info("%s %s %d %.2f s", scope["method"], _safe(scope["path"]), status, seconds)

    def _check(self, path: str, headers: Headers) -> None:
        if not path.startswith("/v1/"):
            return
        if self.is_stopping:
            raise ApiError(
                503, "the server is stopping: ask again in a minute", "stopping",
                kind="server_error", retry_after_s=RETRY_S,
            )  # fmt: skip
        if self._keys is not None and not self._keys.open_with(headers.get("authorization", "")):
            raise ApiError(
                401, "the key is missing or wrong: send Authorization: Bearer KEY", "invalid_api_key"
            )
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > self._max_bytes:
            raise too_large(self._max_bytes)


def told_of(error: Exception) -> ApiError:
    """What clients are told of an error; the log gets what is not their business."""
    told = refusal(error)
    if told is None:
        _log.error("a request failed", exc_info=error)
        return own_fault(error)
    return told


def too_large(max_bytes: int) -> ApiError:
    return ApiError(
        413, f"the request is larger than {max_bytes:,} bytes: send a smaller picture, as JPEG or WebP",
        "too_large", param="image",
    )  # fmt: skip


def _pieces(message: Message) -> Iterator[Message]:
    body = message.get("body", b"")
    if len(body) <= _PIECE_BYTES:
        yield message
        return
    for start in range(0, len(body), _PIECE_BYTES):
        is_last = start + _PIECE_BYTES >= len(body)
        more = message.get("more_body", False) or not is_last
        yield {**message, "body": body[start : start + _PIECE_BYTES], "more_body": more}


def _safe(path: str) -> str:
    """A path for the log: on one line, and not as long as a client likes."""
    return "".join(sign if sign.isprintable() else "?" for sign in path[:60])


class _Exchange:
    """One request and its answer: what was received to its end, and what status went out."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, gate: Gate) -> None:
        self._receive, self._send, self._gate = receive, send, gate
        self.headers = Headers(scope=scope)
        self.began = time.monotonic()
        self.status: int | None = None
        self._is_read = self._is_whole = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._is_read |= message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if not self._is_read:
                await self._throw_away()
            if self._gate.is_stopping:
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
        for piece in _pieces(message):
            async with asyncio.timeout(_SENDING_S):
                await self._send(piece)
        self._is_whole = message["type"] == "http.response.body" and not message.get("more_body", False)

    async def refuse(self, error: Exception) -> None:
        """Say why, unless an answer went out already; one that had begun breaks off."""
        if self._is_whole:
            return
        if self.status is not None:
            raise error
        told = told_of(error)
        body = json.dumps(told.body()).encode()
        headers = {"content-type": "application/json", "content-length": str(len(body)), **told.headers}
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": told.status, "headers": raw})
        await self.send({"type": "http.response.body", "body": body})

    async def _throw_away(self) -> None:
        """Read what is still coming, within bounds."""
        length: Any = self.headers.get("content-length", "0")
        if "expect" in self.headers:  # it asks first, and has sent nothing
            return
        if not length.isascii() or not length.isdigit() or int(length) > _MAX_THROWN_AWAY:
            return
        num_bytes = 0
        try:
            async with asyncio.timeout(_THROWING_AWAY_S):
                while not self._is_read and num_bytes < _MAX_THROWN_AWAY:
                    num_bytes += len((await self.receive()).get("body", b""))
        except TimeoutError:
            return
