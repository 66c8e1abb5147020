"""Collect: each picture of the sources is read once, and kept in the data set's folder if it is one."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pixelsmile.dataset.folder import keep_picture
from pixelsmile.dataset.rows import Row, row_id
from pixelsmile.dataset.sources import Item
from pixelsmile.errors import InputError, OutputError
from pixelsmile.hashing import sha256_bytes
from pixelsmile.images import FORMATS, load_image

_SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif"}  # others are called like their format


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


def lost_item(item: Item) -> Row:
    """The row of a picture that ends the process which reads it."""
    return _row(item, b"").rejected("collect", "worker died")


def _row(item: Item, data: bytes) -> Row:
    sha256 = sha256_bytes(data)
    facts = {name: value for name, value in item.facts.items() if value is not None}
    return Row(
        id=row_id(item.source, item.key, sha256), source=item.source, key=item.key, sha256=sha256, **facts
    )
