"""What an edit did to everything but the face: FED-Bench's BG, and shift and zoom of the whole picture."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from pixelsmile.errors import ImageError
from pixelsmile.faces.drift import Drift, measure_drift
from pixelsmile.faces.face import Face
from pixelsmile.faces.masks import background_mask, face_mask


@dataclass(frozen=True)
class Background:
    """rmse: root of the mean squared error of the background's colours, 0..255. share: of all pixels that are
    background. drift: None where it cannot be measured.
    """

    rmse: float
    share: float
    drift: Drift | None


def compare_background(
    source: Image.Image, edit: Image.Image, faces: list[Face], *, grow: float = 1.0
) -> Background:
    """The background is what lies outside of all `faces`: those of the source and those of the edit.

    Both pictures are RGB and have one size. grow: scales the faces' ellipses. ImageError where the sizes
    differ or no background is left.
    """
    if source.size != edit.size:
        raise ImageError(
            f"the source has {source.width} x {source.height} px and the edit {edit.width} x {edit.height}: "
            "compare pictures of one size"
        )
    masks = [face_mask(face, source.size, grow=grow) for face in faces]
    outside_HW = background_mask(np.max(masks, axis=0)) if masks else np.ones(source.size[::-1], bool)
    if not outside_HW.any():
        raise ImageError("the face fills the whole picture: there is no background to compare")
    before, after = (np.asarray(picture, np.float64)[outside_HW] for picture in (source, edit))
    drift = measure_drift(np.asarray(source), np.asarray(edit), outside_HW.astype(np.float32))
    return Background(float(np.sqrt(np.mean((after - before) ** 2))), float(outside_HW.mean()), drift)
