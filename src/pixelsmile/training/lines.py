"""Text files of one JSON object a line that name pictures and what they show: how they are read and written.

Written for files from elsewhere: every line is looked at before anything is refused, and the refusal names
the line, the key, the value and what to do.
"""

import difflib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_serializer
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_core.core_schema import SerializerFunctionWrapHandler

from pixelsmile.errors import InputError
from pixelsmile.expressions import NEUTRAL, parse_expression
from pixelsmile.faces.face import Box

MAX_LISTED = 3  # missing files that one error names
_MAX_SHOWN = 60  # characters of a wrong value
_NAMING: Literal["naming"] = "naming"  # the type of our own errors about names of expressions

T = TypeVar("T")


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
        raise PydanticCustomError(_NAMING, "{problem}", {"problem": str(error)}) from error


def _by_expression(scores: dict[str, float]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, score in scores.items():
        expression = _known(name)
        if expression == NEUTRAL:
            raise PydanticCustomError(_NAMING, "neutral has no score: take it out")
        if expression in found:
            problem = f"two scores for {expression}, one as {name!r}: take one out"
            raise PydanticCustomError(_NAMING, "{problem}", {"problem": problem})
        found[expression] = score
    return found


def _with_area(box: Box) -> Box:
    if not (box[0] < box[2] and box[1] < box[3]):
        raise PydanticCustomError("box", "a box is x1, y1, x2, y2 in pixels, with x1 < x2 and y1 < y2")
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


def read_numbered(path: Path, make: Callable[[str], T]) -> list[tuple[int, T]]:
    """What `make` makes of each line, with the line's number from 1; empty lines do not count.

    `make` raises ValidationError or InputError for a line that is none. InputError for a file that cannot be
    read or is empty, and for lines that are wrong: it tells the first, and how many there are.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {str(path)!r} ({error}): give a text file of JSON lines") from error
    made, problems = [], []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            if line.strip():
                made.append((number, make(line)))
        except ValidationError as error:
            problems.append((number, _problem(error.errors()[0])))
        except InputError as error:
            problems.append((number, str(error)))
    if problems:
        number, problem = problems[0]
        others = f"; {len(problems)} lines are wrong in all" if len(problems) > 1 else ""
        raise InputError(f"{str(path)!r}, line {number}: {problem}{others}")
    if not made:
        raise InputError(f"{str(path)!r} holds no line: it may not have been written to its end")
    return made


def check_files(path: Path, numbered: Iterable[tuple[int, Path]]) -> None:
    """InputError unless all pictures exist: how many do not, and the first of them with their lines."""
    lines: dict[Path, int] = {}
    for number, image in numbered:
        lines.setdefault(image, number)
    missing = [image for image in lines if not os.path.isfile(image)]  # False for a name that cannot be
    if missing:
        first = ", ".join(f"{str(image)!r} (line {lines[image]})" for image in missing[:MAX_LISTED])
        raise InputError(
            f"{len(missing)} of the {len(lines)} pictures named in {str(path)!r} are missing, among them "
            f"{first}: check the paths, or give the folder that they are relative to"
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


def _problem(error: ErrorDetails) -> str:
    """What is wrong at which key, seen value included."""
    *above, last = error["loc"] or ("the line",)
    where = ".".join(map(str, (*above, last)))
    if error["type"] == "missing":
        return f"{where} is missing: add it"
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(last), _KEYS, n=1)
        return f"unknown key {where}: " + (f"did you mean {near[0]!r}?" if near else "take it out")
    if error["type"] == _NAMING:  # says what was seen
        return f"{where}: {error['msg']}"
    seen = repr(error["input"])
    shown = seen if len(seen) <= _MAX_SHOWN else f"{seen[:_MAX_SHOWN]}..."
    return f"{where} is {shown}: {error['msg'][:1].lower()}{error['msg'][1:]}"


_KEYS = ("src", "dst", "image", "boxes", "landmarks", "category", "scores", "identity", "domain")
