"""SSIM and PSNR: values worked out by hand, and those of scikit-image."""

import math

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from pixelsmile.benchmarks.scorers.similarity import psnr, ssim
from pixelsmile.errors import InputError


def noise(seed: int, shape=(40, 32)) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 255, shape).round()


def test_equal_pictures_are_as_alike_as_can_be():
    assert ssim(noise(0), noise(0)) == pytest.approx(1)
    assert psnr(noise(0), noise(0)) == pytest.approx(10 * math.log10(255**2 * 12))


def test_flat_pictures_differ_in_their_light_alone():
    # (2 * 100 * 50 + c1) / (100^2 + 50^2 + c1), with c1 = (.01 * 255)^2; the variances are 0.
    c1 = 6.5025
    assert ssim(np.full((16, 16), 100.0), np.full((16, 16), 50.0)) == pytest.approx((1e4 + c1) / (12500 + c1))
    assert psnr(np.full((4, 4, 3), 100.0), np.full((4, 4, 3), 90.0)) == pytest.approx(
        10 * math.log10(255**2 / 100)
    )


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_ssim_is_that_of_scikit_image(share):
    a, b = noise(1), (1 - share) * noise(1) + share * noise(2)
    theirs = structural_similarity(
        a, b, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(a, b) == pytest.approx(theirs, abs=1e-9)
    assert ssim(b, a) == pytest.approx(ssim(a, b))


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(InputError, match="cannot be compared pixel by pixel"):
        psnr(noise(0), noise(0, (32, 40)))
    with pytest.raises(InputError, match="11 px or more"):
        ssim(noise(0, (10, 40)), noise(1, (10, 40)))
