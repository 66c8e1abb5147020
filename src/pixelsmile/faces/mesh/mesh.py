"""One face as a mesh: which points are what, where they lie in the picture, how the head is held.

Points have MediaPipe's numbers; left and right are the viewer's, and rows of equal length go together: point
k of an upper row lies above point k of its lower row. Coordinates are those of `face.py`: pixels of the
picture, the middle of the first pixel at (0.5, 0.5); depth in the same unit, smaller towards the camera, 0 in
the middle of the head.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from safetensors.numpy import load_file

from pixelsmile.embedded import photo_path
from pixelsmile.faces.face import Box, Face

NUM_POINTS = 478
NUM_SURFACE = 468  # the others are the irises, five points each

LEFT_IRIS, RIGHT_IRIS = 468, 473  # their middles; the next four lie on the rim
NOSE_TIP, CHIN, FOREHEAD = 4, 152, 10
MOUTH_CORNERS = (61, 291)
EYE_CORNERS = (33, 133, 362, 263)  # from the viewer's left to the right
FIVE = (LEFT_IRIS, RIGHT_IRIS, NOSE_TIP, *MOUTH_CORNERS)

OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)

# Lips, from the left corner to the right one.
UPPER_OUTER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
LOWER_OUTER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
UPPER_INNER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER_INNER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)

# Lids, from the outer corner of the eye to the inner one, without the corners.
LEFT_UPPER_LID = (246, 161, 160, 159, 158, 157, 173)
LEFT_LOWER_LID = (7, 163, 144, 145, 153, 154, 155)
RIGHT_UPPER_LID = (466, 388, 387, 386, 385, 384, 398)
RIGHT_LOWER_LID = (249, 390, 373, 374, 380, 381, 382)
LEFT_CREASE = (247, 30, 29, 27, 28, 56, 190)
RIGHT_CREASE = (467, 260, 259, 257, 258, 286, 414)

# Brows: the upper edge and the lower edge, from the temple to the nose.
LEFT_BROW = (70, 63, 105, 66, 107), (46, 53, 52, 65, 55)
RIGHT_BROW = (300, 293, 334, 296, 336), (276, 283, 282, 295, 285)

# The 146 points that the blendshape network sees, in its order.
SEEN_BY_BLENDSHAPES = (
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66,
    67, 70, 78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144,
    145, 146, 148, 149, 150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173,
    176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283, 284,
    285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321, 323, 324, 332,
    334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386,
    387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473,
    474, 475, 476, 477,
)  # fmt: skip

# Names by the person's own left and right, as the network has them.
BLENDSHAPES = (
    *("_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    *("cheekPuff", "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight"),
    *("eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft"),
    *("eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight"),
    *("eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose"),
    *("mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel"),
    *("mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight"),
    *("mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower"),
    *("mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight"),
    *("mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft", "noseSneerRight"),
)

OUTLINES: Mapping[str, tuple[int, ...]] = {
    "oval": OVAL,
    "lips": (*UPPER_OUTER, *LOWER_OUTER[-2:0:-1]),
    "mouth": (*UPPER_INNER, *LOWER_INNER[-2:0:-1]),
    "left_eye": (33, *LEFT_UPPER_LID, 133, *LEFT_LOWER_LID[::-1]),
    "right_eye": (263, *RIGHT_UPPER_LID, 362, *RIGHT_LOWER_LID[::-1]),
}
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
