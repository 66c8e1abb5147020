"""Which drawn portraits the embedded benchmark shows, and what it asks of each: "drawn-ffe-1".

A list without end for each style, from which a benchmark takes the first ones, the styles by turns:

- Targets come in rounds of 16: each expression once, those of the confusing pairs twice. Half a round of both
  styles together holds the same 16.
- Four people in ten wear a beard around the mouth, four in ten glasses, four in ten tilt the head by
  TILTED_DEGREES or more, in all combinations, for every target alike. In people drawn by chance it is a
  fifth, a quarter and a seventh.
- Four sources in five are neutral. The fifth already shows another expression than the target, slightly.
- Everybody appears once. The seeds begin at FIRST_SEEDS; nothing in this project is trained on them.
"""

import itertools
import random
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pixelsmile.expressions import DOMAINS, EXPRESSIONS, NEUTRAL, Domain
from pixelsmile.portraits import NUM_VARIANTS, Identity, sample_identity

VERSION = "drawn-ffe-1"
FIRST_SEEDS: dict[Domain, int] = {"human": 8_000_000, "anime": 8_500_000}
TILTED_DEGREES = 4.0
SLIGHT_EVERY = 5  # one source in so many is not neutral
SLIGHT_STRENGTHS = (0.2, 0.4)  # of what it shows

ROUND: tuple[str, ...] = (
    *("fear", "happy", "angry", "shy", "surprised", "sad", "disgust", "confused"),
    *("angry", "contempt", "fear", "sleepy", "disgust", "confident", "surprised", "anxious"),
)


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
    """What a source picture shows: a person of `identity_seed` with an expression, mostly neutral."""

    identity_seed: int
    style: Domain
    expression: str
    strength: float
    variant: int


@dataclass(frozen=True)
class Planned:
    """A task before it is drawn: the source's name, what it shows, and the expression asked for."""

    source: str
    shown: Shown
    target: str


def planned_tasks(style: Domain) -> Iterator[Planned]:
    """The tasks of a style, in their order, without end."""
    people = _People(style)
    for place in itertools.count():
        round_, lane = divmod(place, len(ROUND))
        # Steps of 3 meet every look within ten lanes; the slight sources fall on other looks in each lane.
        look = LOOKS[(round_ + 3 * lane) % len(LOOKS)]
        slight = (round_ + lane) % SLIGHT_EVERY == 0
        target = ROUND[(lane + len(ROUND) // len(DOMAINS) * DOMAINS.index(style)) % len(ROUND)]
        rng = random.Random(f"{VERSION} {style} {place}")
        expression, strength = _slight_expression(target, rng) if slight else (NEUTRAL, 0.0)
        shown = Shown(people.next_with(look), style, expression, strength, rng.randrange(NUM_VARIANTS))
        yield Planned(f"{style}-{place:04}", shown, target)


def look_of(identity: Identity) -> Look:
    """What makes this face harder to edit. Stubble hides no mouth and counts as no beard."""
    return Look(
        beard=identity.beard not in ("none", "stubble"),
        glasses=identity.glasses != "none",
        tilted=abs(identity.tilt) >= TILTED_DEGREES,
    )


def _slight_expression(target: str, rng: random.Random) -> tuple[str, float]:
    expression = rng.choice([name for name in EXPRESSIONS if name != target])
    return expression, round(rng.uniform(*SLIGHT_STRENGTHS), 2)


class _People:
    """Hands out the seeds of a style: of each look, one after the other."""

    def __init__(self, style: Domain) -> None:
        self._seeds = itertools.count(FIRST_SEEDS[style])
        self._waiting: defaultdict[Look, deque[int]] = defaultdict(deque)

    def next_with(self, look: Look) -> int:
        while not self._waiting[look]:
            seed = next(self._seeds)
            self._waiting[look_of(sample_identity(seed))].append(seed)
        return self._waiting[look].popleft()
