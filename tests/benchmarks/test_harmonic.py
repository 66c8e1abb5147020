"""S_E, S_ID and HES (Eq. 3): worked out by hand, and against scipy's harmonic mean."""

import math
from fractions import Fraction

import numpy as np
import pytest
from edit_examples import REFUSED, edit, scored_edit, scores_of, sweep
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hmean

from pixelsmile.benchmarks.metrics.choices import MetricChoices
from pixelsmile.benchmarks.metrics.harmonic import (
    NEGATIVE_IDENTITY,
    NOTHING_SCORED,
    encoder_measures,
    expression_measure,
    harmonic_measure,
    harmonic_score,
    identities,
    identity_measure,
    mean_similarity,
)
from pixelsmile.benchmarks.metrics.table import tabulate
from pixelsmile.benchmarks.scores import NO_FACE, NOT_MEASURED
from pixelsmile.errors import InputError

DEFAULTS = MetricChoices()


def hes(edits, **choices):
    chosen = MetricChoices(**choices)
    table = tabulate(edits)
    return harmonic_measure(table, identities(table, chosen), chosen)


def s_id(edits, **choices):
    chosen = MetricChoices(**choices)
    table = tabulate(edits)
    return identity_measure(table, identities(table, chosen), chosen)


def test_by_hand():
    assert harmonic_score(np.array(0.5), np.array(0.25)) == pytest.approx(float(Fraction(1, 3)))
    # the published row: ID .6522 and HES .4723 are a mean score of .370 (table 2)
    assert harmonic_score(np.array(0.3702), np.array(0.6522)) == pytest.approx(0.4723, abs=5e-5)
    edits = sweep("a", "happy", (0.0, 0.5, 1.0), (0, 0.5, 1), identity=0.5)
    edits += sweep("b", "sad", (0.25,), (1,), identity=0.25)
    table = tabulate(edits)
    assert expression_measure(table, DEFAULTS).value() == pytest.approx(7 / 16)
    assert s_id(edits).value() == pytest.approx(7 / 16)
    assert hes(edits).value() == pytest.approx(7 / 16)
    assert hes(edits, harmonic="per_sweep").value() == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert hes(edits, harmonic="per_edit").value() == pytest.approx((0 + 1 / 2 + 2 / 3 + 1 / 4) / 4)
    assert hes(edits, harmonic_strengths=1.0, harmonic="per_edit").value() == pytest.approx(
        (2 / 3 + 1 / 4) / 2
    )


@given(st.floats(1e-6, 1), st.floats(1e-6, 1))
def test_against_scipy(expression, identity):
    ours = harmonic_score(np.array(expression), np.array(identity))
    assert ours == pytest.approx(hmean([expression, identity]))
    assert min(expression, identity) * (1 - 1e-12) <= ours <= max(expression, identity) * (1 + 1e-12)


def test_edges_of_the_harmonic_mean():
    scores = harmonic_score(np.array([0, 0.5, 0, 0.5, np.nan]), np.array([0.5, 0, 0, -0.5, 0.5]))
    np.testing.assert_array_equal(scores, [0, 0, 0, 0, np.nan])
    assert math.isnan(harmonic_score(np.array(0.5), np.array(-0.5), "undefined"))


def test_the_mean_of_three_encoders():
    three = scored_edit("a", "happy", cosines={"arcface": 0.5, "adaface": 0.7, "facenet": 0.9})
    cosines = {"arcface": 0.2, "adaface": 0.4, "facenet": None}
    two = scored_edit("b", "happy", cosines=cosines, no_identity="no weights")
    assert s_id([three]).value() == pytest.approx(0.7)
    assert s_id([three], identity_encoders=("arcface",)).value() == 0.5
    assert s_id([three, two]).value() == pytest.approx(0.7)
    assert s_id([three, two]).coverage.unscored == {"no weights": 1}
    assert s_id([three, two], partial_identity="mean").value() == pytest.approx(0.5)
    alone = encoder_measures(tabulate([three, two]), DEFAULTS)
    assert {name: found.value() for name, found in alone.items()} == pytest.approx(
        {"arcface": 0.35, "adaface": 0.55, "facenet": 0.9}
    )
    assert alone["facenet"].coverage.unscored == {"no weights": 1}
    with pytest.raises(InputError, match="clip measured nothing here: choose from adaface, arcface, facenet"):
        s_id([three], identity_encoders=("clip",))
    assert np.isnan(mean_similarity(np.zeros((3, 0)))).all()


def test_missing_faces_are_unscored_unless_chosen_otherwise():
    kept = edit("a", "happy", "happy", identity=0.6)
    lost = scored_edit("b", "happy", scores=scores_of("happy"), no_identity=NO_FACE)
    unmeasured = edit("c", "happy", "happy", identity=None)
    edits = [kept, lost, unmeasured]
    assert s_id(edits).value() == pytest.approx(0.6)
    assert s_id(edits).coverage.unscored == {NO_FACE: 1, NOT_MEASURED: 1}
    assert s_id(edits, missing_faces="zero").value() == pytest.approx(0.3)
    assert s_id(edits, missing_faces="zero").coverage.unscored == {NOT_MEASURED: 1}


def test_hes_needs_both():
    edits = [
        edit("a", "happy", "happy", score=0.5, identity=0.5),
        edit("b", "happy", None, identity=0.1),
        edit("c", "happy", "happy", score=0.9, identity=None),
    ]
    assert hes(edits).value() == pytest.approx(0.5)
    assert hes(edits).coverage.as_json() == {
        "unit": "edits", "n_scored": 1, "n_samples": 1, "n_unscored": 2,
        "unscored": {NOT_MEASURED: 1, REFUSED: 1},
    }  # fmt: skip
    assert hes(edits, harmonic="per_sweep").coverage.unscored == {NOTHING_SCORED: 2}
    for harmonic in ("of_means", "per_sweep", "per_edit"):
        nothing = hes(edits[1:], harmonic=harmonic)
        assert math.isnan(nothing.value())
        assert nothing.coverage.num_scored == 0


@pytest.mark.parametrize("harmonic", ["per_sweep", "per_edit"])
def test_negative_identity(harmonic):
    edits = [edit("a", "happy", "happy", score=0.5, identity=0.5), edit("b", "happy", "happy", identity=-0.2)]
    assert hes(edits, harmonic=harmonic).value() == pytest.approx(0.25)
    undefined = hes(edits, harmonic=harmonic, negative_identity="undefined")
    assert undefined.value() == pytest.approx(0.5)
    assert undefined.coverage.unscored == {NEGATIVE_IDENTITY: 1}


def test_known_editors():
    perfect = sweep("a", "happy", (0, 0.5, 1), (0, 0.5, 1), identity=1.0)
    lazy = sweep("a", "happy", (0, 0, 0), (0, 0.5, 1), identity=1.0)
    assert hes(perfect, harmonic_strengths=1.0).value() == 1
    assert hes(lazy).value() == 0
    assert s_id(lazy).value() == 1
