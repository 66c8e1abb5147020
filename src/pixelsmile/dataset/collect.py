"""Collect: each picture of the sources is read once, and kept by its content if it is one.

    PICTURES/ab/ab12....jpg      the bytes as they came, under their SHA-256

Later steps read from there; two pictures of the same bytes are one file.
"""

import io
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pixelsmile.dataset.rows import Row, row_id
from pixelsmile.dataset.sources import MAX_PICTURE_BYTES, Item
from pixelsmile.errors import ImageError, InputError, OutputError
from pixelsmile.hashing import sha256_bytes
from pixelsmile.images import FORMATS, load_image
from pixelsmile.limits import path_within, read_bytes
from pixelsmile.store.publication import write_file

PICTURES = "pictures"
_SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif"}  # others are called like their format

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Collect:
    """The step's function: pictures of sources become rows, and files of the data set in `folder`."""

    folder: Path
    min_side_px: int

    def __call__(self, items: Sequence[Item]) -> list[Row]:
        return [self._collected(item) for item in items]

    def _collected(self, item: Item) -> Row:
        data, fault = b"", None
        try:
            data = item.content.read()
            image = load_image(data)
        except OutputError:
            raise
        except (InputError, OSError) as error:
            fault = str(error)
        row = _row(item, data)
        if fault is not None:
            return row.rejected("collect", "unreadable", detail=fault)
        width, height = image.size
        row = row.updated(width_px=width, height_px=height)
        if min(image.size) < self.min_side_px:
            return row.rejected("collect", "picture too small", min(image.size), self.min_side_px)
        return row.updated(picture=self._kept(data, row.sha256 or ""))

    def _kept(self, data: bytes, sha256: str) -> str:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            form = image.format or ""
        return keep_picture(self.folder, data, sha256, _SUFFIXES.get(form, f".{form.lower()}"))


def keep_picture(folder: Path, data: bytes, sha256: str, suffix: str) -> str:
    """Where the bytes lie in a data set's folder, written if they do not lie there yet."""
    name = f"{PICTURES}/{sha256[:2]}/{sha256}{suffix}"
    path = folder / name
    if not path.exists() or path.read_bytes() != data:
        write_file(path, data, force=True)
    return name


def kept_picture(folder: Path, row: Row) -> Image.Image:
    """The picture of a row that has one. ImageError as `kept_file`."""
    return load_image(kept_file(folder, row))


def kept_file(folder: Path, row: Row) -> bytes:
    """The bytes of a row's picture. ImageError where its file is lost, or holds other bytes now."""
    name = row.picture or ""
    data = read_bytes(
        path_within(folder, name, error=ImageError), max_bytes=MAX_PICTURE_BYTES, error=ImageError
    )
    if sha256_bytes(data) != row.sha256:
        raise ImageError(f"{name!r} has changed since it was kept: do that step again with --redo")
    return data


def lost_item(item: Item) -> Row:
    """The row of a picture that ends the process which reads it."""
    return _row(item, b"").rejected("collect", "worker died")


def _row(item: Item, data: bytes) -> Row:
    sha256 = sha256_bytes(data)
    facts = {name: value for name, value in item.facts.items() if value is not None}
    return Row(
        id=row_id(item.source, item.key, sha256), source=item.source, key=item.key, sha256=sha256, **facts
    )


@dataclass(frozen=True)
class EachRow:
    """A step's function from one of a single row: what goes wrong with a row costs that row alone."""

    name: str
    change: Callable[[Row], Row]

    def __call__(self, rows: Sequence[Row]) -> list[Row]:
        return [self._changed(row) for row in rows]

    def _changed(self, row: Row) -> Row:
        try:
            return self.change(row)
        except OutputError:  # a full disk is no fault of a row
            raise
        except Exception as error:  # networks on strangers' pictures raise anything
            logger.debug("row %s", row.id, exc_info=True)
            return row.rejected(self.name, "failed", detail=f"{type(error).__name__}: {error}")
