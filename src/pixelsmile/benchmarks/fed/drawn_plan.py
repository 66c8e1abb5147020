"""Which drawn portraits the embedded triplets show, and what each asks for: "drawn-fed-1".

A list without end for each style, from which a benchmark takes the first ones, the styles by turns:

- Rounds of 42 hold each pair of two classes once, as source and ground truth; in every 7 each class is both
  once. Half a round of both styles together holds the same 42, and any 7 in a row each ground truth once.
- Both expressions are drawn at a strength from STRENGTHS, in any variant; neutral has neither.
- The people have the looks of `drawn_people`, for every class alike. Everybody appears once. The seeds begin
  at FIRST_SEEDS; nothing in this project is trained on them, and drawn-ffe-1 shows others.
"""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

from pixelsmile.benchmarks.drawn_people import LOOKS, People, Shown
from pixelsmile.expressions import DOMAINS, NEUTRAL, Domain
from pixelsmile.portraits import NUM_VARIANTS

VERSION = "drawn-fed-1"
FIRST_SEEDS: dict[Domain, int] = {"human": 8_200_000, "anime": 8_700_000}
OTHER_PEOPLE = 100_000  # as far from the seed of a person is that of the other one who takes their place
STRENGTHS = (0.6, 1.0)

ROUND: tuple[str, ...] = ("happy", "fear", NEUTRAL, "disgust", "surprised", "sad", "angry")


@dataclass(frozen=True)
class PlannedTriplet:
    """A triplet before it is drawn: the same person, with what the face shows and what it should show."""

    name: str
    source: Shown
    truth: Shown


def planned_triplets(style: Domain) -> Iterator[PlannedTriplet]:
    """The triplets of a style, in their order, without end."""
    people = People(FIRST_SEEDS[style])
    num_classes, num_turns = len(ROUND), len(ROUND) - 1
    place_of_style = DOMAINS.index(style)
    for place in itertools.count():
        block, lane = divmod(place, num_classes)
        # Half a round apart, and so that the classes of one style follow on those of the other.
        turn = 1 + (block + place_of_style * num_turns // len(DOMAINS)) % num_turns
        target = ROUND[(lane + place_of_style * (num_classes + 1) // len(DOMAINS)) % num_classes]
        shown = ROUND[(ROUND.index(target) + turn) % num_classes]
        # Of all such steps, 7 and 8 spread the looks most evenly over the classes of sources and truths.
        person = people.next_with(LOOKS[(7 * block + 8 * lane) % len(LOOKS)])
        rng = random.Random(f"{VERSION} {style} {place}")
        source, truth = _shown(person, style, shown, rng), _shown(person, style, target, rng)
        yield PlannedTriplet(f"{style}-{place:04}", source, truth)


def _shown(person: int, style: Domain, expression: str, rng: random.Random) -> Shown:
    strength, variant = round(rng.uniform(*STRENGTHS), 2), rng.randrange(NUM_VARIANTS)
    if expression == NEUTRAL:
        strength, variant = 0.0, 0
    return Shown(person, style, expression, strength, variant)
