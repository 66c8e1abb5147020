"""Addresses of servers: checked before anything is sent there, and known by their host."""

from urllib.parse import urlsplit

from pixelsmile.judges.errors import JudgeError

_LOCAL_HOSTS = ("127.0.0.1", "::1", "localhost")


def server_of(url: str) -> str:
    """The host of an address, one name for all of this machine's own; JudgeError for what is no address."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise JudgeError("the judge's address is no URL: write it as http://localhost:8000/v1")
    if parts.username or parts.password or parts.query:
        raise JudgeError("the judge's address holds a password or a query: keys come from the environment")
    return "localhost" if parts.hostname in _LOCAL_HOSTS else parts.hostname
