"""The one way out to a server: a request to its address, and what comes back, within bounds.

Spoken over httpx2 and not through the servers' own SDKs: these follow redirects (with the picture), add
organisation, project and further headers from the environment, and decode what a server calls its charset.
"""

import asyncio
import json
import logging
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pixelsmile.errors import install, one_line
from pixelsmile.remote.answers import Answer, ServerError, error_of, without_pictures
from pixelsmile.remote.keys import ApiKey, is_of_hosts, is_same_server, read_key, server_of
from pixelsmile.remote.provider import NOTHING, Failure, RemoteError, Reply, media_type

if TYPE_CHECKING:
    import httpx2

Form = Sequence[tuple[str, str | bytes]]
"""Fields of a multipart form, in their order: texts, and encoded pictures, which go as files."""

MAX_ANSWER_BYTES = 2**20
MAX_PICTURES_BYTES = 2**26  # of an answer with pictures: four of 4K, in base64
_MAX_ERROR_BYTES = 2**16  # what is longer is a page, and its beginning says enough
_MAX_GET_S = 60.0  # to say how a job does, or to hand out a file: no model works meanwhile
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_FIRST_REDIRECT, _FIRST_ERROR = 300, 400
_HEADERS = ("retry-after", "retry-after-ms", "location")  # all that is read of them


@dataclass(frozen=True)
class Service:
    """Where a protocol is at home. key_names: the variables of its key, which is sent there alone.

    key_header: the name of the header for a key, and what stands before the key in it. hosts: where else the
    service answers, and gets its key. delivery_hosts: where its pictures lie, which are fetched without a
    key. An address that an answer names is followed to these hosts alone; in their names `*` is any part.
    """

    url: str
    key_names: tuple[str, ...]
    key_header: tuple[str, str]
    hosts: tuple[str, ...] = ()
    delivery_hosts: tuple[str, ...] = ()


OPENAI = Service("https://api.openai.com/v1", ("OPENAI_API_KEY",), ("Authorization", "Bearer "))


_Came = tuple[int, Mapping[str, str], bytes]  # status, headers, body


class Connection:
    """Sends requests to one server, and nothing to any other: no redirect is followed.

    An address in an answer is followed where it is that server's own, and, at the service itself, where the
    service names its host.

    base_url: None is the service itself; to another server no key goes unless `key_env` names its variable.
    timeout_s: from the first byte that is sent to the last that comes, where a model works meanwhile; else a
    minute at most. An answer has at most MAX_ANSWER_BYTES of UTF-8, whatever it calls itself; where it
    `has_pictures`, MAX_PICTURES_BYTES.

    RemoteError for an address that is none, and for a missing key.
    """

    def __init__(
        self,
        service: Service,
        base_url: str | None,
        key_env: str | None,
        timeout_s: float,
        *,
        has_pictures: bool = False,
    ) -> None:
        self._base_url = (base_url or service.url).rstrip("/")
        self.host = server_of(self._base_url)
        self.is_home = is_same_server(self._base_url, service.url)
        self.key: ApiKey | None = None
        if self.is_home or key_env is not None:
            self.key = read_key(service.key_names if key_env is None else [key_env])
        self._service = service
        self._timeout_s = timeout_s
        self._has_pictures = has_pictures
        self._max_bytes = MAX_PICTURES_BYTES if has_pictures else MAX_ANSWER_BYTES
        # A client has one connection: in a pool of many, httpx2 looks at all of them for each request.
        self._idle: list[httpx2.AsyncClient] = []

    async def post(
        self, path: str, *, record: Mapping[str, Any] | None = None, form: Form = ()
    ) -> Answer | ServerError | Reply | Failure:
        """The answer to a JSON record or to a form.

        A ServerError where the server says that there is one, a Reply where an answer came but is of no use,
        a Failure where none came.
        """
        sent: dict[str, Any]
        headers = self._key_headers()
        if record is None:
            sent = _multipart(form)
        else:
            headers["Content-Type"] = "application/json"
            sent = {"content": json.dumps(record, allow_nan=False).encode()}
        return self._answer(await self._exchange("POST", f"{self._base_url}/{path}", headers, **sent))

    async def get(self, address: str) -> Answer | ServerError | Reply | Failure:
        """What the service says at an address that an answer named, as `post`; a Reply for a foreign one."""
        if not self.leads_home(address):
            return foreign(address)
        return self._answer(await self._exchange("GET", address, self._key_headers(), _MAX_GET_S))

    def leads_home(self, address: str) -> bool:
        """Whether an address that an answer named is the service's own, where a key may go."""
        return self._is_followed(address, self._service.hosts)

    async def download(self, address: str) -> bytes | ServerError | Reply | Failure:
        """The file at an address that an answer named, asked for without a key, within the same bounds."""
        if not self._is_followed(address, self._service.delivery_hosts):
            return foreign(address)
        came = await self._exchange("GET", address, {}, _MAX_GET_S)
        if not isinstance(came, tuple):
            return came
        status, headers, body = came
        if status < _FIRST_REDIRECT:
            return body
        if status < _FIRST_ERROR:
            detail = "the address of a picture leads to another, which is not followed"
            return Reply("", "", None, "malformed", detail)
        error = error_of(Answer(status, headers, self._redact(body.decode(errors="replace"))))
        assert error is not None, "an error's status is an error"
        return error

    async def _exchange(
        self, method: str, address: str, headers: Mapping[str, str], most_s: float = math.inf, **sent: Any
    ) -> _Came | Reply | Failure:
        """One request with the whole of what comes back, or why there is no such thing."""
        httpx2 = _library()
        client = self._idle.pop() if self._idle else _new_client(self._timeout_s)
        headers, is_error = {"Accept-Encoding": "identity", **headers}, False
        timeout_s = min(self._timeout_s, most_s)
        try:
            async with (
                asyncio.timeout(timeout_s),
                client.stream(method, address, headers=headers, **sent) as response,
            ):
                is_error = response.status_code >= _FIRST_ERROR
                body, is_whole = await _read(response, _MAX_ERROR_BYTES if is_error else self._max_bytes)
        except (TimeoutError, httpx2.TimeoutException):
            return Failure(f"no answer within {timeout_s:g} s")
        except zlib.error as error:
            if not is_error:
                return Reply("", "", None, "malformed", f"the answer cannot be unpacked ({error})")
            body, is_whole = b"", True  # the status says enough
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            return Failure(one_line(self._redact(f"{type(error).__name__}: {error}")))
        finally:
            self._idle.append(client)
        if not is_whole and not is_error:
            return Reply("", "", None, "malformed", f"the answer is longer than {self._max_bytes:,} bytes")
        return response.status_code, response.headers, body

    def clean(self, reply: Reply) -> Reply:
        """`reply` without the key, which an answer may hold in pieces."""
        return replace(reply, text=self._redact(reply.text), detail=self._redact(reply.detail))

    async def aclose(self) -> None:
        """Close what is open in this event loop."""
        clients, self._idle = self._idle, []
        for client in clients:
            await client.aclose()

    def _answer(self, came: _Came | Reply | Failure) -> Answer | ServerError | Reply | Failure:
        if not isinstance(came, tuple):
            return came
        status, said, data = came
        headers = {name: self._redact(said[name]) for name in _HEADERS if name in said}
        if _FIRST_REDIRECT <= status < _FIRST_ERROR:
            return _redirected(status, headers.get("location", "nowhere"))
        body = data.decode(errors="replace")
        body, pictures = without_pictures(body) if self._has_pictures else (body, ())
        answer = Answer(status, headers, self._redact(body), pictures)
        return error_of(answer) or answer

    def _is_followed(self, address: str, hosts: Sequence[str]) -> bool:
        try:
            is_own = is_same_server(address, self._base_url)
        except RemoteError:  # no URL
            return False
        return is_own or (self.is_home and is_of_hosts(address, hosts))

    def _key_headers(self) -> dict[str, str]:
        name, before = self._service.key_header
        return {name: f"{before}{self.key.reveal()}"} if self.key else {}

    def _redact(self, text: str) -> str:
        return self.key.redact(text) if self.key else text


def _multipart(form: Form) -> dict[str, Any]:
    """The form as httpx2 takes it: texts are files without a name, so that all stay in order."""
    files: list[tuple[str, tuple[str | None, bytes, str | None]]] = []
    for number, (name, value) in enumerate(form):
        if isinstance(value, str):
            files.append((name, (None, value.encode(errors="replace"), None)))
        else:
            kind = media_type(value)
            files.append((name, (f"{number}.{kind.removeprefix('image/')}", value, kind)))
    return {"files": files}


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


def foreign(address: str) -> Reply:
    """What an answer is that leads elsewhere."""
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        host = ""
    detail = f"the answer names an address at {one_line(host, 80)!r}, which is not followed"
    return Reply("", "", None, "malformed", detail)


def _redirected(status: int, target: str) -> Failure:
    return Failure(
        f"{status}: a redirect to {one_line(target, 120)!r}, which is not followed",
        stops=True,
        advice="write that address after the @ if the pictures may go there",
        usage=NOTHING,
    )


def _new_client(timeout_s: float) -> "httpx2.AsyncClient":
    client: httpx2.AsyncClient = _library().AsyncClient(
        follow_redirects=False, timeout=timeout_s, verify=_certificates()
    )
    return client


@cache
def _certificates() -> Any:
    """Reading them takes a fifth of a second: once, and not for each client."""
    return _library().create_ssl_context()


@cache
def _library() -> Any:
    try:
        import httpx2
    except ImportError:
        raise RemoteError(f"the httpx2 package is missing: {install('judges')}") from None
    for name in ("httpx2", "httpcore2"):  # their logs repeat what servers say, and servers repeat keys
        logging.getLogger(name).setLevel(logging.WARNING)
    return httpx2
