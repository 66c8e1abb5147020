"""Verdicts and marks kept on disk, so that nothing is paid for twice: SQLite, keyed by content.

The key is the hash of judge (with its rubric and parameters), question and domain. The file is in WAL mode:
several processes may use it, and one that is killed leaves what it had kept. A verdict is on disk when `keep`
returns; only a crash of the machine itself can take the last few. Transcripts are part of what is kept.
"""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Self

from pixelsmile.errors import InputError, OutputError
from pixelsmile.hashing import sha256_json
from pixelsmile.judges.judge import JudgeIdentity
from pixelsmile.judges.question import Question
from pixelsmile.judges.verdict import NoVerdict, Outcome, outcome_from_json

_SCHEMA_VERSION = 1
# `picture_sha256` is the hash of the question: the column has its name from when all questions were pictures.
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
# What came first stays, so that all processes report the same; only a missing verdict is replaced.
_KEEP = """
INSERT INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE
SET is_verdict = excluded.is_verdict, outcome = excluded.outcome, kept_at = excluded.kept_at
WHERE NOT outcomes.is_verdict
"""
_TABLES = (("table", "judges"), ("table", "outcomes"))
_MAX_ROW_BYTES = 64 * 2**20  # an outcome has a few answers of at most a megabyte
_PATIENCE_S = 30.0  # for other processes that are writing


def cache_key(identity: JudgeIdentity, question: Question) -> str:
    """The content hash under which this judge's outcome for this question is kept."""
    return sha256_json([identity.sha256, question.sha256, question.domain])


class VerdictCache:
    """A file of outcomes. To be closed; a context manager. For one thread: open it once in each.

    InputError for a file that is no such cache, OutputError for one that cannot be written.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self._path = Path(path)
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

    def find(self, key: str) -> Outcome | None:
        """The outcome that is kept under `key`, which may be "no verdict"; None for none.

        InputError where what is kept is no outcome.
        """
        with self._errors():
            row = self._database.execute("SELECT outcome FROM outcomes WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        try:
            return outcome_from_json(row[0])
        except ValueError as error:
            raise InputError(
                f"{str(self._path)!r} holds a damaged verdict ({key}): move the file away"
            ) from error

    def has_verdicts(self, identity: JudgeIdentity) -> bool:
        """Whether that judge has ever given one."""
        with self._errors():
            row = self._database.execute(
                "SELECT 1 FROM outcomes WHERE judge_sha256 = ? AND is_verdict LIMIT 1", (identity.sha256,)
            ).fetchone()
        return row is not None

    def keep(self, identity: JudgeIdentity, question: Question, outcome: Outcome) -> Outcome:
        """Put an outcome on disk, and give back the one that counts: another process may have been first."""
        key = cache_key(identity, question)
        is_verdict = not isinstance(outcome, NoVerdict)
        asked = (identity.sha256, question.sha256, question.domain)
        row = (key, *asked, is_verdict, outcome.to_json(), time.time())
        with self._errors(), self._transaction():
            self._database.execute(
                "INSERT OR IGNORE INTO judges VALUES (?, ?)",
                (identity.sha256, json.dumps(identity.to_record())),
            )
            self._database.execute(_KEEP, row)
        return self.find(key) or outcome

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
                    f"{str(self._path)!r} is no cache of verdicts of this version ({version}): "
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
            raise InputError(f"{str(self._path)!r} is no cache of verdicts: choose another file")

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
        name = repr(str(self._path))
        try:
            yield
        except sqlite3.OperationalError as error:
            raise OutputError(f"cannot use the cache {name} ({error}): choose another file") from error
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # sqlite quotes the file's bytes
            raise InputError(f"{name} is no cache of verdicts ({error}): choose another file") from error
        except OSError as error:
            raise OutputError(f"cannot write to {name} ({error.strerror}): choose another place") from error
