"""The worst pictures that a person may hand over: what becomes of them, and what that takes.

    python perf/pictures.py                  # the table
    python perf/pictures.py gif_43_bytes     # one of them, or several

Each picture is made and then read in processes of their own; memory and processor time are those of the whole
reading process, Python and its libraries included. `edit_44mp` edits a photograph of 44 million pixels on the
embedded model and writes the results.
"""

import io
import json
import resource
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

PHOTOGRAPH = (8192, 5400)  # 44 million pixels
EDIT = "edit_44mp"
EDIT_BOX = "3400,2000,1200,1500"


def noise(size: tuple[int, int], mode: str, seed: int = 0) -> "Image.Image":
    """A picture that compresses badly: a noisy tile, repeated."""
    import numpy as np
    from PIL import Image

    channels = {"L": 1, "RGB": 3, "RGBA": 4, "CMYK": 4}[mode]
    tile = np.random.default_rng(seed).integers(0, 256, (512, 512, channels), dtype=np.uint8)
    smooth = Image.fromarray(tile.squeeze(), mode).resize((1024, 1024))
    picture = Image.new(mode, size)
    for y in range(0, size[1], 1024):
        for x in range(0, size[0], 1024):
            picture.paste(smooth, (x, y))
    return picture


def saved(mode: str, size: tuple[int, int], kind: str, **options: object) -> Callable[[Path], None]:
    """Noise in that mode and size, written by Pillow."""

    def write(path: Path) -> None:
        from PIL import ImageFile

        ImageFile.MAXBLOCK = 2**29  # a progressive JPEG is written at once
        noise(size, mode).save(path, kind, **options)

    return write


def gif(width: int, height: int) -> Callable[[Path], None]:
    """A GIF that claims that size, and holds one transparent pixel."""
    head = b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0" + bytes(6)
    body = b"!\xf9\4\1\0\0\0\0," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2D\1\0;"

    def write(path: Path) -> None:
        path.write_bytes(head + body)

    return write


def png(
    size: tuple[int, int], bits: int, colour: int, *, interlaced: bool = False, before: bytes = b""
) -> Callable[[Path], None]:
    """A PNG of zeros: small as a file. colour: 2 RGB, 3 palette, 6 RGBA; before: chunks ahead of the data."""

    def write(path: Path) -> None:
        width, height = size
        samples = {0: 1, 2: 3, 3: 1, 6: 4}[colour]
        passes = _ADAM7 if interlaced else [(0, 0, 1, 1)]
        rows = [
            (bytes(1 + -(-len(range(x, width, dx)) * samples * bits // 8)), range(y, height, dy))
            for x, y, dx, dy in passes
        ]
        squeeze = zlib.compressobj(1)
        head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced))
        data = b"".join([*(squeeze.compress(row) for row, ys in rows for _ in ys), squeeze.flush()])
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + before + chunk(b"IDAT", data) + chunk(b"IEND", b""))

    return write


_ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def segments(num: int, body: bytes) -> Callable[[Path], None]:
    """A JPEG of one small picture behind `num` segments of EXIF."""

    def write(path: Path) -> None:
        buffer = io.BytesIO()
        noise((512, 512), "RGB").save(buffer, "JPEG")
        segment = b"\xff\xe1" + struct.pack(">H", 2 + 6 + len(body)) + b"Exif\0\0" + body
        path.write_bytes(b"\xff\xd8" + segment * num + buffer.getvalue()[2:])

    return write


def scans(size: tuple[int, int], num: int) -> Callable[[Path], None]:
    """A progressive JPEG whose last scan comes `num` times more."""

    def write(path: Path) -> None:
        saved("RGB", size, "JPEG", quality=50, progressive=True, subsampling=0)(path)
        data = path.read_bytes()
        last = data.rindex(b"\xff\xda")
        path.write_bytes(data[:-2] + data[last:-2] * num + b"\xff\xd9")

    return write


_GREY_64_PX = (
    (256, 64), (257, 64), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 64), (279, 4096),
)  # fmt: skip


def pages(num: int) -> Callable[[Path], None]:
    """A TIFF of that many pages of 64 x 64."""

    def write(path: Path) -> None:
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in _GREY_64_PX)
        first, length = 8 + 4096, 2 + len(entries) + 4
        following = [first + length * (page + 1) for page in range(num - 1)] + [0]
        body = b"".join(
            struct.pack("<H", len(_GREY_64_PX)) + entries + struct.pack("<I", at) for at in following
        )
        path.write_bytes(b"II*\0" + struct.pack("<I", first) + bytes(4096) + body)

    return write


def many_tags(tag: int, count: int) -> Callable[[Path], None]:
    """A TIFF whose one tag holds `count` whole numbers."""

    def write(path: Path) -> None:
        first = 8 + 4096
        where = first + 2 + 12 * len(_GREY_64_PX) + 4
        entries = b"".join(
            struct.pack("<HHII", number, 4, count, where)
            if number == tag
            else struct.pack("<HHII", number, 4, 1, value)
            for number, value in _GREY_64_PX
        )
        body = (
            struct.pack("<H", len(_GREY_64_PX))
            + entries
            + struct.pack("<I", 0)
            + struct.pack("<I", 8) * count
        )
        path.write_bytes(b"II*\0" + struct.pack("<I", first) + bytes(4096) + body)

    return write


def one_strip(size: tuple[int, int]) -> Callable[[Path], None]:
    """A TIFF of 16-bit RGBA in one strip of zeros, deflated."""

    def write(path: Path) -> None:
        squeeze = zlib.compressobj(1)
        row = bytes(8 * size[0])
        data = b"".join([*(squeeze.compress(row) for _ in range(size[1])), squeeze.flush()])
        tags = [(256, size[0]), (257, size[1]), (258, 0), (259, 8), (262, 2), (273, 8), (277, 4)]
        tags += [(278, size[1]), (279, len(data)), (338, 2)]
        first = 8 + len(data)
        where = first + 2 + 12 * len(tags) + 4
        entries = b"".join(
            struct.pack("<HHII", tag, 3, 4, where) if tag == 258 else struct.pack("<HHII", tag, 4, 1, value)
            for tag, value in tags
        )
        directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I4H", 0, 16, 16, 16, 16)
        path.write_bytes(b"II*\0" + struct.pack("<I", first) + data + directory)

    return write


def bmp_runs(width: int, height: int) -> Callable[[Path], None]:
    """A BMP in run lengths of two pixels each."""

    def write(path: Path) -> None:
        data = (bytes([2, 1]) * (width // 2) + bytes(2)) * height
        info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(data), 0, 0, 256, 0)
        start = 14 + len(info) + 1024
        path.write_bytes(
            b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + info + bytes(1024) + data
        )

    return write


def exif_tags(num: int, size: int) -> bytes:
    """EXIF whose `num` values all are the same `size` bytes."""
    where = 8 + 2 + 12 * num + 4
    entries = b"".join(struct.pack("<HHII", 1000 + index, 7, size, where) for index in range(num))
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", num) + entries + bytes(4 + size)


INVISIBLE = chunk(b"PLTE", bytes(768)) + chunk(b"tRNS", bytes(256))
SQUARE = (10_000, 10_000)
ROTATED = b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"
PICTURES: dict[str, Callable[[Path], None]] = {
    "gif_43_bytes": gif(*SQUARE),
    "gif_66mp": gif(8190, 8190),
    "png_rgba_100mp": png(SQUARE, 8, 6),
    "png_rgba16_100mp": png(SQUARE, 16, 6),
    "png_palette_trns_100mp": png(SQUARE, 8, 3, before=INVISIBLE),
    "png_grey16_100mp": png(SQUARE, 16, 0),
    "png_rgb_100mp": png(SQUARE, 8, 2),
    "png_rgb_66mp": png((8190, 8190), 8, 2),
    "png_rgba_66mp_turned": png((8190, 8190), 8, 6, before=chunk(b"eXIf", ROTATED[6:])),
    "png_rgba16_66mp_interlaced": png((8190, 8190), 16, 6, interlaced=True),
    "png_palette_trns_66mp": png((8190, 8190), 8, 3, before=INVISIBLE),
    "png_grey16_66mp": png((8190, 8190), 16, 0),
    "png_exif_bomb": png((64, 64), 8, 2, before=chunk(b"eXIf", exif_tags(60_000, 2**20))),
    "webp_lossy_16383": saved("RGB", (16383, 4000), "WEBP", quality=50, method=0),
    "webp_lossless_44mp": saved("RGBA", PHOTOGRAPH, "WEBP", lossless=True, method=0, quality=0),
    "webp_lossy_30mp": saved("RGB", (6000, 5000), "WEBP", quality=50, method=0),
    "avif_44mp": saved("RGB", PHOTOGRAPH, "AVIF", quality=50, speed=10),
    "avif_24mp_444": saved("RGBA", (6000, 4000), "AVIF", quality=70, speed=10, subsampling="4:4:4"),
    "jpeg_44mp": saved("RGB", PHOTOGRAPH, "JPEG", quality=90, exif=ROTATED),
    "jpeg_44mp_progressive": saved("RGB", PHOTOGRAPH, "JPEG", quality=90, progressive=True, subsampling=0),
    "jpeg_66mp_progressive": saved("RGB", (8190, 8190), "JPEG", quality=90, progressive=True, subsampling=0),
    "jpeg_66mp_cmyk": saved("CMYK", (8190, 8190), "JPEG", quality=90, progressive=True),
    "jpeg_60_scans_98mp": scans((9900, 9900), 50),
    "jpeg_60_scans_12mp": scans((4000, 3000), 50),
    "jpeg_2000_scans_1mp": scans((1000, 1000), 2000),
    "jpeg_1000_exif_segments": segments(1000, bytes(65_000)),
    "jpeg_100000_exif_segments": segments(100_000, bytes(20)),
    "jpeg_exif_bomb": segments(1, exif_tags(5000, 5000)),
    "tiff_20000_pages": pages(20_000),
    "tiff_10_million_strips": many_tags(273, 10_000_000),
    "tiff_44mp_deflate": saved("RGBA", PHOTOGRAPH, "TIFF", compression="tiff_adobe_deflate"),
    "tiff_44mp_lzma": saved("RGBA", PHOTOGRAPH, "TIFF", compression="lzma"),
    "tiff_44mp_one_strip": saved("RGBA", PHOTOGRAPH, "TIFF", compression="tiff_lzw", tiffinfo={278: 5400}),
    "tiff_52mp_rgba16_one_strip": one_strip((8190, 6360)),
    "bmp_runs_16mp": bmp_runs(4096, 4090),
    "bmp_66mp": saved("RGB", (8190, 8190), "BMP"),
}  # fmt: skip


def read(path: Path) -> str:
    from pixelsmile.errors import PixelSmileError
    from pixelsmile.images import load_image

    try:
        return "accepted, {} x {}".format(*load_image(path).size)
    except PixelSmileError as error:
        return f"refused: {str(error).replace(repr(str(path)), 'it')}"


def edit(path: Path) -> str:
    """The command line, from a photograph to two written results."""
    from pixelsmile.cli.main import main

    arguments = ["edit", str(path), "-e", "happy", "--strengths", "0.5", "1", "--model", "embedded"]
    arguments += ["--face", EDIT_BOX, "-o", str(path.parent / "edited")]
    code = main(arguments)
    return f"exit code {code}, {len(list((path.parent / 'edited').glob('*.png')))} pictures"


def in_child(name: str, what: str, path: Path) -> list[str]:
    command = [sys.executable, __file__, what, name, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode:
        return ["failed", (done.stderr or f"status {done.returncode}").strip().splitlines()[-1]]
    return done.stdout.splitlines()[-1:]


def rows(names: list[str]) -> Iterator[str]:
    for name in names:
        with tempfile.TemporaryDirectory(prefix="pictures-") as folder:
            path = Path(folder) / "picture"
            made = in_child(name, "--make", path)
            if not path.is_file():
                yield f"{name:28} cannot be made here: {made}"
                continue
            size, said = path.stat().st_size, in_child(name, "--read", path)
            try:
                verdict, peak_mb, seconds = json.loads(said[0])
            except ValueError:
                verdict, peak_mb, seconds = " ".join(said), float("nan"), float("nan")
            yield f"{name:28} {size / 1e6:8.3f} {peak_mb:8.0f} {seconds:7.2f}  {verdict}"


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--make"]:
        (saved("RGB", PHOTOGRAPH, "JPEG", quality=92) if arguments[1] == EDIT else PICTURES[arguments[1]])(
            Path(arguments[2])
        )
    elif arguments[:1] == ["--read"]:
        verdict = (edit if arguments[1] == EDIT else read)(Path(arguments[2]))
        used = resource.getrusage(resource.RUSAGE_SELF)  # the parent is small: its peak is not counted here
        print(json.dumps([verdict, used.ru_maxrss / 1000, used.ru_utime + used.ru_stime]))
    else:
        print(f"{'picture':28} {'file MB':>8} {'peak MB':>8} {'CPU s':>7}  verdict")
        for row in rows(arguments or [*PICTURES, EDIT]):
            print(row, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
