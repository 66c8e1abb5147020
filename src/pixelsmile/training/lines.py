"""JSON lines that name pictures and what they show: the fields, and how their pictures are found."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_serializer
from pydantic_core.core_schema import SerializerFunctionWrapHandler

from pixelsmile.errors import InputError
from pixelsmile.expressions import NEUTRAL, parse_expression
from pixelsmile.faces.face import Box
from pixelsmile.limits import shown


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
