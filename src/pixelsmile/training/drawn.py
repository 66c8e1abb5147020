"""Drawn portraits as triplets without end, each settled by (seed, index) alone and drawn when asked for.

A person by chance, and a pair of expressions, often a confusing one. The source is neutral, or now and then
shows a third expression slightly. Boxes, landmarks and scores are the truth about each picture.

With `levels` the labels are like MEAD's (PixelSmile, Appendix C): each target belongs to a level, and its
label is that level, one-hot. What is drawn strays from the level by up to `level_spread` (but not beyond 1),
for one person's "medium" is another's "high"; by default as far as the middle between two levels of MEAD.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pixelsmile.errors import InputError
from pixelsmile.expressions import CONFUSING_PAIRS, DOMAINS, EXPRESSIONS, NEUTRAL, Domain
from pixelsmile.images import MIN_SIDE_PX
from pixelsmile.portraits import NUM_VARIANTS, Portrait, action_units, draw_portrait, sample_identity
from pixelsmile.training.mead import LEVEL_STRENGTHS
from pixelsmile.training.triplets import Landmarks, SourceImage, Target, Triplet, one_hot_scores

FIRST_IDENTITY = 10_000_000  # the seeds below belong to the benchmarks and to the embedded models
MEAD_LEVELS: tuple[float, ...] = tuple(LEVEL_STRENGTHS.values())

_NUM_DECIMALS = 3  # of pixels and scores, so that lines stay readable; the same in a file and on demand
_FOLDER_SIZE = 1000  # triplets


@dataclass(frozen=True)
class DrawnPlan:
    """Which triplets are drawn. InputError for numbers that make no sense.

    styles: by turns. size_px: side of the pictures. num_identities: people to choose from, from seed
    FIRST_IDENTITY on. confusing_share: of the triplets, those with a pair of CONFUSING_PAIRS; the others
    have any two expressions. neutral_share: of the sources, those that are neutral; the others show a third
    expression, uniformly between slight_strengths. strengths: of the targets, uniform between these two.
    levels: takes the place of `strengths`, each level as often as another; see above.
    """

    seed: int = 0
    styles: tuple[Domain, ...] = DOMAINS
    size_px: int = 256
    num_identities: int = 1_000_000
    confusing_share: float = 0.4
    neutral_share: float = 0.8
    slight_strengths: tuple[float, float] = (0.1, 0.4)
    strengths: tuple[float, float] = (0.1, 1.0)
    levels: tuple[float, ...] | None = None
    level_spread: float = 0.125

    def __post_init__(self) -> None:
        for name in ("confusing_share", "neutral_share", "level_spread"):
            _check_unit(name, (getattr(self, name),))
        for name in ("slight_strengths", "strengths"):
            _check_unit(name, getattr(self, name))
            if list(getattr(self, name)) != sorted(getattr(self, name)):
                raise InputError(f"{name} {getattr(self, name)!r}: put the lower one first")
        _check_unit("levels", self.levels or ())
        if not self.styles or not set(self.styles) <= set(DOMAINS):
            raise InputError(f"styles {self.styles!r}: use one or more of {', '.join(DOMAINS)}")
        if self.size_px < MIN_SIDE_PX:
            raise InputError(f"size_px {self.size_px!r}: pictures have at least {MIN_SIDE_PX} px a side")
        if self.seed < 0 or self.num_identities < 1 or self.levels == ():
            raise InputError(f"{self!r}: use a seed of 0 or more, one person or more, one level or more")


@dataclass(frozen=True)
class DrawnFace:
    """What one picture shows. level: its label where labels are one-hot, else None."""

    expression: str
    strength: float  # 0..1
    variant: int
    level: float | None = None


@dataclass(frozen=True)
class PlannedTriplet:
    """A triplet before it is drawn."""

    identity_seed: int
    style: Domain
    source: DrawnFace
    a: DrawnFace
    b: DrawnFace


@dataclass(frozen=True)
class DrawnTriplet:
    """A triplet with its pictures: source, a, b. On disk they are only where `write_drawn` put them."""

    triplet: Triplet
    pictures: tuple[Image.Image, Image.Image, Image.Image]


def endless(plan: DrawnPlan, start: int = 0) -> Iterator[DrawnTriplet]:
    """The triplets of a plan from index `start` on."""
    return (draw_triplet(plan, index) for index in itertools.count(start))


def draw_triplet(plan: DrawnPlan, index: int, folder: Path = Path()) -> DrawnTriplet:
    """Triplet `index` of a plan: the same plan and index give the same pixels.

    folder: where its paths lie. InputError below index 0.
    """
    planned = plan_triplet(plan, index)
    identity = sample_identity(planned.identity_seed)
    faces = (planned.source, planned.a, planned.b)
    source, a, b = (
        draw_portrait(
            identity,
            action_units(face.expression, face.strength, face.variant),
            planned.style,
            plan.size_px,
        )
        for face in faces
    )
    triplet = Triplet(
        SourceImage(_path(folder, index, "source"), _box(source), _landmarks(source)),
        _target(_path(folder, index, "a"), planned.a, a),
        _target(_path(folder, index, "b"), planned.b, b),
        planned.style,
        str(planned.identity_seed),
    )
    return DrawnTriplet(triplet, (source.image, a.image, b.image))


def plan_triplet(plan: DrawnPlan, index: int) -> PlannedTriplet:
    """What triplet `index` of a plan shows. InputError below 0."""
    if index < 0:
        raise InputError(f"triplet {index!r}: they are counted from 0")
    rng = np.random.default_rng((plan.seed, index))
    identity_seed = FIRST_IDENTITY + int(rng.integers(plan.num_identities))
    first, second, third = _three_expressions(plan, rng)
    a, b = _target_face(plan, first, rng), _target_face(plan, second, rng)
    neutral = rng.random() < plan.neutral_share
    strength, variant = _uniform(plan.slight_strengths, rng), int(rng.integers(NUM_VARIANTS))
    source = DrawnFace(NEUTRAL, 0.0, 0) if neutral else DrawnFace(third, strength, variant)
    return PlannedTriplet(identity_seed, plan.styles[index % len(plan.styles)], source, a, b)


def _three_expressions(plan: DrawnPlan, rng: np.random.Generator) -> tuple[str, str, str]:
    """A pair in any order, and one that is neither."""
    a, b, third = rng.permutation(EXPRESSIONS)[:3].tolist()
    if rng.random() < plan.confusing_share:
        a, b = rng.permutation(CONFUSING_PAIRS[rng.integers(len(CONFUSING_PAIRS))]).tolist()
        third = rng.choice([name for name in EXPRESSIONS if name not in (a, b)]).item()
    return a, b, third


def _target_face(plan: DrawnPlan, expression: str, rng: np.random.Generator) -> DrawnFace:
    variant = int(rng.integers(NUM_VARIANTS))
    if plan.levels is None:
        return DrawnFace(expression, _uniform(plan.strengths, rng), variant)
    level = plan.levels[rng.integers(len(plan.levels))]
    strayed = level + _uniform((-plan.level_spread, plan.level_spread), rng)
    return DrawnFace(expression, min(max(strayed, 0.0), 1.0), variant, level)


def _target(path: Path, face: DrawnFace, portrait: Portrait) -> Target:
    scores = {name: round(score, _NUM_DECIMALS) for name, score in portrait.truth.scores.items()}
    if face.level is not None:
        scores = one_hot_scores(face.expression, face.level)
    return Target(path, face.expression, scores, _box(portrait), _landmarks(portrait))


def _path(folder: Path, index: int, role: str) -> Path:
    return Path(folder, "pictures", f"{index // _FOLDER_SIZE:04}", f"{index:07}-{role}.png")


def _box(portrait: Portrait) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (round(value, _NUM_DECIMALS) for value in portrait.truth.face_box)
    return x0, y0, x1, y1


def _landmarks(portrait: Portrait) -> Landmarks:
    points = portrait.truth.landmarks_5.round(_NUM_DECIMALS).tolist()
    left_eye, right_eye, nose, left_corner, right_corner = ((x, y) for x, y in points)
    return left_eye, right_eye, nose, left_corner, right_corner


def _uniform(between: tuple[float, float], rng: np.random.Generator) -> float:
    return float(rng.uniform(*between))


def _check_unit(name: str, values: tuple[float, ...]) -> None:
    if not all(0 <= value <= 1 for value in values):
        raise InputError(f"{name} {values!r}: use numbers from 0 to 1")
