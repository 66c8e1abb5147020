"""Which tasks raters see: those of which every editor has the whole sweep, fairly drawn."""

import random
from collections import defaultdict
from collections.abc import Sequence

from pixelsmile.benchmarks.run_folder import EditKey, RunFolder
from pixelsmile.errors import InputError
from pixelsmile.expressions import NEUTRAL
from pixelsmile.hashing import sha256_file

MIN_STRENGTHS = 3  # two pictures show no course

Pair = tuple[str, str]  # source, target


def common_strengths(runs: Sequence[RunFolder]) -> tuple[float, ...]:
    """The strengths that all runs have, rising; InputError where they are too few for a sweep."""
    found = set.intersection(*(set(run.spec().strengths) for run in runs))
    if len(found) < MIN_STRENGTHS:
        seen = "; ".join(", ".join(f"{s:g}" for s in run.spec().strengths) for run in runs)
        raise InputError(
            f"the runs share {len(found)} strengths (they have {seen}), and a sweep needs {MIN_STRENGTHS}: "
            "make them with the linear setting and the same strengths"
        )
    return tuple(sorted(found))


def shared_pairs(runs: Sequence[RunFolder], strengths: Sequence[float]) -> list[Pair]:
    """The tasks, in the first run's order, that have one source picture and whole sweeps in all runs.

    InputError where there are none.
    """
    edits = [_pictures(run) for run in runs]
    same: dict[str, bool] = {}
    pairs = []
    for task in runs[0].spec().tasks:
        keys = [(task.source, task.target, strength) for strength in strengths]
        if task.target == NEUTRAL or not all(made.issuperset(keys) for made in edits):
            continue
        if same.setdefault(task.source, _same_source(runs, task.source)):
            pairs.append((task.source, task.target))
    if not pairs:
        raise InputError(
            "the runs share no task with whole sweeps and the same source picture: run all editors on one "
            "benchmark, to its end"
        )
    return pairs


def draw_pairs(pairs: Sequence[Pair], num: int, rng: random.Random) -> list[Pair]:
    """`num` of `pairs` (all where there are fewer): expressions as even as can be, then sources."""
    by_target: dict[str, list[Pair]] = defaultdict(list)
    for pair in rng.sample(list(pairs), len(pairs)):
        by_target[pair[1]].append(pair)
    drawn: list[Pair] = []
    while len(drawn) < min(num, len(pairs)):
        for left in by_target.values():
            if left and len(drawn) < num:
                seen = [source for source, _ in drawn]
                rarest = min(left, key=lambda pair: seen.count(pair[0]))
                left.remove(rarest)
                drawn.append(rarest)
    return drawn


def _pictures(run: RunFolder) -> set[EditKey]:
    return {key for key, record in run.edits().items() if record.file is not None}


def _same_source(runs: Sequence[RunFolder], source: str) -> bool:
    files = [run.source_file(source) for run in runs]
    return all(file.exists() for file in files) and len({sha256_file(file) for file in files}) == 1
