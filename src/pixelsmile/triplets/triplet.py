"""What an adapter learns from: a source, and what an edit of it should give. Triplets are of two kinds.

Of a file of JSON lines each is one, with paths relative to a folder. The first kind is PixelSmile's (section
4.2), a source and two targets of the same person, in the format of its own code, the reference:

    {"src": {"image": "s.png", "boxes": [80, 60, 300, 310]},
     "dst": [{"image": "a.png", "category": "fear", "scores": {"fear": 0.8, "surprised": 0.4}},
             {"image": "b.png", "category": "surprised", "scores": {"surprised": 0.9}}]}      (in one line)

The second is FED-Bench's, a source, an instruction and the truth: one target, which may be neutral and then
has no scores, and beside "src" the words. The reference cannot read it: it takes two targets from each line.

    {"src": {"image": "s.png"}, "dst": [{"image": "t.png", "category": "sad", "scores": {"sad": 0.9}}],
     "instruction": "Let go of the smile and pull the corners of the mouth down."}               (in one line)

Boxes may be left out. What only we write, the reference does not look at: "landmarks" beside "boxes", and
"domain" and "identity" beside "src". A file holds one kind.
"""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_serializer
from pydantic_core.core_schema import SerializerFunctionWrapHandler

from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS, MAX_STRENGTH, NEUTRAL, Domain, parse_expression
from pixelsmile.faces.face import Box
from pixelsmile.limits import shown, validated
from pixelsmile.store.json_lines import read_numbered

Point = tuple[float, float]  # x, y in pixels
Landmarks = tuple[Point, Point, Point, Point, Point]  # eyes, nose tip, mouth corners


@dataclass(frozen=True)
class SourceImage:
    """The picture that is edited. Its face box and landmarks are in its own pixels; None where unknown."""

    image: Path
    face_box: Box | None = None
    landmarks_5: Landmarks | None = None


@dataclass(frozen=True)
class Target:
    """A picture that an edit of the source should give, and what it shows.

    scores: how strongly each expression shows, 0..1, or up to MAX_STRENGTH in a picture that goes beyond the
    full expression; its own must be there (neutral has none), others may be unknown. InputError for an
    expression or a score that is none.
    """

    image: Path
    expression: str
    scores: Mapping[str, float]
    face_box: Box | None = None
    landmarks_5: Landmarks | None = None

    def __post_init__(self) -> None:
        if self.expression not in (*EXPRESSIONS, NEUTRAL):
            raise InputError(
                f"target {str(self.image)!r} shows {self.expression!r}: use one of {', '.join(EXPRESSIONS)}, "
                f"or {NEUTRAL}"
            )
        if self.expression not in (*self.scores, NEUTRAL):
            raise InputError(
                f"target {str(self.image)!r} has no score for its own expression {self.expression}: add one"
            )
        check_scores(self.scores, f"target {str(self.image)!r}", MAX_STRENGTH)

    @property
    def strength(self) -> float:
        """Of the edit that leads here, alpha_gt (section 4.1): the score for its own; 0 of neutral."""
        return 0.0 if self.expression == NEUTRAL else self.scores[self.expression]


@dataclass(frozen=True)
class Triplet:
    """A source, and two targets of the same person that show different expressions; or one, and instruction.

    instruction: the words that lead to `a`; then there is no `b`. identity: who it is, as the data calls
    them. InputError for what is neither, and for two targets that show the same, or neutral.
    """

    source: SourceImage
    a: Target
    b: Target | None = None
    domain: Domain = "human"
    identity: str | None = None
    instruction: str | None = None

    def __post_init__(self) -> None:
        name = repr(str(self.source.image))
        if self.b is None and self.instruction is None:
            raise InputError(f"{name} has one target: a triplet needs a second one, or an instruction")
        if self.b is not None and self.instruction is not None:
            raise InputError(f"{name} has two targets and an instruction: leave the instruction or one out")
        for target in (self.a, self.b) if self.b is not None else ():
            if target is not None and target.expression == NEUTRAL:
                raise InputError(f"target {str(target.image)!r} shows 'neutral': use it with an instruction")
        if self.b is not None and self.a.expression == self.b.expression:
            raise InputError(
                f"both targets of {name} show {self.a.expression}: a triplet needs two different expressions"
            )

    @property
    def targets(self) -> tuple[Target, ...]:
        """One with an instruction, else two."""
        return (self.a,) if self.b is None else (self.a, self.b)

    @property
    def images(self) -> tuple[Path, ...]:
        """Of the source and the targets."""
        return self.source.image, *(target.image for target in self.targets)


def check_scores(scores: Mapping[str, float], what: str, most: float = 1.0) -> None:
    """InputError unless all keys are expressions and all values lie in 0..most. `what` begins the message."""
    for name, score in scores.items():
        if name not in EXPRESSIONS:
            raise InputError(f"{what} has a score for {name!r}: use {', '.join(EXPRESSIONS)}")
        if not math.isfinite(score) or not 0 <= score <= most:
            raise InputError(f"{what} has a score of {score!r} for {name}: scores go from 0 to {most:g}")


def one_hot_scores(expression: str, strength: float) -> dict[str, float]:
    """The 12 scores of a picture of which only its class and level are known (Appendix C). Neutral: all 0."""
    return {name: strength if name == expression else 0.0 for name in EXPRESSIONS}


class Line(BaseModel):
    """An object in a line. Unknown keys and wrong types are errors; what is None is not written."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_serializer(mode="wrap")
    def _without_none(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None}


def _known(name: str) -> str:
    try:
        return parse_expression(name)
    except InputError as error:
        raise ValueError(str(error)) from error


def _by_expression(scores: dict[str, float]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, score in scores.items():
        expression = _known(name)
        if expression == NEUTRAL:
            raise ValueError("neutral has no score: take it out")
        if expression in found:
            raise ValueError(f"two scores for {expression}, one as {shown(name)}: take one out")
        found[expression] = score
    return found


def _with_area(box: Box) -> Box:
    if not (box[0] < box[2] and box[1] < box[3]):
        raise ValueError(f"{shown(box)} is no box: give x1, y1, x2, y2 in pixels, with x1 < x2 and y1 < y2")
    return box


_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Point = tuple[_Finite, _Finite]
_Score = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_TargetScore = Annotated[float, Field(ge=0, le=MAX_STRENGTH, allow_inf_nan=False)]

Category = Annotated[str, AfterValidator(_known)]  # any name of an expression, or of neutral
Scores = Annotated[dict[str, _Score], AfterValidator(_by_expression)]
TargetScores = Annotated[dict[str, _TargetScore], AfterValidator(_by_expression)]
FaceBox = Annotated[tuple[_Finite, _Finite, _Finite, _Finite], AfterValidator(_with_area)]
FaceLandmarks = tuple[_Point, _Point, _Point, _Point, _Point]


class PictureLine(Line):
    """A picture, and where its face is, in its pixels."""

    image: str = Field(min_length=1)
    boxes: FaceBox | None = None  # one box: the reference's name for it
    landmarks: FaceLandmarks | None = None


class TargetLine(PictureLine):
    """A target. Expressions may go by any of their names, the judge's labels too."""

    category: Category
    scores: TargetScores


def _worded(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty: say what the edit should do")
    return text.strip()


class TripletLine(Line):
    """One line."""

    src: PictureLine
    dst: tuple[TargetLine, ...] = Field(min_length=1, max_length=2)
    instruction: Annotated[str, AfterValidator(_worded)] | None = None
    identity: str | None = None
    domain: Domain | None = None

    @classmethod
    def of(cls, triplet: Triplet, root: Path) -> Self:
        """The line of a triplet; pictures below `root` are named relative to it."""
        targets = tuple(
            TargetLine(
                image=relative_path(target.image, root),
                category=target.expression,
                scores=dict(target.scores),
                boxes=target.face_box,
                landmarks=target.landmarks_5,
            )
            for target in triplet.targets
        )
        source = PictureLine(
            image=relative_path(triplet.source.image, root),
            boxes=triplet.source.face_box,
            landmarks=triplet.source.landmarks_5,
        )
        return cls(
            src=source,
            dst=targets,
            instruction=triplet.instruction,
            identity=triplet.identity,
            domain=triplet.domain,
        )

    def triplet(self, root: Path, domain: Domain) -> Triplet:
        """The triplet of this line; `domain` where the line names none. InputError if it is no triplet."""
        a, *others = (
            Target(root / line.image, line.category, line.scores, line.boxes, line.landmarks)
            for line in self.dst
        )
        source = SourceImage(root / self.src.image, self.src.boxes, self.src.landmarks)
        b = others[0] if others else None
        return Triplet(source, a, b, self.domain or domain, self.identity, self.instruction)


def read_triplets(path: Path, *, domain: Domain = "human") -> tuple[Triplet, ...]:
    """The triplets in a file, whose pictures are all there. domain: of lines that name none.

    InputError that names the line, the key and the value, or the first picture that is missing.
    """
    numbered = read_numbered_triplets(path, domain=domain)
    check_files(path, ((number, image) for number, triplet in numbered for image in triplet.images))
    return tuple(triplet for _, triplet in numbered)


def read_numbered_triplets(
    path: Path, *, root: Path | None = None, domain: Domain = "human"
) -> list[tuple[int, Triplet]]:
    """As `read_triplets`, each with the number of its line, whether its pictures exist or not.

    root: what their paths are relative to; the file's folder if None.
    """
    folder = path.parent if root is None else root
    numbered = read_numbered(path, lambda text: validated(TripletLine, text).triplet(folder, domain))
    num_targets = len(numbered[0][1].targets)
    for number, triplet in numbered:
        if len(triplet.targets) != num_targets:
            raise InputError(
                f"{str(path)!r}, line {number}: here are {len(triplet.targets)} targets, before "
                f"{num_targets}: keep triplets with instructions in a file of their own"
            )
    return numbered


def triplets_bytes(triplets: Sequence[Triplet], root: Path) -> bytes:
    """The file of these triplets, paths relative to `root`. InputError for a name that is not UTF-8."""
    return "".join(f"{TripletLine.of(triplet, root).model_dump_json()}\n" for triplet in triplets).encode()


def check_files(path: Path, numbered: Iterable[tuple[int, Path]]) -> None:
    """InputError unless all pictures exist: how many do not, and the first of them with its line."""
    lines: dict[Path, int] = {}
    for number, image in numbered:
        lines.setdefault(image, number)
    missing = [image for image in lines if not os.path.isfile(image)]  # False for a name that cannot be
    if missing:
        raise InputError(
            f"{len(missing)} of the {len(lines)} pictures named in {str(path)!r} are missing, the first is "
            f"{str(missing[0])!r} (line {lines[missing[0]]}): check the paths, or give the folder that they "
            "are relative to"
        )


def relative_path(image: Path, root: Path) -> str:
    """`image` as a line names it: relative to `root` if it lies below, else absolute.

    InputError for a name that has no form in JSON.
    """
    image, root = image.absolute(), root.absolute()
    name = (image.relative_to(root) if image.is_relative_to(root) else image).as_posix()
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"the name of {str(image)!r} is not UTF-8: rename the picture") from error
    return name
