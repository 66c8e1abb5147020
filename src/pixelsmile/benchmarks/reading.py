"""What every reader of a benchmark does: rows in, tasks out, all problems in one error."""

import math
import os
import re
from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import TypeVar

from pixelsmile.benchmarks.tasks import Box
from pixelsmile.errors import InputError
from pixelsmile.images import MAX_PIXELS
from pixelsmile.limits import shown

MAX_PATH = 4096  # letters of a path in a row
BOX_SLACK = 0.1  # of a box's side may stick out of the picture, as detectors' boxes do: that much is cut off

R = TypeVar("R")
S = TypeVar("S")


def all_or_error(
    labelled: Iterable[tuple[str, R]], make: Callable[[R], S], what: str, advice: str
) -> tuple[S, ...]:
    """`make` of every item; where it raises InputErrors, one that counts them all and tells the first."""
    made, problems = [], []
    for label, item in labelled:
        try:
            made.append(make(item))
        except InputError as error:
            problems.append(f"{label}: {error}")
    if problems:
        counted = f"{len(problems)} of {len(made) + len(problems)} {what} cannot be used"
        others = ", and others" if len(problems) > 1 else ""
        raise InputError(f"{counted} ({problems[0]}{others}): {advice}")
    return tuple(made)


def source_name(path: PurePath) -> str:
    """A name for the source in that file: `human/0001.png` is `human-0001`; an absolute path's last part."""
    parts = path.parts[-1:] if path.is_absolute() else [part for part in path.parts if part != ".."]
    name, _ = os.path.splitext("-".join(parts))
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[-100:].lstrip(".-")


def parse_box(value: object) -> Box | None:
    """The face box in a row: x0, y0, x1, y1, or a list of one such; None for none. InputError otherwise."""
    if value is None:
        return None
    if isinstance(value, list) and value and isinstance(value[0], list):
        if len(value) > 1:
            raise InputError(f"{len(value)} face boxes, where one is needed")
        value = value[0]
    if not isinstance(value, list) or len(value) != 4:
        raise InputError(f"face box {shown(value)} is not x0, y0, x1, y1")
    if not all(isinstance(x, int | float) and abs(x) < MAX_PIXELS for x in value):  # a float holds them
        raise InputError(f"face box {shown(value)} holds something else than pixels")
    x0, y0, x1, y1 = map(float, value)
    return x0, y0, x1, y1


def box_within(box: Box, size: tuple[int, int]) -> Box:
    """The box cut to a picture of that size; InputError for one that lies mostly outside it, or is none."""
    x0, y0, x1, y1 = box
    width, height = size
    cut = max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))
    slack_x, slack_y = BOX_SLACK * (x1 - x0), BOX_SLACK * (y1 - y0)
    fits_x = x1 - x0 >= 1 and max(cut[0] - x0, x1 - cut[2]) <= slack_x
    fits_y = y1 - y0 >= 1 and max(cut[1] - y0, y1 - cut[3]) <= slack_y
    if not (all(map(math.isfinite, box)) and fits_x and fits_y):
        raise InputError(
            f"face box {list(box)} is not in its picture of {width} x {height}: give x0, y0, x1, y1 in pixels"
        )
    return cut
