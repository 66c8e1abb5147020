"""Evenness of control: how evenly the score rises over a sweep, and where it rises at all.

Ours, not the paper's. CLS is a correlation: an editor that does all it does in the first half of the range,
or in one step, keeps a high one. Shape suffixes: Q sweeps, P points of a sweep.
"""

from collections.abc import Callable

import numpy as np

from pixelsmile.benchmarks.metrics.choices import MetricChoices
from pixelsmile.benchmarks.metrics.linearity import CONSTANT, INCOMPLETE, TOO_SHORT
from pixelsmile.benchmarks.metrics.measure import Coverage, Measure, count_reasons, ratio
from pixelsmile.benchmarks.metrics.table import EditTable, FloatArray, sweeps

END_MISSING = "an end of the sweep is not scored"
TENTH = 0.1  # of the rise, at either end, that counts for nothing in the share of the range that moves


def evenness(strength_P: FloatArray, score_P: FloatArray) -> tuple[float, float]:
    """How evenly one sweep rises: numerator and denominator of a mean that is weighed by height.

    With t the strength, brought to 0..1, the score s(t), straight between its points, and its height
    D = max s - min s:

        A = integral over t of |s(t) - (min s + t D)|        the area between the score and an even rise
        evenness = 1 - 2 A / D                               numerator D - 2 A, denominator D

    1 for a score that rises in proportion; 1/2 for one that is at its end half-way, or waits until there; 0
    for all in the first instant, or the last, and for an even fall; the least, -1/2, for a fall half-way.
    """
    t_P = _unit(strength_P)
    low, height = float(score_P.min()), float(np.ptp(score_P))
    off_P = score_P - (low + t_P * height)
    before, after = off_P[:-1], off_P[1:]
    sizes = np.abs(before) + np.abs(after)
    crosses = before * after < 0
    mean = np.where(crosses, ratio(before**2 + after**2, 2 * sizes), sizes / 2)  # of |a straight line|
    return height - 2 * float(np.sum(mean * np.diff(t_P))), height


def moving_share(strength_P: FloatArray, score_P: FloatArray) -> tuple[float, float]:
    """The share of the range in which one sweep still moves, likewise.

    With D as above, t_9 where the score first comes to min s + .9 D, and t_1 where it is last at
    min s + .1 D:

        moving = (t_9 - t_1) / .8                            numerator D (t_9 - t_1) / .8, denominator D

    1 for an even rise; 1/2 where half of the range does nothing, whichever half; for one jump the width of a
    step of the sweep; 0 where t_1 comes after t_9, as in a fall or in a rise that is taken back; the most,
    1.25, where the outer tenths come in an instant. It does not see a stand in the middle of the rise:
    evenness does.
    """
    t_P = _unit(strength_P)
    height = float(np.ptp(score_P))
    if height == 0:
        return 0.0, 0.0
    share_P = (score_P - score_P.min()) / height
    end = _first_at(t_P, share_P, 1 - TENTH)
    start = -_first_at(-t_P[::-1], -share_P[::-1], -TENTH)
    return height * max(0.0, end - start) / (1 - 2 * TENTH), height


def evenness_measure(table: EditTable, choices: MetricChoices) -> Measure:
    """`evenness` over all sweeps: the sum of what each has reached over the sum of the heights.

    Weighed so, a sweep that hardly moves hardly counts, and the judge's error in it neither; one that does
    not move at all counts as unscored.
    """
    return _measure(table, choices, evenness)


def moving_share_measure(table: EditTable, choices: MetricChoices) -> Measure:
    """`moving_share` over all sweeps, weighed in the same way."""
    return _measure(table, choices, moving_share)


def _measure(
    table: EditTable,
    choices: MetricChoices,
    of_sweep: Callable[[FloatArray, FloatArray], tuple[float, float]],
) -> Measure:
    strengths = [strength for strength in table.strengths() if strength <= choices.evenness_to + 1e-9]
    found = sweeps(table, strengths)
    parts_Q2, reasons = np.zeros((len(found.sample), 2)), list[str | None]()
    for parts_2, score_P in zip(parts_Q2, found.values(table.target_scores()), strict=True):
        if (reason := _unscored(score_P, choices)) is None:
            scored = np.isfinite(score_P)
            parts_2[:] = of_sweep(found.strength[scored], score_P[scored])
        reasons.append(reason)
    scored_Q = np.array([reason is None for reason in reasons], dtype=bool)
    rests_on = Coverage(
        "sweeps", int(scored_Q.sum()), len(np.unique(found.sample[scored_Q])), count_reasons(reasons)
    )
    return Measure(
        parts_Q2, found.sample, table.num_samples, lambda sums: ratio(sums[..., 0], sums[..., 1]), rests_on
    )


def _unscored(score_P: FloatArray, choices: MetricChoices) -> str | None:
    """Why a sweep does not count. Its ends must be there: what lies between them is the range."""
    num = int(np.isfinite(score_P).sum())
    if choices.incomplete_sweeps == "unscored" and num < len(score_P):
        return INCOMPLETE
    if num < choices.min_points:
        return TOO_SHORT
    if not np.isfinite(score_P[[0, -1]]).all():
        return END_MISSING
    return CONSTANT if np.ptp(score_P[np.isfinite(score_P)]) == 0 else None


def _unit(strength_P: FloatArray) -> FloatArray:
    return (strength_P - strength_P[0]) / (strength_P[-1] - strength_P[0])


def _first_at(t_P: FloatArray, value_P: FloatArray, level: float) -> float:
    """Where a line through the points first comes up to `level`, which it does."""
    place = int(np.argmax(value_P >= level))
    if place == 0:
        return float(t_P[0])
    before, after = value_P[place - 1], value_P[place]
    return float(t_P[place - 1] + (level - before) / (after - before) * (t_P[place] - t_P[place - 1]))
