"""How far several judges agree: Krippendorff's alpha.

Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011): alpha = 1 - D_o / D_e, with the observed
and the expected disagreement over all pairs of values that different judges gave. 1 is full agreement, 0 is
chance, and a judge without a verdict is a missing value.
"""

from collections.abc import Mapping
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
