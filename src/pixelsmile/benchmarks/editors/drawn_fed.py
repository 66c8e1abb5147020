"""Editors without a model for FED-Bench: what its score should rank, from the ground truth down.

    truth             the ground truth: the upper bound
    copy              the source as it is: lazy
    half              half of the way from source to truth: lazy
    1.5x, 2x          the truth's change times 1.5 and 2: overfit
    wrong-expression  another expression than the one that is asked for, most easily confused with it
    other-person      the right expression on another face
    shifted           the truth, moved sideways and down: what re-rendering does to a background
    blurred           the truth out of focus

All but truth, copy, shifted and blurred draw, and need the embedded triplets. A ground truth stands for
strength 1, the only one that is answered.
"""

import random
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image, ImageFilter
from pydantic import JsonValue

from pixelsmile.benchmarks.editors.drawn import COPY, CopyEditor, nearest_expression
from pixelsmile.benchmarks.editors.editor import BenchmarkEditor, Made
from pixelsmile.benchmarks.fed.drawn import DrawnFedBenchmark
from pixelsmile.benchmarks.fed.triplets import CLASSES, FedBenchmark
from pixelsmile.benchmarks.tasks import Benchmark, Task
from pixelsmile.errors import InputError
from pixelsmile.expressions import NEUTRAL

SHARES: dict[str, float] = {"half": 0.5, "1.5x": 1.5, "2x": 2.0}  # of the change from source to truth
FED_SANITY_EDITORS: tuple[str, ...] = (
    *("truth", COPY, *SHARES, "wrong-expression", "other-person", "shifted", "blurred"),
)
_FROM_TRUTH = ("truth", "shifted", "blurred")

SHIFT = 6 / 256  # of the picture's shorter side
BLUR = 2.5 / 256  # the Gaussian's standard deviation, likewise
WRONG_STRENGTH = 0.8  # of a wrong expression in the place of a neutral one


def fed_sanity_editor(name: str, benchmark: Benchmark) -> BenchmarkEditor:
    """The sanity editor of that name. InputError for one that knows nothing of this benchmark."""
    if name not in FED_SANITY_EDITORS:
        raise InputError(f"unknown sanity editor {name!r}: choose from {', '.join(FED_SANITY_EDITORS)}")
    if name == COPY:
        return CopyEditor()
    if isinstance(benchmark, DrawnFedBenchmark):
        return DrawnFedEditor(name, benchmark)
    if isinstance(benchmark, FedBenchmark) and name in _FROM_TRUTH:
        return TruthEditor(name, benchmark)
    raise InputError(
        f"editor {name!r} draws its edits and knows the embedded triplets alone: use those, "
        f"or {', '.join(_FROM_TRUTH)} or {COPY}, which work with any"
    )


class TruthEditor:
    """Gives back the ground truth, as it is or spoilt in a way that its name says."""

    def __init__(self, name: str, benchmark: FedBenchmark) -> None:
        self._name = name
        self._benchmark = benchmark

    def to_record(self) -> dict[str, JsonValue]:
        settings: dict[str, dict[str, JsonValue]] = {"shifted": {"shift": SHIFT}, "blurred": {"blur": BLUR}}
        return {"name": self._name, "kind": "sanity", **settings.get(self._name, {})}

    def edit(self, task: Task, picture: Image.Image, strengths: Sequence[float], seed: int) -> Iterator[Made]:
        for strength in strengths:
            if strength != 1:
                yield Made(strength, None, "a ground truth is known at strength 1 alone")
            else:
                yield Made(strength, self.made(task, seed))

    def made(self, task: Task, seed: int) -> Image.Image:
        """The edit of a task."""
        truth = self._benchmark.truth(task.source)
        match self._name:
            case "shifted":
                return _shifted(truth, round(SHIFT * min(truth.size)))
            case "blurred":
                return truth.filter(ImageFilter.GaussianBlur(BLUR * min(truth.size)))
        return truth

    def close(self) -> None:
        """Nothing is held."""


class DrawnFedEditor(TruthEditor):
    """Draws the person of the source again, as its name says."""

    def __init__(self, name: str, benchmark: DrawnFedBenchmark) -> None:
        super().__init__(name, benchmark)
        self._drawn = benchmark

    def to_record(self) -> dict[str, JsonValue]:
        record = super().to_record()
        if self._name in SHARES:
            record["share"] = SHARES[self._name]
        return record

    def made(self, task: Task, seed: int) -> Image.Image:
        if self._name in SHARES:
            return self._drawn.truth_at(task.source, SHARES[self._name]).image
        if self._name == "other-person":
            return self._drawn.other_person(task.source).image
        if self._name == "wrong-expression":
            truth = self._drawn.planned(task.source).truth
            strength = truth.strength or WRONG_STRENGTH
            wrong = self.wrong_expression(task, seed)
            return self._drawn.portrait(task.source, wrong, strength, truth.variant).image
        return super().made(task, seed)

    def wrong_expression(self, task: Task, seed: int) -> str:
        """The class nearest to the target that the source does not show; by lot in the place of neutral."""
        shown = self._drawn.planned(task.source).source.expression
        others = [name for name in CLASSES if name not in (task.target, shown, NEUTRAL)]
        if task.target == NEUTRAL:
            return random.Random(f"{task.sample} {seed}").choice(others)  # the same in both granularities
        return nearest_expression(task.target, others)


def _shifted(picture: Image.Image, pixels: int) -> Image.Image:
    """Moved right and down; what comes in repeats the edge."""
    padded = np.pad(np.asarray(picture), ((pixels, 0), (pixels, 0), (0, 0)), mode="edge")
    return Image.fromarray(padded[: picture.height, : picture.width])
