"""The geometry stays valid at any intensity: lids and lips meet but never cross."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelsmile.portraits import ActionUnits, action_units, sample_identity
from pixelsmile.portraits.action_units import HEAD, SIGNED, saturate, soft_max, soft_min
from pixelsmile.portraits.human.geometry import face_geometry

UNITS = st.builds(
    ActionUnits,
    **{f.name: st.floats(-2 if f.name in SIGNED else 0, 2) for f in fields(ActionUnits)},
)


@given(units=UNITS, seed=st.integers(0, 10_000))
def test_no_shape_inverts(units, seed):
    face = face_geometry(sample_identity(seed), units)
    mouth = face.mouth
    curves = (mouth.upper_outer, mouth.upper_inner, mouth.lower_inner, mouth.lower_outer)
    for i in range(1, 6):
        heights = [curve[i][1] for curve in curves]
        assert heights == sorted(heights)
    for curve in curves:
        xs = [x for x, _ in curve]
        assert xs == sorted(xs)
        assert xs[-1] - xs[0] > 0.04
    assert mouth.lower_outer[3][1] < face.chin[1] - 0.005
    for eye in (face.left_eye, face.right_eye):
        assert all(up[1] <= low[1] + 1e-9 for up, low in zip(eye.upper, eye.lower, strict=True))
        assert all(crease[1] <= up[1] + 1e-9 for crease, up in zip(eye.crease, eye.upper, strict=True))
    for brow in (face.left_brow, face.right_brow):
        xs = [brow.side * x for x, _ in brow.line]
        assert xs == sorted(xs)


@given(units=UNITS)
def test_skull_and_ears_stay(units):
    identity = sample_identity(3)
    units = replace(units, **dict.fromkeys(HEAD, 0.0))
    rest, moved = face_geometry(identity, ActionUnits()), face_geometry(identity, units)
    assert rest.outline[:5] == moved.outline[:5]
    assert (rest.left_ear, rest.right_ear) == (moved.left_ear, moved.right_ear)


def test_a_smile_lifts_the_corners_and_fear_opens_the_eyes():
    identity = sample_identity(3)
    rest = face_geometry(identity, ActionUnits())
    assert face_geometry(identity, action_units("happy")).mouth.left[1] < rest.mouth.left[1]
    assert face_geometry(identity, action_units("sad")).mouth.left[1] > rest.mouth.left[1]
    assert face_geometry(identity, action_units("fear")).left_eye.openness > rest.left_eye.openness
    assert face_geometry(identity, ActionUnits(eyes_closed=1.0)).left_eye.openness < 0.05


def test_soft_limits():
    assert saturate(0.7) == 0.7
    assert saturate(-0.7) == -0.7
    assert 1.5 < saturate(2.0) < 1.6
    assert saturate(1.0001) == pytest.approx(1.0001, abs=1e-6)
    assert soft_max(5.0, 0.0) == pytest.approx(5.0, abs=0.01)
    assert soft_max(-5.0, 0.0) == pytest.approx(0.0, abs=0.01)
    assert soft_min(5.0, 1.0) == pytest.approx(1.0, abs=0.01)
