"""Addresses of servers: checked before anything is sent there, and known by their host."""

from urllib.parse import SplitResult, urlsplit

from pixelsmile.judges.judge import JudgeError

_LOCAL_HOSTS = ("127.0.0.1", "::1", "localhost")


def server_of(url: str) -> str:
    """The host of an address, one name for all of this machine's own; JudgeError for what is no address."""
    parts = _parts(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise JudgeError("the judge's address is no URL: write it as http://localhost:8000/v1")
    if parts.username or parts.password or parts.query:
        raise JudgeError("the judge's address holds a password or a query: keys come from the environment")
    return "localhost" if parts.hostname in _LOCAL_HOSTS else parts.hostname


def is_same_server(url: str, home: str) -> bool:
    """Whether an address is that of `home`: a key that is meant for one is sent nowhere else."""
    ours, theirs = _parts(url), _parts(home)
    return all(getattr(ours, part) == getattr(theirs, part) for part in ("scheme", "hostname", "port"))


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # is checked when it is asked for
    except ValueError as bad:
        raise JudgeError(f"the judge's address is no URL ({bad}): write it as http://host:8000/v1") from bad
    return parts
