"""The nearest drawing, and the damage that is left: a drawing has none, planted faults have much."""

from dataclasses import fields, replace

import numpy as np
import pytest
from PIL import Image, ImageFilter

from pixelsmile.errors import InputError
from pixelsmile.portraits import ActionUnits, action_units, sample_identity
from pixelsmile.portraits.damage import LOOK_PX, damage_of
from pixelsmile.portraits.nearest import DrawnPerson, blurred

PERSON = DrawnPerson(sample_identity(7_710_003), "human")
# Of no expression that a search starts from, at no strength that it knows.
SHOWN = ActionUnits(lip_corner_pull=0.45, brow_lower=0.5, eyes_closed=0.3, gaze_x=-0.4, jaw_drop=0.2)


def drawn(units=SHOWN, person=PERSON):
    return person.draw(np.array(units.as_tuple()), LOOK_PX)


def found(pixels, person=PERSON):
    return damage_of(Image.fromarray(pixels), person)


@pytest.fixture(scope="module")
def sound():
    return found(drawn())


def test_a_drawing_is_found_again(sound):
    assert sound.damage < 10
    assert sound.lopsided < 5
    assert sound.shift_px == (0, 0)
    off = {unit.name: getattr(sound.units, unit.name) - getattr(SHOWN, unit.name) for unit in fields(SHOWN)}
    for unit in ("lip_corner_pull", "brow_lower", "eyes_closed", "gaze_x"):
        assert abs(off[unit]) < 0.25, off


def test_a_second_brow_is_damage_and_one_sided(sound):
    other = drawn(replace(SHOWN, brow_lower=0.0, inner_brow_raise=1.2, outer_brow_raise=1.2))
    both = drawn()
    above, middle = int(0.42 * LOOK_PX), LOOK_PX // 2
    both[:above, :middle] = np.minimum(both[:above, :middle], other[:above, :middle])
    doubled = found(both)
    assert doubled.damage > 2.5 * sound.damage
    assert doubled.lopsided > 0.7 * doubled.damage  # of one eye alone
    assert max(map(abs, doubled.units.as_tuple())) <= 2


def test_a_slight_blur_is_less_than_a_torn_mouth(sound):
    blur = found(np.asarray(Image.fromarray(drawn()).filter(ImageFilter.GaussianBlur(1.0))))
    torn = drawn()
    torn[LOOK_PX // 2 :, LOOK_PX // 2 :] = drawn(action_units("surprised"))[LOOK_PX // 2 :, LOOK_PX // 2 :]
    assert sound.damage < blur.damage < found(torn).damage / 1.5
    assert blur.lopsided < 0.8 * blur.damage  # it is on both sides


def test_a_picture_that_lies_elsewhere_is_not_damaged(sound):
    padded = np.pad(drawn(), ((6, 0), (5, 0), (0, 0)), mode="edge")[:LOOK_PX, :LOOK_PX]
    shifted = found(padded)
    assert shifted.shift_px == (5, 6)
    assert shifted.damage == pytest.approx(sound.damage, abs=1.5)


def test_another_person_is_all_damage():
    other = DrawnPerson(sample_identity(7_710_004), "human")
    assert found(drawn(person=other)).damage > 30


def test_a_picture_of_another_form():
    with pytest.raises(InputError, match="128 x 256"):
        damage_of(Image.new("RGB", (128, 256)), PERSON)


def test_a_blur_keeps_what_is_even_and_adds_up_to_what_there_was():
    even = np.full((20, 30, 3), 7, np.float32)
    assert blurred(even, 2.0) == pytest.approx(even, abs=1e-4)
    spot = np.zeros((41, 41, 1), np.float32)
    spot[20, 20] = 1
    soft = blurred(spot, 2.0)
    assert soft.sum() == pytest.approx(1, abs=1e-3)
    assert soft[20, 22, 0] / soft[20, 20, 0] == pytest.approx(np.exp(-0.5))
