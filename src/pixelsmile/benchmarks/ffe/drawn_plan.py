"""Which drawn portraits the embedded benchmark shows, and what it asks of each: "drawn-ffe-1".

A list without end for each style, from which a benchmark takes the first ones, the styles by turns:

- Targets come in rounds of 16: each expression once, those of the confusing pairs twice. Half a round of both
  styles together holds the same 16.
- The people have the looks of `drawn_people`, for every target alike.
- Four sources in five are neutral. The fifth already shows another expression than the target, slightly.
- Everybody appears once. The seeds begin at FIRST_SEEDS; nothing in this project is trained on them.
"""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

from pixelsmile.benchmarks.drawn_people import LOOKS, People, Shown
from pixelsmile.expressions import DOMAINS, EXPRESSIONS, NEUTRAL, Domain
from pixelsmile.portraits import NUM_VARIANTS

VERSION = "drawn-ffe-1"
FIRST_SEEDS: dict[Domain, int] = {"human": 8_000_000, "anime": 8_500_000}
SLIGHT_EVERY = 5  # one source in so many is not neutral
SLIGHT_STRENGTHS = (0.2, 0.4)  # of what it shows

ROUND: tuple[str, ...] = (
    *("fear", "happy", "angry", "shy", "surprised", "sad", "disgust", "confused"),
    *("angry", "contempt", "fear", "sleepy", "disgust", "confident", "surprised", "anxious"),
)


@dataclass(frozen=True)
class Planned:
    """A task before it is drawn: the source's name, what it shows, and the expression asked for."""

    source: str
    shown: Shown
    target: str


def planned_tasks(style: Domain) -> Iterator[Planned]:
    """The tasks of a style, in their order, without end."""
    people = People(FIRST_SEEDS[style])
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


def _slight_expression(target: str, rng: random.Random) -> tuple[str, float]:
    expression = rng.choice([name for name in EXPRESSIONS if name != target])
    return expression, round(rng.uniform(*SLIGHT_STRENGTHS), 2)
