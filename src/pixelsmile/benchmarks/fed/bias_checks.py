"""Does a metric rank edits whose order is known? The bias test that FED-Bench motivates, as arithmetic.

What is known: the truth is better than what changes too little, too much or the wrong thing, and than what
spoils the picture. A metric ranks two editors by their means over the tasks that it has a value for in both.
The paired interval of the difference says whether it is right: above 0 yes, below no, else it cannot tell.

Shape suffixes: T tasks (a triplet in one granularity).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from pixelsmile.benchmarks.metrics.measure import (
    Bootstrap,
    Coverage,
    Estimate,
    difference,
    estimate,
    mean_measure,
)
from pixelsmile.benchmarks.metrics.summary import Figure
from pixelsmile.benchmarks.metrics.table import FloatArray, IntArray

Answer = Literal["yes", "no", "not told apart"]
NOT_BOTH = "no value for one of the two"
NO_VALUE = "no value"


@dataclass(frozen=True)
class Check:
    """A ranking that is known. order: editors, the best first."""

    name: str
    order: tuple[str, ...]

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Each editor with the one that it should beat."""
        return tuple(pairwise(self.order))


CHECKS: tuple[Check, ...] = (
    Check("lazy", ("truth", "half", "copy")),
    Check("overfit", ("truth", "1.5x", "2x")),
    Check("wrong expression", ("truth", "wrong-expression")),
    Check("other person", ("truth", "other-person")),
    Check("shifted", ("truth", "shifted")),
    Check("blurred", ("truth", "blurred")),
    # Not of the paper: an edit that is right but a little off its place, against none at all.
    Check("done", ("shifted", "copy")),
)


@dataclass(frozen=True)
class BiasMetric:
    """What is checked. name: in the table of values; kind: what it is a part of, or that it stands alone."""

    name: str
    label: str
    kind: Literal["score", "dimension", "component", "single"]
    better: Literal["higher", "lower"] = "higher"
    digits: int = 3


METRICS_CHECKED: tuple[BiasMetric, ...] = (
    BiasMetric("fed_score", "FED-Score", "score"),
    BiasMetric("fidelity", "Fidelity", "dimension"),
    BiasMetric("alignment", "Alignment", "dimension"),
    BiasMetric("gain_factor", "Gain", "dimension"),
    BiasMetric("identity", "ID alone", "component"),
    BiasMetric("background", "BG alone", "component", "lower", 1),
    BiasMetric("quality", "PQ alone", "component", digits=2),
    BiasMetric("consistency", "SC alone", "component", digits=2),
    BiasMetric("truth_alignment", "GTA alone", "component", digits=2),
    BiasMetric("clip_truth", "CLIP-like, to the truth", "single"),
    BiasMetric("clip_source", "CLIP-like, to the source", "single"),
    BiasMetric("ssim_truth", "SSIM to the truth", "single"),
    BiasMetric("ssim_source", "SSIM to the source", "single"),
    BiasMetric("psnr_truth", "PSNR to the truth, dB", "single", digits=2),
    BiasMetric("expression", "expression score alone", "single"),
)


@dataclass(frozen=True)
class BiasTable:
    """Every value that is checked. sample: the source picture of each task, (T,), from 0 on without a gap.

    values: by editor and metric, (T,), NaN where there is none.
    """

    sample: IntArray
    values: Mapping[str, Mapping[str, FloatArray]]

    @property
    def num_samples(self) -> int:
        return int(self.sample.max()) + 1


@dataclass(frozen=True)
class PairFound:
    """better - worse where higher is better, worse - better where lower is: above 0 is right."""

    better: str
    worse: str
    difference: Estimate
    coverage: Coverage

    @property
    def answer(self) -> Answer:
        low, high = self.difference.low, self.difference.high
        if low is None or high is None or low <= 0 <= high:
            return "not told apart"
        return "yes" if low > 0 else "no"

    def as_json(self) -> dict[str, Any]:
        return {
            "better": self.better,
            "worse": self.worse,
            "answer": self.answer,
            "difference": self.difference.as_json(),
            **self.coverage.as_json(),
        }


@dataclass(frozen=True)
class CheckFound:
    """Whether a metric ranks as it should: yes in all pairs, no where it is wrong in one of them."""

    pairs: tuple[PairFound, ...]

    @property
    def answer(self) -> Answer:
        answers = {pair.answer for pair in self.pairs}
        return "no" if "no" in answers else "yes" if answers == {"yes"} else "not told apart"

    def as_json(self) -> dict[str, Any]:
        return {"answer": self.answer, "pairs": [pair.as_json() for pair in self.pairs]}


def run_checks(
    table: BiasTable,
    plan: Bootstrap,
    metrics: Sequence[BiasMetric] = METRICS_CHECKED,
    checks: Sequence[Check] = CHECKS,
) -> dict[str, dict[str, CheckFound]]:
    """What each metric (by name) makes of each check (by name); all draw the same triplets."""
    weights_RS = plan.draw(table.num_samples)
    return {
        metric.name: {
            check.name: CheckFound(
                tuple(_pair(table, metric, *pair, plan, weights_RS) for pair in check.pairs)
            )
            for check in checks
        }
        for metric in metrics
    }


def figures(table: BiasTable, editor: str, plan: Bootstrap) -> dict[str, Figure]:
    """The mean of every metric of that editor, with its interval and what it rests on."""
    weights_RS = plan.draw(table.num_samples)
    found = {}
    for name, values_T in table.values[editor].items():
        coverage = _coverage(table, values_T, NO_VALUE)
        measure = mean_measure(values_T, table.sample, table.num_samples, coverage)
        found[name] = Figure(estimate(measure, plan, weights_RS), coverage)
    return found


def _pair(
    table: BiasTable, metric: BiasMetric, better: str, worse: str, plan: Bootstrap, weights_RS: FloatArray
) -> PairFound:
    sign = 1.0 if metric.better == "higher" else -1.0
    one_T, other_T = (sign * table.values[editor][metric.name] for editor in (better, worse))
    both_T = np.isfinite(one_T) & np.isfinite(other_T)
    one_T, other_T = (np.where(both_T, values_T, np.nan) for values_T in (one_T, other_T))
    coverage = _coverage(table, one_T, NOT_BOTH)
    means = (
        mean_measure(values_T, table.sample, table.num_samples, coverage) for values_T in (one_T, other_T)
    )
    return PairFound(better, worse, estimate(difference(*means), plan, weights_RS), coverage)


def _coverage(table: BiasTable, values_T: FloatArray, reason: str) -> Coverage:
    scored_T = np.isfinite(values_T)
    num_out = int((~scored_T).sum())
    num_samples = len(np.unique(table.sample[scored_T]))
    return Coverage("edits", int(scored_T.sum()), num_samples, {reason: num_out} if num_out else {})
