"""Pictures as ComfyUI has them, and as pixelsmile has them.

Shape suffixes: B pictures, H and W height and width in pixels, C channels.
"""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pixelsmile.errors import ImageError


def pictures_of(images_BHWC: Tensor) -> list[Image.Image]:
    """The pictures of an IMAGE, float 0..1, as RGB; what lies outside is cut, transparency is left out.

    A picture that ComfyUI read from 8 bits comes back exactly. ImageError for another shape, and for NaN.
    """
    shape = tuple(images_BHWC.shape)
    if len(shape) != 4 or shape[-1] not in (1, 3, 4) or 0 in shape:
        raise ImageError(f"an IMAGE is a batch (pictures, height, width, 3), not {shape}: connect a picture")
    if not bool(torch.isfinite(images_BHWC).all()):
        raise ImageError("the IMAGE holds NaN or infinities: what made it has failed, look at its output")
    rgb_BHWC = images_BHWC[..., :3].expand(-1, -1, -1, 3).detach().cpu().float()
    pixels_BHWC = (rgb_BHWC.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return [Image.fromarray(pixels_HWC) for pixels_HWC in pixels_BHWC]


def images_of(pictures: Sequence[Image.Image]) -> Tensor:
    """An IMAGE (B, H, W, 3), float32 0..1, of pictures of one size. ImageError where sizes differ."""
    sizes = sorted({picture.size for picture in pictures})
    if len(sizes) != 1:
        raise ImageError(f"pictures of several sizes fit into no batch: {', '.join(map(str, sizes))}")
    # Divided as ComfyUI's own nodes do it, which is what its nodes that save take back exactly.
    arrays = [np.asarray(picture.convert("RGB")).astype(np.float32) / 255.0 for picture in pictures]
    return torch.from_numpy(np.stack(arrays))
