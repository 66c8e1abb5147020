"""The rows of a data set as people keep them on a hub: in JSON, JSON lines or Parquet files."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixelsmile.errors import InputError

SUFFIXES = (".jsonl", ".json", ".parquet")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Row:
    """One row: the file it is in, its place there from 1 on, and its values by key."""

    file: Path
    number: int
    values: dict[str, Any]


def read_rows(folder: Path) -> tuple[Row, ...]:
    """All rows of all metadata files in `folder` and below, hidden ones left out.

    A JSON file holds a list of rows, an object with one such list, or one row alone. InputError for a file
    that cannot be read, and for Parquet without pyarrow.
    """
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file() and not _hidden(path.relative_to(folder))
    )
    return tuple(Row(file, number, values) for file in files for number, values in enumerate(_rows(file), 1))


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _rows(file: Path) -> list[dict[str, Any]]:
    if file.suffix.lower() == ".parquet":
        return _parquet_rows(file)
    try:
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix.lower() == ".jsonl":
            found = [json.loads(line) for line in text.split("\n") if line.strip()]
        else:
            found = _list_in(json.loads(text))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot read {str(file)!r} ({error}): download or export it again") from error
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
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise InputError(
            f"{str(file)!r} is a Parquet file, and pyarrow is not installed: pip install pyarrow"
        ) from error
    try:
        table = parquet.read_table(file)
    except (OSError, pyarrow.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"cannot read {str(file)!r} ({reason}): download it again") from error
    rows: list[dict[str, Any]] = table.to_pylist()
    for key, names in _class_names(table.schema.metadata or {}).items():
        for row in rows:
            if isinstance(row.get(key), int) and 0 <= row[key] < len(names):
                row[key] = names[row[key]]
    return rows


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, list[str]]:
    """The names behind the numbers of class columns, which the `datasets` library keeps in the schema."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return {key: feature["names"] for key, feature in features.items() if "names" in feature}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
