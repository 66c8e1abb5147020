import numpy as np
import pytest
from PIL import Image

from pixelsmile.errors import ImageError
from pixelsmile.faces.crops import crop_around
from pixelsmile.faces.face import Face
from pixelsmile.faces.masks import face_mask
from pixelsmile.faces.pasting import fit_edit, fit_whole, paste
from pixelsmile.portraits import action_units, draw_portrait, sample_identity

PLACE = (300, 150)


def scene(expression, size=400):
    """A drawn portrait in a larger, noisy picture, and its face there."""
    portrait = draw_portrait(sample_identity(3100), action_units(expression, 1.0), "human", size)
    noise = np.random.default_rng(0).integers(0, 256, (700, 1000, 3)).astype(np.uint8)
    picture = Image.fromarray(noise)
    picture.paste(portrait.image, PLACE)
    x0, y0, x1, y1 = portrait.truth.face_box
    box = (x0 + PLACE[0], y0 + PLACE[1], x1 + PLACE[0], y1 + PLACE[1])
    return picture, Face(box, portrait.truth.landmarks_5 + PLACE, 1.0, "truth")


@pytest.fixture(scope="module")
def case():
    picture, face = scene("neutral")
    crop = crop_around(face, picture.size, 1.7)
    mask = face_mask(crop.face(face), (crop.side, crop.side), grow=1.3, soft=0.2)
    return picture, crop, mask


def pasted(case, edit, **options):
    picture, crop, mask = case
    fitted = fit_edit(picture, edit, crop, mask, **options)
    return np.asarray(paste(picture, fitted)).astype(int), fitted


def whole_mask(case):
    picture, crop, mask = case
    whole = np.zeros((picture.height, picture.width), bool)
    x0, y0, x1, y1 = crop.inside
    whole[y0:y1, x0:x1] = mask[y0 - crop.top : y1 - crop.top, x0 - crop.left : x1 - crop.left] > 0
    return whole


def test_outside_of_the_mask_not_one_pixel_changes(case):
    edit = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8))
    result, _ = pasted(case, edit)
    before = np.asarray(case[0])
    np.testing.assert_array_equal(result[~whole_mask(case)], before[~whole_mask(case)])
    assert (result != before).any()


def test_the_unedited_crop_returns_as_it_was(case):
    picture, crop, _ = case
    result, fitted = pasted(case, crop.cut(picture))
    assert np.abs(result - np.asarray(picture)).max() <= 1
    assert fitted.gains == pytest.approx((1, 1, 1), abs=1e-3)
    assert not fitted.detail


def test_a_smaller_edit_keeps_the_detail_of_what_it_left_alone(case):
    picture, crop, _ = case
    small = crop.cut(picture).resize((128, 128), Image.Resampling.LANCZOS)
    errors = []
    for keep_detail in (True, False):
        result, _ = pasted(case, small, keep_detail=keep_detail)
        errors.append(np.abs(result - np.asarray(picture))[whole_mask(case)].mean())
    assert errors[0] < errors[1] / 3


def test_a_tinted_and_drifted_edit_is_brought_back(case):
    _, crop, _ = case
    edited, _ = scene("happy")
    truth = np.asarray(edited)
    edit = np.asarray(crop.cut(edited)).astype(float)
    edit = np.roll(edit, (3, -4), (0, 1)) * [0.95, 1.03, 0.9] + [6, -5, 12]
    result, fitted = pasted(case, Image.fromarray(edit.clip(0, 255).astype(np.uint8)))
    assert fitted.drift is not None
    assert fitted.drift.shift_x_px == pytest.approx(-4, abs=0.2)
    assert fitted.drift.shift_y_px == pytest.approx(3, abs=0.2)
    assert fitted.gains == pytest.approx((1 / 0.95, 1 / 1.03, 1 / 0.9), rel=0.03)
    inside = whole_mask(case)
    assert np.abs(result - truth)[inside].mean() < 4
    plain, _ = pasted(case, Image.fromarray(edit.clip(0, 255).astype(np.uint8)), guard_drift=False)
    assert np.abs(plain - truth)[inside].mean() > np.abs(result - truth)[inside].mean()


def test_shapes_that_do_not_fit_are_refused(case):
    picture, crop, mask = case
    for edit, wrong in ((Image.new("RGB", (8, 9)), mask), (Image.new("RGB", (8, 8)), mask[1:])):
        with pytest.raises(ImageError, match="do not fit a crop"):
            fit_edit(picture, edit, crop, wrong)


def test_an_edit_of_the_whole_picture_keeps_what_it_left_alone():
    """Edited at a quarter of the size: sharp everywhere but around what changed."""
    source, truth = (
        np.asarray(draw_portrait(sample_identity(7), action_units(name), "human", 512).image, int)
        for name in ("neutral", "happy")
    )
    picture, edit = Image.fromarray(source.astype(np.uint8)), Image.fromarray(truth.astype(np.uint8))
    small = edit.resize((128, 128), Image.Resampling.LANCZOS)
    result = np.asarray(fit_whole(picture, small, (0, 0, 512, 512)), int)
    enlarged = np.asarray(small.resize((512, 512), Image.Resampling.LANCZOS), int)
    same = (np.abs(truth - source).max(-1) == 0) & (np.abs(result - source).max(-1) <= 1)
    assert same.mean() > 0.8
    assert np.abs(result - truth).mean() < np.abs(enlarged - truth).mean() / 2.5
    changed = np.abs(truth - source).max(-1) > 60
    assert np.abs(result - truth)[changed].mean() < np.abs(source - truth)[changed].mean() / 3


def test_a_part_that_was_edited_fades_where_the_picture_goes_on():
    picture = Image.new("RGB", (400, 240), (100, 100, 100))
    result = np.asarray(fit_whole(picture, Image.new("RGB", (60, 60), (200, 60, 100)), (80, 0, 320, 240)))
    assert (result[:, :80] == 100).all()
    assert (result[:, 320:] == 100).all()
    assert (result[:, 200] == (200, 60, 100)).all()  # up to the edges that are the picture's own
    assert np.abs(np.diff(result[120, :, 0].astype(int))).max() < 20


def test_an_edit_that_is_larger_than_the_picture_returns_too():
    picture = Image.new("RGB", (40, 40), (0, 0, 0))
    result = fit_whole(picture, Image.new("RGB", (64, 64), (90, 90, 90)), (0, 0, 40, 40))
    assert (result.size, result.getpixel((20, 20))) == ((40, 40), (90, 90, 90))
