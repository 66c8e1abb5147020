"""What a face in a picture is, and what finds one."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels of the picture; x1 > x0, y1 > y0


@dataclass(frozen=True, eq=False)
class Face:
    """One face. Coordinates are pixels of the picture, with the middle of its first pixel at (0.5, 0.5).

    landmarks_5: (5, 2) float64 (x, y): left eye, right eye (the viewer's left and right), nose tip, left and
    right corner of the mouth; None where the detector has none. score: 0..1, how sure the detector is.
    source: the detector's name, or "manual".
    """

    box: Box
    landmarks_5: np.ndarray | None
    score: float
    source: str

    @property
    def width(self) -> float:
        """Of the box, in pixels."""
        return self.box[2] - self.box[0]

    @property
    def height(self) -> float:
        """Of the box, in pixels."""
        return self.box[3] - self.box[1]

    def scaled(self, factor: float) -> "Face":
        """The same face in the picture scaled by `factor`."""
        x0, y0, x1, y1 = (value * factor for value in self.box)
        landmarks = None if self.landmarks_5 is None else self.landmarks_5 * factor
        return Face((x0, y0, x1, y1), landmarks, self.score, self.source)


class Masker(Protocol):
    """Says which pixels are a face: a face parser, or the embedded detector."""

    @property
    def name(self) -> str:
        """How it is called in manifests."""
        ...

    def mask(self, image: Image.Image, face: Face) -> np.ndarray:
        """How sure each pixel of an upright RGB picture belongs to `face`: float32 (H, W), 0..1."""
        ...


class Detector(Protocol):
    """Finds faces."""

    @property
    def name(self) -> str:
        """How it is called on the command line and in manifests."""
        ...

    def detect(self, image: Image.Image) -> list[Face]:
        """All faces of an upright RGB picture of any size, the surest first; an empty list for none."""
        ...
