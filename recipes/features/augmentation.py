"""What happens to a window on its way to the network: place, softness, light, noise.

Shape suffixes: B windows, C = 3 channels (RGB), H = W side in pixels.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pixelsmile.faces.alignment import warp_batch
from recipes.features.plan import AugmentationPlan
from recipes.features.windows import to_tensor


def inner(pixels_BHWC: np.ndarray, margin_px: int) -> Tensor:
    """Windows (uint8) without their margins, as the network takes them."""
    inside = slice(margin_px, pixels_BHWC.shape[1] - margin_px)
    return to_tensor(pixels_BHWC)[..., inside, inside]


def augmented(
    pixels_BHWC: np.ndarray, margin_px: int, plan: AugmentationPlan, rng: np.random.Generator
) -> Tensor:
    """Windows with margins (uint8), changed: as the network takes them."""
    images_BCHW = to_tensor(pixels_BHWC)
    side, size = images_BCHW.shape[-1], images_BCHW.shape[-1] - 2 * margin_px
    matrices = np.stack([_placing(side, size, plan, rng) for _ in pixels_BHWC])
    images_BCHW = warp_batch(images_BCHW, torch.from_numpy(matrices), (size, size))
    images_BCHW = _softened(images_BCHW, plan, rng)
    return _noisy(_lit(images_BCHW, plan, rng), plan, rng).clamp(-1, 1)


def _placing(side: int, size: int, plan: AugmentationPlan, rng: np.random.Generator) -> np.ndarray:
    """The similarity (2, 3) from the window with margins to the one without: turned, zoomed and shifted."""
    angle = math.radians(rng.uniform(-plan.max_turn_deg, plan.max_turn_deg))
    zoom = 1 + rng.uniform(-plan.max_zoom, plan.max_zoom)
    shift_2 = rng.uniform(-plan.max_shift_px, plan.max_shift_px, 2)
    turn_22 = zoom * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    offset_2 = np.full(2, size / 2) + shift_2 - turn_22 @ np.full(2, side / 2)
    return np.column_stack([turn_22, offset_2])


def _softened(images_BCHW: Tensor, plan: AugmentationPlan, rng: np.random.Generator) -> Tensor:
    """Some lose detail: shrunk to one size a batch and enlarged again."""
    rows, size = _chosen(len(images_BCHW), plan.soft_share, rng), images_BCHW.shape[-1]
    small = max(1, round(size * rng.uniform(plan.min_soft, 1)))
    if not len(rows):
        return images_BCHW
    shrunk = functional.interpolate(images_BCHW[rows], (small, small), mode="bilinear", antialias=True)
    return images_BCHW.index_copy(0, rows, functional.interpolate(shrunk, (size, size), mode="bilinear"))


def _lit(images_BCHW: Tensor, plan: AugmentationPlan, rng: np.random.Generator) -> Tensor:
    num = len(images_BCHW)
    contrast = 1 + _either_side(plan.contrast, (num, 1, 1, 1), rng)
    gain = contrast * (1 + _either_side(plan.channel_gain, (num, 3, 1, 1), rng))
    return images_BCHW * gain + 2 * _either_side(plan.brightness, (num, 1, 1, 1), rng)


def _noisy(images_BCHW: Tensor, plan: AugmentationPlan, rng: np.random.Generator) -> Tensor:
    rows = _chosen(len(images_BCHW), plan.noise_share, rng)
    noise = rng.standard_normal((len(rows), *images_BCHW.shape[1:]), np.float32)
    noise *= 2 * rng.uniform(0, plan.max_noise, (len(rows), 1, 1, 1)).astype(np.float32)
    return images_BCHW.index_add(0, rows, torch.from_numpy(noise))


def _either_side(spread: float, shape: tuple[int, ...], rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(rng.uniform(-spread, spread, shape).astype(np.float32))


def _chosen(num: int, share: float, rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(np.flatnonzero(rng.random(num) < share))
