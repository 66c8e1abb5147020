"""Editors without a model, whose scores are known beforehand: they show that the measures measure.

    copy              the source as it is: all identity, no expression; lazy
    truth             what was asked for: the upper bound of every metric

For FFE-Bench, at any strength:

    exaggerated       always more than the full expression, whatever the strength: no linear control
    partner           the expression that is most easily confused with the right one, at the right strength
    random-strength   the right expression at a strength drawn by lot: no control at all
    saturating        the full expression from half of the range on: no control above
    jumping           nothing below a strength that is drawn by lot for each task, all from there on

For FED-Bench, whose ground truths stand for strength 1:

    half              half of the way from source to truth: lazy
    1.5x, 2x          the truth's change times 1.5 and 2: overfit
    wrong-expression  another expression than the one that is asked for, most easily confused with it
    other-person      the right expression on another face
    shifted           the truth, moved sideways and down: what re-rendering does to a background
    blurred           the truth out of focus

All they know is in the task: its ground truth, or the drawn portrait that its picture is.
"""

import random
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter
from pydantic import JsonValue

from pixelsmile.editors.drawn_portrait import DrawnPortrait
from pixelsmile.editors.editor import Capabilities, EditOutcome, Task
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS, FED_BENCH_CLASSES, NEUTRAL, confusing_partner
from pixelsmile.portraits import NUM_VARIANTS, ActionUnits, action_units

COPY, TRUTH = "copy", "truth"
SHARES: dict[str, float] = {"half": 0.5, "1.5x": 1.5, "2x": 2.0}  # of the change from source to truth
SANITY_EDITORS: tuple[str, ...] = (
    *(TRUTH, COPY, "exaggerated", "partner", "random-strength", "saturating", "jumping"),
)
FED_SANITY_EDITORS: tuple[str, ...] = (
    *(TRUTH, COPY, *SHARES, "wrong-expression", "other-person", "shifted", "blurred"),
)
_ALL = tuple(dict.fromkeys((*SANITY_EDITORS, *FED_SANITY_EDITORS)))
_FROM_TRUTH = (TRUTH, "shifted", "blurred")

EXAGGERATED_STRENGTH = 1.5
SATURATED_AT = 0.5  # the strength from which on nothing changes
WRONG_STRENGTH = 0.8  # of a wrong expression in the place of a neutral one
SHIFT = 6 / 256  # of the picture's shorter side
BLUR = 2.5 / 256  # the Gaussian's standard deviation, likewise


class Drawing(NamedTuple):
    """The expression that is drawn for one edit, as `DrawnPortrait.with_expression` takes it."""

    expression: str
    strength: float
    variant: int


class SanityEditor:
    """Answers each task as its name says; see above."""

    max_concurrency = 1
    capabilities = Capabilities()

    def __init__(self, name: str) -> None:
        """InputError for a name that is none of SANITY_EDITORS or FED_SANITY_EDITORS."""
        if name not in _ALL:
            raise InputError(f"unknown sanity editor {name!r}: choose from {', '.join(_ALL)}")
        self.name = name

    def check(self, tasks: Sequence[Task]) -> None:
        """InputError, which names the editors that know enough, where a task says too little for this one."""
        if not _knows_enough(self.name, tasks):
            others = ", ".join(name for name in _ALL if _knows_enough(name, tasks))
            raise InputError(
                f"editor {self.name!r} draws its edits and knows the embedded benchmark alone: use that; "
                f"with this one work {others}"
            )

    def to_record(self) -> dict[str, JsonValue]:
        settings: dict[str, dict[str, JsonValue]] = {
            "exaggerated": {"drawn_strength": EXAGGERATED_STRENGTH},
            "partner": {"partners": {name: nearest_expression(name) for name in EXPRESSIONS}},
            "saturating": {"saturated_at": SATURATED_AT},
            "shifted": {"shift": SHIFT},
            "blurred": {"blur": BLUR},
            **{name: {"share": share} for name, share in SHARES.items()},
        }
        return {"name": self.name, "kind": "sanity", **settings.get(self.name, {})}

    async def edit(
        self, task: Task, picture: Image.Image, strengths: Sequence[float], seed: int
    ) -> AsyncGenerator[EditOutcome, None]:
        for strength in strengths:
            if self.name == COPY:
                yield EditOutcome(strength, picture)
            elif task.truth is None:
                assert isinstance(task.picture, DrawnPortrait)
                if self.name == TRUTH and task.units is not None:
                    units = ActionUnits(**task.units)
                    yield EditOutcome(strength, task.picture.moved_to(units, strength).image)
                    continue
                drawn = drawing(self.name, task, strength, seed)
                yield EditOutcome(strength, task.picture.with_expression(*drawn).image)
            elif strength != 1:
                yield EditOutcome(strength, None, "a ground truth is known at strength 1 alone")
            else:
                yield EditOutcome(strength, _from_triplet(self.name, task, seed))

    async def close(self) -> None:
        """Nothing is held."""


def drawing(name: str, task: Task, strength: float, seed: int) -> Drawing:
    """What an editor for FFE-Bench draws for one edit; the variant is by lot, the same for the same seed."""
    variant = random.Random(f"{task.key} {seed}").randrange(NUM_VARIANTS)
    match name:
        case "exaggerated":
            return Drawing(task.target, EXAGGERATED_STRENGTH, variant)
        case "partner":
            return Drawing(nearest_expression(task.target), strength, variant)
        case "random-strength":
            lot = random.Random(f"{task.key} {strength!r} {seed}").random()
            return Drawing(task.target, lot, variant)
        case "saturating":
            return Drawing(task.target, min(1.0, strength / SATURATED_AT), variant)
        case "jumping":
            threshold = random.Random(f"{task.key} {seed} threshold").random()
            return Drawing(task.target, float(strength > threshold), variant)
    return Drawing(task.target, strength, variant)


def nearest_expression(expression: str, among: Sequence[str] = EXPRESSIONS) -> str:
    """The confusing partner; where `among` does not have it, the other there that moves the face most alike.

    That is the one with the highest cosine of action units, both as they are most typically drawn.
    """
    partner = confusing_partner(expression)
    if partner is not None and partner in among:
        return partner
    others = [name for name in among if name != expression]
    return max(others, key=lambda other: _direction(expression) @ _direction(other))


def wrong_expression(task: Task, source: DrawnPortrait, seed: int) -> str:
    """The class nearest to the target that the source does not show; by lot in the place of neutral."""
    others = [
        name for name in FED_BENCH_CLASSES.values() if name not in (task.target, source.expression, NEUTRAL)
    ]
    if task.target == NEUTRAL:
        return random.Random(f"{task.sample} {seed}").choice(others)  # the same in both granularities
    return nearest_expression(task.target, others)


def _knows_enough(name: str, tasks: Iterable[Task]) -> bool:
    def is_enough(task: Task) -> bool:
        is_drawn = isinstance(task.picture, DrawnPortrait)
        if name == COPY or task.truth is None:
            return name == COPY or (is_drawn and name in SANITY_EDITORS)
        is_drawn = is_drawn and isinstance(task.truth, DrawnPortrait)
        return name in _FROM_TRUTH or (is_drawn and name in FED_SANITY_EDITORS)

    return all(map(is_enough, tasks))


def _from_triplet(name: str, task: Task, seed: int) -> Image.Image:
    """The edit of a task with a ground truth."""
    source, truth = task.picture, task.truth
    assert truth is not None
    if name in _FROM_TRUTH:
        return _spoilt(name, truth.load())
    assert isinstance(source, DrawnPortrait)
    assert isinstance(truth, DrawnPortrait)
    if name in SHARES:
        return source.on_the_way_to(truth, SHARES[name]).image
    if name == "other-person":
        return truth.of_another_person().image
    wrong = wrong_expression(task, source, seed)
    return truth.with_expression(wrong, truth.strength or WRONG_STRENGTH, truth.variant).image


def _spoilt(name: str, truth: Image.Image) -> Image.Image:
    match name:
        case "blurred":
            return truth.filter(ImageFilter.GaussianBlur(BLUR * min(truth.size)))
        case "shifted":  # right and down; what comes in repeats the edge
            pixels = round(SHIFT * min(truth.size))
            padded = np.pad(np.asarray(truth), ((pixels, 0), (pixels, 0), (0, 0)), mode="edge")
            return Image.fromarray(padded[: truth.height, : truth.width])
    return truth


def _direction(expression: str) -> np.ndarray:
    units = np.array(action_units(expression).as_tuple())
    return units / np.linalg.norm(units)
