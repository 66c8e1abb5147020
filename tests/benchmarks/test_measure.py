"""Intervals: against scipy, by their coverage in a simulation, and where there are none."""

import math

import numpy as np
import pytest
from scipy import stats

from pixelsmile.benchmarks.metrics.measure import (
    DEGENERATE,
    NO_ACCELERATION,
    ONE_SIDED,
    TOO_OFTEN_UNDEFINED,
    UNDEFINED,
    Bootstrap,
    Coverage,
    Measure,
    bca_interval,
    difference,
    estimate,
    mean_measure,
    mean_of_sums,
    percentile_interval,
    ratio,
)
from pixelsmile.errors import InputError

RESTS_ON = Coverage("edits", 0, 0)


def ratio_measure(hits, counts):
    parts = np.stack([counts, hits], axis=1).astype(float)
    return Measure(parts, np.arange(len(parts)), len(parts), mean_of_sums, RESTS_ON)


def mean_of(values):
    values = np.asarray(values, dtype=float)
    return mean_measure(values, np.arange(len(values)), len(values), RESTS_ON)


@pytest.fixture(scope="module")
def clusters():
    rng = np.random.default_rng(3)
    counts = rng.integers(1, 6, 50)
    return rng.binomial(counts, rng.beta(2, 1, 50)), counts


@pytest.mark.parametrize("method", ["BCa", "percentile"])
def test_the_same_replicates_give_scipys_interval(clusters, method):
    hits, counts = clusters
    result = stats.bootstrap(
        (hits, counts), lambda h, c, axis: h.sum(axis=axis) / c.sum(axis=axis), paired=True, vectorized=True,
        n_resamples=999, method=method, rng=np.random.default_rng(0),
    )  # fmt: skip
    measure = ratio_measure(hits, counts)
    drawn = result.bootstrap_distribution
    if method == "BCa":
        interval = bca_interval(measure.value(), drawn, measure.left_out(), 0.025)
    else:
        interval = percentile_interval(drawn, 0.025)
    assert interval == pytest.approx(tuple(result.confidence_interval), abs=1e-12)


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_our_own_draws_come_close_to_scipys(clusters, method):
    hits, counts = clusters
    result = stats.bootstrap(
        (hits, counts), lambda h, c, axis: h.sum(axis=axis) / c.sum(axis=axis), paired=True, vectorized=True,
        n_resamples=9999, method={"bca": "BCa"}.get(method, method), rng=np.random.default_rng(0),
    )  # fmt: skip
    plan = Bootstrap(method=method, num_replicates=10_000, seed=5)
    found = estimate(ratio_measure(hits, counts), plan, plan.draw(len(counts)))
    assert found.value == pytest.approx(hits.sum() / counts.sum())
    assert (found.low, found.high) == pytest.approx(tuple(result.confidence_interval), abs=0.006)


def test_replicates_are_means_of_drawn_samples():
    plan = Bootstrap(num_replicates=100)
    weights = plan.draw(7)
    assert weights.shape == (100, 7)
    assert (weights.sum(axis=1) == 7).all()
    values = np.arange(7.0)
    np.testing.assert_allclose(mean_of(values).resampled(weights), weights @ values / 7)
    np.testing.assert_allclose(mean_of(values).left_out(), (21 - values) / 6)
    np.testing.assert_array_equal(plan.draw(7), weights)
    assert (Bootstrap(num_replicates=100, seed=1).draw(7) != weights).any()


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_coverage_with_samples_that_stick_together(method):
    """Edits of one face resemble each other: drawing faces covers the truth, drawing edits does not."""
    rng = np.random.default_rng(11)
    plan = Bootstrap(method=method, num_replicates=400)
    num_runs, num_samples, num_edits = 300, 40, 5
    by_sample = np.repeat(np.arange(num_samples), num_edits)
    covers = {"samples": 0, "edits": 0}
    drawn_samples, drawn_edits = plan.draw(num_samples), plan.draw(num_samples * num_edits)
    for _ in range(num_runs):
        faces = rng.exponential(1.0, num_samples)[by_sample]  # skewed, mean 1
        values = faces + rng.normal(0, 0.5, len(by_sample))
        clustered = mean_measure(values, by_sample, num_samples, RESTS_ON)
        found = estimate(clustered, plan, drawn_samples)
        naive = estimate(mean_of(values), plan, drawn_edits)
        covers["samples"] += found.low <= 1 <= found.high
        covers["edits"] += naive.low <= 1 <= naive.high
    assert 0.89 <= covers["samples"] / num_runs <= 0.98
    assert covers["edits"] / num_runs < 0.75


def test_paired_difference():
    rng = np.random.default_rng(2)
    hard = rng.normal(0, 1, 80)  # how hard each face is, for both editors alike
    a, b = 0.3 + hard + rng.normal(0, 0.1, 80), hard + rng.normal(0, 0.1, 80)
    plan = Bootstrap()
    weights = plan.draw(80)
    gap = estimate(difference(mean_of(a), mean_of(b)), plan, weights)
    assert gap.value == pytest.approx(np.mean(a - b))
    t = stats.ttest_rel(a, b).confidence_interval()
    assert (gap.low, gap.high) == pytest.approx((t.low, t.high), abs=0.005)
    alone = estimate(mean_of(a), plan, weights)
    assert gap.high - gap.low < (alone.high - alone.low) / 4
    with pytest.raises(InputError, match="80 samples against 79"):
        difference(mean_of(a), mean_of(b[1:]))


def test_where_there_is_no_interval():
    plan = Bootstrap()
    assert estimate(mean_of([np.nan, np.nan]), plan, plan.draw(2)).note == UNDEFINED
    assert estimate(mean_of([np.nan, np.nan]), plan, plan.draw(2)).value is None
    same = estimate(mean_of([0.1] * 5), plan, plan.draw(5))
    assert (same.value, same.low, same.note) == (pytest.approx(0.1), None, DEGENERATE)
    rare = estimate(mean_of([0.1, 0.9] + [np.nan] * 20), plan, plan.draw(22))
    assert (rare.value, rare.high, rare.note) == (0.5, None, TOO_OFTEN_UNDEFINED)
    assert rare.num_undefined > 100


def test_bca_says_where_it_has_no_interval():
    sums = np.array([[1.0, 0.0]] * 3 + [[1.0, 1.0]])

    def without_ones_undefined(sums):
        return ratio(sums[..., 0], sums[..., 1])

    measure = Measure(sums, np.arange(4), 4, without_ones_undefined, RESTS_ON)
    plan = Bootstrap(max_undefined_share=0.5)
    weights = plan.draw(4)
    assert estimate(measure, plan, weights).note == NO_ACCELERATION
    plain = Bootstrap(method="percentile", max_undefined_share=0.5)
    assert estimate(measure, plain, weights).low is not None
    assert bca_interval(2.0, np.array([0.0, 1.0]), np.array([1.0, 0.0]), 0.025) is None
    assert "one side" in ONE_SIDED


@pytest.mark.parametrize(
    "wrong", [{"method": "basic"}, {"level": 1}, {"level": 95}, {"num_replicates": 10}, {"level": math.nan}]
)
def test_bad_plans(wrong):
    with pytest.raises(InputError):
        Bootstrap(**wrong)
