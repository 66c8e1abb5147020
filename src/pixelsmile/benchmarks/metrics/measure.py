"""A metric as a formula over sums, each sample adding its own: what makes it quick to resample.

Every metric here is a smooth function of sums over samples (hits and edits, scores and counts, moments).
Drawing samples again means weighing those sums, so thousands of replicates are one matrix product.

Shape suffixes: U units (edits or sweeps), S samples, K sums, R replicates.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from pixelsmile.benchmarks.metrics.table import FloatArray, IntArray
from pixelsmile.errors import InputError

Formula = Callable[[FloatArray], FloatArray]  # sums (..., K) -> values (...), NaN where undefined
Unit = Literal["edits", "sweeps", "samples"]

ONLY_OTHER_VALUE = "no value for the other editor's"


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
        coverage = replace(
            measure.coverage, num_scored=int(both.sum()), num_samples=num_samples, unscored=unscored
        )
        return replace(measure, parts=np.where(both[:, None], measure.parts, 0.0), coverage=coverage)

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


def count_reasons(reasons: Iterable[str | None]) -> dict[str, int]:
    """How often each reason occurs; None is no reason."""
    return dict(Counter(reason for reason in reasons if reason is not None))
