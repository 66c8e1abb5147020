"""A metric as a formula over sums, each sample adding its own: what makes it quick to resample.

Every metric here is a smooth function of sums over samples (hits and edits, scores and counts, moments).
Drawing samples again means weighing those sums, so thousands of replicates are one matrix product.

Shape suffixes: S samples, K sums, R replicates.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from pixelsmile.benchmarks.metrics.table import FloatArray, IntArray
from pixelsmile.errors import InputError

Formula = Callable[[FloatArray], FloatArray]  # sums (..., K) -> values (...), NaN where undefined
Unit = Literal["edits", "sweeps", "samples"]


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
    """A metric, before anything is drawn: `formula` of the sums over the rows of `sums`."""

    sums: FloatArray  # (S, K)
    formula: Formula
    coverage: Coverage

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
    if len(a.sums) != len(b.sums):
        raise InputError(f"{len(a.sums)} samples against {len(b.sums)}: compare on the same ones")
    split = a.sums.shape[1]

    def formula(sums: FloatArray) -> FloatArray:
        return a.formula(sums[..., :split]) - b.formula(sums[..., split:])

    return Measure(np.hstack([a.sums, b.sums]), formula, a.coverage)


def mean_measure(values: FloatArray, sample: IntArray, num_samples: int, coverage: Coverage) -> Measure:
    """The mean of `values` (NaN left out), each belonging to the sample of the same place in `sample`."""
    scored = np.isfinite(values)
    columns = [scored.astype(np.float64), np.where(scored, values, 0.0)]
    return Measure(sum_by_sample(columns, sample, num_samples), mean_of_sums, coverage)


def mean_of_sums(sums: FloatArray) -> FloatArray:
    """Count and sum (..., 2) to the mean (...)."""
    return ratio(sums[..., 1], sums[..., 0])


def sum_by_sample(columns: list[FloatArray], sample: IntArray, num_samples: int) -> FloatArray:
    """Each column added up within its samples, (S, K)."""
    return np.stack([np.bincount(sample, column, minlength=num_samples) for column in columns], axis=1)


def ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """numerator / denominator, NaN where the denominator is 0: a rate of nothing is undefined."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    undefined = np.full(numerator.shape, np.nan)
    return np.divide(numerator, denominator, out=undefined, where=denominator != 0)


def count_reasons(reasons: Iterable[str | None]) -> dict[str, int]:
    """How often each reason occurs; None is no reason."""
    return dict(Counter(reason for reason in reasons if reason is not None))
