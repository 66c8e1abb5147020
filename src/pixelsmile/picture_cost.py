"""What reading a picture's file will take, told from the file before anything of it is decoded.

A file may be small and its picture large, or hold a thousand pieces that a parser copies one by one. The
limits keep each picture that is accepted within about 800 MB of memory and 10 s of a processor
(`perf/pictures.py` measures the worst of them).
"""

import mmap
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from PIL import Image

from pixelsmile.errors import ImageError

MAX_PIXELS = 2**26  # 8192 x 8192: 270 MB in memory, and as much again while it is converted
MAX_PICTURE_BYTES = 730_000_000  # of memory for one picture, beside Python and its libraries

# Memory for one pixel while it is decoded: what the libraries keep of a picture at once, and the result.
_BYTES_PER_PIXEL = {"WEBP": 16, "AVIF": 20, "TIFF": 14}
_USUAL_BYTES_PER_PIXEL = 8
_TRANSPARENT_BYTES_PER_PIXEL = 12  # once over white for the editor, once as its edits are to have it
_WHOLE_IN_MEMORY = {"WEBP": 1, "AVIF": 1}  # so many copies of the file
# By the decoders in Python, a byte or a block at a time.
_MAX_SLOW_FILE_BYTES = 16 * 2**20
_MAX_SLOW_PIXELS = 2**24

_MAX_FILE_BYTES = 512 * 2**20
_MAX_METADATA_BYTES = 16 * 2**20
_MAX_SEGMENTS = 2_000  # of a JPEG
_MAX_EXIF_SEGMENTS = 16  # the standard knows one; each is appended to those before
_MAX_CHUNKS = 100_000  # of a PNG: some programs write 8 kB each
_MAX_TAGS = 4_096  # of a TIFF
_MAX_TAG_VALUES = 200_000  # places of strips, one a row at most
_MAX_SCAN_PIXELS = 1_000_000_000  # of a JPEG: each scan passes over all pixels
_USUAL_SCANS = 4  # one for each colour

_SCAN, _END = 0xDA, 0xD9
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ARITHMETIC = frozenset(range(0xC9, 0xD0))  # frames whose coding takes ten times as long
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a body
# In the data of a scan 0xFF is followed by 0x00 or by a restart marker; anything else is the next marker.
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_EXIF = b"Exif\0\0"


def check_file(file: IO[bytes], name: str) -> None:
    """Refuse a file of more pieces than any program writes, from its structure; ImageError.

    `file` is left at its start. What is damaged is left to the parser, which says so.
    """
    head = file.read(8)
    with _whole(file) as data:
        if len(data) > _MAX_FILE_BYTES:
            raise ImageError(
                f"{name} has {len(data):,} bytes, more than {_MAX_FILE_BYTES:,}: export it as PNG or JPEG"
            )
        if head.startswith(b"\xff\xd8"):
            _check_jpeg(data, name)
        elif head.startswith(b"\x89PNG"):
            _check_png(data, name)
        elif head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            _check_tiff(data, name)
        elif head.startswith(b"GIF8") and len(data) > _MAX_SLOW_FILE_BYTES:
            raise ImageError(f"{name} is a GIF of {len(data):,} bytes: export it as PNG or JPEG")
    file.seek(0)


def check_size(image: Image.Image, name: str, file_bytes: int = 0) -> None:
    """Refuse an opened picture, not yet decoded, that takes more memory or time than any may; ImageError."""
    width, height = image.size
    num_pixels = width * height
    if num_pixels > MAX_PIXELS:
        raise ImageError(
            f"{name} has {width} x {height} pixels, more than {MAX_PIXELS:,}: scale it down first"
        )
    kind = image.format or ""
    needed = num_pixels * _bytes_per_pixel(image) + _WHOLE_IN_MEMORY.get(kind, 0) * file_bytes
    if needed > MAX_PICTURE_BYTES:
        raise ImageError(
            f"{name} has {width} x {height} pixels in {file_bytes:,} bytes of {kind}, which takes "
            f"{needed / 1e6:,.0f} MB to read, more than {MAX_PICTURE_BYTES / 1e6:,.0f}: scale it down, or "
            "export it as PNG or plain JPEG"
        )
    slow = any(tile[0] == "bmp_rle" for tile in getattr(image, "tile", ()))
    if slow and (num_pixels > _MAX_SLOW_PIXELS or file_bytes > _MAX_SLOW_FILE_BYTES):
        raise ImageError(f"{name} is a large BMP in run lengths, slow to read: export it as PNG")


def _bytes_per_pixel(image: Image.Image) -> int:
    if image.info.get("progressive"):  # libjpeg keeps two bytes a pixel and colour until the last scan
        return 4 + 2 * len(image.getbands())
    usual = _TRANSPARENT_BYTES_PER_PIXEL if image.has_transparency_data else _USUAL_BYTES_PER_PIXEL
    return _BYTES_PER_PIXEL.get(image.format or "", usual)


@contextmanager
def _whole(file: IO[bytes]) -> Iterator[mmap.mmap | memoryview]:
    """The bytes of a file, not copied."""
    if hasattr(file, "getbuffer"):
        with file.getbuffer() as view:
            yield view
    else:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            yield mapped


def _check_jpeg(data: mmap.mmap | memoryview, name: str) -> None:
    counts, at = _JpegCounts(), 0
    while found := _MARKER.search(data, at):
        marker, at = found[1][0], found.end()
        if marker == _END:
            return
        body = bytes(data[at : at + 8]).ljust(8, b"\0")
        if marker in _BARE:
            body = bytes(8)
        counts.add(marker, body)
        counts.check(name)
        at += struct.unpack_from(">H", body)[0]


@dataclass
class _JpegCounts:
    """What lies between the first marker of a JPEG and its end."""

    pixels: int = 0
    scans: int = 0
    segments: int = 0
    exif: int = 0
    length: int = 0
    arithmetic: bool = False

    def add(self, marker: int, body: bytes) -> None:
        """One segment, from its first 8 bytes, two of which are its length."""
        self.segments += 1
        self.length += int.from_bytes(body[:2])
        self.exif += body[2:8] == _EXIF
        self.scans += marker == _SCAN
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", body, 3)
            self.pixels = max(self.pixels, width * height)
            self.arithmetic |= marker in _ARITHMETIC

    def check(self, name: str) -> None:
        """ImageError where it is too much."""
        if self.arithmetic:
            raise ImageError(f"{name} is a JPEG in arithmetic coding, slow to read: export it as plain JPEG")
        if self.exif > _MAX_EXIF_SEGMENTS:
            raise ImageError(f"{name} has more than {_MAX_EXIF_SEGMENTS} EXIF segments: export it again")
        if self.segments > _MAX_SEGMENTS or self.length > _MAX_METADATA_BYTES:
            raise ImageError(
                f"{name} has {self.segments:,} segments of {self.length:,} bytes: export it again as JPEG"
            )
        if self.scans > _USUAL_SCANS and self.scans * self.pixels > _MAX_SCAN_PIXELS:
            raise ImageError(
                f"{name} comes in {self.scans} scans or more of {self.pixels:,} px: export it as plain JPEG"
            )


def _check_png(data: mmap.mmap | memoryview, name: str) -> None:
    at, num_chunks, metadata = 8, 0, 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        num_chunks += 1
        if kind not in (b"IDAT", b"fdAT"):
            metadata += length
        if num_chunks > _MAX_CHUNKS or metadata > _MAX_METADATA_BYTES:
            raise ImageError(
                f"{name} has {num_chunks:,} chunks, {metadata:,} bytes beside the pixels: export it again"
            )
        if kind == b"IEND":
            break
        at += 12 + length


def _check_tiff(data: mmap.mmap | memoryview, name: str) -> None:
    """The first directory; a second one is a second page."""
    order = "<" if data[0] == data[1] == 0x49 else ">"
    big = 0x2B in data[2:4]
    word, entry = struct.Struct(order + "IQ"[big]), struct.Struct(order + ("HHQQ" if big else "HHII"))
    number = struct.Struct(order + ("Q" if big else "H"))
    try:
        (first,) = word.unpack_from(data, 8 if big else 4)
        (num_tags,) = number.unpack_from(data, first)
        at, num_bytes, num_values = first + number.size, 0, 0
        for _ in range(min(num_tags, _MAX_TAGS)):
            _, kind, count, _ = entry.unpack_from(data, at)
            at += entry.size
            if kind in _TEXTS:
                num_bytes += count
            else:
                num_values += count
        (following,) = word.unpack_from(data, at)
    except struct.error:
        return  # damaged, as the parser will say
    if num_tags > _MAX_TAGS or num_values > _MAX_TAG_VALUES:
        raise ImageError(f"{name} has {num_tags:,} tags of {num_values:,} values: export it again as TIFF")
    if num_bytes > _MAX_METADATA_BYTES:
        raise ImageError(f"{name} has {num_bytes:,} bytes beside the picture: save it without layers")
    if following not in (0, first):
        raise ImageError(f"{name} holds several frames or pages: save the one to edit as a PNG")


_TEXTS = (1, 2, 7)  # of a TIFF: bytes, text, undefined; they stay as they are
