"""How a head is held: its units move all of it, and the truth with it, but neither body nor scores."""

import numpy as np
import pytest

from pixelsmile.portraits import ActionUnits, action_units, draw_portrait, sample_identity, scores
from pixelsmile.portraits.action_units import HEAD, HEAD_DEG
from pixelsmile.portraits.description import describe

DOMAINS = ("human", "anime")
LEFT_EYE, RIGHT_EYE, NOSE, LEFT_CORNER, RIGHT_CORNER = range(5)
SIZE_PX = 128


def drawn(domain, seed=7, **units):
    return draw_portrait(sample_identity(seed), ActionUnits(**units), domain, SIZE_PX)


def roll_deg(truth):
    way = truth.landmarks_5[RIGHT_EYE] - truth.landmarks_5[LEFT_EYE]
    return np.degrees(np.arctan2(way[1], way[0]))


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("side", [-1, 1])
def test_a_tilt_turns_the_head_by_ten_degrees(domain, side):
    rest, tilted = drawn(domain).truth, drawn(domain, head_tilt=side).truth
    assert roll_deg(tilted) - roll_deg(rest) == pytest.approx(side * HEAD_DEG["head_tilt"], abs=0.1)


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize(("unit", "axis"), [("head_turn", 0), ("head_nod", 1)])
def test_what_stands_out_moves_most(domain, unit, axis):
    rest = drawn(domain).truth.landmarks_5
    for side in (-1, 1):
        way = side * (drawn(domain, **{unit: side}).truth.landmarks_5 - rest)[:, axis]
        assert way.min() > 0.005 * SIZE_PX
        assert way[NOSE] > 1.2 * way[[LEFT_EYE, RIGHT_EYE]].max()


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("unit", HEAD)
def test_shoulders_and_background_stay_where_no_head_comes(domain, unit):
    for seed in range(6):
        rest = drawn(domain, seed)
        for side in (-1.5, 1.5):
            moved = drawn(domain, seed, **{unit: side})
            changed = np.any(np.array(rest.image) != np.array(moved.image), axis=2)
            assert changed.sum() > 100
            assert not changed[-4:, :12].any()  # long hair hangs between
            assert not changed[-4:, -12:].any()
            assert not changed[:8, :8].any()


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("seed", range(10))
def test_the_truth_follows_in_any_direction(domain, seed):
    for side in (-2.0, 2.0):
        units = {"head_turn": side, "head_nod": side, "head_tilt": -side}
        truth = drawn(domain, seed, **units, jaw_drop=1.0).truth
        x0, y0, x1, y1 = truth.face_box
        assert 0 < x0 < x1 < SIZE_PX
        assert 0 < y0 < y1 < SIZE_PX
        for x, y in truth.landmarks_5:
            assert truth.face_mask[int(y), int(x)]


def test_how_a_head_is_held_expresses_nothing():
    for expression in ("happy", "confused", "shy"):
        units = action_units(expression, 0.8)
        assert scores(units.plus(ActionUnits(head_turn=1, head_nod=-1, head_tilt=0.5))) == scores(units)


def test_a_description_tells_how_it_is_held():
    person = sample_identity(7)
    assert "bowed" in describe(person, ActionUnits(head_nod=0.8)).action
    assert "raised" in describe(person, ActionUnits(head_nod=-0.8)).action
    assert "tilted" in describe(person, ActionUnits(head_tilt=2)).action
    assert describe(person, ActionUnits(jaw_drop=1)) == describe(person)
