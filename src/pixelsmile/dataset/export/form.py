"""Where an export comes from and goes to: pictures are read with their hashes, and copied by them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Protocol

from pixelsmile.dataset.build import step_folders
from pixelsmile.dataset.export.table_columns import Columns
from pixelsmile.dataset.rows import Row
from pixelsmile.dataset.sources import MAX_PICTURE_BYTES
from pixelsmile.dataset.step_folder import StepFolder
from pixelsmile.errors import InputError
from pixelsmile.hashing import sha256_bytes
from pixelsmile.limits import path_within, read_bytes
from pixelsmile.store.publication import SCRATCH_PREFIX

MAX_SHARD_BYTES = 256 * 2**20  # of pictures, in one Parquet or tar file
SCRATCH = f"{SCRATCH_PREFIX}work"  # in the export while it is made

Group = Sequence[Row]  # a base and its edits; or edits whose base is gone


@dataclass(frozen=True)
class Place:
    """folder: of the data set. out: of the export, while it is filled."""

    folder: Path
    out: Path

    def picture(self, row: Row) -> bytes:
        """The picture's file. InputError where it is not what it was."""
        path = path_within(self.folder, row.picture or "")
        data = read_bytes(path, max_bytes=MAX_PICTURE_BYTES)
        if sha256_bytes(data) != row.sha256:
            raise InputError(f"picture {str(path)!r} is not what it was: `dataset validate` says what is")
        return data

    def copy(self, row: Row, folder: str) -> str:
        """The picture under its hash in a folder of the export; its name from there on."""
        name = f"{folder}/{row.sha256}{suffix(row)}"
        path = self.out / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.picture(row))
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


def suffix(row: Row) -> str:
    """`.png`, `.jpg`, ...: of the file."""
    return PurePosixPath(row.picture or "").suffix


def last_finished(folder: Path) -> StepFolder:
    """The last step that is finished. InputError where there is none."""
    finished = [step_folder for step_folder in step_folders(folder) if step_folder.manifest() is not None]
    if not finished:
        raise InputError(f"no step of {str(folder)!r} is finished: the same build command goes on")
    return finished[-1]


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
