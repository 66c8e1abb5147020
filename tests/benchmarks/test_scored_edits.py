"""The record of an edit, the table of many, and the choices: what they refuse, and what they keep."""

import math

import numpy as np
import pytest
from edit_examples import ENCODERS, REFUSED, edit, scored_edit, scores_of, sweep
from pydantic import ValidationError

from pixelsmile.benchmarks.metrics.choices import MetricChoices
from pixelsmile.benchmarks.metrics.table import (
    sweeps,
    tabulate,
)
from pixelsmile.benchmarks.scores import Score, ScoredEdit
from pixelsmile.errors import InputError, StrengthError
from pixelsmile.expressions import EXPRESSIONS

SCORES = scores_of("happy")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"target": "neutral"}, "target 'neutral'"),
        ({"scores": {"happy": 0.5}}, "scores that miss or add angry, anxious"),
        ({"scores": {**SCORES, "glee": 0.5}}, "scores that miss or add glee"),
        ({"scores": {**SCORES, "sad": 1.5}}, "score 1.5 of sad"),
        ({"dominant": "glee"}, "dominant 'glee'"),
        ({"cosines": {"arcface": 1.2}}, "similarity 1.2 of arcface"),
    ],
)
def test_what_cannot_be_is_refused(wrong, message):
    found = scored_edit(**{"sample": "s", "target": "happy", "scores": SCORES, **wrong})
    with pytest.raises(InputError, match=message) as error:
        tabulate([found])
    assert "\n" not in str(error.value)


def test_half_a_verdict_is_refused():
    half = scored_edit("s", "happy").with_scores(verdict=Score(unscored=REFUSED, answer="happy"))
    with pytest.raises(InputError, match="a whole verdict or none"):
        tabulate([half])


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"values": SCORES, "unscored": REFUSED},
        {"unscored": ""},
        {"values": {"arcface": None}},
        {"values": {"arcface": math.nan}},
    ],
)
def test_a_score_has_values_or_says_why_not(wrong):
    with pytest.raises(ValidationError):
        Score(**wrong)


def test_strengths_are_checked():
    with pytest.raises(StrengthError):
        tabulate([scored_edit("s", "happy", math.nan, SCORES)])


def test_what_an_edit_says_of_itself():
    found = edit("s", "happy", "happy", identity=None)
    assert found.key == ("s", "happy", 1.0)
    assert found.identity.unscored == "identity not measured"
    assert found.score("sharpness").unscored == "sharpness not measured"
    assert ScoredEdit(found.task, unmade="I will not").verdict.unscored == "I will not"


def test_table_does_not_depend_on_order():
    edits = sweep("b", "sad", (0, 0.1, None, 0.3, 0.4)) + sweep("a", "happy", (0, 0.2, 0.4, 0.6, 0.8))
    table, again = tabulate(edits), tabulate(reversed(edits))
    assert table.samples == ("a", "b")
    assert table.encoders == tuple(sorted(ENCODERS))
    assert table.edits == again.edits
    np.testing.assert_array_equal(table.scores, again.scores)
    assert table.scores.shape == (10, 12)
    assert np.isnan(table.target_scores()).sum() == 1
    assert table.target_scores()[4] == 0.8
    assert table.strengths() == (0, 0.25, 0.5, 0.75, 1)


def test_tables_refuse():
    with pytest.raises(InputError, match="no judged edits"):
        tabulate([])
    with pytest.raises(InputError, match=r"two edits of \('s', 'happy', 1.0\)"):
        tabulate([edit("s", "happy", "happy"), edit("s", "happy", "sad")])


def test_sweeps_have_a_gap_where_an_edit_lacks():
    rows = sweep("a", "happy", (0, 0.2, 0.4, 0.6, 0.8)) + sweep("b", "sad", (0.5, 0.6), (0.5, 1))
    table = tabulate(rows)
    found = sweeps(table)
    np.testing.assert_array_equal(
        found.values(table.target_scores()),
        [[0, 0.2, 0.4, 0.6, 0.8], [np.nan, np.nan, 0.5, np.nan, 0.6]],
    )
    assert [EXPRESSIONS[target] for target in found.target] == ["happy", "sad"]
    np.testing.assert_array_equal(
        sweeps(table, (0, 1)).values(table.target_scores()), [[0, 0.8], [np.nan, 0.6]]
    )


def test_spaced_strengths_are_found_again():
    strengths = [0.1 + 0.1 + 0.1, 0.7]
    table = tabulate(sweep("a", "happy", (0.2, 0.3), strengths))
    assert table.at(0.3).sum() == 1


def test_choices_survive_json():
    choices = MetricChoices(
        confusing_pairs=(("happy", "confident"),), ties="target", accuracy_strengths="largest",
        identity_encoders=("arcface",), max_strength=1.5, num_points=4,
    )  # fmt: skip
    assert MetricChoices.from_json(choices.as_json()) == choices
    assert MetricChoices.from_json({}) == MetricChoices()
    assert choices.sweep_strengths() == (0, 0.5, 1, 1.5)
    assert MetricChoices().sweep_strengths() is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"dominant": "guess"}, {"ties": "first"}, {"linearity": "spearman"}, {"accuracy_strengths": "most"},
        {"harmonic_strengths": -1.0}, {"harmonic_strengths": math.inf}, {"confusion_strengths": True},
        {"confusing_pairs": ()}, {"confusing_pairs": (("fear", "fear"),)}, 
        {"confusing_pairs": (("fear", "glee"),)},
        {"max_strength": 1.0}, {"num_points": 5}, {"max_strength": 0.0, "num_points": 5}, {"min_points": 2},
        {"max_strength": 1.0, "num_points": 2}, {"neutral_at_most": 1.0}, {"identity_encoders": ()},
    ],
)  # fmt: skip
def test_bad_choices(wrong):
    with pytest.raises(InputError) as error:
        MetricChoices.from_json(wrong)
    assert "\n" not in str(error.value)


def test_unknown_choice():
    with pytest.raises(InputError, match=r"metric choices: unknown key .?tie"):
        MetricChoices.from_json({"tie": "split"})
