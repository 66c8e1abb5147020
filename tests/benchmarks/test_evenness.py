"""Evenness of control: worked out by hand, on known editors, and under a noisy judge."""

import numpy as np
import pytest
from edit_examples import REFUSED, sweep

from pixelsmile.benchmarks.metrics.choices import MetricChoices
from pixelsmile.benchmarks.metrics.evenness import (
    END_MISSING,
    evenness,
    evenness_measure,
    moving_share,
    moving_share_measure,
)
from pixelsmile.benchmarks.metrics.linearity import CONSTANT, INCOMPLETE, TOO_SHORT
from pixelsmile.benchmarks.metrics.table import tabulate
from pixelsmile.expressions import EXPRESSIONS

FIVE = np.array([0, 0.25, 0.5, 0.75, 1.0])


def both(edits, **choices):
    table, chosen = tabulate(edits), MetricChoices(**choices)
    return evenness_measure(table, chosen), moving_share_measure(table, chosen)


@pytest.mark.parametrize(
    ("scores", "even", "moving"),
    [
        ((0, 0.25, 0.5, 0.75, 1), 1, 1),
        ((0.2, 0.3, 0.4, 0.5, 0.6), 1, 1),  # the height is no matter, nor where it starts
        ((0, 0.5, 1, 1, 1), 1 / 2, 1 / 2),  # two triangles of height 1/2: an area of 1/4
        ((0, 0, 0, 0.5, 1), 1 / 2, 1 / 2),
        ((0, 0, 1, 1, 1), 1 - 2 * (1 / 8 + (1 / 16 + 1 / 4) / 1.5 + 3 / 8 + 1 / 8) / 4, 1 / 4),  # a jump
        ((0, 1, 1, 1, 1), 1 - 2 * (3 / 8 + 5 / 8 + 3 / 8 + 1 / 8) / 4, 1 / 4),
        ((1, 0.75, 0.5, 0.25, 0), 0, 0),  # a fall: two triangles of height 1, an area of 1/2
        ((0, 0.5, 1, 0.5, 0), 1 - 2 * (1 / 8 + 3 / 8 + (1 / 4 + 1 / 16) / 1.5 + 5 / 8) / 4, 0),  # taken back
        ((0, 0, 0, 0, 1), 1 - 2 * (1 / 8 + 3 / 8 + 5 / 8 + 3 / 8) / 4, 1 / 4),
    ],
)
def test_by_hand(scores, even, moving):
    reached, height = evenness(FIVE, np.array(scores, float))
    assert height == pytest.approx(max(scores) - min(scores))
    assert reached / height == pytest.approx(even)
    assert moving_share(FIVE, np.array(scores, float)) == (pytest.approx(moving * height), height)


def test_the_ends_of_what_they_can_be():
    """A fall half-way is as far from even as a score gets; a rise between instant tenths moves the most."""
    reached, height = evenness(np.array([0, 0.5 - 1e-9, 0.5 + 1e-9, 1]), np.array([1.0, 1, 0, 0]))
    assert reached / height == pytest.approx(-1 / 2)
    moved, height = moving_share(np.array([0, 1e-9, 1 - 1e-9, 1]), np.array([0, 0.1, 0.9, 1.0]))
    assert moved / height == pytest.approx(1.25)


def test_uneven_steps_of_strength_do_not_matter():
    strengths = np.array([0, 0.1, 0.2, 1.0])
    reached, height = evenness(strengths, np.array([0, 0.1, 0.2, 1]))
    assert reached / height == pytest.approx(1)
    reached, height = evenness(
        strengths, np.array([0, 0.2, 0.4, 1])
    )  # over it by .1, then .2, then back to 0
    assert reached / height == pytest.approx(1 - 2 * (0.05 * 0.1 + 0.15 * 0.1 + 0.1 * 0.8))


def test_sweeps_weigh_by_their_height():
    edits = sweep("a", "happy", (0, 0.25, 0.5, 0.75, 1)) + sweep("b", "sad", (0, 0.1, 0.2, 0.2, 0.2))
    even, moving = both(edits)
    assert even.value() == pytest.approx((1 + 0.2 / 2) / 1.2)
    assert moving.value() == pytest.approx((1 + 0.2 / 2) / 1.2)


def test_what_never_moves_is_counted_and_not_scored():
    edits = sweep("a", "happy", (0, 0.25, 0.5, 0.75, 1)) + sweep("b", "sad", (0.3,) * 5)
    for measure in both(edits):
        assert measure.value() == pytest.approx(1)
        assert (measure.coverage.num_scored, measure.coverage.unscored) == (1, {CONSTANT: 1})
    assert all(np.isnan(measure.value()) for measure in both(sweep("b", "sad", (0.3,) * 5)))


def test_strengths_beyond_the_full_expression_are_left_out():
    scores, strengths = (0, 0.5, 1, 1, 1), (0, 0.5, 1, 1.5, 2)
    assert [measure.value() for measure in both(sweep("a", "happy", scores, strengths))] == [
        pytest.approx(1),
        pytest.approx(1),
    ]
    assert [m.value() for m in both(sweep("a", "happy", scores, strengths), evenness_to=2.0)] == [
        pytest.approx(1 / 2),
        pytest.approx(1 / 2),
    ]


def test_missing_points():
    inner = sweep("a", "happy", (0, None, 0.5, 0.75, 1))
    end = sweep("b", "sad", (0, 0.25, 0.5, 0.75, None))
    short = sweep("c", "shy", (0, None, None, None, 1))
    for measure in both(inner + end + short):
        assert measure.value() == pytest.approx(1)
        assert measure.coverage.num_scored == 1
        assert measure.coverage.unscored == {END_MISSING: 1, TOO_SHORT: 1}
    for measure in both(inner + end + short, incomplete_sweeps="unscored"):
        assert measure.coverage.unscored == {INCOMPLETE: 3}
    assert REFUSED  # what `sweep` gives for None is a refusal


@pytest.mark.parametrize("num_points", [5, 9, 21])
def test_a_noisy_judge_leaves_an_even_editor_even(num_points):
    """What the error of a judge costs does not grow with the points, and hides no uneven editor."""
    rng, strengths = np.random.default_rng(0), np.linspace(0, 1, num_points)

    def measured(curve):
        edits = []
        for place in range(60):
            scores = np.clip(curve(strengths, rng.random()) + rng.normal(0, 0.05, num_points), 0, 1)
            edits += sweep(f"s{place}", EXPRESSIONS[place % 12], scores.tolist(), strengths.tolist())
        return [measure.value() for measure in both(edits)]

    even, moving = measured(lambda t, _: t)
    assert 0.91 < even < 0.97
    assert 0.93 < moving < 1.02
    even, moving = measured(lambda t, _: np.minimum(1, 2 * t))
    assert even == pytest.approx(0.53, abs=0.04)
    assert moving == pytest.approx(0.5, abs=0.05)
    # A jump at a place by lot: their mean over faces rises evenly, no single one does.
    even, moving = measured(lambda t, lot: (t >= lot).astype(float))
    assert even < 0.5
    assert moving < 0.35
