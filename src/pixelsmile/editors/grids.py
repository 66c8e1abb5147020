"""Grids: asked for an edit, a model may draw four on one sheet, or source and edit side by side."""

import numpy as np
from PIL import Image

_SIDE = 64  # at which pictures are compared
# Correlation of two halves. Of photographs and drawn portraits it is below .77, of grids of four expressions
# above .87 (tests/editors/test_grids.py).
_ALIKE = 0.82
_LONGER = 1.6  # how much longer than its source two pictures in a row are, at least
_MIN_DEVIATION = 2.0  # of grey levels; a plain half is like nothing


def is_grid(picture: Image.Image, source: Image.Image) -> bool:
    """Whether `picture` shows one thing several times, in columns and rows, as its source does not."""
    beside, below = _likeness(picture)
    beside_before, below_before = _likeness(source)
    if min(beside, below) > _ALIKE >= min(beside_before, below_before):
        return True
    longer = (picture.width / picture.height) / (source.width / source.height)
    is_row = longer >= _LONGER and beside > _ALIKE >= beside_before
    return is_row or (longer <= 1 / _LONGER and below > _ALIKE >= below_before)


def _likeness(picture: Image.Image) -> tuple[float, float]:
    """How alike are the left and the right half, and the upper and the lower one, -1..1."""
    grey_HW = np.asarray(picture.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX), dtype=np.float64)
    half = _SIDE // 2
    return _correlation(grey_HW[:, :half], grey_HW[:, half:]), _correlation(grey_HW[:half], grey_HW[half:])


def _correlation(one_HW: np.ndarray, other_HW: np.ndarray) -> float:
    if min(one_HW.std(), other_HW.std()) < _MIN_DEVIATION:
        return 0.0
    return float(np.corrcoef(one_HW.ravel(), other_HW.ravel())[0, 1])
