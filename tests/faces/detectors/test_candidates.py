"""Pictures fitted into a detector's input and back; boxes that mean the same face."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pixelsmile.faces.detectors.candidates import Letterbox, intersection_over_union, keep_best

sides = st.integers(1, 9000)
limits = st.sampled_from([(640, 640), (320, 192), (128, 1280), (33, 7)])


@given(size=st.tuples(sides, sides), limits=limits, enlarge=st.booleans(), seed=st.integers(0, 99))
def test_there_and_back(size, limits, enlarge, seed):
    letterbox = Letterbox.fit(size, limits, enlarge=enlarge)
    points = np.random.default_rng(seed).uniform(-0.5, 1.5, (7, 2)) * size
    np.testing.assert_allclose(
        letterbox.to_picture(letterbox.to_input(points)), points, rtol=1e-12, atol=1e-9
    )
    np.testing.assert_allclose(letterbox.to_input(np.array(size)), letterbox.resized, rtol=1e-12)
    np.testing.assert_array_equal(letterbox.to_picture(np.zeros(2)), 0)


@given(size=st.tuples(sides, sides), limits=limits, enlarge=st.booleans())
def test_it_fits_and_keeps_its_proportions(size, limits, enlarge):
    width, height = Letterbox.fit(size, limits, enlarge=enlarge).resized
    assert 1 <= width <= limits[0]
    assert 1 <= height <= limits[1]
    scale = min(limits[0] / size[0], limits[1] / size[1])
    scale = scale if enlarge else min(scale, 1.0)
    assert abs(width - max(1, size[0] * scale)) <= 0.5
    assert abs(height - max(1, size[1] * scale)) <= 0.5


def test_small_pictures_grow_only_where_asked():
    assert Letterbox.fit((100, 50), (640, 640)).resized == (640, 320)
    assert Letterbox.fit((100, 50), (640, 640), enlarge=False).resized == (100, 50)


def test_the_canvas():
    image = Image.new("RGB", (200, 100), (10, 20, 30))
    canvas = Letterbox.fit(image.size, (64, 64)).canvas(image, (64, 64), 114)
    assert canvas.shape == (64, 64, 3)
    assert canvas.dtype == np.uint8
    np.testing.assert_array_equal(canvas[:32], np.broadcast_to([10, 20, 30], (32, 64, 3)))
    np.testing.assert_array_equal(canvas[32:], 114)


def test_it_is_for_one_size():
    with pytest.raises(ValueError, match="not \\(3, 4\\)"):
        Letterbox.fit((4, 3), (64, 64)).scaled(Image.new("RGB", (3, 4)))


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
