"""What a judge is asked about: pictures, the words that belong to them, and what those words stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pixelsmile.expressions import EXPRESSIONS, NEUTRAL, Domain, check_strength
from pixelsmile.hashing import sha256_json
from pixelsmile.remote.picture import Picture

if TYPE_CHECKING:
    from pixelsmile.images import ImageSource


UNCAPTIONED = ""


@dataclass(frozen=True)
class Target:
    """What the words ask an edit for: an expression (or neutral), at a strength (0..2) if they imply one.

    For judges that read no words. ValueError for no such expression, StrengthError for no such strength.
    """

    expression: str
    strength: float | None = None

    def __post_init__(self) -> None:
        if self.expression not in (*EXPRESSIONS, NEUTRAL):
            raise ValueError(f"{self.expression!r} is no expression that could be asked for")
        if self.strength is not None:
            object.__setattr__(self, "strength", check_strength(self.strength))


@dataclass(frozen=True, eq=False)
class Question:
    """Pictures by their captions, in the order in which they are shown; the words; their meaning.

    What is to be found out is the rubric's matter. A lone picture may have no caption (UNCAPTIONED).
    """

    pictures: Mapping[str, Picture]
    domain: Domain
    words: str = ""
    target: Target | None = None

    def __post_init__(self) -> None:
        if not self.pictures:
            raise ValueError("a question shows at least one picture")
        if UNCAPTIONED in self.pictures and len(self.pictures) > 1:
            raise ValueError("several pictures have a caption each")

    @classmethod
    def read(
        cls,
        images: ImageSource | Mapping[str, ImageSource],
        domain: Domain,
        *,
        words: str = "",
        target: Target | None = None,
    ) -> Question:
        """The question about one picture, or about several by their captions.

        A picture is a path, the bytes of a file or a PIL image; ImageError where one cannot be read.
        """
        captioned = images if isinstance(images, Mapping) else {UNCAPTIONED: images}
        pictures = {caption: Picture.read(source) for caption, source in captioned.items()}
        return cls(pictures, domain, words, target)

    @cached_property
    def sha256(self) -> str:
        """The hash of what is shown and said; the domain is no part of it.

        A picture alone is known by its own hash: so were all questions when there was nothing else to ask.
        """
        if set(self.pictures) == {UNCAPTIONED} and not self.words and self.target is None:
            return self.pictures[UNCAPTIONED].sha256
        shown = [[caption, picture.sha256] for caption, picture in self.pictures.items()]
        target = self.target and [self.target.expression, self.target.strength]
        return sha256_json({"pictures": shown, "words": self.words, "target": target})


@dataclass(frozen=True)
class Sample:
    """What to ask about, before its pictures are read (see Question.read), and the caller's name for it.

    `images` is one picture, or several by their captions, in the order in which they are shown.
    """

    key: str
    images: ImageSource | Mapping[str, ImageSource]
    domain: Domain
    words: str = ""
    target: Target | None = None

    def question(self) -> Question:
        """The question, with its pictures; ImageError where one cannot be read."""
        return Question.read(self.images, self.domain, words=self.words, target=self.target)


# What the judges of FED-Bench's three judged components are shown: each for the rubric of the same name
# (rubrics/fed.py), and for its embedded counterparts.
# Captions, as models read them. They are part of a question's hash.
SOURCE, EDIT, TRUTH = "Source", "Edit", "Reference"


def quality_sample(key: str, edit: ImageSource, domain: Domain = "human") -> Sample:
    """PQ: the edit alone. Why the source is not beside it stands with its rubric."""
    return Sample(key, {EDIT: edit}, domain)


def consistency_sample(
    key: str,
    source: ImageSource,
    edit: ImageSource,
    instruction: str,
    domain: Domain = "human",
    target: Target | None = None,
) -> Sample:
    """SC: source, edit and instruction. target: what it asks for; the embedded counterpart reads no words.

    ValueError for an instruction of no words: there is nothing to be consistent with.
    """
    if not instruction.strip():
        raise ValueError(f"{key!r} has no instruction")
    return Sample(key, {SOURCE: source, EDIT: edit}, domain, instruction, target)


def truth_alignment_sample(
    key: str, truth: ImageSource, edit: ImageSource, domain: Domain = "human"
) -> Sample:
    """GTA: ground truth and edit."""
    return Sample(key, {TRUTH: truth, EDIT: edit}, domain)
