"""Which edits of FED-Bench a report shows: tasks that tell runs apart, and the two patterns of REG."""

import random
from collections.abc import Mapping, Sequence
from typing import Literal

from pixelsmile.benchmarks.fed.results import FedResults, ScoredEdit

Pattern = Literal["lazy", "near", "overfit"]
# The paper shows the patterns and draws no line. Ours: half of the expected change lacks, or is too much.
LAZY_BELOW, OVERFIT_ABOVE = 0.5, 1.5

Together = tuple[str, tuple[ScoredEdit, ...]]  # why a task is shown, and the edit of each run


def pattern(gain: float) -> Pattern:
    """What an edit of that REG is."""
    return "lazy" if gain < LAZY_BELOW else "overfit" if gain > OVERFIT_ABOVE else "near"


def shared_tasks(runs: Mapping[str, FedResults], seed: int, num: int = 2) -> list[Together]:
    """Tasks that all runs have: those in which their scores lie furthest apart, then some that `seed` draws.

    Each triplet once, though it asks twice.
    """
    by_task = [{(each.task.source, each.task.target): each for each in run.edits} for run in runs.values()]
    tasks = [
        tuple(found[task] for found in by_task)
        for task in by_task[0]
        if all(task in found and found[task].file is not None for found in by_task)
    ]
    apart = sorted(
        (task for task in tasks if _apart(task) is not None), key=lambda task: -(_apart(task) or 0)
    )
    chosen: list[Together] = [("scores furthest apart", task) for task in _once(apart)[:num]]
    seen = {task[0].edit.sample for _, task in chosen}
    rest = _once([task for task in tasks if task[0].edit.sample not in seen])
    chosen += [("drawn by lot", task) for task in random.Random(seed).sample(rest, min(num, len(rest)))]
    return chosen


def ranked_tasks(run: FedResults) -> list[Together]:
    """The best, the median and the worst edit of a run by FED-Score."""
    scored = sorted(
        (each for each in run.edits if each.score is not None), key=lambda each: -(each.score or 0)
    )
    places = {len(scored) - 1: "worst", (len(scored) - 1) // 2: "median", 0: "best"} if scored else {}
    return [(why, (scored[place],)) for place, why in sorted(places.items())]


def examples(run: FedResults, kind: Literal["lazy", "overfit"], num: int) -> list[ScoredEdit]:
    """The edits that show that pattern most, the furthest from 1 first; each triplet once."""
    found = [each for each in run.edits if each.file is not None and _pattern_of(each) == kind]
    away = sorted(found, key=lambda each: -abs((each.edit.components["gain"] or 0) - 1))
    return [each for (each,) in _once([(each,) for each in away])[:num]]


def pattern_counts(run: FedResults) -> dict[Pattern, int]:
    """How many edits show each; those without a REG show none."""
    found = [_pattern_of(each) for each in run.edits]
    return {"lazy": found.count("lazy"), "near": found.count("near"), "overfit": found.count("overfit")}


def _pattern_of(scored: ScoredEdit) -> Pattern | None:
    gain = scored.edit.components["gain"]
    return None if gain is None else pattern(gain)


def _apart(task: Sequence[ScoredEdit]) -> float | None:
    """How far the scores of a task lie apart; None where fewer than two are scored."""
    scores = [each.score for each in task if each.score is not None]
    return max(scores) - min(scores) if len(scores) > 1 else None


def _once(tasks: Sequence[tuple[ScoredEdit, ...]]) -> list[tuple[ScoredEdit, ...]]:
    """The first task of each triplet."""
    first: dict[str, tuple[ScoredEdit, ...]] = {}
    for task in tasks:
        first.setdefault(task[0].edit.sample, task)
    return list(first.values())
