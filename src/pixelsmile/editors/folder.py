"""Pictures that were made elsewhere: a folder of them, with a manifest or with names that say what they are.

    PATH/manifest.jsonl                one line a picture: {"source", "target", "strength", "file"}
    PATH/SOURCE/TARGET_STRENGTH.png    the same without a manifest; other files are left alone

A manifest's `file` is relative to the folder; where `strength` is left out, it is 1. Expressions may be
called by their other names, pictures have any format and size that `load_image` takes.
"""

import logging
import math
from collections.abc import AsyncGenerator, Iterable, Sequence
from pathlib import Path

from PIL import Image
from pydantic import Field, JsonValue

from pixelsmile.editors.editor import (
    PICTURE_SUFFIXES,
    Capabilities,
    EditOutcome,
    Task,
)
from pixelsmile.errors import ExpressionError, ImageError, InputError
from pixelsmile.expressions import parse_expression
from pixelsmile.hashing import sha256_file, sha256_json
from pixelsmile.images import load_image
from pixelsmile.limits import validated
from pixelsmile.store.json_lines import Record, read_numbered

MANIFEST = "manifest.jsonl"

Key = tuple[str, str, float]  # source, target, strength

_log = logging.getLogger(__name__)


class _Line(Record):
    source: str
    target: str
    strength: float = Field(default=1.0, ge=0)
    file: str


class FolderEditor:
    """Answers with the pictures of a folder; what is missing or unreadable is a failure."""

    max_concurrency = 1
    capabilities = Capabilities()

    def __init__(self, folder: Path) -> None:
        """InputError where there is no such folder, a manifest that cannot be read, or no picture."""
        if not folder.is_dir():
            raise InputError(f"there is no folder {str(folder)!r}: check the path after folder:")
        self._folder = folder
        self._files = _pictures(folder)
        self._num_resized = 0

    def to_record(self) -> dict[str, JsonValue]:
        """The folder's name, and one hash of all its pictures by what they show."""
        hashes = {
            "/".join(map(str, key)): sha256_file(path) if path.is_file() else None
            for key, path in self._files.items()
        }
        return {
            "kind": "folder",
            "name": self._folder.resolve().name,
            "num_pictures": len(hashes),
            "sha256": sha256_json(hashes),
        }

    async def edit(
        self, task: Task, picture: Image.Image, strengths: Sequence[float], seed: int
    ) -> AsyncGenerator[EditOutcome, None]:
        """The pictures at these strengths, as they are; a seed has no say in them."""
        for strength in strengths:
            path = self._files.get((task.source, task.target, strength))
            if path is None:
                yield EditOutcome(strength, None, self._why_missing(task))
                continue
            try:
                image = load_image(path)
            except ImageError as error:
                yield EditOutcome(strength, None, str(error))
                continue
            self._num_resized += image.size != picture.size
            yield EditOutcome(strength, image)

    async def close(self) -> None:
        """Say how many pictures have another size than their source."""
        if self._num_resized:
            _log.warning("pictures of another size than their source: %d", self._num_resized)

    def _why_missing(self, task: Task) -> str:
        strengths = sorted(
            s for source, target, s in self._files if (source, target) == (task.source, task.target)
        )
        if strengths:
            found = ", ".join(f"{strength:g}" for strength in strengths)
            return f"the folder has no picture at this strength, only at {found}"
        if any(source == task.source for source, _, _ in self._files):
            return "the folder has no picture of this source with this expression"
        return "the folder has no picture of this source"


def _pictures(folder: Path) -> dict[Key, Path]:
    manifest = folder / MANIFEST
    found: dict[Key, Path] = {}
    for key, path in _from_manifest(manifest) if manifest.exists() else _from_names(folder):
        if key in found:
            source, target, strength = key
            raise InputError(
                f"{str(found[key])!r} and {str(path)!r} are both {target} of {source} at {strength:g}: "
                "take one of them out"
            )
        found[key] = path
    if not found:
        raise InputError(
            f"{str(folder)!r} holds no edits: name them SOURCE/TARGET_STRENGTH.png or list them in {MANIFEST}"
        )
    return found


def _from_manifest(manifest: Path) -> Iterable[tuple[Key, Path]]:
    def listed(text: str) -> tuple[Key, Path]:
        line = validated(_Line, text)
        return (line.source, parse_expression(line.target), line.strength), manifest.parent / line.file

    return (found for _, found in read_numbered(manifest, listed, needed="picture"))


def _from_names(folder: Path) -> Iterable[tuple[Key, Path]]:
    for path in sorted(folder.glob("*/*")):
        target, _, strength = path.stem.rpartition("_")
        if path.suffix.lower() not in PICTURE_SUFFIXES:
            continue
        try:
            key = path.parent.name, parse_expression(target), float(strength)
        except (ExpressionError, ValueError):
            continue
        if math.isfinite(key[2]) and key[2] >= 0:
            yield key, path
