"""Where the face is, pixel by pixel: masks from landmarks, from a box or from a parsing, with soft edges.

A mask is float32 (H, W) in 0..1: 1 on the face, 0 off it, and between them at a soft edge.
"""

import math

import numpy as np
from PIL import Image, ImageFilter

from pixelsmile.errors import InputError
from pixelsmile.faces.face import Face

MAX_ROLL_DEG = 40.0  # beyond it a box says too little about the face inside
# CelebAMask-HQ's classes in the order of the usual face parsers, those that belong to a face
FACE_CLASSES = (1, 2, 3, 4, 5, 6, 10, 11, 12, 13)  # skin, brows, eyes, glasses, nose, mouth, lips

_BAND_PX = 256  # rows at a time, so that no picture fills the memory


def face_mask(face: Face, size: tuple[int, int], *, grow: float = 1.0, soft: float = 0.0) -> np.ndarray:
    """The mask of a face in a picture of `size` (width, height): the ellipse that fills its box.

    Where there are landmarks, it is tilted with the eyes. grow: scales the mask about its middle. soft: share
    of the radius over which it falls to 0, inside of it: outside of the hard mask it is 0 whatever the
    softness.
    """
    if grow <= 0 or not 0 <= soft <= 1:
        raise InputError(f"grow must be above 0 and soft from 0 to 1, not {grow!r} and {soft!r}")
    width, height = size
    mask_HW = np.empty((height, width), np.float32)
    for top in range(0, height, _BAND_PX):
        rows = slice(top, min(top + _BAND_PX, height))
        depth = 1 - _radius(face, width, rows) / grow  # 1 in the middle, 0 on the edge
        ramp = np.clip(depth / soft, 0, 1) if soft else depth > 0
        mask_HW[rows] = ramp * ramp * (3 - 2 * ramp) if soft else ramp
    return mask_HW


def roll(face: Face) -> float:
    """How far the eyes are tilted, in radians, clockwise; 0 without landmarks."""
    if face.landmarks_5 is None:
        return 0.0
    x, y = face.landmarks_5[1] - face.landmarks_5[0]
    limit = math.radians(MAX_ROLL_DEG)
    return min(limit, max(-limit, math.atan2(y, x)))


def parsed_mask(classes_HW: np.ndarray, chosen: tuple[int, ...] = FACE_CLASSES) -> np.ndarray:
    """The mask of the pixels that a face parser gave one of the chosen classes."""
    if classes_HW.ndim != 2 or not np.issubdtype(classes_HW.dtype, np.integer):
        raise InputError(f"a parsing is whole numbers (H, W), not {classes_HW.dtype} {classes_HW.shape}")
    return np.isin(classes_HW, chosen).astype(np.float32)


def feathered(mask_HW: np.ndarray, radius_px: float) -> np.ndarray:
    """The mask with an edge that falls to 0 over about `radius_px`, outside of it: inside it is 1."""
    if radius_px <= 0:
        return (mask_HW > 0).astype(np.float32)
    image = Image.fromarray((mask_HW > 0).astype(np.uint8) * 255)
    blurred = np.asarray(image.filter(ImageFilter.GaussianBlur(radius_px / 2)), np.float32) / 255
    return np.maximum(np.clip(2 * blurred, 0, 1), mask_HW > 0).astype(np.float32)


def background_mask(mask_HW: np.ndarray, margin_px: int = 0) -> np.ndarray:
    """Where no face is, bool (H, W), at least `margin_px` away from the mask: for background errors."""
    image = Image.fromarray((mask_HW > 0).astype(np.uint8) * 255)
    if margin_px > 0:
        image = image.filter(ImageFilter.MaxFilter(2 * margin_px + 1))
    return np.asarray(image) == 0


def _radius(face: Face, width: int, rows: slice) -> np.ndarray:
    """Distance from the middle of the face in those rows of a picture, 1 on its outline."""
    x0, y0, x1, y1 = face.box
    y, x = np.ogrid[rows.start + 0.5 : rows.stop, 0.5:width]
    x, y = x - (x0 + x1) / 2, y - (y0 + y1) / 2
    angle = roll(face)
    cos, sin = math.cos(angle), math.sin(angle)
    across, along = _radii(face, cos * cos, sin * sin)
    return np.hypot((cos * x + sin * y) / across, (cos * y - sin * x) / along)


def _radii(face: Face, cos2: float, sin2: float) -> tuple[float, float]:
    """Of the ellipse that fills the box once it is tilted; a box too square for its tilt keeps its own."""
    half_width2, half_height2 = (face.width / 2) ** 2, (face.height / 2) ** 2
    across2 = (half_width2 * cos2 - half_height2 * sin2) / (cos2 - sin2)
    along2 = (half_height2 * cos2 - half_width2 * sin2) / (cos2 - sin2)
    if min(across2, along2) < min(half_width2, half_height2) / 4:
        across2, along2 = half_width2, half_height2
    return math.sqrt(across2), math.sqrt(along2)
