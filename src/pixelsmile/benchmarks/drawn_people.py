"""Who a drawn benchmark shows: people who are harder to edit than those drawn by chance, each one once.

Four in ten wear a beard around the mouth, four in ten glasses, four in ten tilt the head by TILTED_DEGREES or
more, in all combinations. In people drawn by chance it is a fifth, a quarter and a seventh.
"""

import itertools
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import NamedTuple

from pixelsmile.benchmarks.tasks import Box
from pixelsmile.expressions import Domain
from pixelsmile.portraits import (
    ActionUnits,
    Identity,
    Portrait,
    action_units,
    anime,
    draw_portrait,
    human,
    sample_identity,
)

PICTURE_PX = 256
TILTED_DEGREES = 4.0


class Look(NamedTuple):
    """What makes a face harder to edit."""

    beard: bool
    glasses: bool
    tilted: bool


LOOKS: tuple[Look, ...] = (
    Look(beard=False, glasses=False, tilted=False),
    Look(beard=True, glasses=False, tilted=False),
    Look(beard=False, glasses=True, tilted=False),
    Look(beard=False, glasses=False, tilted=True),
    Look(beard=True, glasses=True, tilted=False),
    Look(beard=False, glasses=False, tilted=True),
    Look(beard=False, glasses=False, tilted=False),
    Look(beard=True, glasses=False, tilted=True),
    Look(beard=False, glasses=True, tilted=False),
    Look(beard=True, glasses=True, tilted=True),
)


@dataclass(frozen=True)
class Shown:
    """What a picture shows: a person of `identity_seed` with an expression; neutral has strength 0."""

    identity_seed: int
    domain: Domain
    expression: str
    strength: float
    variant: int

    @property
    def identity(self) -> Identity:
        return sample_identity(self.identity_seed)

    @property
    def units(self) -> ActionUnits:
        return action_units(self.expression, self.strength, self.variant)

    def portrait(self) -> Portrait:
        """The picture, PICTURE_PX a side, and the truth about it."""
        return draw_portrait(self.identity, self.units, self.domain, PICTURE_PX)

    def face_box(self) -> Box:
        """Where the face is drawn, in whole pixels."""
        painter = human if self.domain == "human" else anime
        box = painter.anchors(self.identity, self.units).face_box
        x0, y0, x1, y1 = (float(round(value * PICTURE_PX)) for value in box)
        return x0, y0, x1, y1


def look_of(identity: Identity) -> Look:
    """What makes this face harder to edit. Stubble hides no mouth and counts as no beard."""
    return Look(
        beard=identity.beard not in ("none", "stubble"),
        glasses=identity.glasses != "none",
        tilted=abs(identity.tilt) >= TILTED_DEGREES,
    )


class People:
    """Hands out seeds of people from `first_seed` on: of each look, one after the other."""

    def __init__(self, first_seed: int) -> None:
        self._seeds = itertools.count(first_seed)
        self._waiting: defaultdict[Look, deque[int]] = defaultdict(deque)

    def next_with(self, look: Look) -> int:
        """The seed of the next person with that look."""
        while not self._waiting[look]:
            seed = next(self._seeds)
            self._waiting[look_of(sample_identity(seed))].append(seed)
        return self._waiting[look].popleft()
