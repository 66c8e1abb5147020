"""Signs of damage in a drawn portrait, from the picture alone: softness, grain, blocks.

Drawn faces have crisp lines and even shading, whatever they express, so neither a grimace nor a beard counts
as damage. What a blur, noise and compression leave each shows in one sign; one sharp face faintly over
another shows in none. Shape suffixes: H and W rows and columns, 3 channels. Grey is in 0..1.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from pixelsmile.judges.embedded_crop import face_crop

if TYPE_CHECKING:
    from pixelsmile.judges.embedded import Look

CROP_PX = 128
_BLUR_PX = 9  # of the second blur, as in the paper
_BLOCK_PX = 8  # JPEG's, and what one latent of the editor covers
_LUMA = np.array([0.299, 0.587, 0.114])
_FULL = 255.0


class Damage(NamedTuple):
    """More is worse; what is much for a drawn face is for the calibration to say."""

    softness: float  # of the face, 0..1: how little a further blur takes from the steps between neighbours
    grain: float  # of the face: deviation of noise, 0..255
    blocks: float  # of the picture: how far steps at the edges of blocks stand out, 0..255; 0 is chance


def damage(image: Image.Image, look: "Look") -> Damage:
    """The damage of a picture, whose face `look` is of."""
    face_HW = _grey(face_crop(image, look.landmarks, CROP_PX))
    picture_HW = _grey(np.asarray(image))
    return Damage(
        softness=max(softness(face_HW), softness(face_HW.T)),
        grain=grain(face_HW) * _FULL,
        blocks=max(0.0, blocks(picture_HW) + blocks(picture_HW.T)) / 2 * _FULL,
    )


def softness(grey_HW: np.ndarray) -> float:
    """How soft a picture is along its rows: Crete et al., "The Blur Effect" (2007), equations 1 to 6.

    A sharp picture loses most of its steps to a further blur, a soft one has few to lose. Of one colour: 1.
    """
    kernel = np.full(_BLUR_PX, 1 / _BLUR_PX)
    blurred_HW = np.stack([np.convolve(row, kernel, "valid") for row in grey_HW])
    margin = _BLUR_PX // 2
    before_HW = np.abs(np.diff(grey_HW[:, margin:-margin]))
    lost_HW = np.maximum(0, before_HW - np.abs(np.diff(blurred_HW)))
    total = before_HW.sum()
    return float(1 - lost_HW.sum() / total) if total else 1.0


def grain(grey_HW: np.ndarray) -> float:
    """The deviation of noise, by Immerkaer, "Fast Noise Variance Estimation" (1996).

    The median stands for his mean: it passes over the lines of a drawing. For normal noise both are right.
    """
    rows_HW = grey_HW[:-2] - 2 * grey_HW[1:-1] + grey_HW[2:]
    noise_HW = rows_HW[:, :-2] - 2 * rows_HW[:, 1:-1] + rows_HW[:, 2:]
    median_of_normal = 0.67449  # of |x|, where x has deviation 1; the mask has deviation 6
    return float(np.median(np.abs(noise_HW)) / (6 * median_of_normal))


def blocks(grey_HW: np.ndarray) -> float:
    """How far steps between the columns of neighbouring blocks stand out from other steps, on average.

    A step stands out by what it has more than the mean of those beside it. After Wang, Sheikh and Bovik,
    "No-Reference Perceptual Quality Assessment of JPEG Compressed Images" (2002). Only blocks that still lie
    where they were made are found: not those of a picture that was scaled or cropped afterwards.
    """
    steps_HW = np.abs(np.diff(grey_HW))
    standing_out_HW = steps_HW[:, 1:-1] - (steps_HW[:, :-2] + steps_HW[:, 2:]) / 2
    at_edge_W = np.arange(2, grey_HW.shape[1] - 1) % _BLOCK_PX == 0  # the column after the step
    return float(standing_out_HW[:, at_edge_W].mean() - standing_out_HW[:, ~at_edge_W].mean())


def _grey(pixels_HW3: np.ndarray) -> np.ndarray:
    return pixels_HW3 @ _LUMA / _FULL
