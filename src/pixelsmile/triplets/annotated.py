"""Pictures of people with what each shows: what triplets are built from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL, Domain
from pixelsmile.faces.face import Box
from pixelsmile.limits import validated
from pixelsmile.store.json_lines import read_numbered
from pixelsmile.triplets.triplet import (
    Category,
    Landmarks,
    PictureLine,
    Scores,
    check_files,
    check_scores,
)


@dataclass(frozen=True)
class AnnotatedPicture:
    """One picture (PixelSmile, section 3.1): who it shows, with which expression, and all 12 scores.

    expression: one of EXPRESSIONS, or NEUTRAL. judge: who gave the scores, where that is known; such a one
    may leave out what it does not judge. InputError for an expression that is none, or a score that is
    missing.
    """

    image: Path
    identity: str
    expression: str
    scores: Mapping[str, float]
    domain: Domain = "human"
    face_box: Box | None = None
    landmarks_5: Landmarks | None = None
    judge: str | None = None

    def __post_init__(self) -> None:
        what = f"picture {str(self.image)!r}"
        if self.expression not in (*EXPRESSIONS, NEUTRAL):
            raise InputError(f"{what} shows {self.expression!r}: use {NEUTRAL}, {', '.join(EXPRESSIONS)}")
        check_scores(self.scores, what)
        missing = self.unscored
        if missing and (self.judge is None or self.expression in missing or not self.scores):
            raise InputError(f"{what} has no score for {', '.join(missing)}: annotate all {len(EXPRESSIONS)}")

    @property
    def unscored(self) -> list[str]:
        """The expressions without a score: its judge does not judge them."""
        return [name for name in EXPRESSIONS if name not in self.scores]

    @property
    def top_score(self) -> float:
        """The highest of the scores."""
        return max(self.scores.values())


class _JudgedLine(PictureLine):
    """judge, sha256: who gave the scores, and to which file, where `pixelsmile score` wrote the line."""

    category: Category
    scores: Scores
    domain: Domain = "human"
    judge: str | None = None
    sha256: str | None = None


class ScoredLine(_JudgedLine):
    """A picture that was scored; whom it shows may not be known, and then no triplet can be built from it."""

    identity: str | None = None


class AnnotatedLine(_JudgedLine):
    """One line: {"image": "a.png", "identity": "p7", "category": "fear", "scores": {"angry": 0.0, ...}}."""

    identity: str

    def picture(self, root: Path) -> AnnotatedPicture:
        """The picture of this line, its path relative to `root`."""
        return AnnotatedPicture(
            root / self.image,
            self.identity,
            self.category,
            self.scores,
            self.domain,
            self.boxes,
            self.landmarks,
            self.judge,
        )


def read_annotated(path: Path, *, root: Path | None = None) -> tuple[AnnotatedPicture, ...]:
    """The pictures in a file of JSON lines; paths relative to `root`, or else to the file's folder.

    InputError for lines that are wrong and for pictures that are missing.
    """
    folder = path.parent if root is None else root
    numbered = read_numbered(path, lambda text: validated(AnnotatedLine, text).picture(folder))
    check_files(path, ((number, picture.image) for number, picture in numbered))
    return tuple(picture for _, picture in numbered)
