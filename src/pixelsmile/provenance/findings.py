"""What a file says of its making: settings in its metadata, a signature, the mark in its pixels."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from pixelsmile.errors import ImageError, InputError, one_line
from pixelsmile.images import first_frames, load_image
from pixelsmile.limits import parse_json, read_bytes, regular_file
from pixelsmile.provenance.certificates import require_libraries
from pixelsmile.provenance.credentials import MEDIA_TYPES, Credentials, has_credentials, read_credentials
from pixelsmile.provenance.watermark import THRESHOLD, Mark, find_mark
from pixelsmile.results import SETTINGS_KEY, film_frames, picture_texts, read_portrait

_FRAMES = 3  # of an animation; its first may be the source, which has no mark
_MAX_SHOWN = 100


@dataclass(frozen=True)
class Findings:
    """What was found in one file; None for what is not there.

    settings: how an edit was made, as its metadata says; anybody may have written that. mark: the surest of
    the frames that were looked at. unread: in a line each, what could not be looked for, and why.
    """

    path: Path
    settings: dict[str, Any] | None
    is_drawn: bool
    credentials: Credentials | None
    mark: Mark | None
    unread: tuple[str, ...] = ()

    @property
    def says_something(self) -> bool:
        """Whether anything tells that the file is an edit, a drawn portrait, or signed."""
        marked = self.mark is not None and self.mark.is_found
        return marked or self.is_drawn or self.settings is not None or self.credentials is not None

    @property
    def is_broken(self) -> bool:
        """Whether a signature is there that does not fit."""
        return self.credentials is not None and self.credentials.state == "broken"

    def to_record(self) -> dict[str, Any]:
        """As JSON has it."""
        mark = self.mark
        return {
            "picture": str(self.path),
            "settings": self.settings,
            "drawn": self.is_drawn,
            "signature": None if self.credentials is None else asdict(self.credentials),
            "mark": None
            if mark is None
            else {"found": mark.is_found, "score": round(mark.score, 2), "threshold": THRESHOLD},
            "unread": list(self.unread),
        }

    def sentences(self) -> Iterator[tuple[str, str]]:
        """The same in words: what it is about, and what was found."""
        yield "settings", self._settings_words()
        yield "signature", self._signature_words()
        yield "mark", self._mark_words()
        for line in self.unread:
            yield "not read", line

    def _settings_words(self) -> str:
        if self.settings is None:
            return "none" if not self.is_drawn else "a portrait that pixelsmile drew"
        about = self.settings
        if "sweeps" in about:
            return "an overview of edits by pixelsmile; anybody may have written so"
        parts = [f"{about.get('request', '?')} at strength {about.get('strength', '?')}"]
        parts += [f"by {Path(str(about['model'])).name}"] if "model" in about else []
        parts += [f"(pixelsmile {about['pixelsmile']})"] if "pixelsmile" in about else []
        return f"{one_line(' '.join(parts), _MAX_SHOWN)}; anybody may have written so"

    def _signature_words(self) -> str:
        found = self.credentials
        if found is None:
            return "none" if not any("signature" in line for line in self.unread) else "there, but not read"
        issuer = f" ({found.issuer})" if found.issuer and found.issuer != found.signer else ""
        who = f"signed by {found.signer or 'somebody'}{issuer}"
        match found.state:
            case "trusted":
                return one_line(f"valid: {who}, whom you trust; it says {_done(found)}")
            case "untrusted":
                return one_line(
                    f"valid: {who}; nobody whom you trust vouches for that; it says {_done(found)}"
                )
            case _:
                return one_line(f"BROKEN: {'; '.join(found.problems) or 'it does not fit'} ({who})")

    def _mark_words(self) -> str:
        if self.mark is None:
            return "not looked for"
        if not self.mark.is_found:
            return f"not found (score {self.mark.score:.1f} of {THRESHOLD:g})"
        cropped = "" if self.mark.scale == 1 else "; the picture seems cropped"
        return f"found: edited by pixelsmile (score {self.mark.score:.1f} of {THRESHOLD:g}{cropped})"


def _done(found: Credentials) -> str:
    """What a signature says was done, and to what."""
    parts = [
        name.removeprefix("c2pa.").replace(".unbound", "") + (f" ({source_type})" if source_type else "")
        for name, source_type in found.actions
    ]
    return (", ".join(parts) or "nothing") + "".join(f"; from {parent}" for parent in found.parents)


def inspect(path: Path, anchors: str | None = None) -> Findings:
    """Everything that a picture, an animation or a film says of its making.

    anchors: as `read_credentials` takes them. ImageError for what is no picture; InputError.
    """
    unread: list[str] = []
    marks = [find_mark(frame) for frame in _frames(path, unread)]
    return Findings(
        path,
        _settings(path),
        read_portrait(path) is not None,
        _credentials(path, anchors, unread),
        max(marks, key=lambda mark: mark.score, default=None),
        tuple(unread),
    )


def _frames(path: Path, unread: list[str]) -> list[Image.Image]:
    """The picture, or the first frames of what moves."""
    if MEDIA_TYPES.get(path.suffix.lower()) == "video/mp4":
        with regular_file(path, error=ImageError):  # the library of films says less of what is no file
            pass
        try:
            return film_frames(path, _FRAMES)
        except InputError as error:
            if isinstance(error, ImageError):
                raise
            unread.append(f"the frames: {error}")
            return []
    return first_frames(path, _FRAMES) or [load_image(path)]


def _credentials(path: Path, anchors: str | None, unread: list[str]) -> Credentials | None:
    try:
        require_libraries()
    except InputError as error:
        if has_credentials(read_bytes(path)):
            unread.append(f"a signature: {error}")
        return None
    return read_credentials(path, anchors)


def _settings(path: Path) -> dict[str, Any] | None:
    text = picture_texts(path).get(SETTINGS_KEY)
    if text is None:
        return None
    try:
        value = parse_json(text, f"the text {SETTINGS_KEY} of {str(path)!r}")
    except InputError:
        return {"unreadable": text[:_MAX_SHOWN]}
    return value if isinstance(value, dict) else {"unreadable": text[:_MAX_SHOWN]}
