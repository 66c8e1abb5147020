"""The square around a face that an editor works on: cut out of a picture of any size, and its place in it.

A face that lies on its side or stands on its head is cut out upright: editors draw such faces the other way
round. One that leans a little is not: they can do that, and turning it costs sharpness.
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pixelsmile.errors import FaceError, InputError
from pixelsmile.faces.alignment import roll_of
from pixelsmile.faces.face import Box, Face
from pixelsmile.images import MAX_PIXELS, MIN_SIDE_PX

MAX_LEAN_DEG = 20.0  # a face that leans less is left as it is
_FACE_ASPECT = 1.3  # height over width of the boxes that detectors draw
_RESAMPLING_PX = 3
_AFFINE = Image.Transform.AFFINE
DEFAULT_CONTEXT = 1.8  # side of the square over the face's longer side: a portrait with hair and chin


@dataclass(frozen=True)
class FaceCrop:
    """A square of a picture. left, top may be negative and the square larger than the picture.

    turn: radians by which it is turned about its middle, clockwise; left and top are where it would lie
    without.
    """

    left: int
    top: int
    side: int
    size: tuple[int, int]  # of the picture: width, height
    turn: float = 0.0

    @property
    def window(self) -> "FaceCrop":
        """The upright square about the same middle that holds this one, and what resampling looks at."""
        if not self.turn:
            return self
        reach = abs(math.cos(self.turn)) + abs(math.sin(self.turn))
        margin = math.ceil(self.side * (reach - 1) / 2) + _RESAMPLING_PX
        return FaceCrop(self.left - margin, self.top - margin, self.side + 2 * margin, self.size)

    @property
    def inside(self) -> tuple[int, int, int, int]:
        """The part of the picture that it covers, unless it is turned: x0, y0, x1, y1."""
        width, height = self.size
        right, bottom = min(self.left + self.side, width), min(self.top + self.side, height)
        return max(self.left, 0), max(self.top, 0), right, bottom

    def cut(self, image: Image.Image) -> Image.Image:
        """The square, `side` x `side`; what lies outside of the picture repeats its edge."""
        if self.turn:
            seen = self.window.cut(image)
            return seen.transform((self.side,) * 2, _AFFINE, self._from_window(), Image.Resampling.BICUBIC)
        x0, y0, x1, y1 = self.inside
        pixels = np.asarray(image.crop((x0, y0, x1, y1)))
        after = (self.top + self.side - y1, self.left + self.side - x1)
        margins = ((y0 - self.top, after[0]), (x0 - self.left, after[1]), (0, 0))
        return Image.fromarray(np.pad(pixels, margins, mode="edge"))

    def laid_back(self, map_HW: np.ndarray, resampling: Image.Resampling) -> np.ndarray:
        """A map of the turned square, float32, in the pixels of its window; 0 outside of the square."""
        (a, b, x), (d, e, y) = np.reshape(self._from_window(), (2, 3))
        shift = -np.array([a * x + d * y, b * x + e * y])  # what undoes a turn is its transpose
        back = (a, d, shift[0], b, e, shift[1])
        picture = Image.fromarray(np.ascontiguousarray(map_HW, np.float32))
        return np.asarray(picture.transform((self.window.side,) * 2, _AFFINE, back, resampling))

    def in_picture(self) -> np.ndarray:
        """Which pixels of the square are in the picture, float32 (side, side): 0 or 1."""
        x0, y0, x1, y1 = self.inside
        covered = np.zeros((self.side, self.side), np.float32)
        if not self.turn:
            covered[y0 - self.top : y1 - self.top, x0 - self.left : x1 - self.left] = 1
            return covered
        window = self.window
        seen = Image.fromarray(window.in_picture())
        nearest = Image.Resampling.NEAREST
        return np.asarray(seen.transform((self.side,) * 2, _AFFINE, self._from_window(), nearest))

    def _from_window(self) -> tuple[float, ...]:
        """The six numbers that take a place in the square to its place in the window, for Pillow."""
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        half, middle = self.side / 2, self.window.side / 2
        return (
            *(cos, -sin, middle - half * (cos - sin)),
            *(sin, cos, middle - half * (sin + cos)),
        )

    def face(self, face: Face) -> Face:
        """The same face in the coordinates of the square."""
        if self.turn:
            return self._turned_face(face)
        offset = np.array([self.left, self.top], dtype=np.float64)
        x0, y0, x1, y1 = face.box
        box: Box = (x0 - self.left, y0 - self.top, x1 - self.left, y1 - self.top)
        landmarks = None if face.landmarks_5 is None else face.landmarks_5 - offset
        return Face(box, landmarks, face.score, face.source)

    def _turned_face(self, face: Face) -> Face:
        cos, sin, half = math.cos(self.turn), math.sin(self.turn), self.side / 2
        turned_22 = np.array([[cos, -sin], [sin, cos]])  # of rows: clockwise by -turn
        middle = np.array([self.left + half, self.top + half])
        x, y = (np.array([face.box[0] + face.box[2], face.box[1] + face.box[3]]) / 2 - middle) @ turned_22
        width, height = _upright_sides(face)
        box: Box = (half + x - width / 2, half + y - height / 2, half + x + width / 2, half + y + height / 2)
        landmarks = None if face.landmarks_5 is None else (face.landmarks_5 - middle) @ turned_22 + half
        return Face(box, landmarks, face.score, face.source)


def turn_of(face: Face) -> float:
    """By how much its crop is turned, in radians, clockwise: 0 where it leans little or has no landmarks."""
    if face.landmarks_5 is None:
        return 0.0
    try:
        roll = roll_of(face.landmarks_5)
    except InputError:  # points on one spot
        return 0.0
    return roll if abs(math.degrees(roll)) > MAX_LEAN_DEG else 0.0


def _upright_sides(face: Face) -> tuple[float, float]:
    """Width and height of a face that is turned, once it is upright, from the box around it as it lies.

    The box of an ellipse has the same diagonal however it is turned; how long faces are is known.
    """
    width = math.hypot(face.width, face.height) / math.hypot(1, _FACE_ASPECT)
    return width, width * _FACE_ASPECT


def crop_around(face: Face, size: tuple[int, int], context: float = DEFAULT_CONTEXT) -> FaceCrop:
    """The square around a face in a picture of `size` (width, height).

    context: side of the square over the longer side of the face box. The square is moved, not shrunk, to lie
    in the picture where it fits.
    """
    width, height = size
    turn = turn_of(face)
    longer = max(_upright_sides(face)) if turn else max(face.width, face.height)
    side = max(1, round(context * longer))
    x, y = (face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2
    return FaceCrop(_place(x, side, width), _place(y, side, height), side, size, turn)


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
