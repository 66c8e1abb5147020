"""Structural confusion (PixelSmile, section 3.2, Eq. 1 and 2).

All functions take counts (..., T, L): how many edits towards T show L (labels.label_measure), for one
editor or for many replicates at once, and give values (...).
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from pixelsmile.benchmarks.metrics.choices import MetricChoices
from pixelsmile.benchmarks.metrics.labels import (
    PREDICTION_INDEX,
    Labels,
    label_measure,
)
from pixelsmile.benchmarks.metrics.measure import Formula, Measure, ratio
from pixelsmile.benchmarks.metrics.table import EXPRESSION_INDEX, EditTable, FloatArray


def directed_confusion(counts: FloatArray, target: str, shown: str) -> FloatArray:
    """C(target -> shown), Eq. 1: the share of edits towards `target` that show `shown`, 0..1.

    NaN where no edit towards `target` was scored.
    """
    row = counts[..., EXPRESSION_INDEX[target], :]
    return ratio(row[..., PREDICTION_INDEX[shown]], row.sum(axis=-1))


def bidirectional_confusion(counts: FloatArray, a: str, b: str) -> FloatArray:
    """BCR(a, b), Eq. 2: the mean of both directed rates, 0..1; .5 where both collapse into one."""
    return 0.5 * (directed_confusion(counts, a, b) + directed_confusion(counts, b, a))


def mean_confusion(counts: FloatArray, pairs: Sequence[tuple[str, str]]) -> FloatArray:
    """mSCR: the mean of BCR over `pairs`, 0..1. NaN where one of them is: a part is no mean of the whole."""
    rates = [bidirectional_confusion(counts, a, b) for a, b in pairs]
    return np.asarray(np.mean(rates, axis=0))


def confusion_rates(counts: FloatArray) -> FloatArray:
    """Every directed rate (..., T, L); NaN in the rows of targets without a scored edit."""
    return ratio(counts, counts.sum(axis=-1, keepdims=True))


def mean_confusion_measure(table: EditTable, labels: Labels, choices: MetricChoices) -> Measure:
    """mSCR over the pairs of `choices`, as something to draw samples from."""
    pairs = choices.confusing_pairs
    targets = tuple(dict.fromkeys(name for pair in pairs for name in pair))
    return _measure(table, labels, choices, targets, partial(mean_confusion, pairs=pairs))


def pair_measures(table: EditTable, labels: Labels, choices: MetricChoices) -> dict[str, Measure]:
    """BCR and both directed rates of each pair, by names like `fear-surprised` and `fear->surprised`."""
    found: dict[str, Measure] = {}
    for a, b in choices.confusing_pairs:
        both = partial(bidirectional_confusion, a=a, b=b)
        found[f"{a}-{b}"] = _measure(table, labels, choices, (a, b), both)
        for target, shown in ((a, b), (b, a)):
            rate = partial(directed_confusion, target=target, shown=shown)
            found[f"{target}->{shown}"] = _measure(table, labels, choices, (target,), rate)
    return found


def _measure(
    table: EditTable, labels: Labels, choices: MetricChoices, targets: tuple[str, ...], formula: Formula
) -> Measure:
    return label_measure(table, labels, choices.confusion_strengths, targets, formula)
