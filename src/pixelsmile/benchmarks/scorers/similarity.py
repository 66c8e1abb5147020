"""Similarity of an edit to source and ground truth, as others measure it alone: features, SSIM and PSNR."""

import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pixelsmile.benchmarks.metrics.table import FloatArray
from pixelsmile.benchmarks.scorers.scorer import Edit, Scorer
from pixelsmile.benchmarks.scores import Score
from pixelsmile.errors import InputError
from pixelsmile.images import load_image
from pixelsmile.store.json_lines import Record

if TYPE_CHECKING:
    from pixelsmile.features.encoder import ImageEncoder

SIMILARITIES: tuple[str, ...] = ("clip_truth", "clip_source", "ssim_truth", "ssim_source", "psnr_truth")
SIMILARITY = "similarity"
SIMILARITY_STEM = "singles"  # what its files were called first
OTHER_SIZE = "the edit's size is not that of source and ground truth"

PEAK = 255.0
# Rounding to whole grey levels has this variance: equal 8-bit pictures are known to be equal no better.
ROUNDING = 1 / 12
_RADIUS, _SIGMA = 5, 1.5  # the window of Wang et al.: 11 x 11, Gaussian
_K1, _K2 = 0.01, 0.03


class SimilaritySettings(Record):
    """What the numbers depend on beside the pictures."""

    schema_version: Literal[1] = 1
    encoder: str
    encoder_sha256: str
    ssim: Literal["Wang et al. 2004, grey, 11 x 11 Gaussian 1.5"] = (
        "Wang et al. 2004, grey, 11 x 11 Gaussian 1.5"
    )


class SimilarityScorer(Scorer):
    """SIMILARITIES: cosines of features, SSIM (-1..1), PSNR in dB; for edits of runs with ground truths."""

    name, stem = SIMILARITY, SIMILARITY_STEM

    def __init__(self, encoder: "ImageEncoder") -> None:
        self._encoder = encoder
        self._known = lru_cache(maxsize=8)(self._encoded)  # dense and simple follow each other
        self._last: tuple[tuple[Path | None, str], Score] | None = None
        self.settings: SimilaritySettings = SimilaritySettings(
            encoder=encoder.name, encoder_sha256=encoder.sha256
        )

    async def score(self, edit: Edit) -> Score:
        if edit.truth is None:
            raise InputError("similarity to a ground truth is measured in runs of FED-Bench")
        same = edit.truth, edit.sha256
        if self._last is None or self._last[0] != same:  # an editor may make the same of both instructions
            shown = self._known(edit.source), self._known(edit.truth)
            self._last = same, _compared(self._encoded(edit.picture), *shown)
        return self._last[1]

    def _encoded(self, path: Path) -> "_Encoded":
        import torch

        image = load_image(path)
        rgb = np.asarray(image, np.float64)
        pixels_HWC = torch.from_numpy(rgb.astype(np.float32)) / 127.5 - 1
        with torch.inference_mode():
            features_BD = self._encoder.features(pixels_HWC.permute(2, 0, 1)[None])
        return _Encoded(
            rgb, np.asarray(image.convert("L"), np.float64), features_BD[0].double().cpu().numpy()
        )


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


class _Encoded:
    """A picture as the metrics see it: RGB (H, W, 3), grey (H, W), features (D,)."""

    def __init__(self, rgb: FloatArray, grey: FloatArray, features: FloatArray) -> None:
        self.rgb, self.grey, self.features = rgb, grey, features


def _compared(edit: _Encoded, source: _Encoded, truth: _Encoded) -> Score:
    if not edit.grey.shape == source.grey.shape == truth.grey.shape:
        return Score(unscored=OTHER_SIZE)
    values: Mapping[str, float] = {
        "clip_truth": float(edit.features @ truth.features),
        "clip_source": float(edit.features @ source.features),
        "ssim_truth": ssim(edit.grey, truth.grey),
        "ssim_source": ssim(edit.grey, source.grey),
        "psnr_truth": psnr(edit.rgb, truth.rgb),
    }
    return Score(values=values)


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
