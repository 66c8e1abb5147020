"""The networks of MediaPipe's face landmarker in ONNX Runtime, and the crops that they want to see.

Shapes: HWC a picture, uint8; BHWC what a network takes, float32.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pixelsmile.embedded import photo_path
from pixelsmile.errors import ModelError
from pixelsmile.faces.face import Face
from pixelsmile.faces.mesh.mesh import BLENDSHAPES, NUM_POINTS, SEEN_BY_BLENDSHAPES, FaceMesh

LANDMARKS_PX = 256
CONTEXT = 1.5  # side of the square that the landmark network sees, over the longer side of the face
MIN_PRESENCE = 0.5
_LOOKS = 2  # the second one sees the square around what the first one found


class Picture:
    """A picture in its own size and halved again and again, from which squares at any angle are cut."""

    def __init__(self, image: Image.Image) -> None:
        self.size = image.size
        self._levels = [image.convert("RGB")]

    def square(self, middle: tuple[float, float], side: float, angle: float, size_px: int) -> np.ndarray:
        """The square around `middle` turned clockwise by `angle` (radians), as (size_px, size_px, 3) uint8.

        side: in pixels of the picture. What lies outside is black.
        """
        level, shrunk = self._level(side / size_px)
        factor, cos, sin = side / size_px, np.cos(angle), np.sin(angle)
        a, b, d, e = factor * cos, -factor * sin, factor * sin, factor * cos
        half = size_px / 2
        x0, y0 = middle[0] - a * half - b * half, middle[1] - d * half - e * half
        matrix = tuple(float(value) / shrunk for value in (a, b, x0, d, e, y0))
        seen = level.transform((size_px, size_px), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
        return np.asarray(seen)

    def _level(self, factor: float) -> tuple[Image.Image, int]:
        """The smallest version with a pixel for each that is asked for, and how much smaller it is."""
        depth = max(0, int(np.floor(np.log2(max(factor, 1.0)))))
        while len(self._levels) <= depth and min(self._levels[-1].size) > 1:
            self._levels.append(self._levels[-1].reduce(2))
        depth = min(depth, len(self._levels) - 1)
        return self._levels[depth], 2**depth


def open_network(path: Path) -> Any:
    """A session of ONNX Runtime on one core: these networks are too small to gain from more.

    ModelError where the file cannot be loaded.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong comes as an exception
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has no common error
        raise ModelError(f"{str(path)!r} cannot be loaded ({error}): install pixelsmile again") from error


class MeshNetworks:
    """The mesh of a face whose place is known, and its blendshapes. Make one by `load_mesh_networks`."""

    def __init__(self, folder: Path) -> None:
        self._landmarks = open_network(folder / "landmarks.onnx")
        self._blendshapes = open_network(folder / "blendshapes.onnx")

    def fit(self, picture: Picture | Image.Image, face: Face) -> FaceMesh | None:
        """The mesh of `face`; None where there is no face at that place after all.

        The square is turned upright by the eyes where the face has landmarks.
        """
        seen = picture if isinstance(picture, Picture) else Picture(picture)
        x0, y0, x1, y1 = face.box
        angle = 0.0
        if face.landmarks_5 is not None:
            (left_x, left_y), (right_x, right_y) = face.landmarks_5[:2]
            angle = float(np.arctan2(right_y - left_y, right_x - left_x))
        middle, side = ((x0 + x1) / 2, (y0 + y1) / 2), CONTEXT * max(x1 - x0, y1 - y0)
        return self.look(seen, middle, side, angle)

    def look(
        self, picture: Picture, middle: tuple[float, float], side: float, angle: float
    ) -> FaceMesh | None:
        """The mesh of the face in a square, looked at again around what was found; None for no face."""
        found = None
        for _ in range(_LOOKS):
            found = self._look_once(picture, middle, side, angle)
            if found.presence < MIN_PRESENCE:
                return None
            angle = found.angle
            middle, side = _square_around(found.points[:, :2], angle)
        return found

    def blendshapes(self, mesh: FaceMesh) -> dict[str, float]:
        """The 52 blendshapes of a mesh, 0..1 each, by name (left and right are the person's own)."""
        points = mesh.points[list(SEEN_BY_BLENDSHAPES), :2].astype(np.float32)[None]
        (scores,) = self._blendshapes.run(None, {"points": points})
        return dict(zip(BLENDSHAPES, (float(score) for score in scores.ravel()), strict=True))

    def _look_once(
        self, picture: Picture, middle: tuple[float, float], side: float, angle: float
    ) -> FaceMesh:
        seen = picture.square(middle, side, angle, LANDMARKS_PX).astype(np.float32)[None] / 255
        landmarks, presence = self._landmarks.run(["landmarks", "presence"], {"image": seen})
        points = landmarks.reshape(NUM_POINTS, 3).astype(np.float64)
        factor, cos, sin = side / LANDMARKS_PX, np.cos(angle), np.sin(angle)
        flat = (points[:, :2] - LANDMARKS_PX / 2) @ np.array([[cos, sin], [-sin, cos]]) * factor + middle
        sure = 1 / (1 + np.exp(-float(presence.ravel()[0])))
        return FaceMesh(np.concatenate([flat, points[:, 2:] * factor], axis=1), sure)


def _square_around(points: np.ndarray, angle: float) -> tuple[tuple[float, float], float]:
    """Middle and side of the square that the landmark network wants around points, turned by `angle`."""
    cos, sin = np.cos(angle), np.sin(angle)
    upright = points @ np.array([[cos, -sin], [sin, cos]])
    low, high = upright.min(0), upright.max(0)
    x, y = (low + high) / 2 @ np.array([[cos, sin], [-sin, cos]])
    return (float(x), float(y)), CONTEXT * float((high - low).max())


@cache
def load_mesh_networks() -> MeshNetworks:
    """The networks that ship, loaded once. ModelError where the installation lacks them or ONNX Runtime."""
    return MeshNetworks(photo_path())
