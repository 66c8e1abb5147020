"""Boxes that mean the same face: intersection over union, and which of them to keep.

Shapes: N4 boxes (x0, y0, x1, y1); N one number a box.
"""

import numpy as np


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
