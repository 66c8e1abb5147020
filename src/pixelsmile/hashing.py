"""Content hashes: the names by which manifests and caches know files, settings and this code."""

import hashlib
import json
from functools import cache
from os import PathLike
from pathlib import Path

_PACKAGE = Path(__file__).parent


def sha256_bytes(data: bytes) -> str:
    """The SHA-256 of `data`, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: str | PathLike[str]) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal, read in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_json(value: object) -> str:
    """The SHA-256 of `value` as canonical JSON: equal settings hash alike, whatever their order.

    NaN and infinity have no JSON form and are a ValueError.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return sha256_bytes(text.encode(errors="backslashreplace"))  # names of files may be no UTF-8


@cache
def sha256_code() -> str:
    """The SHA-256 over every Python file of the installed package: which code ran, with or without git."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
