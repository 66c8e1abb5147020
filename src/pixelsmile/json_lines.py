"""Files of one JSON record a line that are added to while they are made, and survive a kill at any moment."""

import os
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pixelsmile.errors import InputError, OutputError

R = TypeVar("R", bound=BaseModel)


class Record(BaseModel):
    """One line. Unknown fields and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_lines(path: Path, kind: type[R]) -> tuple[R, ...]:
    """The records of a file, in its order; none where there is no file.

    A last line without its end is what a kill leaves, and is left out. InputError for any other line that is
    no record of this kind.
    """
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r} ({error.strerror}): check the path") from error
    records = []
    for number, line in enumerate(lines, 1):
        try:
            records.append(kind.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the line"
            raise InputError(
                f"{str(path)!r}, line {number} ({where}: {first['msg']}): mend the line or take it out"
            ) from error
    return tuple(records)


class LineWriter:
    """Adds records to a file; each is on disk when `write` returns. One writer a file at a time.

    A line that a kill has cut is taken off first. OutputError where the file cannot be written.
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
