"""Which sweeps and edits of a run a report shows: the best, the middle, the worst, and some by lot.

Shape suffixes: Q sweeps, P points of a sweep, E edits.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pixelsmile.benchmarks.metrics import EditTable, JudgedEdit, sweeps, tabulate
from pixelsmile.benchmarks.metrics.harmonic import harmonic_score, identities
from pixelsmile.benchmarks.metrics.linearity import pearson
from pixelsmile.benchmarks.metrics.measure import ratio
from pixelsmile.benchmarks.metrics.table import NO_POINT, FloatArray
from pixelsmile.benchmarks.results import RunResults
from pixelsmile.expressions import EXPRESSIONS

Why = Literal["best", "median", "worst", "by lot"]


@dataclass(frozen=True)
class Point:
    """An edit of a sweep: its score for the target and its S_ID, None where there is none."""

    edit: JudgedEdit
    score: float | None
    identity: float | None


@dataclass(frozen=True)
class ShownSweep:
    """A sweep with its means over the points that have both numbers; `linearity` is its Pearson correlation.

    quality: the harmonic mean of mean score and mean identity, of mean score alone in a run without identity;
    None where nothing is scored.
    """

    source: str
    target: str
    points: tuple[Point, ...]
    linearity: float | None
    quality: float | None


def all_sweeps(run: RunResults) -> list[ShownSweep]:
    """Every sweep of the run, ordered by source and target."""
    table = tabulate(run.edits)
    found = sweeps(table)
    score_E, identity_E = table.target_scores(), _similarity(table, run)
    score_QP, identity_QP = found.values(score_E), found.values(identity_E)
    quality_Q = _quality(score_QP, identity_QP if np.isfinite(identity_E).any() else None)
    r_Q = pearson(found.strength, score_QP)
    return [
        ShownSweep(
            source=table.samples[found.sample[q]],
            target=EXPRESSIONS[found.target[q]],
            points=tuple(
                Point(table.edits[e], _known(score_E[e]), _known(identity_E[e])) for e in row if e != NO_POINT
            ),
            linearity=_known(r_Q[q]),
            quality=_known(quality_Q[q]),
        )
        for q, row in enumerate(found.edit)
    ]


def chosen_sweeps(
    found: Sequence[ShownSweep], seed: int, num_by_lot: int = 1
) -> list[tuple[Why, ShownSweep]]:
    """The best, the median and the worst by quality, and some that `seed` draws from the rest; each once."""
    ranked = sorted(
        (sweep for sweep in found if sweep.quality is not None), key=lambda sweep: -(sweep.quality or 0)
    )
    if not ranked:
        return []
    places: dict[int, Why] = {0: "best"}
    places.setdefault((len(ranked) - 1) // 2, "median")
    places.setdefault(len(ranked) - 1, "worst")
    rest = [place for place in range(len(ranked)) if place not in places]
    for place in random.Random(seed).sample(rest, min(num_by_lot, len(rest))):
        places[place] = "by lot"
    return [(why, ranked[place]) for place, why in places.items()]


def shared_sweeps(runs: Sequence[Sequence[ShownSweep]], seed: int, num: int) -> list[tuple[ShownSweep, ...]]:
    """Tasks that all runs have, drawn by `seed`: the sweep of each run."""
    by_task = [{(sweep.source, sweep.target): sweep for sweep in found} for found in runs]
    shared = [task for task in by_task[0] if all(task in other for other in by_task)]
    drawn = random.Random(seed).sample(shared, min(num, len(shared)))
    return [tuple(found[task] for found in by_task) for task in drawn]


def most_confused(run: RunResults, num: int) -> list[Point]:
    """The edits at the strengths of accuracy in which another expression leads by most, the worst first."""
    table = tabulate(run.edits)
    identity_E = _similarity(table, run)
    lead_E = _lead(table)
    lead_E[~table.at(run.summary.choices.accuracy_strengths)] = np.nan
    places = [e for e in np.argsort(-lead_E, kind="stable") if lead_E[e] > 0][:num]
    return [Point(table.edits[e], _known(table.target_scores()[e]), _known(identity_E[e])) for e in places]


def least_alike(run: RunResults, num: int) -> list[Point]:
    """The edits that kept the least of the person, the worst first."""
    table = tabulate(run.edits)
    identity_E, score_E = _similarity(table, run), table.target_scores()
    places = [e for e in np.argsort(identity_E, kind="stable") if np.isfinite(identity_E[e])][:num]
    return [Point(table.edits[e], _known(score_E[e]), _known(identity_E[e])) for e in places]


def leading(edit: JudgedEdit, num: int) -> list[tuple[str, float]]:
    """The expressions with the highest scores, falling."""
    return sorted((edit.scores or {}).items(), key=lambda item: -item[1])[:num]


def _lead(table: EditTable) -> FloatArray:
    """By how much the highest score of another expression is above that of the target, (E,)."""
    others = table.scores.copy()
    others[np.arange(len(table.edits)), table.target] = -np.inf
    return np.asarray(others.max(axis=1) - table.target_scores())


def _similarity(table: EditTable, run: RunResults) -> FloatArray:
    return identities(table, run.summary.choices).similarity


def _quality(score_QP: FloatArray, identity_QP: FloatArray | None) -> FloatArray:
    if identity_QP is None:
        return _row_means(score_QP)
    both_QP = np.isfinite(score_QP) & np.isfinite(identity_QP)
    expression_Q = _row_means(np.where(both_QP, score_QP, np.nan))
    return harmonic_score(expression_Q, _row_means(np.where(both_QP, identity_QP, np.nan)))


def _row_means(values_QP: FloatArray) -> FloatArray:
    """Means of what is there; NaN for a row of nothing."""
    there_QP = np.isfinite(values_QP)
    return ratio(np.where(there_QP, values_QP, 0.0).sum(axis=1), there_QP.sum(axis=1).astype(np.float64))


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
