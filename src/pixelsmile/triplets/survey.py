"""What a set of triplets holds: of whom, which pairs, how strong, what is known of the faces."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from pydantic import JsonValue

from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL, Domain
from pixelsmile.images import load_image
from pixelsmile.triplets.pairing import ExpressionPair, count_pairs
from pixelsmile.triplets.triplet import SourceImage, Target, Triplet


@dataclass(frozen=True)
class Strengths:
    """How strong the targets of an expression are: how many, and least, quartiles, most (0..2)."""

    num_targets: int
    quartiles: tuple[float, float, float, float, float]


@dataclass(frozen=True)
class TripletSurvey:
    """Counts. num_identities: people that are named; num_nameless: triplets that name none.

    pairs: of the expressions of two targets; none where there are instructions. strengths: by expression, for
    those that are targets; neutral has 0. num_targets: two a triplet, or one with an instruction. num_words:
    different instructions, by how many words they have. num_boxes, num_landmarks: targets that have them.
    """

    num_triplets: int
    num_pictures: int
    num_identities: int
    num_nameless: int
    num_targets: int
    domains: Mapping[Domain, int]
    pairs: Mapping[ExpressionPair, int]
    strengths: Mapping[str, Strengths]
    all_strengths: Strengths
    num_words: Mapping[int, int]
    num_boxes: int
    num_landmarks: int

    @property
    def num_instructions(self) -> int:
        """How many different ones there are."""
        return sum(self.num_words.values())

    def to_record(self) -> dict[str, JsonValue]:
        """The counts as JSON, pairs from the most frequent on."""
        return {
            "num_triplets": self.num_triplets,
            "num_pictures": self.num_pictures,
            "num_identities": self.num_identities,
            "num_nameless": self.num_nameless,
            "domains": {str(domain): count for domain, count in self.domains.items()},
            "pairs": {f"{a}-{b}": count for (a, b), count in Counter(self.pairs).most_common()},
            "strengths": {
                name: {"num_targets": found.num_targets, "quartiles": list(found.quartiles)}
                for name, found in (*self.strengths.items(), ("all", self.all_strengths))
            },
            "num_targets": self.num_targets,
            "num_instructions": self.num_instructions,
            "num_boxes": self.num_boxes,
            "num_landmarks": self.num_landmarks,
        }


def survey_triplets(triplets: Sequence[Triplet]) -> TripletSurvey:
    """Count; pictures need not exist. InputError without triplets."""
    if not triplets:
        raise InputError("no triplets to count: give at least one")
    targets = [target for triplet in triplets for target in triplet.targets]
    texts = {triplet.instruction for triplet in triplets if triplet.instruction is not None}
    strengths: defaultdict[str, list[float]] = defaultdict(list)
    for target in targets:
        strengths[target.expression].append(target.strength)
    return TripletSurvey(
        num_triplets=len(triplets),
        num_pictures=len({image for triplet in triplets for image in triplet.images}),
        num_identities=len({(item.domain, item.identity) for item in triplets if item.identity is not None}),
        num_nameless=sum(triplet.identity is None for triplet in triplets),
        num_targets=len(targets),
        domains=Counter(triplet.domain for triplet in triplets),
        pairs=count_pairs(triplets),
        strengths={
            name: _strengths(strengths[name]) for name in (*EXPRESSIONS, NEUTRAL) if name in strengths
        },
        all_strengths=_strengths([target.strength for target in targets]),
        num_words=Counter(len(text.split()) for text in texts),
        num_boxes=sum(target.face_box is not None for target in targets),
        num_landmarks=sum(target.landmarks_5 is not None for target in targets),
    )


def _strengths(values: Sequence[float]) -> Strengths:
    inner = quantiles(values, n=4, method="inclusive") if len(values) > 1 else list(values) * 3
    first, middle, third = inner
    return Strengths(len(values), (min(values), first, middle, third, max(values)))


@dataclass(frozen=True)
class Inspected:
    """How many of the pictures were opened, and the last of them.

    problem: what is wrong with it, if anything. size: (width, height) in pixels; None: it cannot be opened.
    """

    done: int
    num_pictures: int
    problem: str | None
    path: Path
    size: tuple[int, int] | None


def inspect_pictures(triplets: Sequence[Triplet]) -> Iterator[Inspected]:
    """Open each picture, as training does, and see whether the faces lie in it."""
    places: defaultdict[Path, list[SourceImage | Target]] = defaultdict(list)
    for triplet in triplets:
        places[triplet.source.image].append(triplet.source)
        for target in triplet.targets:
            places[target.image].append(target)
    for done, (path, found) in enumerate(places.items(), 1):
        size = None
        try:
            size = load_image(path).size
            problem = _outside(path, found, size)
        except InputError as error:
            problem = str(error)
        yield Inspected(done, len(places), problem, path, size)


def _outside(path: Path, places: Sequence[SourceImage | Target], size: tuple[int, int]) -> str | None:
    """One line where a face is said to be where the picture has no pixels: it was scaled or cropped since."""
    width, height = size
    for place in places:
        box, points = place.face_box, place.landmarks_5 or ()
        what = None
        if box is not None and (box[2] <= 0 or box[3] <= 0 or box[0] >= width or box[1] >= height):
            what = f"the face box {box}"
        elif not all(0 <= x <= width and 0 <= y <= height for x, y in points):
            what = "a landmark"
        if what is not None:
            return (
                f"{what} of {str(path)!r} lies outside of its {width} x {height} pixels: give boxes and "
                "landmarks in the pixels of this very file"
            )
    return None
