"""What an editor is asked: a source picture, a target expression, and the words for it."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from PIL import Image

from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL, Domain
from pixelsmile.hashing import sha256_file
from pixelsmile.images import load_image
from pixelsmile.limits import shown

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels of the source
Granularity = Literal["dense", "simple"]
GRANULARITIES: tuple[Granularity, ...] = get_args(Granularity)

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".gif")
MAX_NAME_LETTERS = 100
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


class Picture(Protocol):
    """A picture by reference: nothing is read or drawn before it is asked for."""

    def load(self) -> Image.Image:
        """Upright RGB; ImageError or InputError where it cannot be read."""

    def sha256(self) -> str:
        """The hash of what it is made from, for records."""


@dataclass(frozen=True)
class PictureFile:
    """A picture in a file of its own."""

    path: Path

    def load(self) -> Image.Image:
        return load_image(self.path)

    def sha256(self) -> str:
        return sha256_file(self.path)


@dataclass(frozen=True)
class Task:
    """One edit, or one sweep of strengths. InputError for a name or target that cannot be.

    source: names the source picture; letters, digits, `.`, `_` and `-`, for it names files too.
    target: one of EXPRESSIONS, or neutral. prompt: what editors are told that read words.
    face_box: where the face is, if that is known.

    A task of a triplet has besides: triplet, its name; granularity, how much its words say; asked_strength,
    how strong an expression (0..2) they ask for, where that is known; truth, what a perfect editor makes of
    it, which editors under test never see.
    """

    source: str
    target: str
    domain: Domain
    prompt: str
    face_box: Box | None = None
    triplet: str | None = None
    granularity: Granularity | None = None
    asked_strength: float | None = None
    picture: Picture = field(kw_only=True, repr=False, compare=False)
    truth: Picture | None = field(default=None, kw_only=True, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_name(self.source, "source")
        if self.target not in (*EXPRESSIONS, NEUTRAL):
            raise InputError(
                f"source {self.source!r} has target {self.target!r}: use one of {', '.join(EXPRESSIONS)}"
            )

    @property
    def key(self) -> str:
        """`source/target`: no two tasks of a benchmark have the same."""
        return f"{self.source}/{self.target}"

    @property
    def sample(self) -> str:
        """What is drawn when a benchmark draws samples: the triplet, or else the source picture."""
        return self.triplet or self.source

    def as_json(self) -> dict[str, Any]:
        """What is asked for, as runs write it down."""
        asked: dict[str, Any] = {
            "source": self.source,
            "target": self.target,
            "domain": self.domain,
            "prompt": self.prompt,
            "face_box": self.face_box,
        }
        if self.triplet is not None:
            asked |= {
                "triplet": self.triplet,
                "granularity": self.granularity,
                "asked_strength": self.asked_strength,
            }
        return asked


def check_name(name: str, what: str, max_letters: int = MAX_NAME_LETTERS) -> None:
    """InputError, which says `what` it is a name of, unless files can be called by it."""
    if not _NAME.fullmatch(name) or len(name) > max_letters:
        raise InputError(
            f"{what} {shown(name)} cannot name a file: use up to {max_letters} letters, digits, '.', '_' "
            "and '-'"
        )
