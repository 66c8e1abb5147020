"""The rows of a data set as people keep them on a hub: in JSON, JSON lines or Parquet files."""

import itertools
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from pydantic import BaseModel, ValidationError

from pixelsmile.errors import InputError, PixelSmileError, install, one_line
from pixelsmile.hashing import sha256_bytes
from pixelsmile.images import load_image
from pixelsmile.limits import MAX_FILE_BYTES, parse_json, read_json, shown
from pixelsmile.store.json_lines import read_numbered

if TYPE_CHECKING:
    from pyarrow.parquet import FileMetaData

SUFFIXES = (".jsonl", ".json", ".parquet")

_BATCH_ROWS = 32  # of a Parquet file in memory at once, while its rows are listed
_MAX_ROWS = 1_000_000
_MAX_UNPACKED = 20  # times the size of a Parquet file; pictures do not shrink, and words by less

Aliases = Mapping[str, tuple[str, ...]]  # the keys that each field goes by, the likeliest first


@dataclass(frozen=True)
class Row:
    """One row: the file it is in, its place there from 1 on, and its values by key."""

    file: Path
    number: int
    values: dict[str, Any]


@dataclass(frozen=True)
class StoredPicture:
    """A `Picture` inside a Parquet file: where the bytes of its file are."""

    file: Path
    row_group: int
    row: int  # in the group, from 0
    column: str

    def load(self) -> Image.Image:
        return load_image(self.read())

    def sha256(self) -> str:
        return sha256_bytes(self.read())

    def read(self) -> bytes:
        """InputError where the file cannot be read any more."""
        with _parquet_errors(self.file):
            value = _stored_values(self.file, self.row_group, self.column)[self.row]
            data: bytes = value["bytes"] if isinstance(value, dict) else value
            return data


class _Feature(BaseModel):
    names: list[str] | None = None


class _Features(BaseModel):
    features: dict[str, _Feature]


class _Kept(BaseModel):
    """What the `datasets` library keeps about columns, as far as we read it."""

    info: _Features


def read_rows(folder: Path) -> tuple[Row, ...]:
    """All rows of all metadata files in `folder` and below, hidden ones left out.

    A JSON file holds a list of rows, an object with one such list, or one row alone. The bytes of pictures
    in Parquet files are StoredPictures. InputError for a file that cannot be read, and for Parquet without
    pyarrow.
    """
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file() and not is_hidden(path.relative_to(folder))
    )
    return tuple(Row(file, number, values) for file in files for number, values in enumerate(_rows(file), 1))


def fields_of(values: Mapping[str, Any], aliases: Aliases) -> dict[str, Any]:
    """The fields of `aliases` that are in a row; empty ones are not.

    Case, spaces and hyphens of keys do not matter. What {"src": {"image": ...}} holds counts as the row's
    own, as `image` and as `src_image`.
    """
    by_key: dict[str, Any] = {}
    for key, value in values.items():
        is_group = isinstance(value, dict) and "bytes" not in value
        for inner_key, inner_value in value.items() if is_group else [(key, value)]:
            by_key.setdefault(_plain(inner_key), inner_value)
            if is_group:
                by_key.setdefault(f"{_plain(key)}_{_plain(inner_key)}", inner_value)
    fields = {}
    for field, names in aliases.items():
        given = [by_key[name] for name in names if by_key.get(name) not in (None, "", [])]
        if given:
            fields[field] = given[0]
    return fields


def is_hidden(path: Path) -> bool:
    """Whether a part of the path begins with a dot."""
    return any(part.startswith(".") for part in path.parts)


def _plain(key: str) -> str:
    return re.sub(r"[\s-]+", "_", key.strip().lower())


def _rows(file: Path) -> list[dict[str, Any]]:
    if file.suffix.lower() == ".parquet":
        return _parquet_rows(file)
    if file.suffix.lower() == ".jsonl":
        found = [value for _, value in read_numbered(file, lambda line: parse_json(line, "it"))]
    else:
        found = _list_in(read_json(file, max_bytes=MAX_FILE_BYTES))
    if not all(isinstance(row, dict) for row in found):
        raise InputError(
            f"{str(file)!r} holds rows that are no objects: export it again as objects with keys"
        )
    return found


def _list_in(content: Any) -> list[Any]:
    if isinstance(content, dict):
        lists = [
            value
            for value in content.values()
            if isinstance(value, list) and value and isinstance(value[0], dict)
        ]
        return lists[0] if len(lists) == 1 else [content]
    return content if isinstance(content, list) else []


def _parquet_rows(file: Path) -> list[dict[str, Any]]:
    rows = []
    with _parquet_errors(file):
        from pyarrow import parquet

        with parquet.ParquetFile(file) as stored:
            _check_size(file, stored.metadata)
            num_bytes = 0  # of what is kept of the rows before
            for group in range(stored.num_row_groups):
                places = itertools.count()
                for batch in stored.iter_batches(_BATCH_ROWS, row_groups=[group]):
                    found = [_by_reference(row, file, group, next(places)) for row in batch.to_pylist()]
                    num_bytes += sum(_num_letters(row) for row in found)
                    if num_bytes > MAX_FILE_BYTES:
                        raise InputError(
                            f"{str(file)!r} unpacks to more than {MAX_FILE_BYTES:,} bytes of text"
                        )
                    rows += found
            names_of = _class_names(stored.schema_arrow.metadata or {})
    for key, names in names_of.items():
        for row in rows:
            if isinstance(row.get(key), int) and 0 <= row[key] < len(names):
                row[key] = names[row[key]]
    return rows


def _check_size(file: Path, about: "FileMetaData") -> None:
    """InputError for a file that says of itself that it would unpack to far more than it is."""
    groups = [about.row_group(place) for place in range(about.num_row_groups)]
    num_bytes = sum(group.total_byte_size for group in groups)
    allowed = max(MAX_FILE_BYTES, _MAX_UNPACKED * file.stat().st_size)
    if about.num_rows > _MAX_ROWS or num_bytes > allowed:
        raise InputError(
            f"{str(file)!r} would unpack to {shown(about.num_rows)} rows and {shown(num_bytes)} bytes: "
            "it is no benchmark"
        )


def _num_letters(value: Any) -> int:
    """About how much memory a value of a row takes, in bytes."""
    if isinstance(value, dict):
        return sum(map(_num_letters, (*value, *value.values())))
    if isinstance(value, list | tuple):
        return 8 * len(value) + sum(map(_num_letters, value))
    return len(value) if isinstance(value, str | bytes) else 8


def _by_reference(row: dict[str, Any], file: Path, group: int, place: int) -> dict[str, Any]:
    """The row with a StoredPicture in place of the bytes of each picture."""
    for column, value in row.items():
        picture = StoredPicture(file, group, place, column)
        if isinstance(value, bytes):
            row[column] = picture
        elif isinstance(value, dict) and isinstance(value.get("bytes"), bytes):
            value["bytes"] = picture
    return row


@lru_cache(maxsize=1)  # rows are asked for in their order: a group is read once
def _stored_values(file: Path, group: int, column: str) -> list[Any]:
    with _parquet_errors(file):
        from pyarrow import parquet

        with parquet.ParquetFile(file) as stored:
            values: list[Any] = stored.read_row_group(group, columns=[column]).column(column).to_pylist()
            return values


@contextmanager
def _parquet_errors(file: Path) -> Iterator[None]:
    try:
        yield
    except PixelSmileError:
        raise
    except ImportError as error:
        raise InputError(
            f"{str(file)!r} is a Parquet file, and pyarrow is not installed: {install('bench')}"
        ) from error
    except Exception as error:  # whatever a decoder can make of hostile bytes
        raise InputError(f"cannot read {str(file)!r} ({one_line(error, 120)}): download it again") from error


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, list[str]]:
    """The names behind the numbers of class columns, which the `datasets` library keeps in the schema."""
    try:
        kept = _Kept.model_validate(parse_json(metadata.get(b"huggingface", b"{}"), "it"))
    except (InputError, ValidationError):
        return {}
    return {key: feature.names for key, feature in kept.info.features.items() if feature.names is not None}
