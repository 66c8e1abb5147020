"""A benchmark: tasks for editors, checked before anything is paid for, and a record of what they are.

Every reader of a benchmark makes its tasks with what is here: all problems in one error, names and face boxes
that can be, and a part of it that is as balanced as the whole allows.
"""

import math
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TypeVar

from pydantic import JsonValue

from pixelsmile.editors.drawn_portrait import DrawnPortrait
from pixelsmile.editors.editor import (
    Box,
    Task,
)
from pixelsmile.errors import InputError
from pixelsmile.expressions import Domain
from pixelsmile.images import MAX_PIXELS
from pixelsmile.limits import shown

MAX_PATH = 4096  # letters of a path in a row
BOX_SLACK = 0.1  # of a box's side may stick out of the picture, as detectors' boxes do: that much is cut off

R = TypeVar("R")
S = TypeVar("S")

Kind = tuple[Domain, str]  # a domain, and the expression that is asked for


@dataclass(frozen=True)
class Benchmark:
    """What is asked of an editor.

    name: which benchmark it is. origin: the folder or file that it came from. tasks: in a fixed order, no two
    with the same `key`. describe: what else its record says, with a hash of all content. unasked: tasks that
    lack their words: no edit is made for them, and none is forgotten.
    """

    name: str
    origin: str
    tasks: tuple[Task, ...]
    describe: Callable[[], dict[str, JsonValue]]
    unasked: tuple[Task, ...] = ()

    def to_record(self) -> dict[str, JsonValue]:
        """Which benchmark this is, for a run's specification; reads every picture."""
        return {"name": self.name, "origin": self.origin, **self.describe()}


def is_drawn(name: str) -> bool:
    """Whether that benchmark shows portraits which pixelsmile draws, and the embedded parts know."""
    return name.startswith(("drawn-ffe", "drawn-fed"))


def portraits_of(benchmark: Benchmark) -> dict[str, DrawnPortrait]:
    """The drawn portraits among its sources, by name."""
    tasks = (*benchmark.tasks, *benchmark.unasked)
    return {task.source: task.picture for task in tasks if isinstance(task.picture, DrawnPortrait)}


def all_or_error(
    labelled: Iterable[tuple[str, R]], make: Callable[[R], S], what: str, advice: str
) -> tuple[S, ...]:
    """`make` of every item; where it raises InputErrors, one that counts them all and tells the first."""
    made, problems = [], []
    for label, item in labelled:
        try:
            made.append(make(item))
        except InputError as error:
            problems.append(f"{label}: {error}")
    if problems:
        counted = f"{len(problems)} of {len(made) + len(problems)} {what} cannot be used"
        others = ", and others" if len(problems) > 1 else ""
        raise InputError(f"{counted} ({problems[0]}{others}): {advice}")
    return tuple(made)


def source_name(path: PurePath) -> str:
    """A name for the source in that file: `human/0001.png` is `human-0001`; an absolute path's last part."""
    parts = path.parts[-1:] if path.is_absolute() else [part for part in path.parts if part != ".."]
    name, _ = os.path.splitext("-".join(parts))
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[-100:].lstrip(".-")


def parse_box(value: object) -> Box | None:
    """The face box in a row: x0, y0, x1, y1, or a list of one such; None for none. InputError otherwise."""
    if value is None:
        return None
    if isinstance(value, list) and value and isinstance(value[0], list):
        if len(value) > 1:
            raise InputError(f"{len(value)} face boxes, where one is needed")
        value = value[0]
    if not isinstance(value, list) or len(value) != 4:
        raise InputError(f"face box {shown(value)} is not x0, y0, x1, y1")
    if not all(isinstance(x, int | float) and abs(x) < MAX_PIXELS for x in value):  # a float holds them
        raise InputError(f"face box {shown(value)} holds something else than pixels")
    x0, y0, x1, y1 = map(float, value)
    return x0, y0, x1, y1


def box_within(box: Box | None, size: tuple[int, int]) -> Box | None:
    """The box cut to a picture of that size; InputError for one that lies mostly outside it, or is none."""
    if box is None:
        return None
    x0, y0, x1, y1 = box
    width, height = size
    cut = max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))
    slack_x, slack_y = BOX_SLACK * (x1 - x0), BOX_SLACK * (y1 - y0)
    fits_x = x1 - x0 >= 1 and max(cut[0] - x0, x1 - cut[2]) <= slack_x
    fits_y = y1 - y0 >= 1 and max(cut[1] - y0, y1 - cut[3]) <= slack_y
    if not (all(map(math.isfinite, box)) and fits_x and fits_y):
        raise InputError(
            f"face box {list(box)} is not in its picture of {width} x {height}: give x0, y0, x1, y1 in pixels"
        )
    return cut


def balanced_part(
    items: Sequence[R],
    kind_of: Callable[[R], Kind],
    num_items: int | None,
    domains: Sequence[Domain] | None,
    what: str,
) -> tuple[R, ...]:
    """`num_items` of those in `domains`, in their order; None: all.

    Domains and targets are taken by turns, each target's first items first, so that few are balanced too.
    InputError, which calls them `what`, where there are not so many.
    """
    found = [item for item in items if domains is None or kind_of(item)[0] in domains]
    if not found or (num_items is not None and not 1 <= num_items <= len(found)):
        wanted = f"{'all' if num_items is None else num_items} {' and '.join(domains or ())}".strip()
        counts = Counter(kind_of(item)[0] for item in items)
        there = " and ".join(f"{count} {domain}" for domain, count in counts.items())
        raise InputError(f"{wanted} {what} of a benchmark that has {there}: ask for what is there")
    turns = _turns([kind_of(item) for item in found])
    chosen = sorted(range(len(found)), key=lambda place: (turns[place], place))[:num_items]
    return tuple(found[place] for place in sorted(chosen))


def _turns(kinds: Sequence[Kind]) -> list[tuple[int, int]]:
    """For each item: how many like it came before, and its target's place among those of its domain."""
    seen: Counter[Kind] = Counter()
    targets: defaultdict[Domain, list[str]] = defaultdict(list)
    turns = []
    for domain, target in kinds:
        if target not in targets[domain]:
            targets[domain].append(target)
        turns.append((seen[domain, target], targets[domain].index(target)))
        seen[domain, target] += 1
    return turns
