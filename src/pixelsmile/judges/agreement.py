"""How far several judges agree: Krippendorff's alpha.

Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011): alpha = 1 - D_o / D_e, with the observed
and the expected disagreement over all pairs of values that different judges gave. 1 is full agreement, 0 is
chance, and a judge without a verdict is a missing value. Its interval draws what is independent again, as
people with all their pictures: alpha is a formula over sums, each unit adding its own.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pixelsmile.expressions import EXPRESSIONS, NEUTRAL
from pixelsmile.judges.judge import (
    Outcome,
    Verdict,
)

Level = Literal["nominal", "interval"]
_NUM_REPLICATES, _TAIL = 2000, 0.025
_LEAST_DISAGREEMENT = 1e-9  # a value: below it, all are equal but for rounding
_MAX_UNDEFINED = 0.05  # of the replicates; above it there is no interval


@dataclass(frozen=True)
class Agreement:
    """The agreement of `judges` over `num_pictures`; None where alpha is not defined.

    `scores` is interval alpha for each expression, `all_scores` the same over all twelve together, `dominant`
    nominal alpha. `num_paired` pictures have verdicts of two judges or more: only these count.
    `num_without_verdict` says for each judge how many it did not score.
    """

    judges: tuple[str, ...]
    num_pictures: int
    num_paired: int
    num_without_verdict: Mapping[str, int]
    scores: Mapping[str, float | None]
    all_scores: float | None
    dominant: float | None


def agreement(outcomes: Mapping[str, Mapping[str, Outcome]]) -> Agreement:
    """The agreement in {judge: {key of the picture: outcome}}; a key that a judge lacks has no verdict."""
    keys = list(dict.fromkeys(key for by_key in outcomes.values() for key in by_key))
    verdicts = [
        [outcome if isinstance(outcome := by_key.get(key), Verdict) else None for key in keys]
        for by_key in outcomes.values()
    ]
    num_judges, num_pictures, num_scores = len(verdicts), len(keys), len(EXPRESSIONS)
    values = [
        value for row in verdicts for verdict in row for value in (*_scores(verdict), _dominant(verdict))
    ]
    values_JUE = np.array(values, dtype=np.float64).reshape(num_judges, num_pictures, num_scores + 1)
    scores_JUE, dominant_JU = values_JUE[..., :num_scores], values_JUE[..., num_scores]
    return Agreement(
        judges=tuple(outcomes),
        num_pictures=num_pictures,
        num_paired=int((np.isfinite(dominant_JU).sum(axis=0) >= 2).sum()),
        num_without_verdict={judge: row.count(None) for judge, row in zip(outcomes, verdicts, strict=True)},
        scores={
            name: krippendorff_alpha(scores_JUE[..., e], "interval") for e, name in enumerate(EXPRESSIONS)
        },
        all_scores=krippendorff_alpha(scores_JUE.reshape(num_judges, num_pictures * num_scores), "interval"),
        dominant=krippendorff_alpha(dominant_JU, "nominal"),
    )


def krippendorff_alpha(values_JU: ArrayLike, level: Level) -> float | None:
    """Alpha of a table with a row for each judge and a column for each unit; NaN where a value is missing.

    Nominal values are any numbers that stand for categories. None where fewer than two values can be paired,
    or all of them are equal: then chance alone would agree as well.
    """
    table_JU = np.asarray(values_JU, dtype=np.float64)
    if table_JU.ndim != 2:
        raise ValueError(f"a table of judges and units has two axes, not {table_JU.ndim}")
    units = [column[np.isfinite(column)] for column in table_JU.T]
    paired = [unit for unit in units if len(unit) >= 2]
    if not paired:
        return None
    pooled = np.concatenate(paired)
    expected = _disagreement(pooled, level) / (len(pooled) - 1)
    if expected == 0:
        return None
    observed = sum(_disagreement(unit, level) / (len(unit) - 1) for unit in paired)
    return float(1 - observed / expected)


@dataclass(frozen=True)
class Alpha:
    """Krippendorff's alpha with its 95% interval (percentiles); None where it is not defined.

    num_units: that have two values or more.
    """

    value: float | None
    low: float | None
    high: float | None
    num_units: int


def alpha_with_interval(
    values_JU: ArrayLike, level: Level, cluster_U: Sequence[Hashable], *, seed: int = 0
) -> Alpha:
    """Alpha as `krippendorff_alpha`, and its interval over clusters of units that are drawn again together.

    Formulas over sums: Efron and Tibshirani, An Introduction to the Bootstrap (1993).
    """
    table_JU = np.asarray(values_JU, dtype=np.float64)
    paired_U = np.isfinite(table_JU).sum(axis=0) >= 2
    value = krippendorff_alpha(table_JU, level)
    if value is None:
        return Alpha(None, None, None, int(paired_U.sum()))
    parts_UK = _parts(table_JU[:, paired_U], level)
    numbers = {cluster: number for number, cluster in enumerate(dict.fromkeys(cluster_U))}
    cluster = np.array([numbers[one] for one in cluster_U])[paired_U]
    sums_CK = np.stack([np.bincount(cluster, part, len(numbers)) for part in parts_UK.T], axis=1)
    shares = np.full(len(numbers), 1 / len(numbers))
    weights_RC = (
        np.random.default_rng(seed).multinomial(len(numbers), shares, size=_NUM_REPLICATES).astype(np.float64)
    )
    drawn_R = _alpha_of_sums(weights_RC @ sums_CK, level)
    defined_R = drawn_R[np.isfinite(drawn_R)]
    if len(numbers) < 2 or len(defined_R) < (1 - _MAX_UNDEFINED) * len(drawn_R):
        return Alpha(value, None, None, len(parts_UK))
    low, high = np.quantile(defined_R, (_TAIL, 1 - _TAIL))
    return Alpha(value, float(low), float(high), len(parts_UK))


def score_alphas(scores_JUE: NDArray[np.float64], cluster_U: Sequence[Hashable]) -> dict[str, Alpha]:
    """Interval alpha of each expression's scores, and of `all` together; as `alpha_with_interval`."""
    found = {
        name: alpha_with_interval(scores_JUE[..., e], "interval", cluster_U)
        for e, name in enumerate(EXPRESSIONS)
    }
    of_all = [cluster for cluster in cluster_U for _ in EXPRESSIONS]
    found["all"] = alpha_with_interval(scores_JUE.reshape(len(scores_JUE), -1), "interval", of_all)
    return found


def _parts(table_JU: NDArray[np.float64], level: Level) -> NDArray[np.float64]:
    """What each unit adds: observed disagreement, number of values, and what expected disagreement is of.

    That is, of interval values, their sum and that of their squares; of nominal ones, the count of each.
    """
    known_JU = np.isfinite(table_JU)
    num_U = known_JU.sum(axis=0).astype(np.float64)
    if level == "interval":
        middle = table_JU[known_JU].mean()  # squares of what lies near 0 lose no digits
        values_JU = np.where(known_JU, table_JU - middle, 0.0)
        sum_U, squares_U = values_JU.sum(axis=0), (values_JU**2).sum(axis=0)
        observed_U = 2 * (num_U * squares_U - sum_U**2) / (num_U - 1)
        return np.stack([observed_U, num_U, sum_U, squares_U], axis=1)
    counts_UK = np.stack([(table_JU == kind).sum(axis=0) for kind in np.unique(table_JU[known_JU])], axis=1)
    observed_U = (num_U**2 - (counts_UK**2).sum(axis=1)) / (num_U - 1)
    return np.column_stack([observed_U, num_U, counts_UK.astype(np.float64)])


def _alpha_of_sums(sums_RK: NDArray[np.float64], level: Level) -> NDArray[np.float64]:
    """Alpha of sums of `_parts`; NaN where all values are equal, or there are none."""
    observed_R, num_R = sums_RK[:, 0], sums_RK[:, 1]
    if level == "interval":
        differences_R = 2 * (num_R * sums_RK[:, 3] - sums_RK[:, 2] ** 2)
    else:
        differences_R = num_R**2 - (sums_RK[:, 2:] ** 2).sum(axis=1)
    expected_R = np.divide(differences_R, num_R - 1, out=np.zeros_like(num_R), where=num_R > 1)
    undefined_R = np.full_like(expected_R, np.nan)
    is_defined_R = expected_R > _LEAST_DISAGREEMENT * num_R
    return 1 - np.divide(observed_R, expected_R, out=undefined_R, where=is_defined_R)


def _disagreement(values: NDArray[np.float64], level: Level) -> float:
    """The sum of squared differences over all ordered pairs of values; a nominal difference is 0 or 1."""
    if level == "interval":
        return 2 * len(values) * float(((values - values.mean()) ** 2).sum()) if np.ptp(values) else 0.0
    counts = np.unique(values, return_counts=True)[1]
    return float(len(values) ** 2 - (counts**2).sum())


def _scores(verdict: Verdict | None) -> list[float]:
    return [np.nan] * len(EXPRESSIONS) if verdict is None else [verdict.scores[name] for name in EXPRESSIONS]


def _dominant(verdict: Verdict | None) -> float:
    return np.nan if verdict is None else float((*EXPRESSIONS, NEUTRAL).index(verdict.dominant))
