"""The square around a face that an editor works on: cut out of a picture of any size, and its place in it."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pixelsmile.errors import FaceError
from pixelsmile.faces.face import Box, Face
from pixelsmile.images import MAX_PIXELS, MIN_SIDE_PX

DEFAULT_CONTEXT = 1.8  # side of the square over the face's longer side: a portrait with hair and chin


@dataclass(frozen=True)
class FaceCrop:
    """A square of a picture. left, top may be negative and the square larger than the picture."""

    left: int
    top: int
    side: int
    size: tuple[int, int]  # of the picture: width, height

    @property
    def inside(self) -> tuple[int, int, int, int]:
        """The part of the picture that it covers: x0, y0, x1, y1."""
        width, height = self.size
        right, bottom = min(self.left + self.side, width), min(self.top + self.side, height)
        return max(self.left, 0), max(self.top, 0), right, bottom

    def cut(self, image: Image.Image) -> Image.Image:
        """The square, `side` x `side`; what lies outside of the picture repeats its edge."""
        x0, y0, x1, y1 = self.inside
        pixels = np.asarray(image.crop((x0, y0, x1, y1)))
        after = (self.top + self.side - y1, self.left + self.side - x1)
        margins = ((y0 - self.top, after[0]), (x0 - self.left, after[1]), (0, 0))
        return Image.fromarray(np.pad(pixels, margins, mode="edge"))

    def face(self, face: Face) -> Face:
        """The same face in the coordinates of the square."""
        offset = np.array([self.left, self.top], dtype=np.float64)
        x0, y0, x1, y1 = face.box
        box: Box = (x0 - self.left, y0 - self.top, x1 - self.left, y1 - self.top)
        landmarks = None if face.landmarks_5 is None else face.landmarks_5 - offset
        return Face(box, landmarks, face.score, face.source)


def crop_around(face: Face, size: tuple[int, int], context: float = DEFAULT_CONTEXT) -> FaceCrop:
    """The square around a face in a picture of `size` (width, height).

    context: side of the square over the longer side of the face box. The square is moved, not shrunk, to lie
    in the picture where it fits.
    """
    width, height = size
    side = max(1, round(context * max(face.width, face.height)))
    x, y = (face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2
    return FaceCrop(_place(x, side, width), _place(y, side, height), side, size)


def crop_to_edit(face: Face, size: tuple[int, int], context: float = DEFAULT_CONTEXT) -> FaceCrop:
    """`crop_around` for an editor. FaceError where the square is smaller or larger than a picture may be."""
    crop, longest = crop_around(face, size, context), math.isqrt(MAX_PIXELS)
    if not MIN_SIDE_PX <= crop.side <= longest:
        raise FaceError(
            f"the square around the face has {crop.side} px a side (the face {face.width:.0f} x "
            f"{face.height:.0f} px, context {context:g}), it must have {MIN_SIDE_PX} to {longest}: use "
            "another context, or scale the picture first"
        )
    return crop


def _place(middle: float, side: int, length: int) -> int:
    start = round(middle - side / 2)
    return min(max(start, min(0, length - side)), max(0, length - side))
