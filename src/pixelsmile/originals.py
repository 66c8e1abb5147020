"""What a picture has beside the colours that an editor sees, and how its edits get that back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageChops

from pixelsmile.errors import ImageError

OriginalMode = Literal["RGB", "RGBA", "L", "LA", "I;16"]
_BAND_PX = 256
_DEPTH = 257  # 16-bit levels for each of 8 bits

# (H, W, 3) before, (H, W, 3) edited, the original's own pixels: the edit's pixels in the original's mode
_Merge = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Original:
    """A picture as editors see it, and what they do not see of it.

    rgb: upright 8-bit sRGB, transparency over white. mode: of the picture, and of its edits. kept: its own
    pixels, upright, in that mode and sRGB; None where `rgb` holds them (RGB and L). notes: what of it is
    lost, in a line each.
    """

    rgb: Image.Image
    mode: OriginalMode = "RGB"
    kept: Image.Image | None = None
    notes: tuple[str, ...] = ()

    def restored(self, edit: Image.Image) -> Image.Image:
        """`edit` (RGB, of the same size) in the mode of the original.

        Transparency is as it was; a picture without colours stays so; and where the edit has changed nothing,
        every pixel is the original's, with what hides under transparency and in 16 bits. ImageError where
        the sizes differ.
        """
        if edit.size != self.rgb.size:
            raise ImageError(f"an edit of {edit.size} px is none of a picture of {self.rgb.size} px")
        if self.kept is not None:
            return self._merged(edit, _MERGES[self.mode])
        if self.mode == "L":
            return edit.convert("L")
        return edit.convert("L").convert("RGB") if self._is_grey() else edit

    def _is_grey(self) -> bool:
        red, green, blue = self.rgb.split()
        return not any(ImageChops.difference(red, other).getbbox() for other in (green, blue))

    def _merged(self, edit: Image.Image, merge: _Merge) -> Image.Image:
        """Band by band: 16-bit arithmetic on a whole photograph takes gigabytes."""
        assert self.kept is not None
        width, height = edit.size
        merged = Image.new(self.mode, edit.size)
        for top in range(0, height, _BAND_PX):
            box = (0, top, width, min(top + _BAND_PX, height))
            before, after = (np.asarray(image.crop(box), np.int32) for image in (self.rgb, edit))
            pixels = merge(before, after, np.asarray(self.kept.crop(box), np.int32))
            merged.paste(Image.fromarray(pixels), (0, top))
        return merged


def _with_alpha(before: np.ndarray, after: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """What changed over white is the change of the colour times its opacity."""
    alpha = kept[..., -1:]
    colour = kept[..., :-1] + np.round((after - before) * (255 / np.maximum(alpha, 1))).astype(np.int32)
    colour = np.where(alpha > 0, colour, kept[..., :-1]).clip(0, 255)
    return np.concatenate([colour, alpha], axis=-1).astype(np.uint8)


def _grey_with_alpha(before: np.ndarray, after: np.ndarray, kept: np.ndarray) -> np.ndarray:
    return _with_alpha(_luma(before)[..., None], _luma(after)[..., None], kept)


def _sixteen_bits(before: np.ndarray, after: np.ndarray, kept: np.ndarray) -> np.ndarray:
    return (kept + _DEPTH * (_luma(after) - _luma(before))).clip(0, 65535).astype(np.uint16)


def _luma(pixels_HW3: np.ndarray) -> np.ndarray:
    """Pillow's, so that a grey is its own."""
    return np.asarray(Image.fromarray(pixels_HW3.astype(np.uint8)).convert("L"), np.int32)


_MERGES: dict[str, _Merge] = {"RGBA": _with_alpha, "LA": _grey_with_alpha, "I;16": _sixteen_bits}
