"""Review: a page on which a person keeps or drops pictures, and the step that does what they have decided.

The page is one file with everything in it. Decisions stay in the browser until they are saved as JSON lines,
`{"id": "...", "keep": false}`; files of several pages or people may be put one after the other, and the last
line about a picture counts.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import islice
from pathlib import Path

from PIL import Image
from pydantic import JsonValue

from pixelsmile.dataset.batches import Decide
from pixelsmile.dataset.folder import kept_picture
from pixelsmile.dataset.rows import ID_DIGITS, Row
from pixelsmile.errors import InputError
from pixelsmile.faces.face import Box
from pixelsmile.images import load_image
from pixelsmile.limits import path_within, validated
from pixelsmile.results.page import data_uri, page_environment, page_of
from pixelsmile.store.json_lines import Record, read_numbered

_SIDE_PX = 176
_AROUND = 2.0  # of an edit: side of what is shown over that of its face

logger = logging.getLogger(__name__)


class Decision(Record):
    """What a person has said of a row."""

    id: str
    keep: bool


@dataclass(frozen=True)
class Reviewed:
    """The step's function: of all rows, what becomes of each. Whom nobody has decided about stays."""

    path: Path

    def __call__(self, rows: Iterable[Row]) -> Decide:
        decisions = read_decisions(self.path)
        known = set(decisions) & {row.id for row in rows}
        if not known:
            raise InputError(f"{str(self.path)!r} decides about no picture of this data set: check the file")
        if len(known) < len(decisions):
            others = len(decisions) - len(known)
            logger.warning("%s: %d of its pictures did not come to the review: left out", self.path, others)

        def decide(number: int, row: Row) -> Row:
            return row if decisions.get(row.id, True) else row.rejected("review", "dropped by a person")

        return decide


def read_decisions(path: Path) -> dict[str, bool]:
    """Whether each row is kept, by its id. InputError for what is no file of decisions."""
    lines = read_numbered(path, lambda line: validated(Decision, line), needed="decision")
    for number, decision in lines:
        if len(decision.id) != ID_DIGITS:
            raise InputError(f"{str(path)!r}, line {number}: {decision.id!r} is no id of a row")
    return {decision.id: decision.keep for _, decision in lines}


def review_page(folder: Path, rows: Iterable[Row], *, start: int, num: int) -> tuple[str, int]:
    """The page of `num` rows from number `start` on, and how many there are on it.

    InputError where there are none; ImageError where a picture is not there any more.
    """
    shown = [_shown(folder, *one) for one in islice(_with_faces(rows), start, start + num)]
    if not shown:
        raise InputError(f"no pictures from number {start:,} on: give a smaller --start, or build on")
    title = f"Keep or drop: pictures {start + 1:,} to {start + len(shown):,}"
    return filled_page("review", title, shown), len(shown)


def filled_page(name: str, title: str, rows: Sequence[Mapping[str, str | bool]], **data: JsonValue) -> str:
    """The page of the template and the script `name`. rows: each has an `id`."""
    given: dict[str, JsonValue] = {
        "set": _name([str(row["id"]) for row in rows]),
        "rows": [dict(row) for row in rows],
        **data,
    }
    template = page_environment().from_string(_text(f"{name}.html"))
    return page_of(template, title, given, _text(f"{name}.js"))


def _with_faces(rows: Iterable[Row]) -> Iterator[tuple[Row, Box | None]]:
    """Each row with the box of its face; of an edit with that of its base, which stands before it."""
    base: Row | None = None
    for row in rows:
        base = row if row.base is None else base
        of = base if base is not None and base.id == row.group else row
        yield row, of.face_box


def _around(image: Image.Image, face: Box | None) -> Image.Image:
    """The part of a picture that shows what an edit has changed: the face, and as much again about it."""
    if face is None:
        return image
    x0, y0, x1, y1 = face
    reach = _AROUND * max(x1 - x0, y1 - y0) / 2
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return image.crop(
        (
            max(0, round(x - reach)),
            max(0, round(y - reach)),
            min(image.width, round(x + reach)),
            min(image.height, round(y + reach)),
        )
    )


def _shown(folder: Path, row: Row, face: Box | None) -> dict[str, str | bool]:
    """A picture; of an edit the faces of its base and itself, side by side, and what was asked for."""
    image = kept_picture(folder, row)
    if row.base_picture is not None:
        asked = f"{row.expression} {row.strength or 0:g}: {row.prompt or ''}"
        base = load_image(path_within(folder, row.base_picture))
        pair = (_around(base, face), _around(image, face)) if base.size == image.size else (base, image)
        uri = data_uri(_side_by_side(*pair), 2 * _SIDE_PX)
        return {"id": row.id, "key": row.key, "words": asked, "uri": uri, "pair": True}
    parts = [f"{row.width_px} x {row.height_px} px"]
    if row.face_px is not None:
        parts.append(f"face {row.face_px:.0f} px")
    if row.sharpness is not None:
        parts.append(f"sharpness {row.sharpness:.0f}")
    if row.yaw is not None:
        parts.append(f"yaw {row.yaw:.0f}°")
    return {
        "id": row.id,
        "key": row.key,
        "words": ", ".join(parts),
        "uri": data_uri(image, _SIDE_PX),
        "pair": False,
    }


def _side_by_side(*images: Image.Image) -> Image.Image:
    """No larger than on the page."""
    strip = Image.new("RGB", (_SIDE_PX * len(images), _SIDE_PX), "white")
    right = bottom = 0
    for image in images:
        small = image.copy()
        small.thumbnail((_SIDE_PX, _SIDE_PX), Image.Resampling.LANCZOS)
        strip.paste(small, (right, 0))
        right, bottom = right + small.width, max(bottom, small.height)
    return strip.crop((0, 0, right, bottom))


def _name(ids: Sequence[str]) -> str:
    """Of the pictures of a page: under it the browser keeps the decisions."""
    return hashlib.sha256(" ".join(ids).encode()).hexdigest()[:ID_DIGITS]


def _text(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")
