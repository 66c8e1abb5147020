"""Sweeps: the edits of one base towards one expression at several strengths, which are to rise evenly."""

from collections.abc import Sequence

LEAST_STEPS = 2  # of one step nobody can say that it is as large as the others


def sweep_drops(values: Sequence[float], tolerance: float) -> list[float]:
    """How much each value contradicts the order that they stand in; 0 for one that is in its place.

    In its place is what belongs to every longest run of values of which none falls by more than `tolerance`
    below the one before: a single one that is wrong does not take the others with it, and of two that were
    exchanged nobody can say which is wrong, so that both are. Of another it is the largest fall between it
    and any value that comes before or after.
    """
    ending = _longest(values, tolerance)
    beginning = _longest([-value for value in reversed(values)], tolerance)[::-1]
    longest = max(ending, default=0)
    on_one = [here for here, there in zip(ending, beginning, strict=True) if here + there - 1 == longest]
    drops = []
    for place, (here, there) in enumerate(zip(ending, beginning, strict=True)):
        if here + there - 1 == longest and on_one.count(here) == 1:
            drops.append(0.0)
            continue
        falls = [before - values[place] for before in values[:place]]
        falls += [values[place] - after for after in values[place + 1 :]]
        drops.append(max(falls))
    return drops


def step_ratio(strengths: Sequence[float], steps: Sequence[float]) -> float | None:
    """The largest step over the mean one, both for the strength they stand for; 1 or more.

    strengths: one more than steps, rising. None where there are fewer than two steps, or nothing moves.
    """
    total = sum(steps)
    if len(steps) < LEAST_STEPS or total <= 0:
        return None
    width = strengths[-1] - strengths[0]
    rates = (
        step / (after - before) for step, before, after in zip(steps, strengths, strengths[1:], strict=False)
    )
    return max(rates) * width / total


def _longest(values: Sequence[float], tolerance: float) -> list[int]:
    """The number of values in the longest run without such a fall that ends with each."""
    found: list[int] = []
    for place, value in enumerate(values):
        before = [
            number for number, other in zip(found, values[:place], strict=True) if value >= other - tolerance
        ]
        found.append(1 + max(before, default=0))
    return found
