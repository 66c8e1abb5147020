"""A picture as a model behind an address sees it: pixels and nothing else.

Metadata stays here: an edit carries its expression and strength in its text chunks, and a judge must not be
told what it is meant to find.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixelsmile.errors import ImageError, InputError
from pixelsmile.limits import read_bytes

if TYPE_CHECKING:
    from PIL.Image import Image

    from pixelsmile.images import ImageSource

_PNG = b"\x89PNG\r\n\x1a\n"
_PLAIN = bytes((8, 2, 0, 0, 0))  # at byte 24: 8 bits a colour, RGB, the usual packing, no interlace
_PIXELS = (b"IHDR", b"IDAT", b"IEND")
_REMARKS = (b"tEXt", b"zTXt", b"iTXt", b"tIME", b"pHYs", b"sRGB")  # without these the pixels are the same
_MAX_FILE_BYTES = 2**25  # of what is sent as it came


@dataclass(frozen=True)
class Picture:
    """Upright RGB pixels, named by their SHA-256. Two files with the same pixels are the same picture."""

    sha256: str
    image: Image = field(repr=False, compare=False)
    _files: dict[int, bytes] = field(default_factory=dict, repr=False, compare=False)  # by largest side

    @classmethod
    def read(cls, source: ImageSource) -> Picture:
        """The picture in a path, the bytes of a file or a PIL image; ImageError where there is none."""
        from pixelsmile.images import load_image

        image, file = None, _plain_png(source)
        if file is not None:
            try:
                image = load_image(file)
            except ImageError:  # loaded once more, it says where it is from
                file = None
        image = image or load_image(source)
        digest = hashlib.sha256(f"RGB {image.width}x{image.height}\n".encode())
        digest.update(image.tobytes())
        is_worth_it = file is not None and len(file) <= 3 * image.width * image.height
        return cls(digest.hexdigest(), image, {max(image.size): file} if file and is_worth_it else {})

    def png(self, max_side_px: int) -> bytes:
        """The picture as a PNG file, scaled down where its longer side is above `max_side_px`.

        Encoded once; not at all where it came as a file that will do without its metadata.
        """
        side_px = min(max_side_px, max(self.image.size))
        if side_px not in self._files:
            self._files[side_px] = _encoded(self.image, side_px)
        return self._files[side_px]


def _encoded(image: Image, side_px: int) -> bytes:
    from PIL.Image import Resampling

    scale = side_px / max(image.size)
    if scale < 1:
        width, height = (max(1, round(side * scale)) for side in image.size)
        image = image.resize((width, height), Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _plain_png(source: ImageSource) -> bytes | None:
    """A PNG file of plain RGB without its metadata; None for other pictures."""
    from PIL.Image import Image

    if isinstance(source, Image):
        return None
    try:
        data = source if isinstance(source, bytes) else read_bytes(source, max_bytes=_MAX_FILE_BYTES)
    except InputError:
        return None
    if not data.startswith(_PNG) or data[24:29] != _PLAIN:
        return None
    kept, begin, kind = [_PNG], len(_PNG), b""
    while begin < len(data) and kind != b"IEND":
        kind = data[begin + 4 : begin + 8]
        end = begin + 12 + int.from_bytes(data[begin : begin + 4], "big")
        if kind in _PIXELS:
            kept.append(data[begin:end])
        elif kind not in _REMARKS:
            return None
        begin = end
    return b"".join(kept)
