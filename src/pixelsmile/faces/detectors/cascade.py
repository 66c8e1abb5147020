"""The frontal-face cascade (local binary patterns) of scikit-image: no weights to fetch, boxes alone.

It knows upright faces that look into the camera, and is the weakest of the detectors. A face is seen at
several scales and places; how many of those agree is its score.
"""

from typing import Any

import numpy as np
from PIL import Image

from pixelsmile.errors import ModelError, install
from pixelsmile.faces.detectors.candidates import Candidates, Letterbox, area
from pixelsmile.faces.face import Face

# Of a size at which faces on photographs get more votes than anything else.
_SIDE_PX = 256
_MIN_FACE = 1 / 8  # of the longer side
_SCALE_STEP = 1.1
_VOTES_FOR_HALF = 6  # the score is votes / (votes + 6): no probability, but it rises with the votes
_SAME_FACE = 0.5  # of the smaller box, as scikit-image groups them
_OVERLAP = 0.3


class CascadeDetector:
    """Boxes without landmarks, for faces of at least an eighth of the picture's longer side."""

    name = "cascade"

    def __init__(self, *, threshold: float = 0.5) -> None:
        """threshold: 0.5 asks for six votes. ModelError where scikit-image is not installed."""
        self._cascade = _open()
        self._threshold = threshold

    def detect(self, image: Image.Image) -> list[Face]:
        """All faces of an upright RGB picture, the surest first."""
        letterbox = Letterbox.fit(image.size, (_SIDE_PX, _SIDE_PX))
        grey_HW = np.asarray(letterbox.scaled(image).convert("L"), np.float32) / 255
        boxes_N4, votes_N = _vote(self._windows(grey_HW))
        found = Candidates(boxes_N4, votes_N / (votes_N + _VOTES_FOR_HALF), None)
        return found.taken_back(letterbox).faces(image.size, self.name, self._threshold, _OVERLAP)

    def _windows(self, grey_HW: np.ndarray) -> np.ndarray:
        """Every window that passes the cascade, ungrouped, as boxes N4."""
        smallest, largest = round(_SIDE_PX * _MIN_FACE), min(grey_HW.shape)
        if largest < smallest:
            return np.zeros((0, 4))
        found = self._cascade.detect_multi_scale(
            img=grey_HW,
            scale_factor=_SCALE_STEP,
            step_ratio=1,
            min_size=(smallest, smallest),
            max_size=(largest, largest),
            min_neighbor_number=1,
            intersection_score_threshold=1.01,  # more than any two windows share: each stays alone
        )
        rows = [(box["c"], box["r"], box["c"] + box["width"], box["r"] + box["height"]) for box in found]
        return np.asarray(rows, np.float64).reshape(-1, 4)


def _vote(windows_N4: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Windows that share half of the smaller one, as one: the mean boxes, and the windows in each."""
    sums: list[np.ndarray] = []
    votes: list[int] = []
    for window in windows_N4:
        for index, total in enumerate(sums):
            if _shared(window, total / votes[index]) > _SAME_FACE:
                sums[index], votes[index] = total + window, votes[index] + 1
                break
        else:
            sums.append(window)
            votes.append(1)
    votes_N = np.asarray(votes, np.float64)
    return np.asarray(sums).reshape(-1, 4) / votes_N[:, None], votes_N


def _shared(one: np.ndarray, other: np.ndarray) -> float:
    """The common area over the smaller of the two."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return float(max(width, 0) * max(height, 0) / area(np.stack([one, other])).min())


def _open() -> Any:
    try:
        from skimage.data import lbp_frontal_face_cascade_filename
        from skimage.feature import Cascade
    except ImportError as error:
        raise ModelError(
            f"the cascade needs scikit-image, which is not installed: {install('faces')}"
        ) from error
    return Cascade(lbp_frontal_face_cascade_filename())
