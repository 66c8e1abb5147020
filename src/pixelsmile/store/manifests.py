"""The manifest beside every result: what was asked, which code did it, from which bytes, into which files."""

import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from pixelsmile.errors import InputError
from pixelsmile.hashing import sha256_bytes, sha256_code, sha256_file
from pixelsmile.limits import MAX_FILE_BYTES, read_record
from pixelsmile.store.json_lines import Record
from pixelsmile.version import __version__

MANIFEST_NAME = "manifest.json"
_LIBRARIES = ("torch", "diffusers", "transformers", "peft", "pillow", "skia-python")


class FileRecord(Record):
    """A file by its content. `path` is relative to the manifest for outputs, as given for inputs."""

    path: str
    sha256: str
    size_bytes: int


class CodeRecord(Record):
    """Which code ran: the version, the hash of the package's source, and the libraries under it."""

    version: str
    source_sha256: str
    python: str
    libraries: dict[str, str]


class Manifest(Record):
    """What one run did. Settings, seeds, code and inputs determine the outputs on one machine."""

    schema_version: Literal[1] = 1
    kind: str
    created: datetime
    code: CodeRecord
    settings: dict[str, JsonValue]
    seeds: tuple[int, ...]
    inputs: tuple[FileRecord, ...]
    outputs: tuple[FileRecord, ...]

    def to_json(self) -> bytes:
        """The manifest as it is written to disk."""
        return (json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n").encode()


def make_manifest(
    kind: str,
    *,
    settings: Mapping[str, JsonValue],
    seeds: Sequence[int],
    inputs: Sequence[FileRecord],
    outputs: Sequence[FileRecord],
) -> Manifest:
    """A manifest of now and of this code."""
    return Manifest(
        kind=kind,
        created=datetime.now(UTC).replace(microsecond=0),
        code=current_code(),
        settings=dict(settings),
        seeds=tuple(seeds),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
    )


def read_manifest(path: str | PathLike[str]) -> Manifest:
    """The manifest in `path`; InputError where it is missing, damaged, or not one of ours."""
    return read_record(
        path,
        Manifest,
        max_bytes=MAX_FILE_BYTES,
        error=lambda problem: InputError(f"{problem}; a manifest of this version is needed"),
    )


def current_code() -> CodeRecord:
    """The code that is running. Libraries that are not installed are left out."""
    libraries = {}
    for name in _LIBRARIES:
        try:
            libraries[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return CodeRecord(
        version=__version__,
        source_sha256=sha256_code(),
        python=platform.python_version(),
        libraries=libraries,
    )


def record_file(path: str | PathLike[str]) -> FileRecord:
    """A file on disk, by the path as given."""
    return FileRecord(path=str(path), sha256=sha256_file(path), size_bytes=Path(path).stat().st_size)


def record_bytes(name: str, data: bytes) -> FileRecord:
    """What will be written as `name`."""
    return FileRecord(path=name, sha256=sha256_bytes(data), size_bytes=len(data))
