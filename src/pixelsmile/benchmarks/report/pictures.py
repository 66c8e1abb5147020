"""Pictures inside a page: small, and without anything but their pixels."""

import base64
import io
from pathlib import Path

from PIL import Image

from pixelsmile.benchmarks.report.html import Html, tag
from pixelsmile.benchmarks.run_folder import EditRecord, RunFolder
from pixelsmile.images import load_image

_SIDE_PX = 224


class Thumbnails:
    """The pictures of a run as they are shown in a page; each is read once."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._uris: dict[Path, str] = {}

    def image(self, file: Path, words: str) -> Html:
        """The picture in `file`, a place that the folder gave; `words` say what it shows."""
        if file not in self._uris:
            self._uris[file] = data_uri(load_image(file), _SIDE_PX)
        return tag("img", src=self._uris[file], alt=words, loading="lazy")

    def edit(self, edit: EditRecord, words: str) -> Html:
        """The picture of an edit that was made, or a box that says why it is not shown."""
        if (fault := self._folder.fault_of(edit)) is not None:
            return tag("div", f"not shown: the picture {fault}", class_="no-picture")
        return self.image(self._folder.path / str(edit.file), words)


def data_uri(image: Image.Image, max_side_px: int, quality: int = 82) -> str:
    """`image` as a WebP in a data URI, no side longer than `max_side_px`.

    It is written from the pixels alone: no metadata of the file tells who made it.
    """
    bare = Image.new("RGB", image.size)
    bare.paste(image)
    bare.thumbnail((max_side_px, max_side_px), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    bare.save(buffer, "WEBP", quality=quality, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
