"""A sitting: one picture of a person to be drawn, and the crop that is made of it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Protocol

import numpy as np

from pixelsmile.expressions import EXPRESSIONS, NEUTRAL, Domain
from pixelsmile.faces.alignment import similarity, template, warp
from pixelsmile.portraits import NUM_VARIANTS, Identity, action_units, draw_portrait


@dataclass(frozen=True)
class Sitting:
    """Who is drawn, how and with which expression."""

    identity: Identity
    domain: Domain
    expression: str
    strength: float
    variant: int
    size_px: int


@dataclass(frozen=True)
class Drawn:
    """A picture (uint8, H x W x 3) and the five landmarks (5, 2) in its pixels."""

    image: np.ndarray
    landmarks: np.ndarray


class Map(Protocol):
    """`map`, or that of a pool of processes; results come in order."""

    def __call__(self, function: Any, jobs: Iterable[Any], /) -> Iterator[Any]: ...


def sit(
    identity: Identity,
    domain: Domain,
    expression: str,
    strengths: tuple[float, float],
    size_px: int,
    rng: np.random.Generator,
) -> Sitting:
    """A sitting with an expression at a strength and in a variant by chance."""
    strength = float(rng.uniform(*strengths))
    return Sitting(identity, domain, expression, strength, int(rng.integers(NUM_VARIANTS)), size_px)


def different_expressions(num: int, rng: np.random.Generator, *, neutral_first: bool) -> list[str]:
    """That many expressions, no two alike; the neutral one may be among them, or is the first."""
    if neutral_first:
        return [NEUTRAL, *(EXPRESSIONS[i] for i in rng.choice(len(EXPRESSIONS), num - 1, replace=False))]
    names = (NEUTRAL, *EXPRESSIONS)
    return [names[i] for i in rng.choice(len(names), num, replace=False)]


def draw(sitting: Sitting) -> Drawn:
    """The picture, with the exact landmarks."""
    units = action_units(sitting.expression, sitting.strength, sitting.variant)
    portrait = draw_portrait(sitting.identity, units, sitting.domain, sitting.size_px)
    return Drawn(np.asarray(portrait.image), portrait.truth.landmarks_5)


def draw_crop(sitting: Sitting, template_px: int, margin_px: int) -> np.ndarray:
    """The face, uint8, aligned to the template of `template_px` with a margin on every side."""
    drawn = draw(sitting)
    matrix_23 = similarity(drawn.landmarks, template(template_px) + margin_px)
    side = template_px + 2 * margin_px
    return warp(drawn.image, matrix_23, (side, side)).round().astype(np.uint8)


@contextmanager
def mapping(num_workers: int) -> Iterator[Map]:
    """How to call a function on many jobs: in that many processes, or in this one."""
    if num_workers == 1:
        yield map
        return
    with get_context("spawn").Pool(num_workers) as pool:
        yield lambda function, jobs: pool.imap(function, jobs, chunksize=16)
