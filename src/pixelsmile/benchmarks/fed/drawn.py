"""The embedded FED-Bench, "drawn-fed-1": triplets of drawn portraits.

A list without end for each domain, from which a benchmark takes the first ones, the domains by turns:

- Rounds of 42 hold each pair of two classes once, as source and ground truth; in every 7 each class is
  both once. Half a round of both domains together holds the same 42, and any 7 in a row each ground truth
  once.
- Both expressions are drawn at a strength from STRENGTHS, in any variant; neutral has neither.
- The people have the traits of `drawn_people`, for every class alike. Everybody appears once. The seeds
  begin at FIRST_SEEDS; nothing in this project is trained on them, and drawn-ffe-1 shows others.
"""

import itertools
import random
from collections.abc import Iterator, Sequence

from pixelsmile.benchmarks.benchmark import Benchmark
from pixelsmile.benchmarks.drawn_people import TRAITS, People, first_by_turns
from pixelsmile.benchmarks.fed.triplets import FedTriplet, fed_benchmark
from pixelsmile.editors.drawn_portrait import DrawnPortrait
from pixelsmile.editors.editor import (
    GRANULARITIES,
    Granularity,
)
from pixelsmile.expressions import DOMAINS, NEUTRAL, Domain
from pixelsmile.portraits import NUM_VARIANTS
from pixelsmile.portraits.instructions import dense_instruction, simple_instruction

VERSION = "drawn-fed-1"
FIRST_SEEDS: dict[Domain, int] = {"human": 8_200_000, "anime": 8_700_000}
NUM_TRIPLETS_A_DOMAIN = 120
STRENGTHS = (0.6, 1.0)

ROUND: tuple[str, ...] = ("happy", "fear", NEUTRAL, "disgust", "surprised", "sad", "angry")


def drawn_fed_benchmark(
    num_samples: int | None = None,
    domains: Sequence[Domain] = DOMAINS,
    granularities: Sequence[Granularity] = GRANULARITIES,
) -> Benchmark:
    """The first triplets as tasks; their pictures are drawn when asked for.

    num_samples: triplets in all; NUM_TRIPLETS_A_DOMAIN of each domain by default. Fewer are the first of
    more. InputError for no triplets or no domains.
    """
    num_triplets = NUM_TRIPLETS_A_DOMAIN * len(domains) if num_samples is None else num_samples
    triplets = first_by_turns(drawn_triplets, num_triplets, domains, "triplet")
    return fed_benchmark(VERSION, "embedded", triplets, granularities)


def drawn_triplets(domain: Domain) -> Iterator[FedTriplet]:
    """The triplets of a domain, in their order, without end."""
    people = People(FIRST_SEEDS[domain])
    num_classes, num_turns = len(ROUND), len(ROUND) - 1
    place_of_domain = DOMAINS.index(domain)
    for place in itertools.count():
        block, lane = divmod(place, num_classes)
        # Half a round apart, and so that the classes of one domain follow on those of the other.
        turn = 1 + (block + place_of_domain * num_turns // len(DOMAINS)) % num_turns
        target = ROUND[(lane + place_of_domain * (num_classes + 1) // len(DOMAINS)) % num_classes]
        shown = ROUND[(ROUND.index(target) + turn) % num_classes]
        # Of all such steps, 7 and 8 spread the traits most evenly over the classes of sources and truths.
        person = people.next_with(TRAITS[(7 * block + 8 * lane) % len(TRAITS)])
        rng = random.Random(f"{VERSION} {domain} {place}")
        source, truth = _portrait(person, domain, shown, rng), _portrait(person, domain, target, rng)
        yield _triplet(f"{domain}-{place:04}", source, truth)


def _portrait(person: int, domain: Domain, expression: str, rng: random.Random) -> DrawnPortrait:
    strength, variant = round(rng.uniform(*STRENGTHS), 2), rng.randrange(NUM_VARIANTS)
    if expression == NEUTRAL:
        strength, variant = 0.0, 0
    return DrawnPortrait(person, domain, expression, strength, variant)


def _triplet(name: str, source: DrawnPortrait, truth: DrawnPortrait) -> FedTriplet:
    return FedTriplet(
        name,
        truth.expression,
        truth.domain,
        dense_instruction(source.expression, truth.expression, truth.units, truth.strength),
        simple_instruction(truth.expression, truth.domain),
        source,
        truth,
        source.face_box(),
        None if truth.expression == NEUTRAL else truth.strength,
    )
