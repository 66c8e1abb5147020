"""What happens to pictures before a network sees them: cameras, screens, files, detectors.

Every change comes now and then, and a little; what is random comes from a generator.
Shape suffixes: B pictures, C = 3 channels (RGB), H and W sides in pixels; HWC is uint8.
"""

import io
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torch.nn import functional

_BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)  # a deviation of one pixel


@dataclass(frozen=True)
class LightPlan:
    """Light and noise, each time that a picture is seen; ranges are uniform and lie on both sides.

    Colours change little: skin, hair and eyes are who somebody is, and a blush is a colour.
    """

    brightness: float = 0.05
    contrast: float = 0.1
    channel_gain: float = 0.03
    noise_share: float = 0.3  # of the pictures
    max_noise: float = 0.04  # deviation, of a range of 1


def relit(
    images_BCHW: Tensor, plan: LightPlan, rng: np.random.Generator, *, low: float, high: float
) -> Tensor:
    """Another brightness, contrast and white balance, in a range of values from `low` to `high`."""
    num, middle, span = len(images_BCHW), (low + high) / 2, high - low
    contrast = 1 + _either_side(plan.contrast, (num, 1, 1, 1), rng)
    gain = contrast * (1 + _either_side(plan.channel_gain, (num, 3, 1, 1), rng))
    offset = middle * (1 - contrast) + span * _either_side(plan.brightness, (num, 1, 1, 1), rng)
    return images_BCHW * gain.to(images_BCHW.device) + offset.to(images_BCHW.device)


def noisy(images_BCHW: Tensor, plan: LightPlan, rng: np.random.Generator, *, span: float) -> Tensor:
    """Some with noise. span: of the range of values."""
    rows = chosen(len(images_BCHW), plan.noise_share, rng)
    noise_BCHW = rng.standard_normal((len(rows), *images_BCHW.shape[1:]), np.float32)
    noise_BCHW *= span * rng.uniform(0, plan.max_noise, (len(rows), 1, 1, 1)).astype(np.float32)
    where, device = torch.from_numpy(rows), images_BCHW.device
    return images_BCHW.index_add(0, where.to(device), torch.from_numpy(noise_BCHW).to(device))


def softened(images_BCHW: Tensor, share: float, least: float, rng: np.random.Generator) -> Tensor:
    """Some lose detail: shrunk to one size a batch, at least that share of their side, and enlarged again."""
    rows, size = torch.from_numpy(chosen(len(images_BCHW), share, rng)), images_BCHW.shape[-1]
    small = max(1, round(size * rng.uniform(least, 1)))
    if not len(rows):
        return images_BCHW
    shrunk = functional.interpolate(images_BCHW[rows], (small, small), mode="bilinear", antialias=True)
    return images_BCHW.index_copy(0, rows, functional.interpolate(shrunk, (size, size), mode="bilinear"))


def blurred(images_BCHW: Tensor, share: float, rng: np.random.Generator) -> Tensor:
    """Some by one pixel."""
    rows = chosen(len(images_BCHW), share, rng)
    kernel = images_BCHW.new_tensor(_BINOMIAL).expand(images_BCHW.shape[1], 1, 1, len(_BINOMIAL))
    images, half = images_BCHW[rows], len(_BINOMIAL) // 2
    for weight, sides in ((kernel, (half, half, 0, 0)), (kernel.transpose(2, 3), (0, 0, half, half))):
        padded = functional.pad(images, sides, mode="replicate")
        images = functional.conv2d(padded, weight, groups=len(kernel))
    return images_BCHW.index_copy(0, torch.from_numpy(rows).to(images.device), images)


def through_jpeg(pixels_HWC: np.ndarray, quality: int) -> np.ndarray:
    """As a file of that quality, 0..100, gives it back."""
    file = io.BytesIO()
    Image.fromarray(pixels_HWC).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def through_blur(pixels_HWC: np.ndarray, radius_px: float) -> np.ndarray:
    """Out of focus."""
    return np.asarray(Image.fromarray(pixels_HWC).filter(ImageFilter.GaussianBlur(radius_px)))


def landmark_noise(landmarks_N2: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """How far off a detector finds landmarks (N, 2), the eyes first. deviation: in eye distances."""
    eye_distance_px = float(np.linalg.norm(landmarks_N2[0] - landmarks_N2[1]))
    return rng.normal(0, deviation * eye_distance_px, landmarks_N2.shape)


def damaged(pixels_HWC: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A whole picture after a camera, a screen and a file; where things are stays as it is."""
    if rng.random() < 0.6:
        pixels_HWC = _exposed(pixels_HWC, rng)
    if rng.random() < 0.12:
        grey_HW = np.asarray(Image.fromarray(pixels_HWC).convert("L"))
        pixels_HWC = np.repeat(grey_HW[..., None], 3, axis=-1)
    if rng.random() < 0.15:
        pixels_HWC = through_blur(pixels_HWC, rng.uniform(0.3, 1.5))
    if rng.random() < 0.2:
        noise_HWC = rng.standard_normal(pixels_HWC.shape, np.float32) * rng.uniform(2, 16)
        pixels_HWC = np.clip(pixels_HWC + noise_HWC, 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        pixels_HWC = through_jpeg(pixels_HWC, int(rng.integers(25, 95)))
    return pixels_HWC


def enlarged_from(pixels_HWC: np.ndarray, side_px: int) -> np.ndarray:
    """As if only `side_px` pixels a side of the square picture had been there."""
    image = Image.fromarray(pixels_HWC)
    small = image.resize((side_px, side_px), Image.Resampling.BILINEAR)
    return np.asarray(small.resize(image.size, Image.Resampling.BILINEAR))


def chosen(num: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """The numbers of those that a change comes to, each with probability `share`."""
    return np.flatnonzero(rng.random(num) < share)


def _exposed(pixels_HWC: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another exposure, contrast and white balance."""
    gains_3 = np.exp(rng.normal(0, 0.2) + rng.normal(0, 0.06, 3))
    contrast, gamma = np.exp(rng.normal(0, 0.15)), np.exp(rng.normal(0, 0.2))
    levels_L1 = (np.arange(256)[:, None] / 255) ** gamma
    table_L3 = np.clip(255 * ((levels_L1 - 0.5) * contrast + 0.5) * gains_3, 0, 255).astype(np.uint8)
    return table_L3[pixels_HWC, np.arange(3)]


def _either_side(spread: float, shape: tuple[int, ...], rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(rng.uniform(-spread, spread, shape).astype(np.float32))
