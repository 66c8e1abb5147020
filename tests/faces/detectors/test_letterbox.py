"""Pictures fitted into a detector's input, and points taken there and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pixelsmile.faces.detectors.candidates import Letterbox

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
