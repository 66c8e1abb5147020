"""JSON lines that name pictures and what they show: the fields, and how their pictures are found."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_serializer
from pydantic_core.core_schema import SerializerFunctionWrapHandler

from pixelsmile.errors import InputError
from pixelsmile.expressions import NEUTRAL, Domain, parse_expression
from pixelsmile.faces.face import Box
from pixelsmile.limits import shown, validated
from pixelsmile.store.json_lines import read_numbered
from pixelsmile.store.publication import write_file
from pixelsmile.triplets.triplet import SourceImage, Target, Triplet


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

Category = Annotated[str, AfterValidator(_known)]  # any name of an expression, or of neutral
Scores = Annotated[dict[str, _Score], AfterValidator(_by_expression)]
FaceBox = Annotated[tuple[_Finite, _Finite, _Finite, _Finite], AfterValidator(_with_area)]
FaceLandmarks = tuple[_Point, _Point, _Point, _Point, _Point]


class PictureLine(Line):
    """A picture, and where its face is, in its pixels."""

    image: str = Field(min_length=1)
    boxes: FaceBox | None = None  # one box: the reference's name for it
    landmarks: FaceLandmarks | None = None


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


# Triplets as JSON lines, in the reference's format: one triplet a line, paths relative to a folder.
#
# {"src": {"image": "s.png", "boxes": [80, 60, 300, 310]},
#  "dst": [{"image": "a.png", "category": "fear", "scores": {"fear": 0.8, "surprised": 0.4}},
#          {"image": "b.png", "category": "surprised", "scores": {"surprised": 0.9}}]}      (in one line)
#
# Boxes may be left out. What only we write, the reference does not look at: "landmarks" beside "boxes", and
# "domain" and "identity" beside "src".


class TargetLine(PictureLine):
    """A target. Expressions may go by any of their names, the judge's labels too."""

    category: Category
    scores: Scores


class TripletLine(Line):
    """One line."""

    src: PictureLine
    dst: tuple[TargetLine, TargetLine]
    identity: str | None = None
    domain: Domain | None = None

    @classmethod
    def of(cls, triplet: Triplet, root: Path) -> Self:
        """The line of a triplet; pictures below `root` are named relative to it."""
        a, b = (
            TargetLine(
                image=relative_path(target.image, root),
                category=target.expression,
                scores=dict(target.scores),
                boxes=target.face_box,
                landmarks=target.landmarks_5,
            )
            for target in (triplet.a, triplet.b)
        )
        source = PictureLine(
            image=relative_path(triplet.source.image, root),
            boxes=triplet.source.face_box,
            landmarks=triplet.source.landmarks_5,
        )
        return cls(src=source, dst=(a, b), identity=triplet.identity, domain=triplet.domain)

    def triplet(self, root: Path, domain: Domain) -> Triplet:
        """The triplet of this line; `domain` where the line names none. InputError if it is no triplet."""
        a, b = (
            Target(root / line.image, line.category, line.scores, line.boxes, line.landmarks)
            for line in self.dst
        )
        source = SourceImage(root / self.src.image, self.src.boxes, self.src.landmarks)
        return Triplet(source, a, b, self.domain or domain, self.identity)


def read_triplets(
    path: Path, *, root: Path | None = None, domain: Domain = "human", need_files: bool = True
) -> tuple[Triplet, ...]:
    """The triplets in the file.

    root: what their paths are relative to; the file's folder if None. domain: of lines that name none.
    need_files: refuse pictures that do not exist. InputError that names the line, the key and the value.
    """
    numbered = read_numbered_triplets(path, root=root, domain=domain)
    if need_files:
        check_files(path, ((number, image) for number, triplet in numbered for image in triplet.images))
    return tuple(triplet for _, triplet in numbered)


def read_numbered_triplets(
    path: Path, *, root: Path | None = None, domain: Domain = "human"
) -> list[tuple[int, Triplet]]:
    """As `read_triplets`, each with the number of its line, whether its pictures exist or not."""
    folder = path.parent if root is None else root
    return read_numbered(path, lambda text: validated(TripletLine, text).triplet(folder, domain))


def write_triplets(
    path: Path, triplets: Sequence[Triplet], *, root: Path | None = None, force: bool = False
) -> None:
    """Write the file in one step. root: as in `read_triplets`; pictures elsewhere get absolute paths.

    InputError for no triplets, or a name that is not UTF-8; OutputError where `path` exists (unless `force`)
    or cannot be written.
    """
    if not triplets:
        raise InputError(f"no triplets to write to {str(path)!r}: give at least one")
    write_file(path, triplets_bytes(triplets, path.parent if root is None else root), force=force)


def triplets_bytes(triplets: Sequence[Triplet], root: Path) -> bytes:
    """The file of these triplets, paths relative to `root`. InputError for a name that is not UTF-8."""
    return "".join(f"{TripletLine.of(triplet, root).model_dump_json()}\n" for triplet in triplets).encode()
