"""CLS: worked out by hand, against scipy, and where it is undefined."""

import math

import numpy as np
import pytest
from edit_examples import REFUSED, STRENGTHS, sweep
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr

from pixelsmile.benchmarks.metrics.choices import MetricChoices
from pixelsmile.benchmarks.metrics.linearity import (
    CLS_2,
    CONSTANT,
    INCOMPLETE,
    TOO_SHORT,
    linearity_measure,
    pearson,
    pearson_of_moments,
)
from pixelsmile.benchmarks.metrics.table import tabulate
from pixelsmile.expressions import BASIC_SIX, EXPRESSIONS

THREE = (0.0, 0.5, 1.0)
DEFAULTS = MetricChoices()
POOLED = MetricChoices(linearity="pooled")


def cls(edits, choices=DEFAULTS, targets=EXPRESSIONS):
    return linearity_measure(tabulate(edits), choices, targets)


def test_by_hand():
    # strengths -1/2, 0, 1/2 off their mean; scores -1/3, -1/12, 5/12 off theirs
    strengths, scores = np.array(THREE), np.array([[0.0, 0.25, 0.75]])
    r = (1 / 6 + 5 / 24) / math.sqrt(1 / 2 * (1 / 9 + 1 / 144 + 25 / 144))
    assert pearson(strengths, scores)[0] == pytest.approx(r)
    one = sweep("a", "happy", (0.0, 0.25, 0.75), THREE)
    other = sweep("b", "happy", (0.0, 0.5, 1.0), THREE)
    assert cls(one + other).value() == pytest.approx((r + 1) / 2)
    # pooled: scores (0, 1/4, 3/4, 0, 1/2, 1), mean 5/12
    deviations = [-5 / 12, -2 / 12, 4 / 12, -5 / 12, 1 / 12, 7 / 12]
    pooled = (7 / 8) / math.sqrt(1 * sum(d * d for d in deviations))
    assert cls(one + other, POOLED).value() == pytest.approx(pooled)


def test_against_scipy():
    rng = np.random.default_rng(1)
    edits, rs, points = [], [], []
    for place in range(40):
        scores = np.clip(np.array(STRENGTHS) * rng.uniform(-0.5, 1) + rng.normal(0.3, 0.2, 5), 0, 1)
        edits += sweep(f"s{place}", EXPRESSIONS[place % 12], scores.tolist())
        rs.append(pearsonr(STRENGTHS, scores).statistic)
        points += zip(STRENGTHS, scores, strict=True)
    assert cls(edits).value() == pytest.approx(np.mean(rs), abs=1e-12)
    assert cls(edits, POOLED).value() == pytest.approx(
        pearsonr(*zip(*points, strict=True)).statistic, abs=1e-12
    )


def test_subsets():
    edits = sweep("a", "happy", (0, 0.2, 0.4, 0.6, 0.8)) + sweep("b", "sad", (0.8, 0.6, 0.4, 0.2, 0))
    edits += sweep("c", "shy", (0, 0.2, 0.4, 0.6, 0.8))
    assert cls(edits, targets=CLS_2).value() == pytest.approx(1)
    assert cls(edits, targets=BASIC_SIX).value() == pytest.approx(0)
    assert cls(edits).value() == pytest.approx(1 / 3)
    assert cls(edits, targets=("fear",)).coverage.num_scored == 0
    assert math.isnan(cls(edits, targets=("fear",)).value())


def test_constant_sweeps_are_undefined_and_counted():
    edits = sweep("a", "happy", (0, 0.2, 0.4, 0.6, 0.8)) + sweep("b", "happy", (0.3,) * 5)
    found = cls(edits)
    assert found.value() == pytest.approx(1)
    assert found.coverage.as_json() == {
        "unit": "sweeps", "n_scored": 1, "n_samples": 1, "n_unscored": 1, "unscored": {CONSTANT: 1},
    }  # fmt: skip
    assert cls(edits, MetricChoices(constant_sweeps="zero")).value() == pytest.approx(0.5)
    lazy = cls(edits[5:])
    assert math.isnan(lazy.value())
    assert math.isnan(cls(edits[5:], POOLED).value())
    assert cls(edits[5:], MetricChoices(linearity="pooled", constant_sweeps="zero")).value() == 0


def test_missing_verdicts():
    edits = sweep("a", "happy", (0, None, 0.4, 0.6, 0.8)) + sweep("b", "happy", (None, None, None, 0.5, 0.1))
    found = cls(edits)
    assert found.value() == pytest.approx(1)
    assert found.coverage.unscored == {TOO_SHORT: 1}
    assert cls(edits, MetricChoices(min_points=5)).coverage.unscored == {TOO_SHORT: 2}
    assert cls(edits, MetricChoices(incomplete_sweeps="unscored")).coverage.unscored == {INCOMPLETE: 2}
    assert cls(sweep("a", "sad", (None,) * 5)).coverage.unscored == {TOO_SHORT: 1}
    assert {edit.verdict.unscored for edit in edits} == {None, REFUSED}


def test_largest_strength_and_number_of_points():
    saturating = sweep("a", "happy", (0, 0.4, 0.8, 0.8, 0.8), (0, 0.5, 1, 1.5, 2))
    assert cls(saturating).value() < 0.95
    assert cls(saturating, MetricChoices(max_strength=1, num_points=3)).value() == pytest.approx(1)
    elsewhere = cls(saturating, MetricChoices(max_strength=1, num_points=4))
    assert elsewhere.coverage.unscored == {TOO_SHORT: 1}
    assert MetricChoices(max_strength=1.5, num_points=4).sweep_strengths() == (0, 0.5, 1, 1.5)


def test_nearly_constant_scores_do_not_explode():
    r = pearson(np.array(STRENGTHS), np.array([[0.5, 0.5, 0.5, 0.5, 0.5 + 1e-15]]))
    assert -1 <= r[0] <= 1
    x = np.array([1.0] * 4)
    moments = np.stack([np.ones(4), x, 0.1 * x, x * x, 0.01 * x, 0.1 * x]).sum(axis=1)
    assert np.isnan(pearson_of_moments(moments))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.integers(0, 20).map(lambda n: n / 20), min_size=5, max_size=5), min_size=1, max_size=8
    ),
    st.randoms(use_true_random=False),
)
def test_properties(rows, random):
    edits = [edit for place, row in enumerate(rows) for edit in sweep(f"s{place}", "happy", row)]
    for choices in (DEFAULTS, POOLED):
        value = cls(edits, choices).value()
        assert math.isnan(value) or -1 <= value <= 1
        again = cls(random.sample(edits, len(edits)), choices).value()
        assert again == value or (math.isnan(again) and math.isnan(value))
        mirrored = [
            edit for n, row in enumerate(rows) for edit in sweep(f"s{n}", "happy", [1 - v for v in row])
        ]
        opposite = cls(mirrored, choices).value()
        assert (math.isnan(opposite) and math.isnan(value)) or opposite == pytest.approx(-value, abs=1e-9)
    coverage = cls(edits).coverage
    assert coverage.num_scored + sum(coverage.unscored.values()) == len(rows)
