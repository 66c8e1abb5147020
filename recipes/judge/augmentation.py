"""What happens to a crop on its way to the judge: loose landmarks, light, compression, blur, noise.

Shape suffixes: B crops, C = 3 channels (RGB), H = W side in pixels.
"""

from io import BytesIO

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from pixelsmile.faces.alignment import similarity, warp_batch
from pixelsmile.judges.embedded.judge import TEMPLATE_3
from pixelsmile.networks.expression_judge import to_tensor
from recipes.judge.plan import AugmentationPlan


def inner(crops_BHWC: np.ndarray, margin_px: int) -> Tensor:
    """Crops without their margin (uint8), as the network takes them."""
    inside = slice(margin_px, crops_BHWC.shape[1] - margin_px)
    return to_tensor(np.ascontiguousarray(crops_BHWC[:, inside, inside]))


def augmented(
    crops_BHWC: np.ndarray, margin_px: int, plan: AugmentationPlan, rng: np.random.Generator
) -> Tensor:
    """Crops with a margin (uint8), changed and aligned again: as the network takes them."""
    changed_BHWC = np.stack([_filed(crop_HWC, plan, rng) for crop_HWC in crops_BHWC])
    size_px = changed_BHWC.shape[1] - 2 * margin_px
    matrices_B23 = np.stack([_loose_alignment(size_px, margin_px, plan, rng) for _ in changed_BHWC])
    faces_BCHW = warp_batch(to_tensor(changed_BHWC), torch.from_numpy(matrices_B23), (size_px, size_px))
    return _noisy(_lit(faces_BCHW, plan, rng), plan, rng).clamp(-1, 1)


def _loose_alignment(
    size_px: int, margin_px: int, plan: AugmentationPlan, rng: np.random.Generator
) -> np.ndarray:
    target_32 = TEMPLATE_3 * size_px
    eye_distance = float(np.linalg.norm(target_32[0] - target_32[1]))
    noise_32 = rng.normal(0, plan.landmark_noise * eye_distance, target_32.shape)
    return similarity(target_32 + margin_px + noise_32, target_32)


def _filed(crop_HWC: np.ndarray, plan: AugmentationPlan, rng: np.random.Generator) -> np.ndarray:
    """Blurred and compressed, now and then."""
    if rng.random() < plan.blur_share:
        radius = float(rng.uniform(0, plan.max_blur_px))
        crop_HWC = np.asarray(Image.fromarray(crop_HWC).filter(ImageFilter.GaussianBlur(radius)))
    if rng.random() < plan.jpeg_share:
        file = BytesIO()
        Image.fromarray(crop_HWC).save(file, "JPEG", quality=int(rng.integers(*plan.jpeg_quality)))
        crop_HWC = np.asarray(Image.open(file))
    return crop_HWC


def _lit(faces_BCHW: Tensor, plan: AugmentationPlan, rng: np.random.Generator) -> Tensor:
    num = len(faces_BCHW)
    contrast = 1 + _either_side(plan.contrast, (num, 1, 1, 1), rng)
    gain = contrast * (1 + _either_side(plan.channel_gain, (num, 3, 1, 1), rng))
    return faces_BCHW * gain + 2 * _either_side(plan.brightness, (num, 1, 1, 1), rng)


def _noisy(faces_BCHW: Tensor, plan: AugmentationPlan, rng: np.random.Generator) -> Tensor:
    (rows,) = np.nonzero(rng.random(len(faces_BCHW)) < plan.noise_share)
    noise_BCHW = rng.standard_normal((len(rows), *faces_BCHW.shape[1:]), np.float32)
    noise_BCHW *= 2 * rng.uniform(0, plan.max_noise, (len(rows), 1, 1, 1)).astype(np.float32)
    return faces_BCHW.index_add(0, torch.from_numpy(rows), torch.from_numpy(noise_BCHW))


def _either_side(spread: float, shape: tuple[int, ...], rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(rng.uniform(-spread, spread, shape).astype(np.float32))
