"""What became of the pictures that triplets were built from."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import JsonValue

from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.training.triplets import Triplet

ExpressionPair = tuple[str, str]  # in the order of EXPRESSIONS


class Reason(StrEnum):
    """Why a picture is in no triplet."""

    WEAK = "shows too little of its own expression"
    AMBIGUOUS = "shows another expression too strongly"
    NOT_NEUTRAL = "is called neutral and shows an expression"
    NO_SOURCE = "is of a person without a source"
    ONE_EXPRESSION = "is of a person with fewer than two expressions"
    NO_PARTNER = "found no partner, as the person's other targets were used up"
    SPARE_SOURCE = "is a source more than needed"


@dataclass(frozen=True)
class LeftOut:
    """A picture that is in no triplet."""

    image: Path
    reason: Reason


@dataclass(frozen=True)
class PairingReport:
    """Counts. expressions: targets by expression. pairs: triplets by pair. overlaps: as measured."""

    num_pictures: int
    num_people: int
    expressions: Mapping[str, int]
    pairs: Mapping[ExpressionPair, int]
    overlaps: Mapping[ExpressionPair, float]
    left_out: tuple[LeftOut, ...]

    @property
    def num_triplets(self) -> int:
        """How many triplets came of the pictures."""
        return sum(self.pairs.values())

    @property
    def reasons(self) -> Counter[Reason]:
        """How many pictures were left out for each reason."""
        return Counter(item.reason for item in self.left_out)

    def lines(self) -> Iterator[str]:
        """The report as short lines of text."""
        pictures = counted(self.num_pictures, "picture")
        people = counted(self.num_people, "person", "people")
        left_out = counted(len(self.left_out), "picture")
        yield f"{counted(self.num_triplets, 'triplet')} from {pictures} of {people}; {left_out} left out"
        for reason, count in self.reasons.most_common():
            first = next(item.image for item in self.left_out if item.reason == reason)
            which = "it" if count == 1 else "each"
            yield f"  {count:,} left out: {which} {reason} (the first is {str(first)!r})"
        if self.num_triplets:
            yield "targets: " + ", ".join(f"{name} {self.expressions.get(name, 0):,}" for name in EXPRESSIONS)
            yield "pairs: " + ", ".join(f"{a}-{b} {count:,}" for (a, b), count in self._most_common_pairs())

    def to_record(self) -> dict[str, JsonValue]:
        """The counts for a manifest."""
        return {
            "num_pictures": self.num_pictures,
            "num_people": self.num_people,
            "num_triplets": self.num_triplets,
            "expressions": dict(self.expressions),
            "pairs": {f"{a}-{b}": count for (a, b), count in self._most_common_pairs()},
            "overlaps": {f"{a}-{b}": round(value, 4) for (a, b), value in self.overlaps.items()},
            "left_out": {str(reason): count for reason, count in self.reasons.most_common()},
        }

    def _most_common_pairs(self) -> list[tuple[ExpressionPair, int]]:
        return Counter(self.pairs).most_common()


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 triplet`, `2,000 triplets`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def ordered(a: str, b: str) -> ExpressionPair:
    """Two expressions in the order of EXPRESSIONS."""
    return (a, b) if EXPRESSIONS.index(a) < EXPRESSIONS.index(b) else (b, a)


def count_expressions(triplets: Iterable[Triplet]) -> Counter[str]:
    """How often each expression is a target."""
    return Counter(target.expression for triplet in triplets for target in (triplet.a, triplet.b))


def count_pairs(triplets: Iterable[Triplet]) -> Counter[ExpressionPair]:
    """How many triplets each pair of expressions has."""
    return Counter(ordered(triplet.a.expression, triplet.b.expression) for triplet in triplets)
