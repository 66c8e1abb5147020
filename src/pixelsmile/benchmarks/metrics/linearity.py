"""Control linearity (PixelSmile, section 3.2): CLS, the correlation of strength and score.

Shape suffixes: Q sweeps, P points of a sweep.
"""

import numpy as np

from pixelsmile.benchmarks.metrics.choices import MetricChoices
from pixelsmile.benchmarks.metrics.measure import (
    Measure,
    coverage,
    mean_measure,
    ratio,
)
from pixelsmile.benchmarks.metrics.table import (
    EXPRESSION_INDEX,
    BoolArray,
    EditTable,
    FloatArray,
    Sweeps,
    sweeps,
)

CLS_2: tuple[str, ...] = ("happy", "surprised")  # what ConceptSlider and AttributeControl know (table 2)

CONSTANT = "all scores of the sweep are the same"
TOO_SHORT = "too few points of the sweep are scored"
INCOMPLETE = "a point of the sweep is not scored"
_ROUNDING = 1e-12  # of a variance, relative to the mean square of what it is the variance of


def pearson(strength_P: FloatArray, score_QP: FloatArray) -> FloatArray:
    """The correlation of strength and score in each row, (Q,), -1..1; points that are NaN are left out.

    NaN where fewer than two points are left, or the strengths or the scores of a row are all the same.
    """
    scored_QP = np.isfinite(score_QP)
    x_QP = _centred(np.broadcast_to(strength_P, score_QP.shape), scored_QP)
    y_QP = _centred(score_QP, scored_QP)
    constant_Q = _constant(np.broadcast_to(strength_P, score_QP.shape), scored_QP) | _constant(
        score_QP, scored_QP
    )
    norm_Q = np.sqrt((x_QP**2).sum(axis=1)) * np.sqrt((y_QP**2).sum(axis=1))
    r_Q = ratio((x_QP * y_QP).sum(axis=1), norm_Q)
    return np.where(constant_Q, np.nan, np.clip(r_Q, -1.0, 1.0))


def pearson_of_moments(moments: FloatArray) -> FloatArray:
    """The correlation from sums of 1, x, y, xx, yy, xy (..., 6); NaN where x or y does not vary."""
    n, x, y, xx, yy, xy = np.moveaxis(moments, -1, 0)
    var_x, var_y = n * xx - x * x, n * yy - y * y
    varies = (var_x > _ROUNDING * n * xx) & (var_y > _ROUNDING * n * yy)
    norm = np.sqrt(np.where(varies, var_x, 1.0)) * np.sqrt(np.where(varies, var_y, 1.0))
    return np.where(varies, np.clip((n * xy - x * y) / norm, -1.0, 1.0), np.nan)


def linearity_measure(table: EditTable, choices: MetricChoices, targets: tuple[str, ...]) -> Measure:
    """CLS over the sweeps towards `targets`, by `linearity` of `choices`."""
    found = sweeps(table, choices.sweep_strengths())
    rows = np.isin(found.target, [EXPRESSION_INDEX[name] for name in targets])
    found = Sweeps(found.strength, found.sample[rows], found.target[rows], found.edit[rows])
    score_QP = found.values(table.target_scores())
    reasons = _short(score_QP, choices)
    score_QP[[reason is not None for reason in reasons]] = np.nan
    if choices.linearity == "pooled":
        return _pooled(found, score_QP, table.num_samples, reasons, choices)
    r_Q = pearson(found.strength, score_QP)
    constant_Q = np.isnan(r_Q) & np.array([reason is None for reason in reasons], dtype=bool)
    if choices.constant_sweeps == "zero":
        r_Q = np.where(constant_Q, 0.0, r_Q)
    else:
        reasons = [
            CONSTANT if constant else reason for constant, reason in zip(constant_Q, reasons, strict=True)
        ]
    return mean_measure(
        r_Q, found.sample, table.num_samples, coverage("sweeps", found.sample, np.isfinite(r_Q), reasons)
    )


def _pooled(
    found: Sweeps, score_QP: FloatArray, num_samples: int, reasons: list[str | None], choices: MetricChoices
) -> Measure:
    scored_QP = np.isfinite(score_QP)
    n_QP = scored_QP.astype(np.float64)
    strength_QP = np.broadcast_to(found.strength, score_QP.shape)
    # A correlation does not change with its origin: near the middle, little is lost in the differences.
    x_QP = np.where(scored_QP, strength_QP - strength_QP[scored_QP].mean() if scored_QP.any() else 0.0, 0.0)
    y_QP = np.where(scored_QP, score_QP - score_QP[scored_QP].mean() if scored_QP.any() else 0.0, 0.0)
    columns = [part.sum(axis=1) for part in (n_QP, x_QP, y_QP, x_QP**2, y_QP**2, x_QP * y_QP)]

    def formula(moments: FloatArray) -> FloatArray:
        r = pearson_of_moments(moments)
        if choices.constant_sweeps == "zero":
            return np.where(np.isnan(r) & (moments[..., 0] > 0), 0.0, r)
        return r

    rests_on = coverage("sweeps", found.sample, scored_QP.sum(axis=1) > 0, reasons)
    return Measure(np.stack(columns, axis=1), found.sample, num_samples, formula, rests_on)


def _short(score_QP: FloatArray, choices: MetricChoices) -> list[str | None]:
    """Why a sweep does not count, whatever its scores are."""
    num_Q = np.isfinite(score_QP).sum(axis=1)
    reasons: list[str | None] = []
    for num in num_Q:
        if choices.incomplete_sweeps == "unscored" and num < score_QP.shape[1]:
            reasons.append(INCOMPLETE)
        else:
            reasons.append(TOO_SHORT if num < choices.min_points else None)
    return reasons


def _centred(values_QP: FloatArray, scored_QP: BoolArray) -> FloatArray:
    num_Q1 = scored_QP.sum(axis=1, keepdims=True).astype(np.float64)
    mean_Q1 = ratio(np.where(scored_QP, values_QP, 0.0).sum(axis=1, keepdims=True), num_Q1)
    return np.where(scored_QP, values_QP - mean_Q1, 0.0)


def _constant(values_QP: FloatArray, scored_QP: BoolArray) -> BoolArray:
    lowest = np.where(scored_QP, values_QP, np.inf).min(axis=1, initial=np.inf)
    highest = np.where(scored_QP, values_QP, -np.inf).max(axis=1, initial=-np.inf)
    return np.asarray(lowest >= highest)
