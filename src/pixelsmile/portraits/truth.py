"""What is true of a drawn portrait: where its face is, how it moves, what it expresses and how strongly."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from pixelsmile.portraits.action_units import ActionUnits
from pixelsmile.portraits.anchors import FaceAnchors
from pixelsmile.portraits.scores import scores


@dataclass(frozen=True)
class GroundTruth:
    """The truth about one portrait, in its pixels."""

    face_box: tuple[float, float, float, float]  # x0, y0, x1, y1
    landmarks_5: np.ndarray  # 5 x 2 float64 (x, y): left eye, right eye (viewer's), nose tip, mouth corners
    face_mask: np.ndarray  # H x W bool: the visible skin of the face, with the features inside
    action_units: ActionUnits
    scores: dict[str, float]  # the 12 expressions, 0..1


def ground_truth(anchors: FaceAnchors, units: ActionUnits, size: int) -> GroundTruth:
    """The truth of a picture of `size` pixels a side."""
    x0, y0, x1, y1 = (value * size for value in anchors.face_box)
    return GroundTruth(
        face_box=(x0, y0, x1, y1),
        landmarks_5=np.array(anchors.landmarks_5) * size,
        face_mask=_mask(anchors, size),
        action_units=units,
        scores=scores(units),
    )


def _mask(anchors: FaceAnchors, size: int) -> np.ndarray:
    image = Image.new("1", (size, size))
    outline = [(x * size - 0.5, y * size - 0.5) for x, y in anchors.face_outline]
    ImageDraw.Draw(image).polygon(outline, fill=1)
    return np.array(image, dtype=bool)
