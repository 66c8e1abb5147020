"""Which of the faces in a picture is meant: `largest`, `centre`, a number, a box, `all`; or `whole`: none."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pixelsmile.errors import FaceError
from pixelsmile.faces.crops import DEFAULT_CONTEXT
from pixelsmile.faces.face import Box, Face
from pixelsmile.images import MIN_SIDE_PX

MIN_FACE_PX = math.ceil(MIN_SIDE_PX / DEFAULT_CONTEXT)  # the square around it is a picture of that side
_FORMS = (
    "largest, centre, all, a number as `pixelsmile faces` counts them, x,y,width,height in pixels, or whole "
    "for the whole picture"
)
_MANUAL = "manual"


@dataclass(frozen=True)
class FaceChoice:
    """What a person asked for. number: from 1, as `numbered` counts. box: by hand, without a detector."""

    kind: Literal["only", "largest", "centre", "all", "number", "box", "whole"]
    number: int | None = None
    box: Box | None = None


ONLY = FaceChoice("only")  # nothing was asked for: right where there is one face


def parse_choice(text: str) -> FaceChoice:
    """FaceError where the text is none of the forms."""
    word = text.strip().lower()
    if word in ("largest", "centre", "center", "all", "whole"):
        return FaceChoice("centre" if word == "center" else word)  # type: ignore[arg-type]
    if re.fullmatch(r"[0-9]{1,6}", word):
        if int(word) < 1:
            raise FaceError(f"faces are counted from 1, not {text!r}: `pixelsmile faces PHOTO` lists them")
        return FaceChoice("number", number=int(word))
    parts = word.split(",")
    if len(parts) == 4:
        try:
            x, y, width, height = (float(part) for part in parts)
        except ValueError:
            x = math.nan
        if math.isfinite(x) and all(map(math.isfinite, (y, width, height))) and min(width, height) > 0:
            return FaceChoice("box", box=(x, y, x + width, y + height))
    raise FaceError(f"--face {text!r} is not understood: use {_FORMS}")


def numbered(faces: Sequence[Face]) -> list[Face]:
    """The faces as they are counted: from left to right."""
    return sorted(faces, key=lambda face: (face.box[0] + face.box[2], face.box[1]))


def face_records(faces: Sequence[Face], size: tuple[int, int]) -> list[dict[str, Any]]:
    """What is known of the faces of a picture of `size` (width, height), as they are counted, for JSON."""
    return [
        {
            "number": number,
            "box": face.box,  # corners: x0, y0, x1, y1
            "face": box_text(face, size),  # for --face: x,y,width,height
            "width": face.width,
            "height": face.height,
            "score": face.score,
            "landmarks_5": None if face.landmarks_5 is None else face.landmarks_5.tolist(),
        }
        for number, face in enumerate(numbered(faces), 1)
    ]


def box_text(face: Face, size: tuple[int, int]) -> str:
    """A box, cut to the picture of `size`, as `parse_choice` takes it."""
    x, y = round(max(face.box[0], 0)), round(max(face.box[1], 0))
    right, bottom = round(min(face.box[2], size[0])), round(min(face.box[3], size[1]))
    return f"{x},{y},{right - x},{bottom - y}"


def choose(choice: FaceChoice, faces: Sequence[Face], size: tuple[int, int]) -> list[Face]:
    """The chosen faces of a picture of `size` (width, height): at least one, but for `whole`.

    Without a choice there must be exactly one face: which one is meant is never guessed. FaceError.
    """
    if choice.kind == "whole":
        return []
    if choice.kind == "box":
        assert choice.box is not None
        return [manual_face(choice.box, size)]
    order = numbered(faces)
    if not order:
        raise FaceError(
            "no face was found in the picture: try another --detector, say where it is with "
            "--face x,y,width,height, or edit the whole picture with --face whole"
        )
    match choice.kind:
        case "all":
            chosen = order
        case "largest":
            chosen = [max(order, key=lambda face: face.width * face.height)]
        case "centre":
            chosen = [min(order, key=lambda face: _distance_to_centre(face, size))]
        case "number":
            chosen = [_by_number(order, choice.number or 0)]
        case _:
            chosen = _the_only(order)
    for face in chosen:
        _check_size(face)
    return chosen


def manual_face(box: Box, size: tuple[int, int]) -> Face:
    """A face where a person says there is one, cut to the picture. FaceError where that leaves nothing."""
    x0, y0, x1, y1 = max(box[0], 0.0), max(box[1], 0.0), min(box[2], size[0]), min(box[3], size[1])
    if x1 - x0 < MIN_FACE_PX or y1 - y0 < MIN_FACE_PX:
        given = f"{box[0]:g},{box[1]:g},{box[2] - box[0]:g},{box[3] - box[1]:g}"
        raise FaceError(
            f"the face box {given} covers less than {MIN_FACE_PX} x {MIN_FACE_PX} px of the picture "
            f"({size[0]} x {size[1]} px): give x,y,width,height inside it"
        )
    return Face((x0, y0, x1, y1), None, 1.0, _MANUAL)


def _the_only(order: list[Face]) -> list[Face]:
    if len(order) == 1:
        return order
    shown = "; ".join(
        f"{number}: {face.width:.0f} x {face.height:.0f} px at {face.box[0]:.0f},{face.box[1]:.0f}"
        for number, face in enumerate(order[:6], 1)
    )
    more = f"; and {len(order) - 6} more" if len(order) > 6 else ""
    raise FaceError(
        f"{len(order)} faces in the picture ({shown}{more}): choose with --face largest, centre, all "
        "or a number, or edit the whole picture with --face whole"
    )


def _by_number(order: list[Face], number: int) -> Face:
    if number > len(order):
        count = f"{len(order)} face{'s' if len(order) > 1 else ''}"
        raise FaceError(
            f"there is no face {number}, the picture has {count}: `pixelsmile faces PHOTO` lists them"
        )
    return order[number - 1]


def _distance_to_centre(face: Face, size: tuple[int, int]) -> float:
    x, y = (face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2
    return math.hypot(x - size[0] / 2, y - size[1] / 2)


def _check_size(face: Face) -> None:
    if min(face.width, face.height) < MIN_FACE_PX:
        raise FaceError(
            f"the face is {face.width:.0f} x {face.height:.0f} px, too small to edit: use a picture in which "
            f"it has at least {MIN_FACE_PX} px"
        )
