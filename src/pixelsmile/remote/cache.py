"""Answers kept on disk, so that nothing is paid for twice: SQLite, keyed by content.

The file is in WAL mode: several processes may use it, and one that is killed leaves what it had kept. An
answer is on disk when `write` returns; only a crash of the machine itself can take the last few. Texts and
pictures have a table each: a text names its pictures by their SHA-256.
"""

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import ClassVar, Self

from pydantic import JsonValue

from pixelsmile.errors import InputError, OutputError
from pixelsmile.hashing import sha256_bytes

_SCHEMA_VERSION = 1
# The names are from when all models were judges and all questions pictures.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS judges (sha256 TEXT PRIMARY KEY, identity TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS outcomes (
    key TEXT PRIMARY KEY,
    judge_sha256 TEXT NOT NULL REFERENCES judges,
    picture_sha256 TEXT NOT NULL,
    domain TEXT NOT NULL,
    is_verdict INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    kept_at REAL NOT NULL
) STRICT;
"""
_PICTURES = "CREATE TABLE IF NOT EXISTS pictures (sha256 TEXT PRIMARY KEY, file BLOB NOT NULL) STRICT"
# What came first stays, so that all processes report the same; only a missing answer is replaced.
_KEEP = """
INSERT INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE
SET is_verdict = excluded.is_verdict, outcome = excluded.outcome, kept_at = excluded.kept_at
WHERE NOT outcomes.is_verdict
"""
_TABLES = (("table", "judges"), ("table", "outcomes"), ("table", "pictures"))
_MAX_ROW_BYTES = 64 * 2**20
_PATIENCE_S = 30.0  # for other processes that are writing


class AnswerCache:
    """A file of answers. To be closed; a context manager. For one thread: open it once in each.

    InputError for a file that is no such cache, OutputError for one that cannot be written.
    """

    _content: ClassVar[str] = "answers"  # for messages

    def __init__(self, path: str | PathLike[str]) -> None:
        self._path = Path(path)
        self._models: set[str] = set()  # that are in the file for certain
        with self._errors():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self._path, timeout=_PATIENCE_S, isolation_level=None)
        try:
            with self._errors():
                self._prepare()
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def read(self, key: str) -> str | None:
        """The text that is kept under a content hash; None for none."""
        with self._errors():
            row = self._database.execute("SELECT outcome FROM outcomes WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def picture(self, sha256: str) -> bytes | None:
        """A picture that an answer names; None for none. InputError where the file holds another."""
        with self._errors():
            self._database.execute(_PICTURES)
            row = self._database.execute("SELECT file FROM pictures WHERE sha256 = ?", (sha256,)).fetchone()
        if row is not None and sha256_bytes(row[0]) != sha256:
            raise InputError(f"{str(self._path)!r} holds a damaged picture ({sha256}): move the file away")
        return None if row is None else bytes(row[0])

    def has_answers(self, model_sha256: str) -> bool:
        """Whether that model has ever given one."""
        with self._errors():
            row = self._database.execute(
                "SELECT 1 FROM outcomes WHERE judge_sha256 = ? AND is_verdict LIMIT 1", (model_sha256,)
            ).fetchone()
        return row is not None

    def write(
        self,
        key: str,
        text: str,
        *,
        is_answer: bool,
        model: Mapping[str, JsonValue],
        model_sha256: str,
        question_sha256: str,
        domain: str,
        pictures: Sequence[bytes] = (),
    ) -> str:
        """Put a text and its pictures on disk, and give back the text that counts.

        Another process may have been first. is_answer: it stays; if not, it says why there is none, and gives
        way to one. model: who was asked, question: what; for those who look into the file.
        """
        row = (key, model_sha256, question_sha256, domain, is_answer, text, time.time())
        with self._errors():
            if model_sha256 not in self._models:
                record = (model_sha256, json.dumps(dict(model)))
                self._database.execute("INSERT OR IGNORE INTO judges VALUES (?, ?)", record)
                self._models.add(model_sha256)
            for picture in pictures:  # before the text that names them
                self._database.execute(_PICTURES)
                named = (sha256_bytes(picture), picture)
                self._database.execute("INSERT OR IGNORE INTO pictures VALUES (?, ?)", named)
            is_ours = self._database.execute(_KEEP, row).rowcount > 0
        return text if is_ours else self.read(key) or text

    def _prepare(self) -> None:
        self._database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_ROW_BYTES)
        self._database.execute("PRAGMA trusted_schema = OFF")
        self._write_ahead()
        self._database.execute("PRAGMA synchronous = NORMAL")
        with self._transaction():
            version = self._database.execute("PRAGMA user_version").fetchone()[0]
            tables = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if version != _SCHEMA_VERSION and (version or tables):
                raise InputError(
                    f"{str(self._path)!r} is no cache of {self._content} of this version ({version}): "
                    "choose another file"
                )
            for statement in _SCHEMA.split(";"):
                self._database.execute(statement)
            self._check_tables()
            self._database.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")

    def _check_tables(self) -> None:
        """InputError for a file with more than our tables: a view may have no end, a trigger write more."""
        found = self._database.execute("SELECT type, name FROM sqlite_master").fetchall()
        if any(kind != "index" and (kind, name) not in _TABLES for kind, name in found):
            raise InputError(f"{str(self._path)!r} is no cache of {self._content}: choose another file")

    def _write_ahead(self) -> None:
        """Switch the journal; sqlite itself does not wait while another process does the same."""
        end = time.monotonic() + _PATIENCE_S
        while True:
            try:
                self._database.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
                time.sleep(0.01)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        name, kind = repr(str(self._path)), self._content
        try:
            yield
        except sqlite3.OperationalError as error:
            raise OutputError(f"cannot use the cache {name} ({error}): choose another file") from error
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # sqlite quotes the file's bytes
            raise InputError(f"{name} is no cache of {kind} ({error}): choose another file") from error
        except OSError as error:
            raise OutputError(f"cannot write to {name} ({error.strerror}): choose another place") from error
