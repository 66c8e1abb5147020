"""Pictures that say in their metadata what they are and how they were made.

All formats hold a sentence, the program, the settings as JSON, and XMP with the IPTC digital source type,
which viewers and platforms read to label synthetic pictures: PNG in text chunks, JPEG and WebP in EXIF
(ImageDescription, Software, UserComment) and in their own place for XMP. A drawn portrait says who was drawn.
Whatever is read back are words that anybody may have written there.
"""

import io
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from os import PathLike
from pathlib import Path
from typing import IO

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydantic import BaseModel, ConfigDict, Field

from pixelsmile.errors import InputError, OutputError
from pixelsmile.expressions import Domain
from pixelsmile.images import exif_comment, png_texts
from pixelsmile.limits import parse_json, validated
from pixelsmile.store.json_lines import recordable
from pixelsmile.version import __version__

SETTINGS_KEY = "pixelsmile:settings"  # how an edit was made
PORTRAIT_KEY = "pixelsmile:portrait"  # who was drawn, and how; edits of a drawn portrait keep it

SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}  # of the formats that pictures are written in
DEFAULT_QUALITY = 95
_MODES = {  # Pillow's modes that a format holds as they are
    "png": ("RGB", "RGBA", "L", "LA", "I;16"),
    "jpeg": ("RGB", "L"),
    "webp": ("RGB", "RGBA", "L", "LA"),
}
_MAX_JPEG_COMMENT = 60_000  # a segment of a JPEG holds 65,533 bytes
_IMAGE_DESCRIPTION, _SOFTWARE_TAG, _EXIF_IFD, _USER_COMMENT = 0x010E, 0x0131, 0x8769, 0x9286
_ASCII = b"ASCII\0\0\0"  # how a UserComment begins that is plain ASCII
_SOFTWARE = f"pixelsmile {__version__}"
EDITED = f"The facial expression in this picture was changed by software ({_SOFTWARE})."
# Words of the IPTC for what was done to a picture: edited with a generative model; by a person, with a tool
# that generates nothing. "Algorithmically altered" is for what leaves the content as it was, like
# sharpening.
TRAINED, UNTRAINED = "compositeWithTrainedAlgorithmicMedia", "humanEdits"
_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_XMP_KEY = "XML:com.adobe.xmp"
_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmp:CreatorTool="{software}"
    Iptc4xmpExt:DigitalSourceType="{source_type}">
   <dc:description><rdf:Alt><rdf:li xml:lang="x-default">{description}</rdf:li></rdf:Alt></dc:description>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""


_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PictureFormat:
    """How pictures are written. InputError for what is no format, and for a quality where there is none.

    format: png (lossless), jpeg or webp. quality: of jpeg and webp, 1 to 100 (None: 95).
    """

    format: str = "png"
    quality: int | None = None

    def __post_init__(self) -> None:
        if self.format not in SUFFIXES:
            raise InputError(f"unknown picture format {self.format!r}: use {', '.join(SUFFIXES)}")
        if self.quality is None:
            return
        if self.format == "png":
            raise InputError("PNG is lossless and has no quality: leave it out, or use jpeg or webp")
        if not isinstance(self.quality, int) or not 1 <= self.quality <= 100:
            raise InputError(f"quality must be a whole number from 1 to 100, not {self.quality!r}")

    @property
    def suffix(self) -> str:
        """With which the names of its files end."""
        return SUFFIXES[self.format]

    def check_mode(self, mode: str) -> None:
        """OutputError where the format cannot hold pictures of Pillow's `mode`."""
        if mode not in _MODES[self.format]:
            lost = "16 bits a pixel" if mode.startswith("I") else "transparency"
            others = [name for name in SUFFIXES if mode in _MODES[name]]
            raise OutputError(f"{self.format} does not hold {lost}: write {' or '.join(others)} (--format)")


PNG = PictureFormat()


def edited_picture(
    image: Image.Image,
    settings: Mapping[str, object],
    portrait: str | None = None,
    form: PictureFormat = PNG,
    source_type: str = TRAINED,
) -> bytes:
    """The file of an edit, with its settings; `portrait` is the source's own PORTRAIT_KEY text, if any.

    source_type: TRAINED, or what fits the model. OutputError where the format cannot hold the picture.
    """
    if form.format == "png":
        texts = {SETTINGS_KEY: json.dumps(recordable(settings))}
        if portrait is not None:
            texts[PORTRAIT_KEY] = portrait
        return _png(image, EDITED, source_type, texts)
    form.check_mode(image.mode)
    exif = _exif(EDITED, settings, portrait, _MAX_JPEG_COMMENT if form.format == "jpeg" else None)
    return _with_exif(image, form, exif, _xmp(EDITED, source_type))


def portrait_png(image: Image.Image, settings: Mapping[str, object]) -> bytes:
    """A PNG of a drawn portrait, with what was drawn."""
    description = f"This portrait was drawn by software ({_SOFTWARE}); it shows nobody."
    return _png(image, description, "algorithmicMedia", {PORTRAIT_KEY: json.dumps(settings)})


def source_type_uri(word: str) -> str:
    """The address of a word of the IPTC's digital source types."""
    return _SOURCE_TYPES + word


def picture_texts(path: str | PathLike[str] | IO[bytes]) -> dict[str, str]:
    """The texts of a picture by their keys, which anybody may have written; nothing where there are none."""
    name = _shown(path)
    texts = png_texts(path)
    comment = None if texts else exif_comment(path)
    if comment is None or not comment.startswith(_ASCII):
        return texts
    try:
        found = parse_json(comment.removeprefix(_ASCII), f"the comment in {name}")
    except InputError:  # another program's comment
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: text for key, text in found.items() if isinstance(text, str)}


@dataclass(frozen=True)
class DrawnPortrait:
    """text: as it stands in the file; edits keep it. domain: of the drawing."""

    text: str
    domain: Domain


def read_portrait(path: str | PathLike[str] | IO[bytes]) -> DrawnPortrait | None:
    """The drawn portrait that a picture file says it is; None for every other picture.

    A text that is none, or of no known domain, is logged and does not count.
    """
    text = picture_texts(path).get(PORTRAIT_KEY)
    if text is None:
        return None
    what = f"the text {PORTRAIT_KEY} of {_shown(path)}"
    try:
        described = validated(_Description, parse_json(text, what), what)
    except InputError as error:
        _logger.warning("%s; taken for a picture that pixelsmile has not drawn", error)
        return None
    return DrawnPortrait(text, described.domain)


def _shown(path: str | PathLike[str] | IO[bytes]) -> str:
    return repr(str(path)) if isinstance(path, str | PathLike) else "the uploaded picture"


def check_domain(path: Path, portrait: DrawnPortrait | None, domain: str) -> None:
    """InputError where a drawn portrait is of the other domain: its edits would be of neither."""
    if portrait is not None and portrait.domain != domain:
        raise InputError(
            f"{str(path)!r} is a drawn {portrait.domain} portrait, not {domain}: "
            f"its domain is {portrait.domain}"
        )


class _Description(BaseModel):
    """What must be in the text; what else is there depends on who wrote it."""

    model_config = ConfigDict(strict=True)

    domain: Domain = Field(alias="style")  # as pictures say it


def _png(image: Image.Image, description: str, source_type: str, texts: Mapping[str, str]) -> bytes:
    info = PngInfo()
    info.add_itxt("Description", description)
    info.add_itxt("Software", _SOFTWARE)
    for key, text in texts.items():
        info.add_itxt(key, text)
    info.add_itxt(_XMP_KEY, _xmp(description, source_type))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def _with_exif(image: Image.Image, form: PictureFormat, exif: Image.Exif, xmp: str) -> bytes:
    how = {"subsampling": 0, "optimize": True} if form.format == "jpeg" else {}
    buffer = io.BytesIO()
    try:
        image.save(
            buffer, form.format, quality=form.quality or DEFAULT_QUALITY, exif=exif, xmp=xmp.encode(), **how
        )
    except (OSError, ValueError) as error:  # a side too long for the format
        raise OutputError(
            f"{image.width} x {image.height} px cannot be written as {form.format} ({error}): write png"
        ) from error
    return buffer.getvalue()


def _exif(
    description: str, settings: Mapping[str, object], portrait: str | None, limit: int | None
) -> Image.Exif:
    """EXIF with the texts in its comment; settings longer than the limit are left to the manifest."""
    texts = {SETTINGS_KEY: json.dumps(recordable(settings))}
    if portrait is not None:
        texts[PORTRAIT_KEY] = portrait
    comment = _ASCII + json.dumps(texts).encode()
    if limit is not None and len(comment) > limit:
        return _exif(description, {"left_out": "too long for a JPEG: see manifest.json"}, portrait, None)
    exif = Image.Exif()
    exif[_IMAGE_DESCRIPTION] = description
    exif[_SOFTWARE_TAG] = _SOFTWARE
    exif.get_ifd(_EXIF_IFD)[_USER_COMMENT] = comment
    return exif


def _xmp(description: str, source_type: str) -> str:
    return _XMP.format(
        software=escape(_SOFTWARE), source_type=source_type_uri(source_type), description=escape(description)
    )
