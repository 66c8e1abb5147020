"""A metric as a formula over sums, each sample adding its own; and its interval, by drawing samples again.

Every metric here is a smooth function of sums over samples (hits and edits, scores and counts, moments).
Drawing samples again means weighing those sums, so thousands of replicates are one matrix product (Efron and
Tibshirani, An Introduction to the Bootstrap, 1993). What is drawn is a sample, the source with everything
made from it (chapter 8.6: the unit that is independent): the edits of one face never count as so many faces.

Shape suffixes: U units (edits or sweeps), S samples, K sums, R replicates.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from statistics import NormalDist
from typing import Any, Literal, get_args

import numpy as np

from pixelsmile.benchmarks.metrics.table import BoolArray, FloatArray, IntArray
from pixelsmile.errors import InputError

Formula = Callable[[FloatArray], FloatArray]  # sums (..., K) -> values (...), NaN where undefined
Unit = Literal["edits", "sweeps", "samples"]

IntervalMethod = Literal["bca", "percentile"]

ONLY_OTHER_VALUE = "no value for the other editor's"
UNDEFINED = "undefined on these samples"
DEGENERATE = "every replicate is the same: these samples cannot say how far off the number is"
TOO_OFTEN_UNDEFINED = "undefined in too many replicates: too few samples carry this number"
NO_ACCELERATION = "undefined without one of the samples: too few carry this number for bca"
ONE_SIDED = "every replicate lies on one side of the number: bca has no interval here"

_NORMAL = NormalDist()


@dataclass(frozen=True)
class Coverage:
    """How much a number rests on: what was scored, of how many samples, and what was not, by reason."""

    unit: Unit
    num_scored: int
    num_samples: int
    unscored: Mapping[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "unit": self.unit,
            "n_scored": self.num_scored,
            "n_samples": self.num_samples,
            "n_unscored": sum(self.unscored.values()),
            "unscored": dict(sorted(self.unscored.items())),
        }


@dataclass(frozen=True)
class Measure:
    """A metric, before anything is drawn: `formula` of the sums of what each unit adds.

    A unit that is not scored adds nothing: its row of `parts` is 0.
    """

    parts: FloatArray  # (U, K)
    sample: IntArray  # (U,) which sample each unit belongs to, 0..S-1
    num_samples: int
    formula: Formula
    coverage: Coverage

    @cached_property
    def sums(self) -> FloatArray:
        """What each sample adds, (S, K)."""
        columns = [np.bincount(self.sample, part, minlength=self.num_samples) for part in self.parts.T]
        return np.stack(columns, axis=1)

    def value(self) -> float:
        """The metric on the samples as they are; NaN where it is undefined."""
        return float(self.formula(self.sums.sum(axis=0)))

    def resampled(self, weights_RS: FloatArray) -> FloatArray:
        """The metric with each sample counted `weights_RS` times, (R,)."""
        return self.formula(weights_RS @ self.sums)

    def left_out(self) -> FloatArray:
        """The metric without each of the samples in turn, (S,)."""
        return self.formula(self.sums.sum(axis=0) - self.sums)


def difference(a: Measure, b: Measure) -> Measure:
    """a - b on the same samples, drawn together. InputError where their numbers differ."""
    if a.num_samples != b.num_samples:
        raise InputError(f"{a.num_samples} samples against {b.num_samples}: compare on the same ones")
    split = a.parts.shape[1]

    def formula(sums: FloatArray) -> FloatArray:
        return a.formula(sums[..., :split]) - b.formula(sums[..., split:])

    parts = np.hstack([a.sums, b.sums])
    return Measure(parts, np.arange(a.num_samples), a.num_samples, formula, a.coverage)


def in_common(a: Measure, b: Measure) -> tuple[Measure, Measure]:
    """Both on the units that both have scored; the units of both are the same, in one order."""
    scored_a, scored_b = (np.asarray(measure.parts.any(axis=1)) for measure in (a, b))
    both = np.logical_and(scored_a, scored_b)
    num_samples = len(np.unique(a.sample[both]))

    def shared(measure: Measure, num_scored: int) -> Measure:
        unscored = dict(measure.coverage.unscored)
        if num_lost := num_scored - int(both.sum()):
            unscored[ONLY_OTHER_VALUE] = num_lost
        found = replace(
            measure.coverage, num_scored=int(both.sum()), num_samples=num_samples, unscored=unscored
        )
        return replace(measure, parts=np.where(both[:, None], measure.parts, 0.0), coverage=found)

    return shared(a, int(scored_a.sum())), shared(b, int(scored_b.sum()))


def mean_measure(values: FloatArray, sample: IntArray, num_samples: int, coverage: Coverage) -> Measure:
    """The mean of `values` (NaN left out), each belonging to the sample of the same place in `sample`."""
    scored = np.isfinite(values)
    parts = np.stack([scored.astype(np.float64), np.where(scored, values, 0.0)], axis=1)
    return Measure(parts, sample, num_samples, mean_of_sums, coverage)


def mean_of_sums(sums: FloatArray) -> FloatArray:
    """Count and sum (..., 2) to the mean (...)."""
    return ratio(sums[..., 1], sums[..., 0])


def ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """numerator / denominator, NaN where the denominator is 0: a rate of nothing is undefined."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    undefined = np.full(numerator.shape, np.nan)
    return np.divide(numerator, denominator, out=undefined, where=denominator != 0)


def coverage(unit: Unit, sample: IntArray, scored: BoolArray, reasons: Iterable[str | None]) -> Coverage:
    """What a number over the scored units rests on; sample: that each unit belongs to."""
    return Coverage(unit, int(scored.sum()), len(np.unique(sample[scored])), count_reasons(reasons))


def count_reasons(reasons: Iterable[str | None]) -> dict[str, int]:
    """How often each reason occurs; None is no reason."""
    return dict(Counter(reason for reason in reasons if reason is not None))


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made. The same seed and number of samples give the same draws."""

    method: IntervalMethod = "bca"
    level: float = 0.95
    num_replicates: int = 2000
    seed: int = 0
    max_undefined_share: float = 0.05  # of the replicates; above it there is no interval

    def __post_init__(self) -> None:
        if self.method not in get_args(IntervalMethod):
            raise InputError(f"interval method {self.method!r}: use {' or '.join(get_args(IntervalMethod))}")
        if not 0 < self.level < 1:
            raise InputError(f"level {self.level!r} of an interval: use a share between 0 and 1, such as .95")
        if self.num_replicates < 100:
            raise InputError(
                f"{self.num_replicates!r} replicates are too few for an interval: use 100 or more"
            )

    def draw(self, num_samples: int) -> FloatArray:
        """How often each sample is drawn in each replicate, (R, S); rows add up to S."""
        rng = np.random.default_rng(self.seed)
        shares = np.full(num_samples, 1 / num_samples)
        return rng.multinomial(num_samples, shares, size=self.num_replicates).astype(np.float64)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Estimate:
    """A number and its interval; None, with the reason in `note`, where there is none."""

    value: float | None
    low: float | None
    high: float | None
    num_undefined: int = 0  # replicates in which the number is undefined, left out of the interval
    note: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "n_undefined_replicates": self.num_undefined,
            "note": self.note,
        }


def estimate(measure: Measure, plan: Bootstrap, weights_RS: FloatArray) -> Estimate:
    """The value of `measure` and its interval over the draws `weights_RS` (Bootstrap.draw)."""
    value = measure.value()
    if np.isnan(value):
        return Estimate(None, None, None, note=UNDEFINED)
    drawn_R = measure.resampled(weights_RS)
    defined = np.isfinite(drawn_R)
    num_undefined = int((~defined).sum())
    drawn_R = drawn_R[defined]
    if num_undefined > plan.max_undefined_share * len(defined):
        return Estimate(value, None, None, num_undefined, TOO_OFTEN_UNDEFINED)
    if _equal(drawn_R):
        return Estimate(value, None, None, num_undefined, DEGENERATE)
    tail = (1 - plan.level) / 2
    if plan.method == "percentile":
        low, high = percentile_interval(drawn_R, tail)
        return Estimate(value, low, high, num_undefined)
    left_out_S = measure.left_out()
    if np.isnan(left_out_S).any():
        return Estimate(value, None, None, num_undefined, NO_ACCELERATION)
    interval = bca_interval(value, drawn_R, left_out_S, tail)
    if interval is None:
        return Estimate(value, None, None, num_undefined, ONE_SIDED)
    return Estimate(value, *interval, num_undefined)


def p_value(measure: Measure, plan: Bootstrap, weights_RS: FloatArray) -> float | None:
    """How likely a number as far from 0 would be, were it 0: two-sided, by the same draws as `estimate`.

    One minus the level at which the interval of `plan` just reaches 0: equation 14.10 solved for the level.
    At least 2 / (draws + 1). 1 where every draw is 0; None where there is no interval.
    """
    found = estimate(measure, plan, weights_RS)
    if found.low is None:
        return 1.0 if found.note == DEGENERATE and found.value == 0 else None
    drawn_R = measure.resampled(weights_RS)
    drawn_R = drawn_R[np.isfinite(drawn_R)]
    least = 1 / (len(drawn_R) + 1)
    below = float(np.clip(((drawn_R < 0).mean() + (drawn_R <= 0).mean()) / 2, least, 1 - least))
    if plan.method == "bca":
        value = measure.value()
        bias = _NORMAL.inv_cdf(float(((drawn_R < value).mean() + (drawn_R <= value).mean()) / 2))
        away = _NORMAL.inv_cdf(below) - bias
        below = _NORMAL.cdf(away / (1 + _acceleration(measure.left_out()) * away) - bias)
    return max(2 * min(below, 1 - below), 2 * least)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Each adjusted for all that were tested together (Holm, Scand. J. Statist. 6, 1979); None stays None."""
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        largest = adjusted[place] = max(largest, min(1.0, p * (len(known) - rank)))
    return adjusted


@dataclass(frozen=True)
class Figure:
    """One number of a report: the estimate, and what it rests on."""

    estimate: Estimate
    coverage: Coverage

    def as_json(self) -> dict[str, Any]:
        return {**self.estimate.as_json(), **self.coverage.as_json()}


def mean_figure(
    values_E: FloatArray,
    sample_E: IntArray,
    reasons: Iterable[str | None],
    plan: Bootstrap,
    weights_RS: FloatArray,
) -> Figure:
    """The mean of the edits' values (NaN left out, for these reasons), with its interval."""
    found = coverage("edits", sample_E, np.isfinite(values_E), reasons)
    measure = mean_measure(values_E, sample_E, weights_RS.shape[1], found)
    return Figure(estimate(measure, plan, weights_RS), found)


def percentile_interval(drawn_R: FloatArray, tail: float) -> tuple[float, float]:
    """From the `tail` to the 1 - `tail` quantile of the replicates (chapter 13.3)."""
    low, high = np.quantile(drawn_R, [tail, 1 - tail])
    return float(low), float(high)


def bca_interval(
    value: float, drawn_R: FloatArray, left_out_S: FloatArray, tail: float
) -> tuple[float, float] | None:
    """The bias-corrected and accelerated interval (equations 14.9, 14.10, 14.14, 14.15).

    Replicates equal to the value count half. None where all replicates lie on one side of the value.
    """
    below = float(((drawn_R < value).mean() + (drawn_R <= value).mean()) / 2)
    if not 0 < below < 1:
        return None
    bias = _NORMAL.inv_cdf(below)
    acceleration = _acceleration(left_out_S)
    tails = []
    for z in (_NORMAL.inv_cdf(tail), _NORMAL.inv_cdf(1 - tail)):
        stretched = 1 - acceleration * (bias + z)
        if stretched <= 0:  # beyond the pole of 14.10 the interval has no end
            return None
        tails.append(_NORMAL.cdf(bias + (bias + z) / stretched))
    low, high = np.quantile(drawn_R, tails)
    return float(low), float(high)


def _acceleration(left_out_S: FloatArray) -> float:
    deviation_S = left_out_S.mean() - left_out_S
    spread = float((deviation_S**2).sum())
    return float((deviation_S**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0


def _equal(drawn_R: FloatArray) -> bool:
    """Whether the replicates differ by no more than rounding."""
    return float(np.ptp(drawn_R)) <= 1e-12 * max(1.0, float(np.abs(drawn_R).max()))
