"""What a network proposes, and the faces that are left of it.

Shapes: N4 boxes (x0, y0, x1, y1); N one score a box; N52 five landmarks (x, y) a box.
"""

from dataclasses import dataclass

import numpy as np

from pixelsmile.errors import ModelError
from pixelsmile.faces.detectors.letterbox import Letterbox
from pixelsmile.faces.detectors.overlap import keep_best
from pixelsmile.faces.face import Face

_MAX_PROPOSALS = 20_000  # a crowd of a thousand has about ten for each face
_ROUNDING = 1e-3  # a network in half precision


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
