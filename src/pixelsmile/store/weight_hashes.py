"""Hashes of weights, which are read for them once: 60 GB a benchmark run, the whole cache a training.

The user's cache folder has a small database of what was read, by path, size, times and inode. Where there is
no such folder, or it cannot be written, a file is read again each time, and that is all; a damaged database
is taken away.
"""

import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from os import PathLike
from pathlib import Path

from pixelsmile.hashing import sha256_bytes, sha256_file, sha256_json

MIN_BYTES = 2**20  # below that, reading takes no longer than asking
_SETTLED_S = 2.0  # since a change: a second one in the same tick of a disk's clock would not be seen
_SAMPLED_BYTES = 2**20
_PATIENCE_S = 1.0  # for other processes
_CONFIG, _WEIGHTS = "config.json", "model.safetensors"
_TABLE = """CREATE TABLE IF NOT EXISTS files (
    path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, inode TEXT, sha256 TEXT
) WITHOUT ROWID"""


def user_cache_folder() -> Path | None:
    """The user's cache folder of this platform ($XDG_CACHE_HOME on Linux); None where no home is known.

    A relative one counts as not set (XDG Base Directory Specification): it would be another in each folder.
    """
    home = os.path.expanduser("~")  # unlike Path.home, it leaves what it does not know
    variable = {"win32": "LOCALAPPDATA", "darwin": ""}.get(sys.platform, "XDG_CACHE_HOME")
    if os.path.isabs(chosen := os.environ.get(variable, "")):
        return Path(chosen)
    if home.startswith("~"):
        return None
    return Path(home, {"win32": "AppData/Local", "darwin": "Library/Caches"}.get(sys.platform, ".cache"))


def remembered_sha256(path: str | PathLike[str]) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal; from memory where the file is as it was. OSError."""
    found = os.stat(path)
    if found.st_size < MIN_BYTES:
        return sha256_file(path)
    key, state = os.fsencode(os.path.abspath(path)), _state(found)
    with suppress(sqlite3.Error, OSError), _database() as database:
        for (sha256,) in database.execute(
            "SELECT sha256 FROM files WHERE (path, size, mtime_ns, ctime_ns, inode) = (?, ?, ?, ?, ?)",
            (key, *state),
        ):
            return str(sha256)
    is_settled = time.time() - max(found.st_mtime, found.st_ctime) >= _SETTLED_S
    sha256 = sha256_file(path)
    if is_settled and _state(os.stat(path)) == state:
        with suppress(sqlite3.Error, OSError), _database() as database:
            database.execute("REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", (key, *state, sha256))
    return sha256


def sha256_weights(path: Path) -> str:
    """Of a network's file and the config.json beside it, where it has one; of both in a folder. OSError."""
    if path.is_file() and not (path.suffix == ".safetensors" and path.with_name(_CONFIG).is_file()):
        return remembered_sha256(path)
    config, weights = (path.with_name(_CONFIG), path) if path.is_file() else (path / _CONFIG, path / _WEIGHTS)
    return sha256_json({_CONFIG: sha256_file(config), _WEIGHTS: remembered_sha256(weights)})


def fingerprint(folder: Path) -> str:
    """Of a folder of weights: its JSON files, and sizes, heads and tails of its safetensors files. OSError.

    Reading 40 GB at every start would take minutes; two trainings of one architecture differ everywhere.
    """
    found: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".json":
            found[path.name] = sha256_file(path)
        elif path.suffix == ".safetensors":
            found[path.name] = _sampled_hash(path)
    return sha256_json(found)


def _sampled_hash(path: Path) -> str:
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_SAMPLED_BYTES)
        file.seek(max(0, size - _SAMPLED_BYTES))
        return sha256_bytes(f"{size} ".encode() + head + file.read())


def _state(found: os.stat_result) -> tuple[int, int, int, str]:
    """What a change of a file changes."""
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, f"{found.st_dev}:{found.st_ino}"


@contextmanager
def _database() -> Iterator[sqlite3.Connection]:
    folder = user_cache_folder()
    if folder is None:
        raise FileNotFoundError("no home folder is known")
    path = folder / "pixelsmile" / "hashes.sqlite"
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None)) as database:
        try:
            database.execute("PRAGMA synchronous = OFF")  # what is lost is read again
            database.execute(_TABLE)
            yield database
        except sqlite3.DatabaseError as error:
            if not isinstance(error, sqlite3.OperationalError):  # which are locked, full, not to be written
                path.unlink(missing_ok=True)
            raise
