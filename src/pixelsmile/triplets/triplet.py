"""What the adapter learns from: a source and two targets of the same person (PixelSmile, section 4.2)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS, Domain
from pixelsmile.faces.face import Box

NUM_LANDMARKS = 5

Point = tuple[float, float]  # x, y in pixels
Landmarks = tuple[Point, Point, Point, Point, Point]  # as in `faces.Face`: eyes, nose tip, mouth corners


@dataclass(frozen=True)
class SourceImage:
    """The picture that is edited. Its face box and landmarks are in its own pixels; None where unknown."""

    image: Path
    face_box: Box | None = None
    landmarks_5: Landmarks | None = None


@dataclass(frozen=True)
class Target:
    """A picture that an edit of the source should give, and what it shows.

    scores: how strongly each expression shows, 0..1; its own must be there, others may be unknown.
    InputError for an expression or a score that is none.
    """

    image: Path
    expression: str
    scores: Mapping[str, float]
    face_box: Box | None = None
    landmarks_5: Landmarks | None = None

    def __post_init__(self) -> None:
        if self.expression not in EXPRESSIONS:
            raise InputError(
                f"target {str(self.image)!r} shows {self.expression!r}: use one of {', '.join(EXPRESSIONS)}"
            )
        if self.expression not in self.scores:
            raise InputError(
                f"target {str(self.image)!r} has no score for its own expression {self.expression}: add one"
            )
        check_scores(self.scores, f"target {str(self.image)!r}")

    @property
    def strength(self) -> float:
        """Of the edit that leads here, alpha_gt: the score for its own expression (section 4.1)."""
        return self.scores[self.expression]


@dataclass(frozen=True)
class Triplet:
    """A source and a pair of targets of the same person that show different expressions.

    identity: who it is, as the data calls them. InputError where both targets show the same.
    """

    source: SourceImage
    a: Target
    b: Target
    domain: Domain = "human"
    identity: str | None = None

    def __post_init__(self) -> None:
        if self.a.expression == self.b.expression:
            raise InputError(
                f"both targets of {str(self.source.image)!r} show {self.a.expression}: "
                "a triplet needs two different expressions"
            )

    @property
    def images(self) -> tuple[Path, Path, Path]:
        """Source, a, b."""
        return self.source.image, self.a.image, self.b.image


def check_scores(scores: Mapping[str, float], what: str) -> None:
    """InputError unless all keys are expressions and all values lie in 0..1. `what` begins the message."""
    for name, score in scores.items():
        if name not in EXPRESSIONS:
            raise InputError(f"{what} has a score for {name!r}: use {', '.join(EXPRESSIONS)}")
        if not math.isfinite(score) or not 0 <= score <= 1:
            raise InputError(f"{what} has a score of {score!r} for {name}: scores go from 0 to 1")


def one_hot_scores(expression: str, strength: float) -> dict[str, float]:
    """The 12 scores of a picture of which only its class and level are known (Appendix C). Neutral: all 0."""
    return {name: strength if name == expression else 0.0 for name in EXPRESSIONS}
