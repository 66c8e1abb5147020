"""The one way out to a server: a JSON request to its address, and what comes back, within bounds.

Spoken over httpx2 and not through the servers' own SDKs: these follow redirects (with the picture), add
organisation, project and further headers from the environment, and decode what a server calls its charset.
"""

import asyncio
import json
import logging
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pixelsmile.errors import one_line
from pixelsmile.judges.judge import JudgeError
from pixelsmile.judges.keys import ApiKey
from pixelsmile.judges.providers.provider import Failure, Reply

if TYPE_CHECKING:
    import httpx2

MAX_ANSWER_BYTES = 2**20
_MAX_ERROR_BYTES = 2**16  # what is longer is a page, and its beginning says enough
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_OK, _FIRST_REDIRECT, _FIRST_ERROR = 200, 300, 400


@dataclass(frozen=True)
class Answer:
    """What a server said. headers: by lower-case names. body: its text; the key is blacked out in both."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def is_ok(self) -> bool:
        return _OK <= self.status < _FIRST_REDIRECT


class Connection:
    """Sends requests to one server, and nothing to any other: no redirect is followed.

    key_header: the name of the header for the key, and what stands before the key in it. timeout_s: from the
    first byte that is sent to the last that comes. An answer has at most MAX_ANSWER_BYTES of UTF-8, whatever
    it calls itself.
    """

    def __init__(
        self, base_url: str, key: ApiKey | None, key_header: tuple[str, str], timeout_s: float
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._key = key
        self._key_header = key_header
        self._timeout_s = timeout_s
        self._client: httpx2.AsyncClient | None = None

    async def post(self, path: str, request: Mapping[str, Any]) -> Answer | Reply | Failure:
        """The answer to one request; a Reply where it came but is no use, a Failure where none came."""
        httpx2 = _library()
        client = self._open(httpx2)
        try:
            async with asyncio.timeout(self._timeout_s), self._stream(client, path, request) as response:
                is_error = response.status_code >= _FIRST_ERROR
                body, is_whole = await _read(response, _MAX_ERROR_BYTES if is_error else MAX_ANSWER_BYTES)
        except (TimeoutError, httpx2.TimeoutException):
            return Failure(f"no answer within {self._timeout_s:g} s")
        except zlib.error as error:
            if not is_error:
                return Reply("", "", None, "malformed", f"the answer cannot be unpacked ({error})")
            body, is_whole = b"", True  # the status says enough
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            return Failure(one_line(self._redact(f"{type(error).__name__}: {error}")))
        headers = {name.lower(): self._redact(value) for name, value in response.headers.items()}
        if _FIRST_REDIRECT <= response.status_code < _FIRST_ERROR:
            return _redirected(response.status_code, headers.get("location", "nowhere"))
        if not is_whole and not is_error:
            return Reply("", "", None, "malformed", f"the answer is longer than {MAX_ANSWER_BYTES:,} bytes")
        return Answer(response.status_code, headers, self._redact(body.decode(errors="replace")))

    def clean(self, reply: Reply) -> Reply:
        """`reply` without the key, which an answer may hold in pieces."""
        return replace(reply, text=self._redact(reply.text), detail=self._redact(reply.detail))

    async def aclose(self) -> None:
        """Close what is open in this event loop."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _redact(self, text: str) -> str:
        return self._key.redact(text) if self._key else text

    def _open(self, httpx2: Any) -> "httpx2.AsyncClient":
        if self._client is None:
            # Their logs repeat what servers say in headers and reasons, and servers repeat keys.
            for name in ("httpx2", "httpcore2"):
                logging.getLogger(name).setLevel(logging.WARNING)
            self._client = httpx2.AsyncClient(
                follow_redirects=False,
                timeout=self._timeout_s,
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None),
            )
        return self._client

    def _stream(self, client: Any, path: str, request: Mapping[str, Any]) -> Any:
        name, before = self._key_header
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if self._key:
            headers[name] = f"{before}{self._key.reveal()}"
        content = json.dumps(request, allow_nan=False).encode()
        return client.stream("POST", f"{self._base_url}/{path}", content=content, headers=headers)


async def _read(response: Any, most: int) -> tuple[bytes, bool]:
    """The first `most` bytes of a body, and whether there are no more.

    It was asked for as it is; a server that packs it all the same is unpacked no further than that.
    """
    packed = response.headers.get("content-encoding", "").strip().lower() in ("gzip", "x-gzip")
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += unpacker.decompress(chunk, most + 1 - len(body)) if packed else chunk
        if len(body) > most:
            return bytes(body[:most]), False
    return bytes(body), True


def _redirected(status: int, target: str) -> Failure:
    return Failure(
        f"{status}: a redirect to {one_line(target, 120)!r}, which is not followed",
        stops=True,
        advice="write that address after the @ if the pictures may go there",
        num_tokens=0,
    )


def _library() -> Any:
    try:
        import httpx2
    except ImportError:
        raise JudgeError(
            "the httpx2 package is missing: pip install -c constraints.txt -e '.[judges]'"
        ) from None
    return httpx2
