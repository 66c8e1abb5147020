import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pixelsmile.errors import FaceError
from pixelsmile.faces.choice import MIN_FACE_PX
from pixelsmile.faces.crops import crop_around, crop_to_edit
from pixelsmile.faces.face import Face
from pixelsmile.images import load_image


def picture(width, height):
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return Image.fromarray(np.stack([x % 256, y % 256, (x + y) % 256], -1).astype(np.uint8))


def test_the_square_is_centred_on_the_face():
    crop = crop_around(Face((90, 80, 110, 120), None, 1, "test"), (400, 300), context=2)
    assert (crop.left, crop.top, crop.side) == (60, 60, 80)
    cut = crop.cut(picture(400, 300))
    assert cut.size == (80, 80)
    assert cut.getpixel((0, 0)) == (60, 60, 120)


def test_near_the_border_the_square_moves_and_keeps_its_side():
    crop = crop_around(Face((0, 260, 40, 300), None, 1, "test"), (400, 300), context=2)
    assert (crop.left, crop.top, crop.side) == (0, 220, 80)
    assert crop.inside == (0, 220, 80, 300)


def test_a_face_as_large_as_the_picture_repeats_the_edge():
    crop = crop_around(Face((10, 0, 90, 60), None, 1, "test"), (100, 60), context=2)
    cut = np.asarray(crop.cut(picture(100, 60)))
    assert cut.shape == (160, 160, 3)
    x0, y0, x1, y1 = crop.inside
    assert (x0, y0, x1, y1) == (0, 0, 100, 60)
    inner = cut[-crop.top : -crop.top + 60, -crop.left : -crop.left + 100]
    np.testing.assert_array_equal(inner, np.asarray(picture(100, 60)))
    assert (cut[0, -crop.left :][:100] == inner[0]).all()


@given(st.integers(0, 380), st.integers(0, 280), st.integers(2, 300), st.floats(1, 4))
def test_crops_always_cover_the_face_inside_the_picture(x, y, side, context):
    face = Face((x, y, min(400, x + side), min(300, y + side)), np.ones((5, 2)), 1, "test")
    crop = crop_around(face, (400, 300), context)
    x0, y0, x1, y1 = crop.inside
    assert 0 <= x0 < x1 <= 400
    assert 0 <= y0 < y1 <= 300
    moved = crop.face(face)
    assert moved.box[0] + crop.left == pytest.approx(face.box[0])
    assert moved.landmarks_5[0] + [crop.left, crop.top] == pytest.approx([1, 1])
    assert moved.box[0] >= -1
    assert moved.box[3] <= crop.side + 1


def test_the_square_around_the_smallest_face_is_a_picture():
    smallest = Face((50, 50, 50 + MIN_FACE_PX, 50 + MIN_FACE_PX), None, 1, "test")
    load_image(crop_to_edit(smallest, (400, 300)).cut(picture(400, 300)))


@pytest.mark.parametrize(
    ("side", "context", "seen"), [(20, 1.25, "has 25 px a side"), (2000, 8, "has 16000 px a side")]
)
def test_a_square_that_is_no_size_for_a_picture_is_refused(side, context, seen):
    with pytest.raises(FaceError, match=seen):
        crop_to_edit(Face((0, 0, side, side), None, 1, "test"), (4000, 3000), context)
