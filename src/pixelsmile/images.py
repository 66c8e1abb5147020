"""Pictures from outside: what a person hands over becomes an upright 8-bit sRGB picture, or one line."""

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from os import PathLike
from typing import IO, NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError, features

from pixelsmile.errors import ImageError
from pixelsmile.limits import regular_file, shown
from pixelsmile.originals import Original, OriginalMode
from pixelsmile.picture_cost import MAX_PIXELS, check_file, check_size

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "MIN_SIDE_PX",
    "ImageSource",
    "exif_comment",
    "first_frames",
    "load_image",
    "load_original",
    "picture_size",
    "png_texts",
]

MIN_SIDE_PX = 32  # below this no face has a mouth to move

# The only parsers that run on a stranger's file.
FORMATS: tuple[str, ...] = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
if features.check("avif"):
    FORMATS += ("AVIF",)

_ANIMATED = ("GIF", "WEBP", "PNG")
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1")
_SIXTEEN_BIT_MODES = ("I;16", "I;16B", "I;16L", "I;16N")
_GREY_MODES = ("1", "L", "LA", "La", *_SIXTEEN_BIT_MODES)
_WIDE_MODES = ("I", "F", "LAB", "HSV")  # no agreed way to 8-bit sRGB
_COLOR_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}  # Pillow's mode: the ICC profile's name of it

_MAX_PROFILE_BYTES = 4 * 2**20
_BAND_PX = 256


class _Turn(NamedTuple):
    """How a picture is put upright. from_the_end: whether its first rows come last."""

    transpose: Image.Transpose
    from_the_end: bool


_TURNS = {  # by the number that EXIF has for it
    2: _Turn(Image.Transpose.FLIP_LEFT_RIGHT, False),
    3: _Turn(Image.Transpose.ROTATE_180, True),
    4: _Turn(Image.Transpose.FLIP_TOP_BOTTOM, True),
    5: _Turn(Image.Transpose.TRANSPOSE, False),
    6: _Turn(Image.Transpose.ROTATE_270, True),
    7: _Turn(Image.Transpose.TRANSVERSE, True),
    8: _Turn(Image.Transpose.ROTATE_90, False),
}
_SIDEWAYS = {_TURNS[number].transpose for number in (5, 6, 7, 8)}

logger = logging.getLogger(__name__)

ImageSource = str | PathLike[str] | bytes | Image.Image


def load_image(source: ImageSource) -> Image.Image:
    """The picture in `source` (a path, the bytes of a file, or a PIL image) as upright 8-bit RGB in sRGB.

    EXIF rotation is applied, an embedded colour profile converted (CMYK too), 16-bit grey scaled to 8,
    palettes expanded, and transparency laid over white. The result carries no metadata.

    Raises ImageError for anything else: missing, a folder, empty, damaged, truncated, not a picture in one of
    FORMATS, an animation or several pages (nobody can guess which one is meant), float or 32-bit pixels, more
    than MAX_PIXELS pixels, a side below MIN_SIDE_PX, or what takes too much memory or time (`picture_cost`).
    """
    return _loaded(source, keep=False).rgb


def load_original(source: ImageSource) -> Original:
    """The same with what `load_image` leaves behind, for edits to get it back. ImageError."""
    return _loaded(source, keep=True)


def _loaded(source: ImageSource, *, keep: bool) -> Original:
    if isinstance(source, Image.Image):
        return _convert(source, "the picture", keep=keep)
    if isinstance(source, bytes):
        return _decode(io.BytesIO(source), "the picture", keep=keep)
    with regular_file(source, error=ImageError) as (file, _):
        return _decode(file, repr(str(source)), keep=keep)


def picture_size(data: bytes) -> tuple[int, int] | None:
    """Width and height, from the head of a picture's file; None for what is none, as `load_image` will say.

    Nothing of it is decoded. ImageError as `picture_cost.check_file`.
    """
    check_file(io.BytesIO(data), "the uploaded picture")
    try:
        with _without_warnings(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return image.size
    except Exception:  # a parser on hostile bytes raises anything; `load_image` says what is wrong
        return None


def first_frames(source: str | PathLike[str], count: int) -> list[Image.Image]:
    """The first frames of a GIF, WebP or PNG that moves, each as `load_image` gives pictures.

    None for a still picture, and for what is none: `load_image` says what it is. ImageError for an animation
    that is damaged, or takes too much to read.
    """
    name = repr(str(source))
    with regular_file(source, error=ImageError) as (file, size):
        try:
            with _without_warnings():
                image = Image.open(file, formats=_ANIMATED)
                if not getattr(image, "is_animated", False):
                    return []
        except Exception:  # a parser on hostile bytes raises anything; `load_image` says what is wrong
            return []
        check_file(file, name)
        with image, _without_warnings():
            check_size(image, name, size)
            try:
                return [load_image(image.convert("RGBA")) for _ in _turned_to(image, count)]
            except ImageError:
                raise
            except Exception as error:  # a parser on hostile bytes raises anything
                raise _damaged(name, error) from error


def _turned_to(image: Image.Image, count: int) -> Iterator[int]:
    """Turns an animation to one frame after the other, at most `count`."""
    for index in range(count):
        try:
            image.seek(index)
        except EOFError:
            return
        yield index


def png_texts(path: str | PathLike[str] | IO[bytes]) -> dict[str, str]:
    """The text chunks before the pixels of a PNG; nothing for other formats, and for what is no picture."""
    try:
        with _without_warnings(), Image.open(path, formats=FORMATS) as image:
            return {key: str(value) for key, value in getattr(image, "text", {}).items()}
    except Exception:  # a parser on hostile bytes raises anything; `load_image` says what is wrong
        return {}


def exif_comment(path: str | PathLike[str] | IO[bytes]) -> bytes | None:
    """The EXIF UserComment of a picture, its eight bytes of encoding first; None where there is none."""
    try:
        with _without_warnings(), Image.open(path, formats=FORMATS) as image:
            comment = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment)
    except Exception:  # a parser on hostile bytes raises anything; `load_image` says what is wrong
        return None
    return comment if isinstance(comment, bytes) else None


def _decode(file: IO[bytes], name: str, *, keep: bool) -> Original:
    head = file.read(12)
    file.seek(0)
    if not head:
        raise ImageError(f"{name} is empty (0 bytes): copy or export it again")
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        raise ImageError(f"{name} is a HEIC photograph, which is not supported: export it as JPEG or PNG")
    check_file(file, name)
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
        return _convert(image, name, file.seek(0, io.SEEK_END), keep=keep)


def _convert(image: Image.Image, name: str, file_bytes: int = 0, *, keep: bool) -> Original:
    _check_sides(image, name)
    check_size(image, name, file_bytes)
    _check_frames(image, name)
    if image.mode in _WIDE_MODES:
        raise ImageError(f"{name} has {image.mode} pixels: save it as an ordinary 8-bit PNG or JPEG")
    layout = str([tile[-1] for tile in getattr(image, "tile", ())])  # forgotten once it is decoded
    try:
        image.load()
        if file_bytes and vars(image).pop(
            "_decoder", None
        ):  # WebP's and AVIF's keep three copies of a picture
            vars(image)["fp"] = None
        return _taken_over(image, layout, name, keep=keep)
    except ImageError:
        raise
    except Exception as error:  # a parser on hostile bytes raises anything
        raise _damaged(name, error) from error


def _check_sides(image: Image.Image, name: str) -> None:
    width, height = image.size
    if min(width, height) < MIN_SIDE_PX:
        raise ImageError(
            f"{name} has {width} x {height} pixels: use a picture of at least {MIN_SIDE_PX} on each side"
        )


def _check_frames(image: Image.Image, name: str) -> None:
    if image.format == "MPO":  # the JPEG of phones: the photograph comes first, then a depth or gain map
        return
    try:
        several = getattr(image, "is_animated", False)  # counting them would walk the whole file
    except Exception as error:  # a parser on hostile bytes raises anything
        raise _damaged(name, error) from error
    if several:
        raise ImageError(f"{name} holds several frames or pages: save the one to edit as a PNG")


_REWORKED = {
    "1": "its black and white becomes grey of 8 bits",
    "P": "its palette becomes full colours",
    "CMYK": "its CMYK colours become sRGB",
    "YCbCr": "its YCbCr colours become sRGB",
}


def _taken_over(image: Image.Image, layout: str, name: str, *, keep: bool) -> Original:
    """Upright 8-bit sRGB without transparency and, if it is to be kept, what else there is."""
    profile, notes = image.info.get("icc_profile"), []
    to_srgb = _to_srgb(_plain_mode(image), profile, name)
    if profile and to_srgb is not _to_rgb:
        described = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).strip()
        if "sRGB" not in described:
            notes.append(f"its colours were converted to sRGB (its profile is {shown(described)})")
    if (reworked := _REWORKED.get(image.mode)) is not None:
        notes.append(reworked)
    rgb = _upright(image, partial(_flatten, to_srgb=to_srgb), "RGB")
    mode = _mode_of_edits(image, layout)
    if mode == "I;16" and to_srgb is not _to_rgb:
        mode = "L"
    if mode != "I;16" and (";16" in layout or image.mode in _SIXTEEN_BIT_MODES):
        notes.append("its 16 bits a colour were reduced to 8")
    if not keep or mode in ("RGB", "L"):
        return Original(rgb, mode, None, tuple(notes))
    return Original(rgb, mode, _upright(image, partial(_own_pixels, to_srgb=to_srgb), mode), tuple(notes))


def _mode_of_edits(image: Image.Image, layout: str) -> OriginalMode:
    """layout: how a file has its pixels; Pillow decodes 16-bit grey with transparency as RGBA."""
    if image.mode in _SIXTEEN_BIT_MODES:
        return "I;16"
    is_grey = image.mode in _GREY_MODES or "LA;16" in layout
    if image.has_transparency_data:
        return "LA" if is_grey else "RGBA"
    return "L" if is_grey else "RGB"


def _own_pixels(image: Image.Image, to_srgb: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """A picture with transparency or 16 bits as its edits are to have it, in sRGB."""
    if image.mode in _SIXTEEN_BIT_MODES:
        return Image.fromarray(np.asarray(image).astype(np.uint16))
    full = image.convert("RGBA")
    color = to_srgb(image.convert(_plain_mode(image)))
    color.putalpha(full.getchannel("A"))
    return color


def _upright(
    image: Image.Image, convert: Callable[[Image.Image], Image.Image], mode: OriginalMode
) -> Image.Image:
    """`image` converted to `mode` and put upright, band by band: beside both it takes no memory."""
    turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    width, height = image.size
    sideways = turn is not None and turn.transpose in _SIDEWAYS
    upright = Image.new(mode, (height, width) if sideways else (width, height))
    for top in range(0, height, _BAND_PX):
        bottom = min(top + _BAND_PX, height)
        band = convert(image.crop((0, top, width, bottom))).convert(mode)
        place = height - bottom if turn is not None and turn.from_the_end else top
        upright.paste(
            band if turn is None else band.transpose(turn.transpose), (place, 0) if sideways else (0, place)
        )
    return upright


def _plain_mode(image: Image.Image) -> str:
    """The mode in which the colours of `image` are converted."""
    return "L" if image.mode in _GREY_MODES else "CMYK" if image.mode == "CMYK" else "RGB"


def _flatten(image: Image.Image, to_srgb: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """8-bit sRGB without transparency."""
    plain_mode, alpha = _plain_mode(image), None
    if image.mode in _SIXTEEN_BIT_MODES:
        image = Image.fromarray(np.round(np.asarray(image, dtype=np.float32) / 257).astype(np.uint8))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
    color = to_srgb(image.convert(plain_mode))
    if alpha is None:
        return color
    flat = Image.new("RGB", color.size, "white")
    flat.paste(color, mask=alpha)
    return flat


def _to_srgb(mode: str, profile: bytes | None, name: str) -> Callable[[Image.Image], Image.Image]:
    """What takes pictures of `mode` to sRGB; a profile that is broken or for other colours is left out."""
    if not profile:
        return _to_rgb
    try:
        if len(profile) > _MAX_PROFILE_BYTES:
            raise ValueError(f"it has {len(profile):,} bytes")
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if space != _COLOR_SPACES[mode]:
            logger.warning("%s: its colour profile is for %s, not %s: ignored", name, space, mode)
            return _to_rgb
        transform = ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            inMode=mode,
            outMode="RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        )
        transform.apply(Image.new(mode, (1, 1)))
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        logger.warning("%s: its colour profile cannot be used (%s): ignored", name, _reason(error))
        return _to_rgb
    return transform.apply


def _to_rgb(image: Image.Image) -> Image.Image:
    return image.convert("RGB")


def _damaged(name: str, error: Exception) -> ImageError:
    return ImageError(f"{name} is truncated or damaged ({_reason(error)}): copy or export it again")


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Pillow warns about odd metadata and large pictures; here a picture is good or it is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
