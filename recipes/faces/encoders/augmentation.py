"""What happens to a face on its way to an encoder: loose landmarks, light, compression, blur, noise.

Shape suffixes: B crops, C = 3 channels (RGB), H = W side in pixels.
"""

from io import BytesIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pixelsmile.faces.alignment import similarity, template, warp_batch
from recipes.faces.encoders.plan import AugmentationPlan, PicturePlan

_BLUR = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)  # a deviation of one pixel


def augmented(
    crops_BHWC: np.ndarray,
    pictures: PicturePlan,
    plan: AugmentationPlan,
    size_px: int,
    rng: np.random.Generator,
    device: torch.device,
) -> Tensor:
    """Crops with a margin (uint8), changed and aligned again: (B, 3, size_px, size_px), 0..1."""
    crops_BHWC = _compressed(crops_BHWC, plan, rng)
    images_BCHW = torch.from_numpy(crops_BHWC).to(device).permute(0, 3, 1, 2).float() / 255
    matrices_B23 = [_loose_alignment(pictures, plan, size_px, rng) for _ in crops_BHWC]
    matrices = torch.from_numpy(np.stack(matrices_B23)).to(device)
    images_BCHW = warp_batch(images_BCHW, matrices, (size_px, size_px))
    images_BCHW = _blurred(images_BCHW, plan, rng)
    images_BCHW = _lit(images_BCHW, plan, rng)
    return _noisy(images_BCHW, plan, rng).clamp(0, 1)


def eye_distance(landmarks_52: np.ndarray) -> float:
    """Between the first two landmarks, in pixels."""
    return float(np.linalg.norm(landmarks_52[0] - landmarks_52[1]))


def loosened(landmarks_52: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Landmarks as a detector finds them. noise: deviation of each coordinate, in eye distances."""
    return landmarks_52 + rng.normal(0, noise * eye_distance(landmarks_52), landmarks_52.shape)


def _loose_alignment(
    pictures: PicturePlan, plan: AugmentationPlan, size_px: int, rng: np.random.Generator
) -> np.ndarray:
    landmarks_52 = template(pictures.template_px) + pictures.margin_px
    return similarity(loosened(landmarks_52, plan.landmark_noise, rng), template(size_px))


def _compressed(crops_BHWC: np.ndarray, plan: AugmentationPlan, rng: np.random.Generator) -> np.ndarray:
    crops_BHWC = np.array(crops_BHWC)
    for index in _chosen(len(crops_BHWC), plan.jpeg_share, rng):
        file = BytesIO()
        Image.fromarray(crops_BHWC[index]).save(file, "JPEG", quality=int(rng.integers(*plan.jpeg_quality)))
        crops_BHWC[index] = np.asarray(Image.open(file))
    return crops_BHWC


def _blurred(images_BCHW: Tensor, plan: AugmentationPlan, rng: np.random.Generator) -> Tensor:
    chosen = _chosen(len(images_BCHW), plan.blur_share, rng)
    kernel = images_BCHW.new_tensor(_BLUR).expand(images_BCHW.shape[1], 1, 1, len(_BLUR))
    images, half = images_BCHW[chosen], len(_BLUR) // 2
    for weight, sides in ((kernel, (half, half, 0, 0)), (kernel.transpose(2, 3), (0, 0, half, half))):
        padded = torch.nn.functional.pad(images, sides, mode="replicate")
        images = torch.nn.functional.conv2d(padded, weight, groups=len(kernel))
    return images_BCHW.index_copy(0, torch.from_numpy(chosen).to(images.device), images)


def _lit(images_BCHW: Tensor, plan: AugmentationPlan, rng: np.random.Generator) -> Tensor:
    num = len(images_BCHW)
    contrast = 1 + _either_side(plan.contrast, (num, 1, 1, 1), rng)
    gain = contrast * (1 + _either_side(plan.channel_gain, (num, 3, 1, 1), rng))
    offset = 0.5 * (1 - contrast) + _either_side(plan.brightness, (num, 1, 1, 1), rng)
    return images_BCHW * gain.to(images_BCHW.device) + offset.to(images_BCHW.device)


def _noisy(images_BCHW: Tensor, plan: AugmentationPlan, rng: np.random.Generator) -> Tensor:
    chosen = _chosen(len(images_BCHW), plan.noise_share, rng)
    noise_BCHW = rng.standard_normal((len(chosen), *images_BCHW.shape[1:]), np.float32)
    noise_BCHW *= rng.uniform(0, plan.max_noise, (len(chosen), 1, 1, 1)).astype(np.float32)
    where = torch.from_numpy(chosen).to(images_BCHW.device)
    return images_BCHW.index_add(0, where, torch.from_numpy(noise_BCHW).to(images_BCHW.device))


def _either_side(spread: float, shape: tuple[int, ...], rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(rng.uniform(-spread, spread, shape).astype(np.float32))


def _chosen(num: int, share: float, rng: np.random.Generator) -> np.ndarray:
    return np.flatnonzero(rng.random(num) < share)
