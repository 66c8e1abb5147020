"""Files that are small and cost much: refused from what they say of themselves, before they are decoded."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms
from test_images import chunk, encoded, outcome, picture, refusal

from pixelsmile import images, picture_cost
from pixelsmile.images import FORMATS, MAX_PIXELS, load_image

__all__ = ["picture"]

ORIENTATION = 0x0112


def gif(width: int, height: int) -> bytes:
    """A GIF of that size, of which one pixel is stored."""
    head = b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0" + bytes(6)
    return head + b"!\xf9\4\1\0\0\0\0," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2D\1\0;"


def test_a_gif_of_43_bytes():
    assert f"10000 x 10000 pixels, more than {MAX_PIXELS:,}" in refusal(gif(10_000, 10_000))
    assert load_image(gif(300, 200)).size == (300, 200)


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind in ("WEBP", "AVIF", "TIFF")])
def test_formats_that_take_more_memory_a_pixel(kind, picture, monkeypatch):
    data = encoded(picture, kind)
    assert load_image(data).size == picture.size
    monkeypatch.setattr(picture_cost, "MAX_PICTURE_BYTES", 10 * picture.width * picture.height)
    assert f"of {kind}, which takes 0 MB to read" in refusal(data)
    assert load_image(encoded(picture, "PNG")).size == picture.size


def test_a_progressive_jpeg_is_held_in_coefficients(picture, monkeypatch):
    monkeypatch.setattr(picture_cost, "MAX_PICTURE_BYTES", 9 * picture.width * picture.height)
    assert load_image(encoded(picture, "JPEG")).size == picture.size
    assert "which takes" in refusal(encoded(picture, "JPEG", progressive=True))


def with_scans(num: int) -> bytes:
    """A JPEG of 512 x 512 whose last scan comes `num` times in all."""
    data = encoded(Image.effect_noise((512, 512), 40).convert("RGB"), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * (num - 1) + b"\xff\xd9"


def test_scans_of_a_jpeg(monkeypatch):
    assert load_image(with_scans(3)).size == (512, 512)
    monkeypatch.setattr(picture_cost, "_MAX_SCAN_PIXELS", 20 * 512 * 512)
    assert load_image(with_scans(3)).size == (512, 512)
    assert "comes in 21 scans or more of 262,144 px" in refusal(with_scans(60))


def test_scans_hidden_in_a_segment_do_not_count(monkeypatch):
    """An end and scans in a comment are no end and no scans."""
    data = encoded(Image.effect_noise((512, 512), 40).convert("RGB"), "JPEG")
    hidden = b"\xff\xda\0\2" * 500 + b"\xff\xd9"
    comment = b"\xff\xfe" + struct.pack(">H", 2 + len(hidden)) + hidden
    monkeypatch.setattr(picture_cost, "_MAX_SCAN_PIXELS", 20 * 512 * 512)
    assert load_image(data[:2] + comment + data[2:]).size == (512, 512)
    many = with_scans(60)
    assert "scans or more" in refusal(many[:2] + comment + many[2:])


def exif_segments(num: int, body: bytes) -> bytes:
    data = encoded(Image.effect_noise((64, 64), 40), "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", 8 + len(body)) + b"Exif\0\0" + body
    return data[:2] + segment * num + data[2:]


def test_segments_of_a_jpeg():
    assert load_image(exif_segments(3, bytes(60_000))).size == (64, 64)
    assert "more than 16 EXIF segments" in refusal(exif_segments(1_000, bytes(60)))
    data = encoded(Image.effect_noise((64, 64), 40), "JPEG")
    bare = data[:2] + b"\xff\x01" * 5_000 + data[2:]
    comments = data[:2] + (b"\xff\xfe\xff\xff" + bytes(65_533)) * 300 + data[2:]
    assert "segments of" in refusal(bare)
    assert "segments of" in refusal(comments)


def test_a_jpeg_in_arithmetic_coding():
    data = encoded(Image.effect_noise((64, 64), 40), "JPEG").replace(b"\xff\xc0", b"\xff\xc9", 1)
    assert "arithmetic coding" in refusal(data)


def test_chunks_of_a_png(picture, monkeypatch):
    data = encoded(picture, "PNG")
    head, rest = data[:33], data[33:]
    assert load_image(head + chunk(b"tEXt", b"a\0b") * 100 + rest).size == picture.size
    monkeypatch.setattr(picture_cost, "_MAX_CHUNKS", 50)
    assert "51 chunks" in refusal(head + chunk(b"IDAT", b"") * 100 + rest)
    large = chunk(b"eXIf", bytes(17 * 2**20))
    assert "bytes beside the pixels" in refusal(head + large + rest)


def tiff(*tags: tuple[int, int, int, int], following: int = 0, order: str = "<") -> bytes:
    """A grey TIFF of 64 x 64 with those tags (number, kind, count, value) in place of the usual ones."""
    usual = [(256, 4, 1, 64), (257, 4, 1, 64), (258, 4, 1, 8), (259, 4, 1, 1), (262, 4, 1, 1)]
    usual += [(273, 4, 1, 8), (277, 4, 1, 1), (278, 4, 1, 64), (279, 4, 1, 4096)]
    changed = {tag[0]: tag for tag in [*usual, *tags]}
    entries = b"".join(struct.pack(order + "HHII", *changed[number]) for number in sorted(changed))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + 4096) + bytes(4096)
    return head + struct.pack(order + "H", len(changed)) + entries + struct.pack(order + "I", following)


@pytest.mark.parametrize("order", ["<", ">"])
def test_directories_of_a_tiff(order):
    assert load_image(tiff(order=order)).size == (64, 64)
    assert load_image(tiff(following=8 + 4096, order=order)).size == (64, 64)  # a loop is one page
    assert "holds several frames or pages" in refusal(tiff(following=50_000, order=order))
    assert "values: export it again" in refusal(tiff((273, 4, 10_000_000, 8), order=order))
    assert "save it without layers" in refusal(tiff((37724, 7, 2**30, 8), order=order))
    assert "5,009 tags" in refusal(tiff(*((40_000 + i, 4, 1, 0) for i in range(5_000)), order=order))
    assert "damaged" in refusal(tiff(order=order)[:6])


def run_lengths(width: int, height: int) -> bytes:
    data = (bytes([2, 0]) * (width // 2) + bytes(2)) * height
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(data), 0, 0, 256, 0)
    start = 14 + len(info) + 1024
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + info + bytes(1024) + data


def test_decoders_in_python(monkeypatch):
    assert load_image(run_lengths(64, 64)).size == (64, 64)
    monkeypatch.setattr(picture_cost, "_MAX_SLOW_PIXELS", 1000)
    assert "BMP in run lengths" in refusal(run_lengths(64, 64))
    assert "is a GIF of" in refusal(gif(64, 64) + bytes(17 * 2**20))


def test_files_of_any_length_are_refused(picture, monkeypatch):
    monkeypatch.setattr(picture_cost, "_MAX_FILE_BYTES", 1000)
    assert "bytes, more than 1,000" in refusal(encoded(picture, "PNG") + bytes(1000))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(96, 64), (50, 700)])
def test_bands_join_as_the_whole(orientation, size):
    """Upright, converted and laid over white in bands as in one piece, at sides that bands do not divide."""
    rgba = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
    image = Image.fromarray(rgba)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    turned = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.ROTATE_90, Image.Transpose.FLIP_TOP_BOTTOM],
        6: [Image.Transpose.ROTATE_270],
        7: [Image.Transpose.ROTATE_270, Image.Transpose.FLIP_TOP_BOTTOM],
        8: [Image.Transpose.ROTATE_90],
    }.get(orientation, [])
    upright = image
    for turn in turned:
        upright = upright.transpose(turn)
    white = Image.new("RGBA", upright.size, "white")
    wanted = np.asarray(Image.alpha_composite(white, upright).convert("RGB"), int)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for options in ({}, {"icc_profile": profile}):
        loaded = load_image(encoded(image, "PNG", exif=exif.tobytes(), **options))
        assert np.abs(np.asarray(loaded, int) - wanted).max() <= 2


def test_grey_in_sixteen_bits_takes_a_band_at_a_time(monkeypatch):
    """NumPy's memory is traced: that of a whole picture would be 4 bytes a pixel and more."""
    monkeypatch.setattr(images, "_BAND_PX", 16)
    data = encoded(Image.fromarray(np.full((2048, 512), 40_000, np.uint16)), "PNG")
    tracemalloc.start()
    try:
        assert load_image(data).getpixel((0, 2047)) == (156, 156, 156)
        assert tracemalloc.get_traced_memory()[1] < 2048 * 512
    finally:
        tracemalloc.stop()


def test_structures_that_lie_are_left_to_the_parser(picture):
    """Lengths beyond the file, at every place of the header."""
    for kind in ("JPEG", "PNG", "TIFF", "GIF"):
        data = encoded(picture, kind)
        for at in range(2, min(len(data), 120)):
            assert "\n" not in outcome(data[:at] + b"\xff\xff\xff\xff" + data[at + 4 :])


def test_a_png_bomb_of_text(picture):
    data = encoded(picture, "PNG")
    bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**24)))
    assert "damaged" in refusal(data[:33] + bomb + data[33:])


def test_a_path_reads_as_its_bytes(picture, tmp_path):
    for kind in ("JPEG", "PNG", "TIFF", "WEBP"):
        path = tmp_path / kind
        path.write_bytes(encoded(picture, kind))
        assert np.array_equal(load_image(path), load_image(io.BytesIO(path.read_bytes()).getvalue()))
