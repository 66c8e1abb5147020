"""Triplets from annotated pictures: which pictures of a person become a source and a confusing pair.

The paper pairs expressions by "the confusion patterns observed in the FFE dataset" (section 4.2) and says no
more. Here, for the pictures of each person in each domain:

- Targets show one expression clearly; sources show next to nothing, whatever they are called.
- Pairs of CONFUSING_PAIRS come first, then pairs whose annotations overlap, then any two.
- Among these the expressions come first that have been targets least often, over all people.
- Each target is used `uses_per_picture` times at most, and the same two targets only once.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations, product
from pathlib import Path

from pydantic import JsonValue

from pixelsmile.errors import InputError
from pixelsmile.expressions import CONFUSING_PAIRS, EXPRESSIONS, NEUTRAL
from pixelsmile.triplets.annotated import AnnotatedPicture
from pixelsmile.triplets.triplet import SourceImage, Target, Triplet

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
class Pairing:
    """The triplets, and what became of every picture.

    overlaps: mean score of the pictures of two expressions for each other. left_out: the pictures that are
    in no triplet, in their order.
    """

    triplets: tuple[Triplet, ...]
    num_pictures: int
    num_people: int
    overlaps: Mapping[ExpressionPair, float]
    left_out: Mapping[Path, Reason]

    @property
    def expressions(self) -> Counter[str]:
        """How often each expression is a target."""
        return Counter(target.expression for triplet in self.triplets for target in triplet.targets)

    @property
    def pairs(self) -> Counter[ExpressionPair]:
        """How many triplets each pair of expressions has."""
        return count_pairs(self.triplets)

    @property
    def reasons(self) -> Counter[Reason]:
        """How many pictures were left out for each reason."""
        return Counter(self.left_out.values())

    def to_record(self) -> dict[str, JsonValue]:
        """The counts for a manifest."""
        return {
            "num_pictures": self.num_pictures,
            "num_people": self.num_people,
            "num_triplets": len(self.triplets),
            "expressions": dict(self.expressions),
            "pairs": {f"{a}-{b}": count for (a, b), count in self.pairs.most_common()},
            "overlaps": {f"{a}-{b}": round(value, 4) for (a, b), value in self.overlaps.items()},
            "left_out": {str(reason): count for reason, count in self.reasons.most_common()},
        }


def ordered(a: str, b: str) -> ExpressionPair:
    """Two expressions in the order of EXPRESSIONS."""
    return (a, b) if EXPRESSIONS.index(a) < EXPRESSIONS.index(b) else (b, a)


def count_pairs(triplets: Iterable[Triplet]) -> Counter[ExpressionPair]:
    """How many triplets each pair of expressions has; those with an instruction have none."""
    return Counter(
        ordered(triplet.a.expression, triplet.b.expression) for triplet in triplets if triplet.b is not None
    )


_CONFUSING = frozenset(ordered(a, b) for a, b in CONFUSING_PAIRS)


@dataclass(frozen=True)
class PairingSettings:
    """What makes a picture a target or a source: our numbers, the paper has none. InputError for bad ones.

    min_score: of a target, for its own expression. min_margin: that score less the highest of the others.
    max_source_score: the highest score of a source. min_overlap: mean score for each other from which on two
    expressions overlap. uses_per_picture: how many triplets a target may be in.
    """

    min_score: float = 0.2
    min_margin: float = 0.0
    max_source_score: float = 0.2
    min_overlap: float = 0.1
    uses_per_picture: int = 2

    def __post_init__(self) -> None:
        for name in ("min_score", "min_margin", "max_source_score", "min_overlap"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} {getattr(self, name)!r} is no score: use 0 to 1")
        if self.uses_per_picture < 1:
            raise InputError(f"uses_per_picture {self.uses_per_picture!r} leaves no triplet: use 1 or more")


def build_triplets(
    pictures: Sequence[AnnotatedPicture], choices: PairingSettings | None = None, *, seed: int = 0
) -> Pairing:
    """The triplets of these pictures; the same arguments give the same triplets in the same order.

    There may be none: `left_out` says why. InputError for the same picture twice.
    """
    choices = choices or PairingSettings()
    twice = [image for image, count in Counter(p.image for p in pictures).items() if count > 1]
    if twice:
        raise InputError(f"picture {str(twice[0])!r} is annotated twice: keep one of the annotations")
    overlaps, rng = measure_overlaps(pictures), random.Random(seed)
    people = [_Person(group, choices, rng) for group in _by_person(pictures)]
    rng.shuffle(people)
    triplets = tuple(_in_rounds(people, _Order(overlaps, choices.min_overlap, rng)))
    left_out = dict(item for person in people for item in person.left_out())
    return Pairing(
        triplets=triplets,
        num_pictures=len(pictures),
        num_people=len(people),
        overlaps=overlaps,
        left_out={p.image: left_out[p.image] for p in pictures if p.image in left_out},  # in their order
    )


def measure_overlaps(pictures: Sequence[AnnotatedPicture]) -> dict[ExpressionPair, float]:
    """How alike each two expressions look, 0..1: mean score for the one in pictures of the other, both ways.

    An expression without pictures counts as 0, and so does one that the judge of a picture does not judge.
    """
    shown: defaultdict[str, list[Mapping[str, float]]] = defaultdict(list)
    for picture in pictures:
        shown[picture.expression].append(picture.scores)

    def mean(expression: str, other: str) -> float:
        rows = shown[expression]
        return sum(scores.get(other, 0.0) for scores in rows) / len(rows) if rows else 0.0

    return {(a, b): (mean(a, b) + mean(b, a)) / 2 for a, b in combinations(EXPRESSIONS, 2)}


class _Order:
    """Which pair of expressions is wanted most; it remembers what has been taken."""

    def __init__(
        self, overlaps: Mapping[ExpressionPair, float], min_overlap: float, rng: random.Random
    ) -> None:
        self._overlaps, self._min_overlap, self._rng = overlaps, min_overlap, rng
        self._usage: Counter[str] = Counter()

    def sorted(self, expressions: Sequence[str]) -> list[ExpressionPair]:
        """All pairs of these, the most wanted first."""
        pairs = [ordered(a, b) for a, b in combinations(expressions, 2)]
        self._rng.shuffle(pairs)  # settles what is equal
        return sorted(pairs, key=self._rank)

    def take(self, pair: ExpressionPair) -> None:
        """Count a pair as used."""
        self._usage.update(pair)

    def _rank(self, pair: ExpressionPair) -> tuple[int, int, float]:
        overlap = self._overlaps[pair]
        tier = 0 if pair in _CONFUSING else 1 if overlap >= self._min_overlap else 2
        return tier, self._usage[pair[0]] + self._usage[pair[1]], -overlap


class _Person:
    """The pictures of one person, and which of them are still to be used."""

    def __init__(
        self, pictures: Sequence[AnnotatedPicture], choices: PairingSettings, rng: random.Random
    ) -> None:
        self._rng = rng
        self._sources: list[AnnotatedPicture] = []
        self._targets: defaultdict[str, list[AnnotatedPicture]] = defaultdict(list)
        self._left_out: list[tuple[Path, Reason]] = []
        for picture in rng.sample(pictures, len(pictures)):
            match _role(picture, choices):
                case "source":
                    self._sources.append(picture)
                case "target":
                    self._targets[picture.expression].append(picture)
                case Reason() as reason:
                    self._left_out.append((picture.image, reason))
        self._waiting = {name: found * choices.uses_per_picture for name, found in self._targets.items()}
        self._triplets: list[Triplet] = []
        self._taken: set[frozenset[Path]] = set()  # the targets of these

    def next_triplet(self, order: _Order) -> Triplet | None:
        """The most wanted triplet that is left, or None."""
        if not self._sources:
            return None
        for pair in order.sorted([name for name, waiting in self._waiting.items() if waiting]):
            for two in product(*(self._waiting[name] for name in pair)):
                if frozenset(picture.image for picture in two) not in self._taken:
                    order.take(pair)
                    return self._take(two)
        return None

    def left_out(self) -> Iterator[tuple[Path, Reason]]:
        """The pictures that no triplet has, each with the reason."""
        yield from self._left_out
        used = {image for triplet in self._triplets for image in triplet.images}
        if not self._sources:
            reason = Reason.NO_SOURCE
        else:
            reason = Reason.NO_PARTNER if len(self._targets) > 1 else Reason.ONE_EXPRESSION
        for pictures, why in (
            *((found, reason) for found in self._targets.values()),
            (self._sources, Reason.SPARE_SOURCE if self._triplets else Reason.ONE_EXPRESSION),
        ):
            yield from ((picture.image, why) for picture in pictures if picture.image not in used)

    def _take(self, two: tuple[AnnotatedPicture, ...]) -> Triplet:
        self._taken.add(frozenset(picture.image for picture in two))
        for picture in two:
            self._waiting[picture.expression].remove(picture)
        source = self._sources[len(self._triplets) % len(self._sources)]
        a, b = (_target(picture) for picture in self._rng.sample(two, 2))  # neither side is special
        triplet = Triplet(
            SourceImage(source.image, source.face_box, source.landmarks_5),
            a,
            b,
            source.domain,
            source.identity,
        )
        self._triplets.append(triplet)
        return triplet


def _in_rounds(people: Sequence[_Person], order: _Order) -> Iterator[Triplet]:
    """One triplet a person by turns, so that the balance is kept over all of them."""
    while people:
        made = [(person, person.next_triplet(order)) for person in people]
        yield from (triplet for _, triplet in made if triplet)
        people = [person for person, triplet in made if triplet]


def _by_person(pictures: Sequence[AnnotatedPicture]) -> list[list[AnnotatedPicture]]:
    groups: defaultdict[tuple[str, str], list[AnnotatedPicture]] = defaultdict(list)
    for picture in pictures:
        groups[picture.domain, picture.identity].append(picture)
    return list(groups.values())


def _role(picture: AnnotatedPicture, choices: PairingSettings) -> str | Reason:
    """What a picture can be in a triplet: "target", "source", or why neither."""
    if picture.expression == NEUTRAL:
        return "source" if picture.top_score <= choices.max_source_score else Reason.NOT_NEUTRAL
    own = picture.scores[picture.expression]
    others = max((score for name, score in picture.scores.items() if name != picture.expression), default=0.0)
    margin = round(own - others, 9)  # 0.5 is 0.1 more than 0.4, whatever their difference in binary
    if own >= choices.min_score and margin >= choices.min_margin:
        return "target"
    if picture.top_score <= choices.max_source_score:
        return "source"
    return Reason.WEAK if own < choices.min_score else Reason.AMBIGUOUS


def _target(picture: AnnotatedPicture) -> Target:
    return Target(picture.image, picture.expression, picture.scores, picture.face_box, picture.landmarks_5)
