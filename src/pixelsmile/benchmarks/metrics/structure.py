"""How alike two pictures are, pixel by pixel: SSIM and PSNR, as others use them alone."""

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pixelsmile.benchmarks.metrics.table import FloatArray
from pixelsmile.errors import InputError

PEAK = 255.0
# Rounding to whole grey levels has this variance: equal 8-bit pictures are known to be equal no better.
ROUNDING = 1 / 12

_RADIUS, _SIGMA = 5, 1.5  # the window of Wang et al.: 11 x 11, Gaussian
_K1, _K2 = 0.01, 0.03


def ssim(a_HW: FloatArray, b_HW: FloatArray) -> float:
    """The mean structural similarity of two grey pictures, 0..255 (Wang et al. 2004, equation 13); 1: equal.

    Windows that stick out of the picture are left out. InputError where the sizes differ or are below 11.
    """
    a, b = _checked(a_HW, b_HW)
    if min(a.shape) <= 2 * _RADIUS:
        raise InputError(f"SSIM needs pictures of {2 * _RADIUS + 1} px or more, not {a.shape}")
    c1, c2 = (_K1 * PEAK) ** 2, (_K2 * PEAK) ** 2
    mean_a, mean_b = _smooth(a), _smooth(b)
    var_a, var_b = _smooth(a * a) - mean_a**2, _smooth(b * b) - mean_b**2
    both = _smooth(a * b) - mean_a * mean_b
    light = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return float(np.mean(light * (2 * both + c2) / (var_a + var_b + c2)))


def psnr(a: FloatArray, b: FloatArray) -> float:
    """The peak signal-to-noise ratio of two 8-bit pictures in dB; equal ones have that of rounding, 58.9."""
    a, b = _checked(a, b)
    return 10 * math.log10(PEAK**2 / max(float(np.mean((a - b) ** 2)), ROUNDING))


def _checked(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    if a.shape != b.shape:
        raise InputError(f"pictures of {a.shape} and {b.shape} cannot be compared pixel by pixel")
    return np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)


def _smooth(image_HW: FloatArray) -> FloatArray:
    """The Gaussian mean of every whole window."""
    steps = np.arange(-_RADIUS, _RADIUS + 1)
    weights = np.exp(-0.5 * (steps / _SIGMA) ** 2)
    weights /= weights.sum()
    for axis in (0, 1):
        image_HW = sliding_window_view(image_HW, len(weights), axis=axis) @ weights
    return image_HW
