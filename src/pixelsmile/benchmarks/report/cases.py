"""Which sweeps and edits a report shows: the best, the middle, the worst, some by lot, and the failures.

Of FFE-Bench sweeps and single edits, of FED-Bench tasks and the two patterns that REG tells apart.
Shape suffixes: Q sweeps, P points of a sweep, E edits.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from pixelsmile.benchmarks.fed.results import FedResults
from pixelsmile.benchmarks.ffe.results import RunResults
from pixelsmile.benchmarks.metrics.fed_score import SCORE
from pixelsmile.benchmarks.metrics.harmonic import harmonic_score, identities
from pixelsmile.benchmarks.metrics.linearity import pearson
from pixelsmile.benchmarks.metrics.measure import ratio
from pixelsmile.benchmarks.metrics.table import (
    NO_POINT,
    EditTable,
    FloatArray,
    sweeps,
    tabulate,
)
from pixelsmile.benchmarks.scores import ScoredEdit
from pixelsmile.expressions import EXPRESSIONS

# The paper shows the patterns and draws no line. Ours: half of the expected change lacks, or is too much.
LAZY_BELOW, OVERFIT_ABOVE = 0.5, 1.5

T = TypeVar("T")
Pattern = Literal["lazy", "near", "overfit"]
Together = tuple[str, tuple[ScoredEdit, ...]]  # why a task is shown, and the edit of each run


@dataclass(frozen=True)
class Point:
    """An edit: its score for the target and its S_ID, None where there is none."""

    edit: ScoredEdit
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
    table, score_E, identity_E = _tabulated(run)
    found = sweeps(table)
    score_QP, identity_QP = found.values(score_E), found.values(identity_E)
    quality_Q = _quality(score_QP, identity_QP if np.isfinite(identity_E).any() else None)
    r_Q = pearson(found.strength, score_QP)
    return [
        ShownSweep(
            source=table.samples[found.sample[q]],
            target=EXPRESSIONS[found.target[q]],
            points=tuple(_point(table, e, score_E, identity_E) for e in row if e != NO_POINT),
            linearity=_known(r_Q[q]),
            quality=_known(quality_Q[q]),
        )
        for q, row in enumerate(found.edit)
    ]


def chosen_sweeps(
    found: Sequence[ShownSweep], seed: int, num_by_lot: int = 1
) -> list[tuple[str, ShownSweep]]:
    """The best, the median and the worst by quality, and some that `seed` draws from the rest; each once."""
    chosen = _best_median_worst(found, lambda sweep: sweep.quality)
    shown = [sweep for _, sweep in chosen]
    ranked = sorted(
        (s for s in found if s.quality is not None and s not in shown), key=lambda s: -(s.quality or 0)
    )
    drawn = random.Random(seed).sample(ranked, min(num_by_lot, len(ranked)))
    return [*chosen, *(("by lot", sweep) for sweep in drawn)]


def shared_sweeps(runs: Sequence[Sequence[ShownSweep]], seed: int, num: int) -> list[tuple[ShownSweep, ...]]:
    """Tasks that all runs have, drawn by `seed`: the sweep of each run."""
    by_task = [{(sweep.source, sweep.target): sweep for sweep in found} for found in runs]
    shared = [task for task in by_task[0] if all(task in other for other in by_task)]
    drawn = random.Random(seed).sample(shared, min(num, len(shared)))
    return [tuple(found[task] for found in by_task) for task in drawn]


def most_confused(run: RunResults, num: int) -> list[Point]:
    """The edits at the strengths of accuracy in which another expression leads by most, the worst first."""
    table, score_E, identity_E = _tabulated(run)
    others_EX = table.scores.copy()
    others_EX[np.arange(len(table.edits)), table.target] = -np.inf
    lead_E = np.where(
        table.at(run.summary.choices.accuracy_strengths), others_EX.max(axis=1) - score_E, np.nan
    )
    worst = [e for e in np.argsort(-lead_E, kind="stable") if lead_E[e] > 0]
    return [_point(table, e, score_E, identity_E) for e in worst[:num]]


def least_alike(run: RunResults, num: int) -> list[Point]:
    """The edits that kept the least of the person, the worst first."""
    table, score_E, identity_E = _tabulated(run)
    worst = [e for e in np.argsort(identity_E, kind="stable") if np.isfinite(identity_E[e])]
    return [_point(table, e, score_E, identity_E) for e in worst[:num]]


def leading(edit: ScoredEdit, num: int) -> list[tuple[str, float]]:
    """The expressions with the highest scores, falling."""
    known = [(name, value) for name, value in edit.verdict.values.items() if value is not None]
    return sorted(known, key=lambda item: -item[1])[:num]


def shared_tasks(runs: Mapping[str, FedResults], seed: int, num: int = 2) -> list[Together]:
    """Tasks that all runs have an edit of: those with scores furthest apart, then some that `seed` draws.

    Each triplet once, though it asks twice.
    """
    by_task = [{edit.key: edit for edit in run.edits} for run in runs.values()]
    tasks = [
        tuple(found[task] for found in by_task)
        for task in by_task[0]
        if all(task in found and found[task].file is not None for found in by_task)
    ]
    apart = [(gap, task) for task in tasks if (gap := _apart(task)) is not None]
    furthest = [task for _, task in sorted(apart, key=lambda found: -found[0])]
    chosen = [("scores furthest apart", task) for task in _each_triplet_once(furthest)[:num]]
    seen = {task[0].sample for _, task in chosen}
    rest = _each_triplet_once([task for task in tasks if task[0].sample not in seen])
    drawn = random.Random(seed).sample(rest, min(num, len(rest)))
    return [*chosen, *(("drawn by lot", task) for task in drawn)]


def ranked_tasks(run: FedResults) -> list[Together]:
    """The best, the median and the worst edit of a run by FED-Score."""
    return [(why, (each,)) for why, each in _best_median_worst(run.edits, _score)]


def pattern(gain: float) -> Pattern:
    """What an edit of that REG is."""
    return "lazy" if gain < LAZY_BELOW else "overfit" if gain > OVERFIT_ABOVE else "near"


def examples(run: FedResults, kind: Pattern, num: int) -> list[ScoredEdit]:
    """The edits that show that pattern most, the furthest from 1 first; each triplet once."""
    gains = [(edit.score("gain").value, edit) for edit in run.edits]
    found = [(gain, each) for gain, each in gains if gain is not None and pattern(gain) == kind]
    away = [(each,) for _, each in sorted(found, key=lambda pair: -abs(pair[0] - 1))]
    return [each for (each,) in _each_triplet_once(away)[:num]]


def pattern_counts(run: FedResults) -> dict[Pattern, int]:
    """How many edits show each; those without a REG show none."""
    gains = [edit.score("gain").value for edit in run.edits]
    found = [pattern(gain) for gain in gains if gain is not None]
    return {"lazy": found.count("lazy"), "near": found.count("near"), "overfit": found.count("overfit")}


def _best_median_worst(cases: Sequence[T], value: Callable[[T], float | None]) -> list[tuple[str, T]]:
    """Three of those that have a value, each once: with one it is the best, with two best and worst."""
    known = [(number, case) for case in cases if (number := value(case)) is not None]
    ranked = [case for _, case in sorted(known, key=lambda pair: -pair[0])]
    places = {0: "best"}
    places.setdefault((len(ranked) - 1) // 2, "median")
    places.setdefault(len(ranked) - 1, "worst")
    return [(why, ranked[place]) for place, why in places.items()] if ranked else []


def _tabulated(run: RunResults) -> tuple[EditTable, FloatArray, FloatArray]:
    """The edits as a table, the score for the target (E,), and S_ID (E,)."""
    table = tabulate(run.edits)
    return table, table.target_scores(), identities(table, run.summary.choices).similarity


def _point(table: EditTable, e: int, score_E: FloatArray, identity_E: FloatArray) -> Point:
    return Point(table.edits[e], _known(score_E[e]), _known(identity_E[e]))


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


def _score(edit: ScoredEdit) -> float | None:
    return edit.score(SCORE).value


def _apart(task: Sequence[ScoredEdit]) -> float | None:
    """How far the scores of a task lie apart; None where fewer than two are scored."""
    scores = [score for edit in task if (score := _score(edit)) is not None]
    return max(scores) - min(scores) if len(scores) > 1 else None


def _each_triplet_once(tasks: Sequence[tuple[ScoredEdit, ...]]) -> list[tuple[ScoredEdit, ...]]:
    first: dict[str, tuple[ScoredEdit, ...]] = {}
    for task in tasks:
        first.setdefault(task[0].sample, task)
    return list(first.values())
