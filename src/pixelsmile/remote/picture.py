"""A picture as a model behind an address sees it: pixels and nothing else.

Metadata stays here: an edit carries its expression and strength in its text chunks, and a judge must not be
told what it is meant to find.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from functools import cached_property
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


_MAX_KNOWN = 10_000  # files whose pixels are remembered, by their hashes
_known: dict[str, tuple[str, tuple[int, int]]] = {}  # of a plain file: the hash of its pixels, and their size


@dataclass(frozen=True)
class Picture:
    """Upright RGB pixels, named by their SHA-256. Two files with the same pixels are the same picture.

    size: width and height. A file that was read before, in this process, is not decoded until `image` is
    asked for: several judges, and several questions, are about one picture.
    """

    sha256: str
    size: tuple[int, int] = field(compare=False)
    _decoded: Image | None = field(repr=False, compare=False)  # None: the file below is known, and plain
    _files: dict[int, bytes] = field(repr=False, compare=False)  # by largest side

    @classmethod
    def read(cls, source: ImageSource) -> Picture:
        """The picture in a path, the bytes of a file or a PIL image; ImageError where there is none."""
        from pixelsmile.images import load_image

        image, file, name = None, _plain_png(source), ""
        if file is not None:
            name = hashlib.sha256(file).hexdigest()
            if name in _known:
                digest, size = _known[name]
                return cls(digest, size, None, {max(size): file})
            try:
                image = load_image(file)
            except ImageError:  # loaded once more, it says where it is from
                file = None
        image = image or load_image(source)
        hashed = hashlib.sha256(f"RGB {image.width}x{image.height}\n".encode())
        hashed.update(image.tobytes())
        digest = hashed.hexdigest()
        if file is None or len(file) > 3 * image.width * image.height:  # it could be written smaller
            return cls(digest, image.size, image, {})
        if len(_known) >= _MAX_KNOWN:
            _known.clear()
        _known[name] = digest, image.size
        return cls(digest, image.size, image, {max(image.size): file})

    @cached_property
    def image(self) -> Image:
        """The pixels."""
        from pixelsmile.images import load_image

        return self._decoded or load_image(self._files[max(self.size)])

    def png(self, max_side_px: int) -> bytes:
        """The picture as a PNG file, scaled down where its longer side is above `max_side_px`.

        Encoded once; not at all where it came as a file that will do without its metadata.
        """
        side_px = min(max_side_px, max(self.size))
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
