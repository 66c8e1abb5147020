"""The moved surface alone, on the canonical face: no picture, no network."""

import numpy as np
import pytest

from pixelsmile.editing.engines.geometric.surface import RINGS, surface
from pixelsmile.editing.engines.geometric.units_on_mesh import EYES, Movement, in_reach, move, unit_fields
from pixelsmile.faces.mesh.mesh import CHIN, LOWER_INNER, UPPER_INNER
from pixelsmile.portraits.action_units import HEAD, SIGNED, UNITS, ActionUnits, parse_units
from pixelsmile.portraits.prototypes import action_units

REST = ActionUnits()
SEEN = [name for name in UNITS if name not in ("gaze_x", "gaze_y", "blush", "sweat", *HEAD)]


def moved(units, *, shown=REST, neutralise=1.0):
    return move(surface().vertices_cm, Movement(shown, units, neutralise))


def gaps(vertices):
    return vertices[list(UPPER_INNER), 1] - vertices[list(LOWER_INNER), 1]


def test_the_surface_is_closed_and_symmetric():
    face = surface()
    assert (face.mirror[face.mirror] == np.arange(len(face.mirror))).mean() > 0.95
    assert len(face.border) == 72
    count = len(face.vertices_cm)
    assert face.ring_triangles.max() == count + len(RINGS) * len(face.border) - 1
    assert set(np.unique(face.triangles)) == set(range(count))
    assert face.in_mouth.any()


def test_at_rest_only_the_lips_close():
    vertices = moved(REST)
    assert np.abs(gaps(vertices)).max() < 1e-6  # the canonical mouth is a little open
    assert np.abs(moved(REST, neutralise=0.0) - surface().vertices_cm).max() < 1e-9


@pytest.mark.parametrize("name", SEEN)
def test_every_unit_moves_the_face_and_more_moves_it_more(name):
    closed = moved(REST)
    ways = [np.abs(moved(ActionUnits(**{name: value})) - closed).max() for value in (0.25, 0.5, 1.0)]
    assert 0 < ways[0] < ways[1] < ways[2] < 4


@pytest.mark.parametrize("name", ["smirk", "brow_tilt"])
def test_a_negative_unit_is_the_mirrored_one(name):
    face = surface()
    right, left = (moved(ActionUnits(**{name: value})) - moved(REST) for value in (1.0, -1.0))
    mirrored = right[face.mirror] * np.array([-1.0, 1.0, 1.0])
    assert np.abs(mirrored - left).max() < 0.05


def test_lips_and_lids_never_cross():
    for name in ("happy", "surprised", "sad", "angry", "disgust", "sleepy", "fear"):
        for strength in (0.5, 1.0, 2.0):
            vertices = moved(in_reach(action_units(name, strength)))
            assert gaps(vertices).min() > -1e-6
            for (upper, *_), (lower, *_), _ in EYES:
                assert (vertices[list(upper), 1] - vertices[list(lower), 1]).min() > 0


def test_the_jaw_takes_the_chin_along():
    way = moved(ActionUnits(jaw_drop=1.0)) - surface().vertices_cm
    assert way[CHIN, 1] < -1.0
    assert gaps(moved(ActionUnits(jaw_drop=1.0))).max() > 1.2
    assert gaps(moved(ActionUnits(jaw_drop=1.0, lip_press=1.0))).max() < 0.6


def test_neutralising_takes_back_what_is_shown():
    shown = ActionUnits(lip_corner_pull=0.8, brow_lower=0.5)
    smiling = moved(shown)
    back = move(smiling, Movement(shown, REST))
    assert np.abs(back - moved(REST)).max() < 0.15
    kept = move(smiling, Movement(shown, REST, neutralise=0.0))
    assert np.abs(kept - smiling).max() < 1e-6


def test_beyond_full_there_is_less_and_less():
    full, more, most = (in_reach(ActionUnits(smirk=-value)).smirk for value in (1.0, 1.5, 2.0))
    assert full == -1.0
    assert 1.0 < -more < -most < 1.6
    assert -more - 1.0 > most - more > -1.0


def test_units_are_of_the_table_or_written_out():
    written_out = {"upper_lid_raise", "lid_tighten", "lip_press", "eyes_closed"}
    assert {name for name in unit_fields() if "+" not in name} | written_out == set(SEEN)


def test_units_in_words():
    assert parse_units("jaw_drop=0.4, smirk=-0.5,blush") == {"jaw_drop": 0.4, "smirk": -0.5, "blush": 1.0}
    assert set(SIGNED) <= set(UNITS)
