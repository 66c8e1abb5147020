"""One expression (or blend, or prompt) over rising strengths: a row of pictures."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

_MAX_SLUG_LENGTH = 60
_BLEND = re.compile(r"[a-z]+=[\d.]+(,[a-z]+=[\d.]+)*")


@dataclass(frozen=True)
class Sweep:
    """The edits of one picture towards one expression, in the order of the strengths."""

    label: str  # as a person reads it
    images: Sequence[Image.Image]
    strengths: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.images) != len(self.strengths):
            raise ValueError(f"{len(self.images)} images for {len(self.strengths)} strengths")


def file_slug(label: str) -> str:
    """How the files of a sweep begin: `happy`, `happy0.6+sad0.4` of a blend, words with dashes."""
    text = label.lower()
    if _BLEND.fullmatch(text):
        text = text.replace("=", "").replace(",", "+")
    slug = re.sub(r"[^\w.+]+", "-", text).strip("-.")[:_MAX_SLUG_LENGTH]
    return slug or "prompt"


def format_strength(strength: float) -> str:
    """`0.50` for 0.5: as many digits as the number has, two at least, so that file names sort."""
    text = f"{strength:.2f}"
    return text if float(text) == strength else repr(strength)
