"""Sweeps: which value stands in the wrong place, and whether the steps are alike."""

import pytest

from pixelsmile.dataset.sweeps import step_ratio, sweep_drops


@pytest.mark.parametrize(
    ("values", "tolerance", "drops"),
    [
        ([], 0.0, []),
        ([0.3], 0.0, [0.0]),
        ([0.2, 0.4, 0.6, 0.9], 0.0, [0.0] * 4),
        ([0.2, 0.4, 0.35, 0.9], 0.1, [0.0] * 4),
        ([0.2, 0.9, 0.6, 0.8], 0.0, [0.0, 0.3, 0.0, 0.0]),  # one too high: it alone
        ([0.2, 0.75, 0.5, 1.0], 0.0, [0.0, 0.25, 0.25, 0.0]),  # two exchanged: nobody can say which is wrong
        ([0.8, 0.2], 0.1, [0.6, 0.6]),
        ([0.5, 0.5, 0.5], 0.0, [0.0] * 3),
        ([0.1, 0.2, 0.05, 0.3], 0.0, [0.0, 0.0, 0.15, 0.0]),
    ],
)
def test_what_stands_in_the_wrong_place(values, tolerance, drops):
    assert sweep_drops(values, tolerance) == pytest.approx(drops)


@pytest.mark.parametrize(
    ("strengths", "steps", "ratio"),
    [
        ([0.0, 0.25, 0.5, 0.75], [5.0, 5.0, 5.0], 1.0),
        ([0.0, 0.25, 1.0], [5.0, 15.0], 1.0),  # alike for the strength that they stand for
        ([0.0, 0.5, 1.0], [9.0, 3.0], 1.5),  # 9 of a mean of 6
        ([0.0, 0.25, 0.5, 0.75, 1.0], [0.0, 0.0, 12.0, 0.0], 4.0),
        ([], [], None),
        ([0.0, 1.0], [7.0], None),
        ([0.0, 0.5, 1.0], [0.0, 0.0], None),
    ],
)
def test_the_largest_step(strengths, steps, ratio):
    assert step_ratio(strengths, steps) == (ratio if ratio is None else pytest.approx(ratio))
