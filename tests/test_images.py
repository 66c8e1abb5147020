"""Every kind of file that a person may hand over: read as it was meant, or refused in one line."""

import io
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from pixelsmile.errors import ImageError
from pixelsmile.images import FORMATS, MAX_PIXELS, load_image, load_original, png_texts

RED, WHITE = (255, 0, 0), (255, 255, 255)


@pytest.fixture
def picture() -> Image.Image:
    """96 x 64, smooth, and different in every corner."""
    y, x = np.mgrid[0:64, 0:96]
    return Image.fromarray(np.stack([x * 2, y * 3, 255 - x * 2], axis=-1).astype(np.uint8))


def encoded(image: Image.Image, name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    """A piece of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims to be that large and holds no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def refusal(source: str | Path | bytes) -> str:
    with pytest.raises(ImageError) as caught:
        load_image(source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def outcome(source: bytes) -> str:
    """The mode of the loaded picture, or why there is none."""
    try:
        return load_image(source).mode
    except ImageError as error:
        return str(error)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format(name, picture, tmp_path):
    path = tmp_path / "picture"  # the content decides, not the name
    path.write_bytes(encoded(picture, name))
    loaded = load_image(path)
    assert (loaded.mode, loaded.size, loaded.info) == ("RGB", (96, 64), {})
    assert np.abs(np.asarray(loaded, int) - np.asarray(picture, int)).mean() < 12  # GIF has 256 colours


def test_bytes_and_pil_pictures(picture):
    assert np.array_equal(load_image(encoded(picture, "PNG")), picture)
    assert np.array_equal(load_image(picture), picture)


def test_exif_rotation_is_applied(picture):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    loaded = load_image(encoded(picture, "PNG", exif=exif.tobytes()))
    assert np.array_equal(loaded, picture.rotate(-90, expand=True))


def test_sixteen_bit_grey():
    grey = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    loaded = np.asarray(load_image(encoded(Image.fromarray(grey), "PNG")))
    assert np.array_equal(loaded[..., 0], np.round(grey / 257).astype(np.uint8))


@pytest.mark.parametrize(("mode", "red"), [("RGBA", RED), ("LA", (76, 76, 76)), ("PA", RED)])
def test_transparency_is_laid_over_white(mode, red):
    image = Image.new("RGBA", (64, 64), (*RED, 0))
    image.paste((*RED, 255), (0, 0, 32, 64))
    loaded = load_image(image.convert(mode))
    assert loaded.getpixel((5, 5)) == pytest.approx(red, abs=1)
    assert loaded.getpixel((60, 5)) == WHITE


@pytest.mark.parametrize(("mode", "color", "seen"), [("RGB", RED, WHITE), ("L", 9, WHITE), ("P", 0, WHITE)])
def test_a_transparent_color(mode, color, seen):
    data = encoded(Image.new(mode, (64, 64), color), "PNG", transparency=color)
    assert load_image(data).getpixel((0, 0)) == seen


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr"])
def test_other_modes(mode, picture):
    assert load_image(picture.convert(mode)).mode == "RGB"


def test_cmyk_jpeg(picture):
    loaded = load_image(encoded(picture.convert("CMYK"), "JPEG", quality=95))
    assert np.abs(np.asarray(loaded, int) - np.asarray(picture, int)).mean() < 3


def test_a_color_profile_is_converted(picture):
    swapped = _profile_with_red_and_green_swapped()
    loaded = np.asarray(load_image(encoded(picture, "PNG", icc_profile=swapped)), int)
    assert np.abs(loaded - np.asarray(picture, int)[..., [1, 0, 2]]).mean() < 2


def _profile_with_red_and_green_swapped() -> bytes:
    """sRGB with the colorants of red and green exchanged in its tag table."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)


@pytest.mark.parametrize("kind", ["broken", "for other colors"])
def test_a_useless_profile_is_named_and_left_out(kind, picture, caplog):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image, profile = (picture, b"no profile") if kind == "broken" else (picture.convert("L"), srgb)
    loaded = load_image(encoded(image, "PNG", icc_profile=profile))
    assert np.array_equal(loaded, image.convert("RGB"))
    assert "ignored" in caplog.text


@pytest.mark.parametrize("name", ["GIF", "PNG", "WEBP", "TIFF"])
def test_animations_and_pages_are_refused(name, picture):
    data = encoded(picture, name, save_all=True, append_images=[picture.rotate(180)])
    assert "holds several frames or pages: save the one to edit" in refusal(data)


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "GIF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated(name, share, picture):
    noise = Image.effect_noise((96, 96), 80).convert("RGB")
    data = encoded(noise, name)
    assert "damaged" in refusal(data[: int(len(data) * share)])


def test_empty_files_and_places_that_are_none(tmp_path):
    empty = tmp_path / "empty.png"
    empty.touch()
    assert "is empty (0 bytes)" in refusal(empty)
    assert "is empty (0 bytes)" in refusal(b"")
    assert "is a folder" in refusal(tmp_path)
    assert "there is no file" in refusal(tmp_path / "none.png")
    assert "there is no file" in refusal(empty / "inside.png")
    assert "there is no file" in refusal("line\nbreak.png")
    assert "cannot read" in refusal("x" * 5000)
    assert "not a regular file" in refusal("/dev/null")


def test_no_picture_at_all(picture):
    assert "no picture of a known format: use PNG, JPEG" in refusal(b"a letter to my aunt" * 100)
    assert "no picture of a known format" in refusal(encoded(picture, "PPM"))  # a parser that is switched off
    assert "HEIC photograph" in refusal(b"\0\0\0\x18ftypheic" + bytes(100))


def test_too_large_and_too_small():
    assert f"more than {MAX_PIXELS:,}" in refusal(png_header(12_000, 9_000))
    assert f"more than {MAX_PIXELS:,}" in refusal(png_header(60_000, 60_000))
    assert "damaged" in refusal(png_header(0, 0))
    assert "damaged" in refusal(png_header(100, 100))
    assert "at least 32 on each side" in refusal(encoded(Image.new("RGB", (200, 31)), "PNG"))


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pixels_without_a_range(mode, picture):
    assert f"has {mode} pixels" in refusal(encoded(picture.convert(mode), "TIFF"))


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_bytes_never_crash(name, picture):
    """Any one file either loads or is refused in one line."""
    chance = random.Random(name)
    data = encoded(picture, name)
    for _ in range(40):
        broken = bytearray(data)
        for _ in range(chance.randint(1, 20)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        assert "\n" not in outcome(bytes(broken))


def test_png_texts(picture, tmp_path):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt("key", "wörds")
    picture.save(tmp_path / "a.png", pnginfo=info)
    picture.save(tmp_path / "a.jpg")
    assert png_texts(tmp_path / "a.png") == {"key": "wörds"}
    assert png_texts(tmp_path / "a.jpg") == {}


def test_black_and_white_is_said_to_become_grey():
    assert load_original(Image.new("1", (40, 40))).notes == ("its black and white becomes grey of 8 bits",)
