"""The simplest encoder: the pixels themselves. What a network adds is what it has over this."""

from pixelsmile.faces.alignment import Alignment, template
from pixelsmile.faces.encoders.encoder import ArrayT


class PixelEncoder:
    """An `IdentityEncoder` without weights: the crop in -1..1 as one long vector of length 1."""

    name = "pixels"
    size_px = 112
    alignment = Alignment(template(size_px), size_px)
    differentiable = True

    def embed(self, crops_BCHW: ArrayT) -> ArrayT:
        """See `IdentityEncoder`."""
        values_BD = 2 * crops_BCHW.reshape(len(crops_BCHW), -1) - 1
        return values_BD / (values_BD**2).sum(1)[:, None] ** 0.5
