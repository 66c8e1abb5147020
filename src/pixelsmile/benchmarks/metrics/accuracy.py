"""Expression editing accuracy (PixelSmile, section 3.2): Acc-6 and Acc-12."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from pixelsmile.benchmarks.metrics.choices import MetricChoices
from pixelsmile.benchmarks.metrics.labels import PREDICTION_INDEX, Labels, label_measure
from pixelsmile.benchmarks.metrics.measure import Measure, ratio
from pixelsmile.benchmarks.metrics.table import EXPRESSION_INDEX, EditTable, FloatArray


def accuracy(counts: FloatArray, targets: Sequence[str]) -> FloatArray:
    """The share of edits towards `targets` that show what they should, 0..1; NaN where none was scored.

    Counts are (..., T, L), see labels.label_measure. An edit towards one of the basic six may show any of
    the twelve: Acc-6 leaves out targets, not answers. Every edit weighs the same, whatever its target.
    """
    rows = counts[..., [EXPRESSION_INDEX[name] for name in targets], :]
    hits = sum_hits(rows, targets)
    return ratio(hits, rows.sum(axis=(-2, -1)))


def sum_hits(rows: FloatArray, targets: Sequence[str]) -> FloatArray:
    """How many edits in `rows` (..., targets, L) show their target."""
    columns = [PREDICTION_INDEX[name] for name in targets]
    return np.asarray(rows[..., np.arange(len(targets)), columns].sum(axis=-1))


def accuracy_measure(
    table: EditTable, labels: Labels, choices: MetricChoices, targets: tuple[str, ...]
) -> Measure:
    """The accuracy over `targets`, as something to draw samples from."""
    formula = partial(accuracy, targets=targets)
    return label_measure(table, labels, choices.accuracy_strengths, targets, formula)
