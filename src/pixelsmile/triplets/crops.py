"""The square of a picture that is trained on: around the face, as the reference cuts it.

The picture is scaled until its shorter side has the working size, and a square is cut out of it whose middle
is that of the face's box, as far as the picture reaches (`resize_with_crop` of the reference, whose two
branches for the top are one: the middle). Without a box it is the middle of the picture. A square picture is
only scaled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image, UnidentifiedImageError

from pixelsmile.errors import ImageError
from pixelsmile.faces.face import Box
from pixelsmile.triplets.triplet import SourceImage, Target, Triplet

Place = SourceImage | Target  # a picture, and where its face is said to be

_MAX_ASPECT = 16  # a longer strip would be huge at the working size, and shows no portrait
_WHOLE = 0.9  # of a face's box: what is missing of one that is cut at the border is hair and chin
_SHIFT = 1 / 32  # of the square's side: a token of 16 pixels of 512
_ANY_PX = 512  # shares and shifts are the same at every size


@dataclass(frozen=True)
class TrainingCrop:
    """A square of `side` pixels at (left, top) of the picture scaled to `scaled` (width, height)."""

    size: tuple[int, int]
    scaled: tuple[int, int]
    left: int
    top: int
    side: int

    @classmethod
    def around(cls, size: tuple[int, int], side: int, box: Box | None) -> Self:
        """The square of a picture of `size` (width, height), around `box` in its pixels (None: the middle).

        ImageError for a strip.
        """
        short, long = min(size), max(size)
        if long > _MAX_ASPECT * short:
            raise ImageError(
                f"a strip of {size[0]} x {size[1]} pixels is no portrait: cut the face out of it"
            )
        width, height = (side if length == short else length * side // short for length in size)
        x, y = (width / 2, height / 2)
        if box is not None:
            x, y = ((a + b) / 2 * side / short for a, b in ((box[0], box[2]), (box[1], box[3])))
        left, top = (
            int(max(0.0, min(middle - side / 2, length - side)))
            for middle, length in ((x, width), (y, height))
        )
        return cls(size, (width, height), left, top, side)

    def picture(self, image: Image.Image) -> Image.Image:
        """The square of a picture of that size."""
        scaled = image if image.size == self.scaled else image.resize(self.scaled, Image.Resampling.LANCZOS)
        corners = (self.left, self.top, self.left + self.side, self.top + self.side)
        return scaled if scaled.size == (self.side, self.side) else scaled.crop(corners)

    def points(self, points_N2: np.ndarray) -> np.ndarray:
        """Points (N, 2) of the whole picture in pixels of the square."""
        factors_2 = np.divide(self.scaled, self.size)  # not quite the same: both sides are whole pixels
        return np.asarray(points_N2, np.float64) * factors_2 - (self.left, self.top)

    def share_of(self, box: Box) -> float:
        """How much of a box's area, in pixels of the picture, lies in the square: 0..1."""
        corners_22 = self.points(np.reshape(box, (2, 2)))
        inside_2 = np.diff(np.clip(corners_22, 0, self.side), axis=0)
        return float(np.prod(inside_2) / np.prod(np.diff(corners_22, axis=0)))


def places_of(triplet: Triplet) -> tuple[Place, ...]:
    """The source and the targets."""
    return triplet.source, *triplet.targets


def face_box(place: Place) -> Box | None:
    """Where the face is said to be: its box, or else what its landmarks span; None: nothing is said."""
    if place.face_box is not None or place.landmarks_5 is None:
        return place.face_box
    points_52 = np.array(place.landmarks_5)
    (x0, y0), (x1, y1) = points_52.min(axis=0).tolist(), points_52.max(axis=0).tolist()
    return x0, y0, x1, y1


def is_square(path: Path) -> bool:
    """Whether it is trained on whole, by the header of its file; of what is no picture, opening it tells."""
    try:
        with Image.open(path) as image:
            return image.width == image.height
    except UnidentifiedImageError:
        return False


def needs_a_detector(triplets: Sequence[Triplet]) -> bool:
    """Whether a picture is to be cut and nothing is said of its face. Opens where nothing is said."""
    placeless = {
        place.image for triplet in triplets for place in places_of(triplet) if face_box(place) is None
    }
    return not all(map(is_square, sorted(placeless)))


def crop_remarks(triplets: Sequence[Triplet], sizes: Mapping[Path, tuple[int, int]]) -> list[str]:
    """What training would lose of faces, in lines for people. sizes: of the pictures, (width, height)."""
    cut: dict[Path, float] = {}
    placeless: set[Path] = set()
    shifts: list[float] = []
    for triplet in triplets:
        places = places_of(triplet)
        if any(place.image not in sizes for place in places):
            continue  # damaged: that is said by itself
        for place in places:
            size, box = sizes[place.image], face_box(place)
            if box is None and size[0] != size[1]:
                placeless.add(place.image)
            elif box is not None and (share := _crop(place, sizes).share_of(box)) < _WHOLE:
                cut[place.image] = share
        shifts += [_shift(triplet.source, target, sizes) for target in triplet.targets]
    return [*_cut_remark(cut), *_placeless_remark(placeless), *_shift_remark(shifts)]


def _crop(place: Place, sizes: Mapping[Path, tuple[int, int]]) -> TrainingCrop:
    return TrainingCrop.around(sizes[place.image], _ANY_PX, face_box(place))


def _shift(source: SourceImage, target: Target, sizes: Mapping[Path, tuple[int, int]]) -> float:
    """Between the squares of an edit and its source of the same size, in shares of the side; else 0."""
    if sizes[source.image] != sizes[target.image]:
        return 0.0
    a, b = _crop(source, sizes), _crop(target, sizes)
    return max(abs(a.left - b.left), abs(a.top - b.top)) / _ANY_PX


def _cut_remark(cut: Mapping[Path, float]) -> list[str]:
    if not cut:
        return []
    worst = min(cut, key=lambda image: cut[image])
    return [
        f"{_counted(len(cut), 'face does', 'faces do')} not fit into the square that is trained on, "
        f"the worst in {str(worst)!r} ({cut[worst]:.0%} of its box): take wider pictures, or leave them out"
    ]


def _placeless_remark(placeless: set[Path]) -> list[str]:
    if not placeless:
        return []
    return [
        f"{_counted(len(placeless), 'picture is', 'pictures are')} not square, without boxes, "
        f"one is {str(min(placeless))!r}: pixelsmile train looks for their faces with data.detector"
    ]


def _shift_remark(shifts: Sequence[float]) -> list[str]:
    far = [shift for shift in shifts if shift > _SHIFT]
    if not far:
        return []
    return [
        f"{_counted(len(far), 'target is', 'targets are')} cut elsewhere than the source, "
        f"by up to {max(far):.0%} of the square: if they are edits of them, give both the same box"
    ]


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
