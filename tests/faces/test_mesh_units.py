import pytest

from pixelsmile.faces.mesh.mesh import BLENDSHAPES
from pixelsmile.faces.mesh.units import UNSEEN, as_vector, source_units
from pixelsmile.portraits.action_units import ActionUnits

REST = dict.fromkeys(BLENDSHAPES, 0.0)


def units_of(**blendshapes):
    assert not set(blendshapes) - set(BLENDSHAPES)
    return source_units({**REST, **blendshapes})


def test_a_face_at_rest_shows_nothing():
    assert source_units(REST) == ActionUnits()


def test_a_smile_is_no_lifted_lip():
    smile = units_of(mouthSmileLeft=0.9, mouthSmileRight=0.9, mouthUpperUpLeft=0.7, mouthUpperUpRight=0.7)
    assert smile.lip_corner_pull == pytest.approx(1)
    assert smile.upper_lip_raise == 0
    assert smile.lips_part > 0.5


def test_sides_are_the_viewers():
    assert units_of(mouthSmileLeft=0.6, mouthPressLeft=0.3).smirk > 0.9  # the person's left corner
    assert units_of(browOuterUpRight=0.8, browDownLeft=0.8).brow_tilt < -0.9
    assert units_of(eyeLookOutLeft=0.9, eyeLookInRight=0.9).gaze_x == pytest.approx(1)
    assert units_of(eyeLookUpLeft=0.9, eyeLookUpRight=0.9).gaze_y == pytest.approx(-1)


def test_every_intensity_is_in_its_range_and_rises():
    for name in BLENDSHAPES:
        weak, full = (as_vector(units_of(**{name: value})) for value in (0.5, 1.0))
        assert all(abs(value) <= 2 for value in full)
        assert sum(map(abs, full)) >= sum(map(abs, weak))


def test_a_vector_has_what_a_mesh_can_show():
    assert len(as_vector(ActionUnits())) == len(ActionUnits().as_tuple()) - len(UNSEEN)
