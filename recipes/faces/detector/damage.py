"""What cameras, screens and files do to a picture: HW3, uint8."""

import io

import numpy as np
from PIL import Image, ImageFilter


def damaged(pixels_HW3: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each kind of damage in its turn, each now and then; where things are stays as it is."""
    if rng.random() < 0.6:
        pixels_HW3 = _relit(pixels_HW3, rng)
    if rng.random() < 0.12:
        grey_HW = np.asarray(Image.fromarray(pixels_HW3).convert("L"))
        pixels_HW3 = np.repeat(grey_HW[..., None], 3, axis=-1)
    if rng.random() < 0.15:
        radius = rng.uniform(0.3, 1.5)
        pixels_HW3 = np.asarray(Image.fromarray(pixels_HW3).filter(ImageFilter.GaussianBlur(radius)))
    if rng.random() < 0.2:
        noise_HW3 = rng.standard_normal(pixels_HW3.shape, np.float32) * rng.uniform(2, 16)
        pixels_HW3 = np.clip(pixels_HW3 + noise_HW3, 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        pixels_HW3 = _through_jpeg(pixels_HW3, int(rng.integers(25, 95)))
    return pixels_HW3


def enlarged_from(pixels_HW3: np.ndarray, side_px: int) -> np.ndarray:
    """As if only `side_px` pixels a side of the square picture had been there."""
    image = Image.fromarray(pixels_HW3)
    small = image.resize((side_px, side_px), Image.Resampling.BILINEAR)
    return np.asarray(small.resize(image.size, Image.Resampling.BILINEAR))


def _relit(pixels_HW3: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another exposure, contrast and white balance."""
    gains_3 = np.exp(rng.normal(0, 0.2) + rng.normal(0, 0.06, 3))
    contrast, gamma = np.exp(rng.normal(0, 0.15)), np.exp(rng.normal(0, 0.2))
    levels_L1 = (np.arange(256)[:, None] / 255) ** gamma
    table_L3 = np.clip(255 * ((levels_L1 - 0.5) * contrast + 0.5) * gains_3, 0, 255).astype(np.uint8)
    return table_L3[pixels_HW3, np.arange(3)]


def _through_jpeg(pixels_HW3: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(pixels_HW3).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))
