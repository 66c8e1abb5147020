"""Records, and text files of one a line: read from anybody, and added to while they are made.

Files are UTF-8, whatever the files are called that they speak of. A name on disk is bytes. Where they are no
UTF-8, Python carries each as half of a surrogate pair, which no JSON reader, browser or database takes. What
is recorded has `\\xff` for such a byte.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationInfo, model_validator

from pixelsmile.errors import InputError, OutputError
from pixelsmile.limits import decoded, read_bytes, read_text, validated

R = TypeVar("R", bound=BaseModel)
T = TypeVar("T")

_HALVES = re.compile("[\ud800-\udfff]")  # of surrogate pairs
_BYTES = range(0xDC80, 0xDD00)  # PEP 383: byte 0x80 is U+DC80


class Record(BaseModel):
    """What is kept. Unknown fields, wrong types and numbers that are not finite are errors.

    Its texts can be written: what is no UTF-8 in the name of a file becomes `\\xff`, as it is read back.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _writable(cls, values: Any, info: ValidationInfo) -> Any:
        return values if info.mode == "json" else recordable(values)


def read_numbered(path: Path, make: Callable[[str], T], *, needed: str = "line") -> list[tuple[int, T]]:
    """What `make` makes of each line, with the line's number from 1; empty lines do not count.

    `make` raises InputError for a line that is none. InputError for a file that cannot be read, for an empty
    one, which says what is `needed`, and for lines that are wrong: it tells the first, and how many are.
    """
    made = _made(path, read_text(path), make)
    if not made:
        raise InputError(f"{str(path)!r} holds no {needed}: it may not have been written to its end")
    return made


def read_lines(path: Path, kind: type[R]) -> tuple[R, ...]:
    """The records of a file that a LineWriter writes, in its order; none where there is no file.

    A last line without its end is what a kill leaves, and is left out. InputError as `read_numbered`.
    """
    if not os.path.lexists(path):
        return ()
    data = read_bytes(path)
    text = decoded(data[: data.rfind(b"\n") + 1], repr(str(path)))
    return tuple(record for _, record in _made(path, text, lambda line: validated(kind, line)))


def _made(path: Path, text: str, make: Callable[[str], T]) -> list[tuple[int, T]]:
    made, problems = [], []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            if line.strip():
                made.append((number, make(line)))
        except InputError as error:
            problems.append(f"line {number}: {error}")
    if problems:
        others = f"; {len(problems)} lines are wrong in all" if len(problems) > 1 else ""
        raise InputError(f"{str(path)!r}, {problems[0]}{others}")
    return made


class LineWriter:
    """Adds records to a file; each is on disk when `write` returns. One writer a file at a time.

    The file survives a kill at any moment: a line that was cut is taken off first. OutputError where the file
    cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab+", buffering=0)  # nothing is left over for `close` to write
            self._cut()
        except OSError as error:
            raise self._error(error) from error

    def write(self, record: BaseModel) -> None:
        """Add one record. Where the disk refuses, the file ends with the record before."""
        whole = self._file.seek(0, os.SEEK_END)
        try:
            line = record.model_dump_json().encode() + b"\n"
            while line:  # a disk that becomes full takes a part of it
                line = line[self._file.write(line) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            self._file.truncate(whole)
            raise self._error(error) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _cut(self) -> None:
        self._file.seek(0)
        self._file.truncate(self._file.read().rfind(b"\n") + 1)

    def _error(self, error: OSError) -> OutputError:
        return OutputError(
            f"cannot write to {str(self._path)!r} ({error.strerror}): free some space or choose another place"
        )


# Text that can be written.


def is_utf8(text: str) -> bool:
    """Whether `text` is text throughout, or the name of a file that is none."""
    return text.isascii() or _HALVES.search(text) is None


def escaped(text: str) -> str:
    """`text` with what UTF-8 cannot hold escaped."""
    return text if text.isascii() else _HALVES.sub(_escape, text)


def recordable(value: Any) -> Any:
    """A value of JSON with every text in it `escaped`; other values as they are."""
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, dict):
        return {recordable(key): recordable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(recordable, value))
    return value


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code - 0xDC00:02x}" if code in _BYTES else f"\\u{code:04x}"
