"""Keys and the addresses that they are for: read from the environment, sent home alone, shown to nobody."""

import base64
import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from urllib.parse import SplitResult, urlsplit

from pixelsmile.remote.provider import RemoteError

_MIN_SECRET_LENGTH = 8  # what is shorter (a local server's "none") is no secret, and would black out words
_BLACK = "[key]"
_LOCAL_HOSTS = ("127.0.0.1", "::1", "localhost")
_ADDRESSED = re.compile(r"(?P<model>.+?)@(?P<address>https?://.*)", re.DOTALL)
_BARE = re.compile(  # a host: localhost, with a port, four numbers, or a domain; a version (v1.2) is none
    r"(?P<model>.+)@(?P<address>(?:localhost|[\w.-]+:\d+|(?:\d+\.){3}\d+|(?:[\w-]+\.)+[A-Za-z]{2,})(?:/.*)?)"
)


class ApiKey:
    """A key that does not show itself: not in a repr, not in an f-string, not in what `redact` went over."""

    __slots__ = ("_encodings", "_pattern", "_value", "source")

    def __init__(self, value: str, source: str) -> None:
        self._value = value
        self.source = source
        self._pattern = re.compile("".join(map(_letter, value)), re.IGNORECASE)
        self._encodings = tuple(_encodings(value))

    def __repr__(self) -> str:
        return f"ApiKey(from {self.source})"

    def __reduce__(self) -> str:
        raise TypeError("a key is not written anywhere: read it from the environment again")

    def reveal(self) -> str:
        """The key itself, for the request's header alone."""
        return self._value

    def redact(self, text: str) -> str:
        """`text` with the key blacked out, also as JSON, URLs, HTML, base64 or hexadecimal digits write it.

        Servers repeat it in their errors. Takes time in proportion to the text.
        """
        if len(self._value) < _MIN_SECRET_LENGTH:
            return text
        for encoding in self._encodings:
            text = text.replace(encoding, _BLACK)
        return self._pattern.sub(_BLACK, text)


def read_key(names: Sequence[str]) -> ApiKey:
    """The key in the first of these environment variables that is set; RemoteError where none is."""
    for name in names:
        value = os.environ.get(name, "").strip()
        if not value:
            continue
        if not (value.isascii() and value.isprintable() and " " not in value):
            raise RemoteError(f"the key in {name} has characters that no key has: set it again")
        return ApiKey(value, name)
    raise RemoteError(f"there is no key: set the environment variable {' or '.join(names)}")


def server_of(url: str) -> str:
    """The host of an address, one name for all of this machine's own; RemoteError for what is no address."""
    parts = _parts(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RemoteError("the server's address is no URL: write it as http://localhost:8000/v1")
    if parts.username or parts.password or parts.query:
        raise RemoteError("the server's address holds a password or a query: keys come from the environment")
    return "localhost" if parts.hostname in _LOCAL_HOSTS else parts.hostname


def split_address(text: str) -> tuple[str, str | None]:
    """MODEL or MODEL@ADDRESS as the model and its server's address, None for its own service.

    RemoteError for an address without http://: taken as a part of the name, it would go to that service.
    """
    if addressed := _ADDRESSED.fullmatch(text):
        return addressed["model"], addressed["address"]
    if bare := _BARE.fullmatch(text):
        raise RemoteError(
            f"the server's address {bare['address']!r} lacks http:// or https://: write "
            f"MODEL@http://{bare['address']}"
        )
    return text, None


def is_same_server(url: str, home: str) -> bool:
    """Whether an address is that of `home`: a key that is meant for one is sent nowhere else."""
    ours, theirs = _parts(url), _parts(home)
    return all(getattr(ours, part) == getattr(theirs, part) for part in ("scheme", "hostname", "port"))


def is_of_hosts(url: str, hosts: Sequence[str]) -> bool:
    """Whether an address is safe (https, its usual port, no password) and its host one of `hosts`.

    In those `*` stands for one part between dots, or for the rest of one: `*.x.com` is not `x.com`.
    """
    parts = _parts(url)
    if parts.scheme != "https" or parts.port not in (None, 443) or parts.username or parts.password:
        return False
    named = (parts.hostname or "").split(".")
    return any(
        len(named) == len(wanted) and all(map(fnmatchcase, named, wanted))
        for wanted in (host.split(".") for host in hosts)
    )


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # is checked when it is asked for
    except ValueError as bad:
        raise RemoteError(f"the server's address is no URL ({bad}): write it as http://host:8000/v1") from bad
    return parts


def _encodings(value: str) -> Iterator[str]:
    """A key as hexadecimal digits, and what base64 makes of it whatever stands before and after."""
    data = value.encode()
    yield from (data.hex(), data.hex().upper())
    for offset in range(3):  # a text is encoded in threes: the key begins at one of three places
        encoded = base64.b64encode(b"\0" * offset + data).decode().rstrip("=")
        # The first and the last letters hold bits of what stands beside the key.
        whole = encoded[(0, 2, 3)[offset] : (offset + len(data)) * 8 // 6]
        yield from (whole, whole.replace("+", "-").replace("/", "_"))


def _letter(letter: str) -> str:
    """As it is or after backslashes, as \\u0073 or \\x73, as %73, as &#115; or &#x73;.

    All parts are bounded: no place is looked at again and again.
    """
    code = ord(letter)
    plain = rf"(?:(?<!\\)\\{{1,8}})?(?:{re.escape(letter)}|(?:u00|x){code:02x})"
    return rf"(?:{plain}|%(?:25)?{code:02x}|&\#(?:0{{0,4}}{code}|x0{{0,4}}{code:x});)"
