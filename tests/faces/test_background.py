import numpy as np
import pytest
from PIL import Image

from pixelsmile.errors import ImageError
from pixelsmile.faces.drift import compare_background
from pixelsmile.faces.face import Face
from pixelsmile.portraits import action_units, draw_portrait, sample_identity

FACE = Face((20, 20, 60, 70), None, 1.0, "test")


def noise(size=(100, 90)):
    pixels = np.random.default_rng(0).integers(40, 200, (size[1], size[0], 3), np.uint8)
    return pixels


def test_what_changes_in_the_face_does_not_count():
    before = noise()
    after = before.copy()
    after[35:55, 30:50] = 0
    found = compare_background(Image.fromarray(before), Image.fromarray(after), [FACE])
    assert found.rmse == 0
    assert found.share == pytest.approx(1 - np.pi * 20 * 25 / 9000, abs=0.005)


def test_rmse_by_hand():
    before = noise()
    after = before.copy()
    after[:9, :, 0] += 10  # a tenth of the picture, one colour of three, all of it background
    found = compare_background(Image.fromarray(before), Image.fromarray(after), [FACE])
    assert found.rmse == pytest.approx(np.sqrt(900 * 100 / (3 * found.share * 9000)))


def test_the_faces_of_both_pictures_are_left_out():
    before = noise()
    after = before.copy()
    after[40:60, 70:90] = 0
    pictures = Image.fromarray(before), Image.fromarray(after)
    assert compare_background(*pictures, [FACE]).rmse > 10
    moved = Face((60, 30, 100, 70), None, 1.0, "test")
    assert compare_background(*pictures, [FACE, moved]).rmse == 0


def test_a_shift_is_measured():
    portrait = draw_portrait(sample_identity(3), action_units("neutral"), "human", 256)
    face = Face(portrait.truth.face_box, portrait.truth.landmarks_5, 1.0, "truth")
    shifted = Image.fromarray(np.roll(np.asarray(portrait.image), 3, axis=1))
    drift = compare_background(portrait.image, shifted, [face], grow=1.25).drift
    assert drift is not None
    assert drift.shift_x_px == pytest.approx(3, abs=0.3)
    assert drift.shift_y_px == pytest.approx(0, abs=0.3)


def test_pictures_that_cannot_be_compared():
    picture = Image.fromarray(noise())
    with pytest.raises(ImageError, match="compare pictures of one size"):
        compare_background(picture, Image.fromarray(noise((90, 90))), [FACE])
    with pytest.raises(ImageError, match="no background"):
        compare_background(picture, picture, [Face((-200, -200, 300, 300), None, 1.0, "test")])
