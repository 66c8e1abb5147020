"""Pictures from outside: what a person hands over becomes an upright 8-bit sRGB picture, or one line."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError, features

from pixelsmile.errors import ImageError

MAX_PIXELS = 100_000_000  # about 300 MB once decoded
MIN_SIDE_PX = 32  # below this no face has a mouth to move

# The only parsers that run on a stranger's file.
FORMATS: tuple[str, ...] = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
if features.check("avif"):
    FORMATS += ("AVIF",)

_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1")
_SIXTEEN_BIT_MODES = ("I;16", "I;16B", "I;16L", "I;16N")
_GREY_MODES = ("1", "L", "LA", "La", *_SIXTEEN_BIT_MODES)
_WIDE_MODES = ("I", "F", "LAB", "HSV")  # no agreed way to 8-bit sRGB
_COLOR_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}  # Pillow's mode: the ICC profile's name of it

logger = logging.getLogger(__name__)

ImageSource = str | PathLike[str] | bytes | Image.Image


def load_image(source: ImageSource) -> Image.Image:
    """The picture in `source` (a path, the bytes of a file, or a PIL image) as upright 8-bit RGB in sRGB.

    EXIF rotation is applied, an embedded colour profile converted (CMYK too), 16-bit grey scaled to 8,
    palettes expanded, and transparency laid over white. The result carries no metadata.

    Raises ImageError for anything else: missing, a folder, empty, damaged, truncated, not a picture in one of
    FORMATS, an animation or several pages (nobody can guess which one is meant), float or 32-bit pixels, more
    than MAX_PIXELS pixels, or a side below MIN_SIDE_PX.
    """
    if isinstance(source, Image.Image):
        return _convert(source, "the picture")
    if isinstance(source, bytes):
        return _decode(io.BytesIO(source), "the uploaded picture")
    path = Path(source)
    _check_file(path)
    try:
        file = path.open("rb")
    except OSError as error:
        raise ImageError(f"cannot read {str(path)!r} ({error.strerror}): check its permissions") from error
    with file:
        return _decode(file, repr(str(path)))


def png_texts(path: str | PathLike[str]) -> dict[str, str]:
    """The text chunks of a PNG that `load_image` accepts; nothing for other formats."""
    with _without_warnings(), Image.open(path, formats=FORMATS) as image:
        return {key: str(value) for key, value in getattr(image, "text", {}).items()}


def _check_file(path: Path) -> None:
    name = repr(str(path))
    try:
        if path.is_dir():
            raise ImageError(f"{name} is a folder, not a picture: name one file in it")
        if not path.exists():
            raise ImageError(f"there is no file {name}: check the path")
        if not path.is_file():
            raise ImageError(f"{name} is not a regular file: save the picture to a file first")
        if path.stat().st_size == 0:
            raise ImageError(f"{name} is empty (0 bytes): copy or export it again")
    except (OSError, ValueError) as error:  # a name too long, a loop of links
        raise ImageError(f"cannot read {name} ({_one_line(error)}): check the path") from error


def _decode(file: IO[bytes], name: str) -> Image.Image:
    head = file.read(12)
    file.seek(0)
    if not head:
        raise ImageError(f"{name} is empty (0 bytes): copy or export it again")
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        raise ImageError(f"{name} is a HEIC photograph, which is not supported: export it as JPEG or PNG")
    try:
        with _without_warnings():
            image = Image.open(file, formats=FORMATS)
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name} is damaged, or no picture of a known format: use {', '.join(FORMATS)}"
        ) from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name} has more than {MAX_PIXELS:,} pixels: scale it down first") from error
    except Exception as error:  # a parser on hostile bytes raises anything
        raise _damaged(name, error) from error
    with image, _without_warnings():
        return _convert(image, name)


def _convert(image: Image.Image, name: str) -> Image.Image:
    _check_size(image, name)
    _check_frames(image, name)
    if image.mode in _WIDE_MODES:
        raise ImageError(f"{name} has {image.mode} pixels: save it as an ordinary 8-bit PNG or JPEG")
    try:
        image.load()
        upright = ImageOps.exif_transpose(image)
        return _flatten(upright, name)
    except ImageError:
        raise
    except Exception as error:  # a parser on hostile bytes raises anything
        raise _damaged(name, error) from error


def _check_size(image: Image.Image, name: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{name} has {width} x {height} pixels, more than {MAX_PIXELS:,}: scale it down first"
        )
    if min(width, height) < MIN_SIDE_PX:
        raise ImageError(
            f"{name} has {width} x {height} pixels: use a picture of at least {MIN_SIDE_PX} on each side"
        )


def _check_frames(image: Image.Image, name: str) -> None:
    if image.format == "MPO":  # the JPEG of phones: the photograph comes first, then a depth or gain map
        return
    try:
        num_frames = getattr(image, "n_frames", 1)
    except Exception as error:  # counting walks the whole file
        raise _damaged(name, error) from error
    if num_frames > 1:
        raise ImageError(f"{name} holds {num_frames} frames or pages: save the one to edit as a PNG")


def _flatten(image: Image.Image, name: str) -> Image.Image:
    """8-bit sRGB without transparency."""
    profile = image.info.get("icc_profile")
    plain_mode = "L" if image.mode in _GREY_MODES else "CMYK" if image.mode == "CMYK" else "RGB"
    alpha = None
    if image.mode in _SIXTEEN_BIT_MODES:
        image = Image.fromarray(np.round(np.asarray(image, dtype=np.float32) / 257).astype(np.uint8))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
    color = _to_srgb(image.convert(plain_mode), profile, name)
    flat = Image.new("RGB", color.size, "white")
    flat.paste(color, mask=alpha)
    return flat


def _to_srgb(image: Image.Image, profile: bytes | None, name: str) -> Image.Image:
    """`image` in sRGB; a profile that is broken or for other colours is logged and left out."""
    if not profile:
        return image.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if space != _COLOR_SPACES[image.mode]:
            logger.warning("%s: its colour profile is for %s, not %s: ignored", name, space, image.mode)
            return image.convert("RGB")
        converted = ImageCms.profileToProfile(
            image,
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        logger.warning("%s: its colour profile cannot be used (%s): ignored", name, _one_line(error))
        return image.convert("RGB")
    assert converted is not None  # not in place
    return converted


def _damaged(name: str, error: Exception) -> ImageError:
    return ImageError(f"{name} is truncated or damaged ({_one_line(error)}): copy or export it again")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Pillow warns about odd metadata and large pictures; here a picture is good or it is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
