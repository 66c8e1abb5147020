"""Pictures in and out of the engine: working sizes, crops, and tensors in -1..1.

Shape suffixes: B pictures, C channels (RGB), H and W height and width in pixels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor


def fit_size(width: int, height: int, size: int, multiple: int) -> tuple[int, int]:
    """Width and height near an area of size * size, of the given aspect, each a multiple of `multiple`.

    The rule of the stock pipeline (`calculate_dimensions`, with 32), except that no side becomes 0.
    """
    fitted_width = math.sqrt(size * size * (width / height))
    fitted_height = fitted_width / (width / height)
    return tuple(max(1, round(side / multiple)) * multiple for side in (fitted_width, fitted_height))  # type: ignore[return-value]


def centre_box(size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The largest square in the middle of a picture of `size` (width, height): x0, y0, x1, y1."""
    (width, height), side = size, min(size)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def centre_square(image: Image.Image) -> Image.Image:
    """The largest square in the middle of a picture; the picture itself where it is one."""
    return image if image.width == image.height else image.crop(centre_box(image.size))


def resized(image: Image.Image, width: int, height: int) -> Image.Image:
    """The picture at that size (Lanczos, as the stock pipeline does); itself where it has it already."""
    if image.size == (width, height):
        return image
    return image.resize((width, height), Image.Resampling.LANCZOS)


def to_tensor(image: Image.Image) -> Tensor:
    """A picture as (1, 3, H, W), float32 in -1..1."""
    import torch

    pixels_HWC = np.asarray(image.convert("RGB"), dtype=np.float32) / 255.0
    return torch.from_numpy(2.0 * pixels_HWC - 1.0).permute(2, 0, 1).unsqueeze(0)


def to_pictures(images_BCHW: Tensor) -> list[Image.Image]:
    """Pictures from (B, 3, H, W) in -1..1; what lies outside is cut."""
    import torch

    unit_BHWC = (images_BCHW.float() / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)
    pixels_BHWC = (unit_BHWC * 255).round().to(torch.uint8).cpu().numpy()
    return [Image.fromarray(pixels_HWC) for pixels_HWC in pixels_BHWC]
