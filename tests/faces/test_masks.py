import math

import numpy as np
import pytest

from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.faces.face import Face
from pixelsmile.faces.masks import background_mask, face_mask, feathered, parsed_mask, roll
from pixelsmile.portraits import action_units, draw_portrait, sample_identity


def test_the_mask_fills_its_box_as_an_ellipse():
    mask = face_mask(Face((20, 10, 60, 70), None, 1.0, "test"), (100, 80))
    rows, columns = np.nonzero(mask)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (20, 59, 10, 69)
    assert mask.sum() == pytest.approx(math.pi * 20 * 30, rel=0.01)


def test_a_tilted_mask_still_fills_its_box():
    eyes = np.array([[30.0, 35.0], [48.0, 45.0], [0, 0], [0, 0], [0, 0]])
    face = Face((10, 5, 70, 75), eyes, 1.0, "test")
    assert math.degrees(roll(face)) == pytest.approx(29.05, abs=0.01)
    rows, columns = np.nonzero(face_mask(face, (80, 80)))
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (10, 69, 5, 74)


@pytest.mark.parametrize("domain", ["human", "anime"])
def test_masks_fit_drawn_faces(domain):
    overlaps = []
    for index in range(12):
        identity = sample_identity(2_000_000 + index)
        truth = draw_portrait(identity, action_units(EXPRESSIONS[index], 1.0), domain, 128).truth
        face = Face(truth.face_box, truth.landmarks_5, 1.0, "truth")
        mask = face_mask(face, (128, 128)) > 0
        overlaps.append((mask & truth.face_mask).sum() / (mask | truth.face_mask).sum())
    assert np.mean(overlaps) > 0.9


def test_soft_edges_lie_inside_the_hard_mask():
    face = Face((20, 10, 60, 70), None, 1.0, "test")
    hard, soft = face_mask(face, (100, 80)), face_mask(face, (100, 80), soft=0.3)
    assert (soft[hard == 0] == 0).all()
    assert soft[40, 40] == 1
    assert 0 < soft[40, 22] < 0.5
    assert (face_mask(face, (100, 80), grow=1.2) >= hard).all()


def test_a_feather_lies_outside_of_the_mask():
    hard = np.zeros((60, 60), np.float32)
    hard[20:40, 20:40] = 1
    soft = feathered(hard, 4)
    assert (soft[hard == 1] == 1).all()
    assert 0 < soft[30, 42] < soft[30, 40] < 1
    assert soft[30, 50] == 0
    np.testing.assert_array_equal(feathered(hard, 0), hard)


def test_the_background_keeps_its_margin():
    hard = np.zeros((60, 60), np.float32)
    hard[20:40, 20:40] = 0.5
    assert (~background_mask(hard)).sum() == 400
    assert (~background_mask(hard, 3)).sum() == 26 * 26


def test_a_parsing_becomes_a_mask():
    classes = np.array([[0, 1, 17], [10, 7, 13]])
    np.testing.assert_array_equal(parsed_mask(classes), [[0, 1, 0], [1, 0, 1]])
    with pytest.raises(InputError, match="whole numbers"):
        parsed_mask(classes.astype(float))


def test_bad_numbers_are_refused():
    face = Face((0, 0, 10, 10), None, 1.0, "test")
    for options in ({"grow": 0}, {"soft": 1.5}, {"soft": -0.1}):
        with pytest.raises(InputError):
            face_mask(face, (20, 20), **options)
