"""What every image encoder asks of its pictures, and what it gives back.

Shape suffixes: B pictures, C = 3 channels (RGB), H and W height and width in pixels, D numbers of a feature.
"""

from torch import Tensor

from pixelsmile.errors import ImageError


def require_pictures(images_BCHW: Tensor) -> None:
    """ImageError for anything but (B, 3, H, W) in floating point, with one picture or more."""
    shape = tuple(images_BCHW.shape)
    if len(shape) != 4 or shape[1] != 3 or 0 in shape:
        raise ImageError(f"pictures of shape {shape} for an image encoder: give (batch, 3, height, width)")
    if not images_BCHW.is_floating_point():
        raise ImageError(f"pictures of type {images_BCHW.dtype} for an image encoder: give RGB in -1..1")


def unit_length(features_BD: Tensor) -> Tensor:
    """Features divided by their length, with no floor: what is not finite stays visible."""
    return features_BD / features_BD.norm(dim=1, keepdim=True)
