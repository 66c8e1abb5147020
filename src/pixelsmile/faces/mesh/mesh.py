"""One face as a mesh: where its points lie in the picture, how the head is held, what the muscles do.

Coordinates are those of `face.py`: pixels of the picture, the middle of the first pixel at (0.5, 0.5); depth
in the same unit, smaller towards the camera, 0 in the middle of the head.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from safetensors.numpy import load_file

from pixelsmile.embedded import photo_path
from pixelsmile.faces.face import Box, Face
from pixelsmile.faces.mesh.points import (
    EYE_CORNERS,
    FIVE,
    LEFT_LOWER_LID,
    LEFT_UPPER_LID,
    LOWER_INNER,
    LOWER_OUTER,
    NUM_SURFACE,
    OVAL,
    RIGHT_LOWER_LID,
    RIGHT_UPPER_LID,
    UPPER_INNER,
    UPPER_OUTER,
)

_RIGID = 33  # vertices whose weights are not 0 in the fit of the pose


@dataclass(frozen=True, eq=False)
class Pose:
    """A weak-perspective view: a canonical vertex v (cm; x right, y up, z to the camera) is seen at
    `scale_px * (rotation @ v)`, y turned down, plus `centre`.
    """

    rotation: np.ndarray  # (3, 3)
    scale_px: float  # of a centimetre
    centre: np.ndarray  # (3,): x, y, depth, in pixels

    @property
    def yaw(self) -> float:
        """Degrees that the head is turned to the viewer's right."""
        return float(np.degrees(np.arctan2(self.rotation[0, 2], self.rotation[2, 2])))

    @property
    def pitch(self) -> float:
        """Degrees that the head is bent down."""
        return float(np.degrees(np.arcsin(np.clip(-self.rotation[1, 2], -1, 1))))

    @property
    def roll(self) -> float:
        """Degrees that the head is tilted clockwise, as the viewer sees it."""
        return float(np.degrees(np.arctan2(-self.rotation[1, 0], self.rotation[1, 1])))

    def project(self, vertices_cm: np.ndarray) -> np.ndarray:
        """Canonical vertices (N, 3) in the picture: (N, 3) x, y, depth."""
        return _turned_down(self.scale_px * vertices_cm @ self.rotation.T) + self.centre

    def lift(self, points: np.ndarray) -> np.ndarray:
        """The inverse of `project`: points of the picture (N, 3) in canonical centimetres."""
        return _turned_down(points - self.centre) @ self.rotation / self.scale_px


@dataclass(frozen=True, eq=False)
class FaceMesh:
    """points: (478, 3) x, y, depth (see above). presence: 0..1, how sure it is that a face is there."""

    points: np.ndarray
    presence: float

    @property
    def box(self) -> Box:
        """Around all points: from the upper forehead to the chin, from ear to ear."""
        (x0, y0), (x1, y1) = self.points[:NUM_SURFACE, :2].min(0), self.points[:NUM_SURFACE, :2].max(0)
        return float(x0), float(y0), float(x1), float(y1)

    @property
    def landmarks_5(self) -> np.ndarray:
        """Irises, nose tip, corners of the mouth: (5, 2)."""
        return self.points[list(FIVE), :2].copy()

    @property
    def angle(self) -> float:
        """Of the line through the eyes, in radians, clockwise; what a crop is turned by to be upright."""
        left, right = self.points[EYE_CORNERS[0], :2], self.points[EYE_CORNERS[-1], :2]
        return float(np.arctan2(right[1] - left[1], right[0] - left[0]))

    def face(self, score: float, source: str) -> Face:
        """The same as detectors give it."""
        return Face(self.box, self.landmarks_5, score, source)

    def pose(self) -> Pose:
        """The view in which the canonical mesh lies on this one, by its rigid points.

        (Weighted orthogonal Procrustes with a scale: Umeyama 1991; weights of MediaPipe's face geometry.)
        """
        mesh = canonical_mesh()
        weights = mesh.rigid[:, None] / mesh.rigid.sum()
        seen, model = _turned_down(self.points[:NUM_SURFACE]), mesh.vertices_cm
        seen_middle, model_middle = (weights * seen).sum(0), (weights * model).sum(0)
        centred_seen, centred_model = seen - seen_middle, model - model_middle
        u, singular, vt = np.linalg.svd((weights * centred_seen).T @ centred_model)
        mirror = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
        rotation = u @ mirror @ vt
        scale = float((singular * np.diag(mirror)).sum() / (weights * centred_model**2).sum())
        centre = _turned_down((seen_middle - scale * rotation @ model_middle)[None])[0]
        return Pose(rotation, scale, centre)

    def outline(self, part: str) -> np.ndarray:
        """A closed outline (N, 2): oval, lips, mouth (what lies between the lips), left_eye, right_eye."""
        return self.points[list(OUTLINES[part]), :2]


OUTLINES: Mapping[str, tuple[int, ...]] = {
    "oval": OVAL,
    "lips": (*UPPER_OUTER, *LOWER_OUTER[-2:0:-1]),
    "mouth": (*UPPER_INNER, *LOWER_INNER[-2:0:-1]),
    "left_eye": (33, *LEFT_UPPER_LID, 133, *LEFT_LOWER_LID[::-1]),
    "right_eye": (263, *RIGHT_UPPER_LID, 362, *RIGHT_LOWER_LID[::-1]),
}


@dataclass(frozen=True, eq=False)
class CanonicalMesh:
    """MediaPipe's canonical face: vertices_cm (468, 3), triangles (898, 3), rigid (468,) weights."""

    vertices_cm: np.ndarray
    triangles: np.ndarray
    rigid: np.ndarray


@cache
def canonical_mesh() -> CanonicalMesh:
    """The mesh that ships. ModelError where the installation lacks it."""
    stored = load_file(photo_path() / "mesh.safetensors")
    rigid = stored["rigid"].astype(np.float64)
    assert np.count_nonzero(rigid) == _RIGID
    return CanonicalMesh(stored["vertices_cm"].astype(np.float64), stored["triangles"], rigid)


def _turned_down(points: np.ndarray) -> np.ndarray:
    """From y up and z to the camera to y down and z away from it, or back."""
    return points * np.array([1.0, -1.0, -1.0])
