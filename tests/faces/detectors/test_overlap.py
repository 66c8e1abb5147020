"""Which boxes mean the same face, against the plain way of computing it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelsmile.faces.detectors.candidates import intersection_over_union, keep_best


def plain_iou(a, b) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def plain_keep_best(boxes, scores, limit) -> list[int]:
    order = sorted(range(len(boxes)), key=lambda index: -scores[index])
    kept: list[int] = []
    for index in order:
        if all(plain_iou(boxes[index], boxes[other]) <= limit for other in kept):
            kept.append(index)
    return kept


def random_boxes(seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    corners, sizes = random.uniform(0, 60, (number, 2)), random.uniform(1, 40, (number, 2))
    scores = random.integers(0, 8, number) / 8  # with ties
    return np.concatenate([corners, corners + sizes], axis=1), scores


def test_by_hand():
    boxes = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [0, 0, 2, 2], [2, 0, 4, 2], [0, 0, 4, 1]], float)
    np.testing.assert_allclose(intersection_over_union(boxes[0], boxes), [1, 1 / 7, 1, 0, 2 / 6])


@given(
    seed=st.integers(0, 10**6), number=st.integers(0, 40), limit=st.sampled_from([0.0, 0.2, 0.4, 0.9, 1.0])
)
def test_against_the_plain_way(seed, number, limit):
    boxes, scores = random_boxes(seed, number)
    assert keep_best(boxes, scores, limit).tolist() == plain_keep_best(boxes, scores, limit)


@pytest.mark.parametrize("number", [0, 1, 500])
def test_far_apart_all_stay(number):
    boxes = np.array([[10 * i, 0, 10 * i + 9, 9] for i in range(number)], float).reshape(-1, 4)
    assert keep_best(boxes, np.ones(number), 0.4).tolist() == list(range(number))
