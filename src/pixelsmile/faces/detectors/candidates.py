"""From a picture to what a network takes, and from what it proposes to the faces that are left of it.

Shapes: N4 boxes (x0, y0, x1, y1); N one score a box; N52 five landmarks (x, y) a box.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from pixelsmile.errors import ModelError
from pixelsmile.faces.face import Face

_MAX_PROPOSALS = 20_000  # a crowd of a thousand has about ten for each face
_ROUNDING = 1e-3  # a network in half precision


def intersection_over_union(box: np.ndarray, boxes_N4: np.ndarray) -> np.ndarray:
    """Of one box with each of the others, 0..1."""
    width_N = np.minimum(box[2], boxes_N4[:, 2]) - np.maximum(box[0], boxes_N4[:, 0])
    height_N = np.minimum(box[3], boxes_N4[:, 3]) - np.maximum(box[1], boxes_N4[:, 1])
    shared_N = np.clip(width_N, 0, None) * np.clip(height_N, 0, None)
    return shared_N / (area(box[None]) + area(boxes_N4) - shared_N)


def area(boxes_N4: np.ndarray) -> np.ndarray:
    """Of each box, in square pixels."""
    return (boxes_N4[:, 2] - boxes_N4[:, 0]) * (boxes_N4[:, 3] - boxes_N4[:, 1])


def keep_best(boxes_N4: np.ndarray, scores_N: np.ndarray, limit: float) -> np.ndarray:
    """Which boxes to keep, the surest first: none overlaps a surer kept one by more than `limit`.

    Greedy non-maximum suppression; of equal scores the earlier box wins.
    """
    waiting = np.argsort(-scores_N, kind="stable")
    kept: list[int] = []
    while waiting.size:
        best, waiting = waiting[0], waiting[1:]
        kept.append(int(best))
        waiting = waiting[intersection_over_union(boxes_N4[best], boxes_N4[waiting]) <= limit]
    return np.asarray(kept, np.intp)


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


@dataclass(frozen=True, eq=False)
class Candidates:
    """Proposals in the pixels of one picture, in any order."""

    boxes: np.ndarray  # N4
    scores: np.ndarray  # N
    landmarks: np.ndarray | None  # N52

    @classmethod
    def joined(cls, parts: "list[Candidates]") -> "Candidates":
        """All of them as one; landmarks only where every part has them."""
        landmarks = [part.landmarks for part in parts if part.landmarks is not None]
        return cls(
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate(landmarks) if len(landmarks) == len(parts) else None,
        )

    def chosen(self, which: np.ndarray) -> "Candidates":
        """Some of them, by row or by a truth value for each."""
        landmarks = None if self.landmarks is None else self.landmarks[which]
        return Candidates(self.boxes[which], self.scores[which], landmarks)

    def taken_back(self, letterbox: Letterbox) -> "Candidates":
        """The same in the pixels of the picture that the letterbox holds."""
        corners = letterbox.to_picture(self.boxes.reshape(-1, 2, 2)).reshape(-1, 4)
        landmarks = None if self.landmarks is None else letterbox.to_picture(self.landmarks)
        return Candidates(corners, self.scores, landmarks)

    def from_whole_pixels(self) -> "Candidates":
        """The same, from landmarks for which the middle of the first pixel is 0; here it is 0.5.

        So do SCRFD's and YuNet's own programs, which pass them on to warps that count in whole pixels.
        """
        landmarks = None if self.landmarks is None else self.landmarks + 0.5
        return Candidates(self.boxes, self.scores, landmarks)

    def faces(self, size: tuple[int, int], source: str, threshold: float, overlap: float) -> list[Face]:
        """The faces of a picture of `size` (width, height), the surest first.

        Left out are scores below `threshold`, boxes without area or outside of the picture, and boxes that
        overlap a surer one by more than `overlap`. A face at the border keeps its whole box.
        ModelError where the network gives no numbers, or scores outside of 0..1: it is not what it says.
        """
        self._check(source)
        x0_N, y0_N, x1_N, y1_N = self.boxes.T
        sure_N = self.scores >= threshold
        inside_N = (x1_N > 0) & (y1_N > 0) & (x0_N < size[0]) & (y0_N < size[1])
        (rows,) = np.nonzero(sure_N & inside_N & (x1_N > x0_N) & (y1_N > y0_N))
        if len(rows) > _MAX_PROPOSALS:
            raise ModelError(
                f"the detector {source} sees {len(rows):,} faces in one picture: this is no face detector of "
                "a known kind"
            )
        rows = rows[keep_best(self.boxes[rows], self.scores[rows], overlap)]
        return [self._face(row, source) for row in rows]

    def _face(self, row: int, source: str) -> Face:
        x0, y0, x1, y1 = (float(value) for value in self.boxes[row])
        landmarks = None if self.landmarks is None else self.landmarks[row].astype(np.float64)
        return Face((x0, y0, x1, y1), landmarks, float(self.scores[row]), source)

    def _check(self, source: str) -> None:
        numbers = [self.boxes, self.scores]
        numbers += [] if self.landmarks is None else [self.landmarks]
        if not all(np.isfinite(array).all() for array in numbers):
            raise ModelError(f"the detector {source} gives numbers that are not finite: fetch its file again")
        if self.scores.size and (self.scores.min() < -_ROUNDING or self.scores.max() > 1 + _ROUNDING):
            raise ModelError(
                f"the detector {source} gives scores from {self.scores.min():.3g} to "
                f"{self.scores.max():.3g}, not 0..1: this is no face detector of a known kind"
            )
