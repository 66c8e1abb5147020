"""Editors without a model, whose scores are known beforehand: they show that the measures measure.

    truth            what was asked for, drawn: the upper bound of every metric
    copy             the source as it is: all identity, no expression
    exaggerated      always more than the full expression, whatever the strength: no linear control
    partner          the expression that is most easily confused with the right one, at the right strength
    random-strength  the right expression at a strength drawn by lot: no control at all

All but `copy` draw, and need the embedded benchmark.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
from PIL import Image
from pydantic import JsonValue

from pixelsmile.benchmarks.editors.editor import BenchmarkEditor, Made
from pixelsmile.benchmarks.ffe.drawn import DrawnBenchmark
from pixelsmile.benchmarks.tasks import Benchmark, Task
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS, confusing_partner
from pixelsmile.portraits import NUM_VARIANTS, action_units

DrawnName = Literal["truth", "exaggerated", "partner", "random-strength"]
COPY = "copy"
SANITY_EDITORS: tuple[str, ...] = ("truth", COPY, "exaggerated", "partner", "random-strength")

EXAGGERATED_STRENGTH = 1.5


def sanity_editor(name: str, benchmark: Benchmark) -> BenchmarkEditor:
    """The sanity editor of that name. InputError for one that draws, on a benchmark that is not drawn."""
    if name == COPY:
        return CopyEditor()
    for drawn in get_args(DrawnName):
        if name == drawn:
            if not isinstance(benchmark, DrawnBenchmark):
                raise InputError(
                    f"editor {name!r} draws its edits and knows the embedded benchmark alone: use that, "
                    f"or {COPY!r}, which works with any"
                )
            return DrawnEditor(drawn, benchmark)
    raise InputError(f"unknown sanity editor {name!r}: choose from {', '.join(SANITY_EDITORS)}")


def nearest_expression(expression: str, among: Sequence[str] = EXPRESSIONS) -> str:
    """The confusing partner; where `among` does not have it, the other there that moves the face most alike.

    That is the one with the highest cosine of action units, both as they are most typically drawn.
    """
    partner = confusing_partner(expression)
    if partner is not None and partner in among:
        return partner
    others = [name for name in among if name != expression]
    return max(others, key=lambda other: _direction(expression) @ _direction(other))


class CopyEditor:
    """Gives back the source, whatever is asked."""

    def to_record(self) -> dict[str, JsonValue]:
        return {"name": COPY, "kind": "sanity"}

    def edit(self, task: Task, picture: Image.Image, strengths: Sequence[float], seed: int) -> Iterator[Made]:
        for strength in strengths:
            yield Made(strength, picture)

    def close(self) -> None:
        """Nothing is held."""


class Drawing(NamedTuple):
    """What a sanity editor draws for one edit."""

    expression: str
    strength: float
    variant: int


class DrawnEditor:
    """Draws the person of the source again, with the expression that its name stands for.

    The variant of the expression is drawn by lot for each task, from the seed.
    """

    def __init__(self, name: DrawnName, benchmark: DrawnBenchmark) -> None:
        self._name = name
        self._benchmark = benchmark

    def to_record(self) -> dict[str, JsonValue]:
        record: dict[str, JsonValue] = {"name": self._name, "kind": "sanity"}
        if self._name == "exaggerated":
            record["drawn_strength"] = EXAGGERATED_STRENGTH
        if self._name == "partner":
            record["partners"] = {name: nearest_expression(name) for name in EXPRESSIONS}
        return record

    def edit(self, task: Task, picture: Image.Image, strengths: Sequence[float], seed: int) -> Iterator[Made]:
        for strength in strengths:
            drawn = self.drawing(task, strength, seed)
            yield Made(strength, self._benchmark.portrait(task.source, *drawn).image)

    def drawing(self, task: Task, strength: float, seed: int) -> Drawing:
        """What is drawn for one edit; the same seed gives the same."""
        variant = random.Random(f"{task.key} {seed}").randrange(NUM_VARIANTS)
        match self._name:
            case "truth":
                return Drawing(task.target, strength, variant)
            case "exaggerated":
                return Drawing(task.target, EXAGGERATED_STRENGTH, variant)
            case "partner":
                return Drawing(nearest_expression(task.target), strength, variant)
            case "random-strength":
                lot = random.Random(f"{task.key} {strength!r} {seed}").random()
                return Drawing(task.target, lot, variant)

    def close(self) -> None:
        """Nothing is held."""


def _direction(expression: str) -> np.ndarray:
    units = np.array(action_units(expression).as_tuple())
    return units / np.linalg.norm(units)
