"""What an editor does not see of a picture comes back with its edits: transparency, greys, 16 bits."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from pixelsmile.errors import ImageError
from pixelsmile.images import load_image, load_original

SIDE = 48
HALF = np.s_[:, SIDE // 2 :]  # what an edit changes


def noise(channels: int, dtype: type = np.uint8) -> np.ndarray:
    shape = (SIDE, SIDE, channels) if channels > 1 else (SIDE, SIDE)
    return np.random.default_rng(channels).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def edited(picture: Image.Image) -> Image.Image:
    """The right half, with other colours."""
    pixels = np.asarray(picture).copy()
    pixels[HALF] = (200, 30, 90)
    return Image.fromarray(pixels)


def png(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def deep_png(color_type: int, channels: int) -> bytes:
    """16 bits a colour, which Pillow does not write."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = noise(channels, np.uint16).reshape(SIDE, -1).astype(">u2")
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 16, color_type, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("RGBA", 4), ("L", 1), ("LA", 2)])
def test_an_edit_has_the_mode_of_its_picture_and_its_pixels_where_nothing_changed(mode, channels):
    image = Image.fromarray(noise(channels))
    original = load_original(png(image))
    assert np.array_equal(original.rgb, load_image(png(image)))
    result = original.restored(edited(original.rgb))
    assert (result.mode, result.size, original.notes) == (mode, image.size, ())
    before, after = np.asarray(image), np.asarray(result)
    assert np.array_equal(np.delete(before, np.s_[SIDE // 2 :], 1), np.delete(after, np.s_[SIDE // 2 :], 1))
    assert not np.array_equal(before[HALF], after[HALF])
    if mode in ("RGBA", "LA"):
        assert np.array_equal(before[..., -1], after[..., -1])


def test_where_it_is_opaque_the_edit_is_what_is_seen():
    pixels = noise(4)
    pixels[..., 3] = 255
    original = load_original(png(Image.fromarray(pixels)))
    assert np.asarray(original.restored(edited(original.rgb)))[0, -1].tolist() == [200, 30, 90, 255]


def test_what_hides_under_transparency_stays():
    pixels = noise(4)
    pixels[..., 3] = 0
    original = load_original(png(Image.fromarray(pixels)))
    assert np.array_equal(original.restored(edited(original.rgb)), pixels)


def test_a_transparent_colour_and_a_palette_come_back_with_alpha():
    image = Image.fromarray(noise(3)).quantize(8)
    result = load_original(png(image, transparency=2))
    assert result.restored(edited(result.rgb)).mode == "RGBA"
    grey = load_original(png(Image.fromarray(noise(1)), transparency=7))
    assert grey.restored(edited(grey.rgb)).mode == "LA"


def test_a_grey_picture_in_colours_gets_none():
    original = load_original(png(Image.fromarray(noise(1)).convert("RGB")))
    result = np.asarray(original.restored(edited(original.rgb)))
    assert (result == result[..., :1]).all()


@pytest.mark.parametrize("layout", ["I;16", "I;16B"])
def test_sixteen_bits_of_grey_stay(layout):
    deep = noise(1, np.uint16)
    source = Image.fromarray(deep.astype(">u2")) if layout == "I;16B" else Image.fromarray(deep)
    original = load_original(source)
    result = original.restored(edited(original.rgb))
    assert (result.mode, original.notes) == ("I;16", ())
    after = np.asarray(result)
    assert np.array_equal(after[:, : SIDE // 2], deep[:, : SIDE // 2])
    assert np.abs(after[HALF].astype(int) - 257 * 88).max() <= 200  # the luminance of the edit's colour is 88


def test_a_picture_that_was_turned_by_its_camera(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(noise(4)[:40])
    original = load_original(png(image, exif=exif.tobytes()))
    assert np.array_equal(original.restored(original.rgb), image.transpose(Image.Transpose.ROTATE_270))


@pytest.mark.parametrize(("color_type", "channels", "mode"), [(2, 3, "RGB"), (4, 2, "LA"), (6, 4, "RGBA")])
def test_sixteen_bits_that_are_lost_are_said(color_type, channels, mode):
    original = load_original(deep_png(color_type, channels))
    assert original.notes == ("its 16 bits a colour were reduced to 8",)
    assert original.restored(edited(original.rgb)).mode == mode


def test_a_profile_is_said_where_it_changes_colours():
    for name, noted in (("sRGB", False), ("XYZ", False)):
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes()
        assert bool(load_original(png(Image.fromarray(noise(3)), icc_profile=profile)).notes) is noted
    lab = (
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        .tobytes()
        .replace(b"s\0R\0G\0B", b"m\0i\0n\0e")
    )
    (note,) = load_original(png(Image.fromarray(noise(3)), icc_profile=lab)).notes
    assert note.startswith("its colours were converted to sRGB (its profile is ")


def test_an_edit_of_another_size_is_refused():
    with pytest.raises(ImageError, match="is none of a picture"):
        load_original(Image.fromarray(noise(3))).restored(Image.new("RGB", (8, 8)))
