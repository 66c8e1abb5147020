"""A picture made to fit what a detector takes, and the way back to its own pixels.

Shapes: HWC a picture; ...2 points (x, y).
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Letterbox:
    """A picture of `size` scaled to `resized`, in the top left corner of an input; both (width, height)."""

    size: tuple[int, int]
    resized: tuple[int, int]

    @classmethod
    def fit(cls, size: tuple[int, int], limits: tuple[int, int], *, enlarge: bool = True) -> "Letterbox":
        """The largest that keeps the proportions within `limits`; smaller pictures grow if `enlarge`.

        A side is rounded to whole pixels and has at least one.
        """
        scale = min(limits[0] / size[0], limits[1] / size[1])
        if not enlarge:
            scale = min(scale, 1.0)
        width, height = (
            min(max(1, round(side * scale)), limit) for side, limit in zip(size, limits, strict=True)
        )
        return cls(size, (width, height))

    def scaled(self, image: Image.Image) -> Image.Image:
        """The picture at `resized`; smoothed where it shrinks, so that nothing aliases."""
        if image.size != self.size:
            raise ValueError(f"this is for a picture of {self.size}, not {image.size}")
        return image if self.resized == self.size else image.resize(self.resized, Image.Resampling.BILINEAR)

    def canvas(self, image: Image.Image, limits: tuple[int, int], padding: int) -> np.ndarray:
        """The scaled picture on an input of `limits` (width, height), the rest `padding`: HWC, uint8, RGB."""
        canvas_HWC = np.full((limits[1], limits[0], 3), padding, np.uint8)
        canvas_HWC[: self.resized[1], : self.resized[0]] = np.asarray(self.scaled(image))
        return canvas_HWC

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 2) of the input in the pixels of the picture.

        Both count from the corner of the first pixel, so there is no half pixel to add; each side scales by
        what rounding made of it.
        """
        return points * (np.asarray(self.size, np.float64) / np.asarray(self.resized, np.float64))

    def to_input(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 2) of the picture in the pixels of the input."""
        return points * (np.asarray(self.resized, np.float64) / np.asarray(self.size, np.float64))
