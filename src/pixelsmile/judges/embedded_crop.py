"""The part of a picture that the embedded judge looks at: the face, upright, from the forehead to the chin.

It is placed by the eyes and the tip of the nose: the mouth moves with the expression, and an alignment on its
corners would take that away.
"""

import math

import numpy as np
from PIL import Image

from pixelsmile.faces.alignment import similarity, warp

# Eyes and nose tip, in sides of the crop: 2.7 eye distances are one side, 1.0 of them lies above the eyes,
# 1.7 below. A jaw dropped as far as drawings go ends 1.72 below; drops of sweat hang 0.9 above.
TEMPLATE_3 = np.array([[0.3148, 0.3704], [0.6852, 0.3704], [0.5, 0.5480]])
NUM_FIXED = len(TEMPLATE_3)  # of the five landmarks, the first


def face_crop(image: Image.Image, landmarks_52: np.ndarray, size_px: int, margin_px: int = 0) -> np.ndarray:
    """The aligned face with a margin on every side: uint8 (S, S, 3) with S = size_px + 2 * margin_px.

    A larger picture is scaled down first, smoothly, so that a face looks the same from pictures of any size.
    Black outside of the picture. InputError where the landmarks lie on one spot.
    """
    target_32 = TEMPLATE_3 * size_px + margin_px
    fixed_32 = np.asarray(landmarks_52, np.float64)[:NUM_FIXED]
    matrix_23 = similarity(fixed_32, target_32)
    scale = math.hypot(*matrix_23[:, 0])
    if scale < 1:
        width, height = (max(1, round(side * scale)) for side in image.size)
        shrunk_by = np.array([width / image.width, height / image.height])
        image = image.resize((width, height), Image.Resampling.BILINEAR)
        matrix_23 = similarity(fixed_32 * shrunk_by, target_32)
    side = size_px + 2 * margin_px
    return warp(np.asarray(image), matrix_23, (side, side)).round().astype(np.uint8)
