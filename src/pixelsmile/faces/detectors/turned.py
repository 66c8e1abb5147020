"""Faces that lie on their side or stand on their head, which detectors miss: they are sought once more."""

from collections.abc import Mapping

import numpy as np
from PIL import Image

from pixelsmile.faces.alignment import landmarks_of_box
from pixelsmile.faces.face import Detector, Face

SURE = 0.6  # below it the cascade sees faces in cats, too, and in photographs that lie on their side
_FIND_THEM = ("mesh", "embedded")  # any angle; portraits that are drawn upright
_TURNS = {  # degrees, clockwise, by which a picture lies: what puts it upright
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_270,
}


def any_way_up(detector: Detector) -> "AnyWayUp":
    """That detector, made to find turned faces too, where it does not by itself."""
    return AnyWayUp(detector, turns={} if detector.name in _FIND_THEM else _TURNS)


class AnyWayUp:
    """A detector that, where it is SURE of no face, looks at the picture turned by 90, 180 and 270 degrees.

    Where it is sure there, those are the faces, and they have landmarks, which tell which way up they are:
    for a detector that has none, those of an upright face in the box.
    """

    def __init__(self, detector: Detector, turns: Mapping[int, Image.Transpose] = _TURNS) -> None:
        self._detector = detector
        self._turns = turns

    @property
    def name(self) -> str:
        return self._detector.name

    def detect(self, image: Image.Image) -> list[Face]:
        """All faces of a picture, the surest first."""
        return self.look(image)[0]

    def look(self, image: Image.Image) -> tuple[list[Face], int]:
        """The faces, and by how many degrees, clockwise, the picture seems to lie: 0, 90, 180 or 270."""
        upright = self._detector.detect(image)
        if _surest(upright) >= SURE or not self._turns:
            return upright, 0
        found = {turn: self._detector.detect(image.transpose(how)) for turn, how in self._turns.items()}
        turn = max(found, key=lambda turn: _surest(found[turn]))
        if _surest(found[turn]) < SURE:
            return upright, 0
        return [_laid_back(face, turn, image.size) for face in found[turn]], turn


def _surest(faces: list[Face]) -> float:
    return max((face.score for face in faces), default=0.0)


def _laid_back(face: Face, turn: int, size: tuple[int, int]) -> Face:
    """A face of the turned picture in the picture of `size` (width, height) as it lies."""
    marks_52 = landmarks_of_box(face.box) if face.landmarks_5 is None else face.landmarks_5
    corners = _points_back(np.reshape(face.box, (2, 2)), turn, size)
    (x0, y0), (x1, y1) = corners.min(0), corners.max(0)
    return Face((x0, y0, x1, y1), _points_back(marks_52, turn, size), face.score, face.source)


def _points_back(points_N2: np.ndarray, turn: int, size: tuple[int, int]) -> np.ndarray:
    (x, y), (width, height) = points_N2.T, size
    match turn:
        case 90:
            back = width - y, x
        case 180:
            back = width - x, height - y
        case _:
            back = y, height - x
    return np.stack(back, axis=1)
