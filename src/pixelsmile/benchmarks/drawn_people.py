"""Who a drawn benchmark shows: people who are harder to edit than those drawn by chance, each one once.

Four in ten wear a beard around the mouth, four in ten glasses, four in ten tilt the head by TILTED_DEGREES or
more, in all combinations. In people drawn by chance it is a fifth, a quarter and a seventh.
"""

import itertools
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from pixelsmile.errors import InputError
from pixelsmile.expressions import DOMAINS, Domain
from pixelsmile.portraits import Identity, sample_identity

TILTED_DEGREES = 4.0

T = TypeVar("T")


class Traits(NamedTuple):
    """What makes a face harder to edit."""

    beard: bool
    glasses: bool
    tilted: bool


TRAITS: tuple[Traits, ...] = (
    Traits(beard=False, glasses=False, tilted=False),
    Traits(beard=True, glasses=False, tilted=False),
    Traits(beard=False, glasses=True, tilted=False),
    Traits(beard=False, glasses=False, tilted=True),
    Traits(beard=True, glasses=True, tilted=False),
    Traits(beard=False, glasses=False, tilted=True),
    Traits(beard=False, glasses=False, tilted=False),
    Traits(beard=True, glasses=False, tilted=True),
    Traits(beard=False, glasses=True, tilted=False),
    Traits(beard=True, glasses=True, tilted=True),
)


def traits_of(identity: Identity) -> Traits:
    """What makes this face harder to edit. Stubble hides no mouth and counts as no beard."""
    return Traits(
        beard=identity.beard not in ("none", "stubble"),
        glasses=identity.glasses != "none",
        tilted=abs(identity.tilt) >= TILTED_DEGREES,
    )


class People:
    """Hands out seeds of people from `first_seed` on: of each combination of traits, one after the other."""

    def __init__(self, first_seed: int) -> None:
        self._seeds = itertools.count(first_seed)
        self._waiting: defaultdict[Traits, deque[int]] = defaultdict(deque)

    def next_with(self, traits: Traits) -> int:
        """The seed of the next person with those traits."""
        while not self._waiting[traits]:
            seed = next(self._seeds)
            self._waiting[traits_of(sample_identity(seed))].append(seed)
        return self._waiting[traits].popleft()


def first_by_turns(
    endless: Callable[[Domain], Iterator[T]], num_items: int, domains: Sequence[Domain], what: str
) -> tuple[T, ...]:
    """The first of what a benchmark draws without end, the domains by turns: fewer are the first of more.

    InputError, which calls them `what`, for none, and for domains that are none or named twice.
    """
    asked = [domain for domain in DOMAINS if domain in domains]
    if not asked or len(asked) != len(domains):
        raise InputError(f"domains {tuple(domains)!r}: name each of {', '.join(DOMAINS)} at most once")
    if num_items < 1:
        raise InputError(f"num_samples {num_items!r}: a benchmark has at least one {what}")
    by_turns = itertools.chain.from_iterable(zip(*map(endless, asked), strict=True))
    return tuple(itertools.islice(by_turns, num_items))
