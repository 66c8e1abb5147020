"""The drift of an edit, and what else changed in its background."""

import numpy as np
import pytest
from PIL import Image

from pixelsmile.errors import ImageError
from pixelsmile.faces.alignment import warp
from pixelsmile.faces.drift import Drift, compare_background, measure_drift, undo_drift
from pixelsmile.faces.face import Face
from pixelsmile.faces.masks import face_mask
from pixelsmile.portraits import action_units, draw_portrait, sample_identity

SIZE, MARGIN = 256, 20  # drawn larger, so that a drifted picture has no black edge


def drawn(seed, domain, expression):
    """Pixels with a margin around, and the face in the picture without it."""
    portrait = draw_portrait(sample_identity(seed), action_units(expression, 1.0), domain, SIZE + 2 * MARGIN)
    truth = portrait.truth
    x0, y0, x1, y1 = (value - MARGIN for value in truth.face_box)
    face = Face((x0, y0, x1, y1), truth.landmarks_5 - MARGIN, 1.0, "truth")
    return np.asarray(portrait.image).astype(np.float32), face


def drifted(pixels, drift):
    """The picture without its margin after a drift, a little brighter and with noise."""
    matrix = drift.matrix((SIZE, SIZE))
    matrix[:, 2] -= matrix[:, :2] @ [MARGIN, MARGIN]
    moved = warp(pixels, matrix, (SIZE, SIZE))
    noise = np.random.default_rng(0).normal(0, 2, moved.shape)
    return np.clip(moved * 0.97 + 5 + noise, 0, 255).astype(np.uint8)


def inner(pixels):
    return pixels[MARGIN:-MARGIN, MARGIN:-MARGIN].astype(np.uint8)


@pytest.mark.parametrize("domain", ["human", "anime"])
@pytest.mark.parametrize("drift", [Drift(0, 0, 1), Drift(7.3, -4.1, 1.02), Drift(-5.5, 6.2, 0.985)])
def test_drift_is_measured_beside_a_changed_face(domain, drift):
    source, face = drawn(3001, domain, "neutral")
    edit = drifted(drawn(3001, domain, "surprised")[0], drift)
    stable = face_mask(face, (SIZE, SIZE), grow=1.25) == 0
    found = measure_drift(inner(source), edit, stable)
    assert found is not None
    assert found.shift_x_px == pytest.approx(drift.shift_x_px, abs=0.2)
    assert found.shift_y_px == pytest.approx(drift.shift_y_px, abs=0.2)
    assert found.zoom == pytest.approx(drift.zoom, abs=0.002)


def test_undone_drift_is_the_source_again():
    source, _ = drawn(3002, "human", "neutral")
    drift = Drift(4.4, -3.3, 1.03)
    edit = drifted(source, drift)
    back = undo_drift(edit, drift, inner(source))
    error = np.abs(back.astype(float) - np.clip(inner(source) * 0.97 + 5, 0, 255))
    assert error.mean() < 3.0
    assert np.abs(edit.astype(float) - inner(source)).mean() > 2 * error.mean()


def test_where_the_edit_has_no_pixels_the_fill_stays():
    edit, fill = np.full((40, 40, 3), 200, np.uint8), np.full((40, 40, 3), 10, np.uint8)
    back = undo_drift(edit, Drift(10, 0, 1), fill)
    assert (back[:, -9:] == 10).all()
    assert (back[:, :29] == 200).all()


def test_nothing_is_made_up_where_nothing_can_be_told():
    plain = np.full((64, 64, 3), 128, np.uint8)
    everywhere = np.ones((64, 64))
    assert measure_drift(plain, plain, everywhere) is None
    stripes = np.broadcast_to(np.arange(64, dtype=np.uint8)[None, :, None] * 3, (64, 64, 3))
    assert measure_drift(stripes, stripes, everywhere) is None  # shift and brightness look alike
    source, _ = drawn(3003, "human", "neutral")
    assert measure_drift(inner(source), inner(source), np.zeros((SIZE, SIZE))) is None


def test_another_picture_is_no_drift():
    source = inner(drawn(3004, "human", "neutral")[0])
    other = inner(drawn(3005, "anime", "happy")[0])
    found = measure_drift(source, other[::-1, ::-1], np.ones((SIZE, SIZE)))
    assert found is None or max(abs(found.shift_x_px), abs(found.shift_y_px)) <= 0.08 * SIZE


FACE = Face((20, 20, 60, 70), None, 1.0, "test")


def noisy(size=(100, 90)):
    pixels = np.random.default_rng(0).integers(40, 200, (size[1], size[0], 3), np.uint8)
    return pixels


def test_what_changes_in_the_face_does_not_count():
    before = noisy()
    after = before.copy()
    after[35:55, 30:50] = 0
    found = compare_background(Image.fromarray(before), Image.fromarray(after), [FACE])
    assert found.rmse == 0
    assert found.share == pytest.approx(1 - np.pi * 20 * 25 / 9000, abs=0.005)


def test_rmse_by_hand():
    before = noisy()
    after = before.copy()
    after[:9, :, 0] += 10  # a tenth of the picture, one colour of three, all of it background
    found = compare_background(Image.fromarray(before), Image.fromarray(after), [FACE])
    assert found.rmse == pytest.approx(np.sqrt(900 * 100 / (3 * found.share * 9000)))


def test_the_faces_of_both_pictures_are_left_out():
    before = noisy()
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
    picture = Image.fromarray(noisy())
    with pytest.raises(ImageError, match="compare pictures of one size"):
        compare_background(picture, Image.fromarray(noisy((90, 90))), [FACE])
    with pytest.raises(ImageError, match="no background"):
        compare_background(picture, picture, [Face((-200, -200, 300, 300), None, 1.0, "test")])
