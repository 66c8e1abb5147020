"""Prototypes and scores: linear in strength, overlapping where the paper says so, silent at rest."""

import itertools
from dataclasses import astuple

import pytest

from pixelsmile.errors import ExpressionError
from pixelsmile.portraits import NUM_VARIANTS, ActionUnits, action_units, blend_units, scores
from pixelsmile.portraits.prototypes import PROTOTYPES

EXPRESSIONS = [name for name in PROTOTYPES if name != "neutral"]
CASES = list(itertools.product(EXPRESSIONS, range(NUM_VARIANTS)))


def test_there_are_twelve_and_neutral_rests():
    assert len(EXPRESSIONS) == 12
    assert NUM_VARIANTS >= 3
    assert all(len(variants) == NUM_VARIANTS for variants in PROTOTYPES.values())
    assert action_units("neutral", 1.7) == ActionUnits()


@pytest.mark.parametrize(("expression", "variant"), CASES)
def test_units_are_linear_in_strength(expression, variant):
    full = astuple(action_units(expression, 1.0, variant))
    assert astuple(action_units(expression, 0.5, variant)) == pytest.approx([0.5 * u for u in full])
    assert all(abs(u) <= 1 for u in full)


def test_a_blend_is_the_weighted_sum():
    blend = blend_units({"happy": 0.6, "surprised": 0.4})
    happy, surprised = action_units("happy", 0.6), action_units("surprised", 0.4)
    assert astuple(blend) == pytest.approx(
        [a + b for a, b in zip(astuple(happy), astuple(surprised), strict=True)]
    )


def test_refusals():
    with pytest.raises(ExpressionError, match="'bored'"):
        action_units("bored")
    with pytest.raises(ExpressionError, match="variant 9"):
        action_units("happy", 1.0, 9)


def test_neutral_scores_nothing():
    assert set(scores(ActionUnits())) == set(EXPRESSIONS)
    assert set(scores(ActionUnits()).values()) == {0.0}


@pytest.mark.parametrize(("expression", "variant"), CASES)
def test_own_score_follows_strength(expression, variant):
    own = [
        scores(action_units(expression, s, variant))[expression] for s in (0.1, 0.3, 0.5, 0.8, 1.0, 1.5, 2.0)
    ]
    assert own == sorted(own)
    assert own[2] == pytest.approx(0.5, abs=0.12)
    assert own[4:] == pytest.approx([1.0, 1.0, 1.0])


@pytest.mark.parametrize(("expression", "variant"), CASES)
def test_own_score_leads(expression, variant):
    found = scores(action_units(expression, 1.0, variant))
    assert max(value for name, value in found.items() if name != expression) < 0.72


@pytest.mark.parametrize(
    ("drawn", "relative"),
    [("fear", "surprised"), ("surprised", "fear"), ("angry", "disgust"), ("disgust", "angry")],
)
def test_confusing_pairs_overlap_by_about_half(drawn, relative):
    assert 0.4 < scores(action_units(drawn))[relative] < 0.68


@pytest.mark.parametrize(
    ("drawn", "stranger"), [("happy", "angry"), ("sad", "happy"), ("sleepy", "angry"), ("shy", "disgust")]
)
def test_strangers_score_about_nothing(drawn, stranger):
    assert scores(action_units(drawn))[stranger] < 0.05


def test_both_parts_of_a_blend_show():
    found = scores(blend_units({"happy": 0.6, "surprised": 0.4}))
    assert found["happy"] == pytest.approx(0.5, abs=0.12)
    assert found["surprised"] == pytest.approx(0.4, abs=0.12)
