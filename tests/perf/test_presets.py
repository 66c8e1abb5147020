"""The table of presets: which rows there are, and which are safe for a sweep."""

import sys
from dataclasses import replace
from importlib import import_module

import pytest

from perf import counts
from pixelsmile.editing.acceleration import Acceleration

sys.modules["counts"] = counts  # as it is called where the scripts run
ROWS, Scores, way_of = (getattr(import_module("perf.presets"), name) for name in ("ROWS", "Scores", "way_of"))
EXACT = Scores(0.9, 0.57, 0.98)


@pytest.mark.parametrize(
    ("change", "safe"),
    [
        ({}, True),
        ({"linearity": 0.909, "evenness": 0.561}, True),
        ({"linearity": 0.915}, False),  # more linear is another measure, too
        ({"linearity": 0.88}, False),
        ({"evenness": 0.6}, False),
        ({"identity": 0.96}, False),
        ({"identity": 0.999}, True),
        ({"linearity": float("nan")}, False),
        ({"identity": float("nan")}, False),
    ],
)
def test_a_row_is_safe_where_a_sweep_is_measured_the_same(change, safe):
    assert replace(EXACT, **change).is_safe(EXACT) is safe


def test_every_row_is_made_some_way():
    ways = {row: way_of(row, 28)[1] for row in ROWS}
    assert ways["fuse"] == Acceleration(fuse=True)
    assert ways["taylor=2"] == Acceleration(step_cache="taylor=2")
    assert ways["lightning-4"] == ways["exact"] == Acceleration()  # whose adapter is the full model's alone
    with pytest.raises(SystemExit, match="no row 'turbo'"):
        way_of("turbo", 28)
