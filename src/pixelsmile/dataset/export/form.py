"""What a form of export is: it takes groups of rows and writes files; and how it comes to the pictures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Protocol

from pixelsmile.dataset.export.table_columns import Columns
from pixelsmile.dataset.folder import PICTURES, kept_file
from pixelsmile.dataset.rows import Row
from pixelsmile.store.publication import SCRATCH_PREFIX

MAX_SHARD_BYTES = 256 * 2**20  # of pictures, in one Parquet or tar file
SCRATCH = f"{SCRATCH_PREFIX}work"  # in the export while it is made

Group = Sequence[Row]  # a base and its edits; or edits whose base is gone


@dataclass(frozen=True)
class ExportPictures:
    """Pictures on their way from a data set into an export of it.

    folder: of the data set. out: of the export, while it is filled.
    """

    folder: Path
    out: Path

    def read(self, row: Row) -> bytes:
        """The picture's file. ImageError as `kept_file`."""
        return kept_file(self.folder, row)

    def copy(self, row: Row, folder: str) -> str:
        """The picture under its hash in a folder of the export; its name from there on."""
        return self._copied(row, f"{folder}/{row.sha256}{suffix(row)}")

    def keep(self, row: Row) -> str:
        """The picture as data sets keep theirs, under `kept_name`; that name."""
        return self._copied(row, kept_name(row))

    def _copied(self, row: Row, name: str) -> str:
        path = self.out / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.read(row))
        return name


@dataclass
class Written:
    """What a form came to.

    files: of each split, a pattern or a name from the export's folder on. counts: of each split, how many of
    the unit. left_out: pictures or rows that the form has no place for, by the reason. columns: of a table,
    with pictures in it; num_bytes: of its splits. loader: how the `datasets` library reads it; None where it
    cannot.
    """

    files: dict[str, str]
    unit: str
    counts: dict[str, int]
    left_out: dict[str, int] = field(default_factory=dict)
    columns: Columns = field(default_factory=dict)
    num_bytes: dict[str, int] = field(default_factory=dict)
    loader: str | None = None


def split_of(name: str) -> str:
    """Of what is counted as `train` or `train-instructions`: the names of splits have no hyphen."""
    return name.partition("-")[0]


class Form(Protocol):
    """A form of export while it is written. Groups come in the order of the rows."""

    def add(self, split: str, group: Group) -> None:
        """Take one group. InputError, OSError."""

    def finish(self) -> Written:
        """Write what is left."""


def kept_name(row: Row) -> str:
    """Where `keep` puts the picture, from the export's folder on."""
    sha256 = row.sha256 or ""
    return f"{PICTURES}/{sha256[:2]}/{sha256}{suffix(row)}"


def suffix(row: Row) -> str:
    """`.png`, `.jpg`, ...: of the file."""
    return PurePosixPath(row.picture or "").suffix


def groups(rows: Iterator[Row]) -> Iterator[Group]:
    """The rows by their groups, which lie together."""
    for _, group in groupby(rows, key=lambda row: row.group):
        yield tuple(group)


def base_of(group: Group) -> Row | None:
    """The picture that was edited, where it is there."""
    return next((row for row in group if row.base is None), None)


def edits_of(group: Group) -> list[Row]:
    """The pictures that were made of it."""
    return [row for row in group if row.base is not None]


def counted_reasons(reasons: Mapping[str, int]) -> dict[str, int]:
    """Without those that never came up, the most frequent first."""
    found = [item for item in reasons.items() if item[1]]
    return dict(sorted(found, key=lambda item: (-item[1], item[0])))
