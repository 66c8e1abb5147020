"""FED-Bench as editors see it: a source, an instruction in two granularities, and the ground truth.

Each triplet gives a task for each granularity. A task's source is called NAME-dense or NAME-simple, so that
two edits of one picture have different names; it leads back to its triplet.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from PIL import Image
from pydantic import JsonValue

from pixelsmile.benchmarks.fed.pictures import Picture
from pixelsmile.benchmarks.reading import all_or_error, box_within
from pixelsmile.benchmarks.tasks import Box, Task, check_name
from pixelsmile.errors import InputError
from pixelsmile.expressions import FED_BENCH_CLASSES, Domain, parse_expression
from pixelsmile.hashing import sha256_json

Granularity = Literal["dense", "simple"]
GRANULARITIES: tuple[Granularity, ...] = get_args(Granularity)
CLASSES: tuple[str, ...] = tuple(FED_BENCH_CLASSES.values())

_MAX_LISTED = 3  # names in a message

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FedTriplet:
    """One triplet. InputError for a name that cannot name files, or an expression that is none of CLASSES.

    dense, simple: the instructions; None where the benchmark has none, and that granularity is unscored.
    face_box: of the source, if the benchmark says. dense_strength: how strong an expression the dense words
    ask for (0..2), where that is known; simple ones say nothing about it.
    """

    name: str
    expression: str
    domain: Domain
    dense: str | None
    simple: str | None
    source: Picture = field(repr=False)
    truth: Picture = field(repr=False)
    face_box: Box | None = None
    dense_strength: float | None = None

    def __post_init__(self) -> None:
        check_name(self.name, "triplet", max_letters=90)
        if self.expression not in CLASSES:
            raise InputError(
                f"triplet {self.name!r} has class {self.expression!r}: use one of {', '.join(CLASSES)}"
            )

    def instruction(self, granularity: Granularity) -> str | None:
        """The words in that granularity; None where there are none, or only space."""
        text = self.dense if granularity == "dense" else self.simple
        return text if text and text.strip() else None

    def asked_strength(self, granularity: Granularity) -> float | None:
        """How strong an expression the words in that granularity ask for; None where they leave it open."""
        return self.dense_strength if granularity == "dense" else None

    def task(self, granularity: Granularity) -> Task | None:
        """What an editor is asked; None without an instruction."""
        prompt = self.instruction(granularity)
        if prompt is None:
            return None
        source = f"{self.name}-{granularity}"
        return Task(source, self.expression, self.domain, prompt, self.face_box, triplet=self.name)


class FedBenchmark:
    """Triplets as tasks: of each triplet the granularities in their order. A `Benchmark` for `run_edits`.

    name: which benchmark it is. origin: the folder or file it came from. InputError for two triplets of one
    name, and where there is not one instruction.
    """

    def __init__(
        self,
        name: str,
        origin: str,
        triplets: Sequence[FedTriplet],
        granularities: Sequence[Granularity] = GRANULARITIES,
    ) -> None:
        self._name, self._origin = name, origin
        self.triplets = tuple(triplets)
        self.granularities = checked_granularities(granularities)
        self._by_source: dict[str, tuple[FedTriplet, Granularity]] = {}
        tasks = []
        for triplet in self.triplets:
            for granularity in self.granularities:
                source = f"{triplet.name}-{granularity}"
                if source in self._by_source:
                    raise InputError(f"two triplets are called {triplet.name!r}: give each a name of its own")
                self._by_source[source] = triplet, granularity
                tasks.append(triplet.task(granularity))
        self._tasks = tuple(task for task in tasks if task is not None)
        if not self._tasks:
            raise InputError(
                f"no triplet of {origin!r} has an instruction that is {' or '.join(self.granularities)}: "
                "there is nothing to ask for"
            )

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks, in the order of the triplets."""
        return self._tasks

    def picture(self, source: str) -> Image.Image:
        """The source picture of a task."""
        return self.triplet_of(source).source.load()

    def truth(self, source: str) -> Image.Image:
        """What a task asks for: the ground truth, upright RGB; it can differ from the source in size."""
        return self.triplet_of(source).truth.load()

    def triplet_of(self, source: str) -> FedTriplet:
        """The triplet behind a task's source; InputError for a name that is none."""
        return self._found(source)[0]

    def granularity_of(self, source: str) -> Granularity:
        """Whether that task's instruction is dense or simple; InputError for a name that is none."""
        return self._found(source)[1]

    def without_instruction(self) -> dict[Granularity, tuple[str, ...]]:
        """The names of the triplets that lack one, by granularity: they have no task, and no score."""
        return {
            granularity: tuple(
                triplet.name for triplet in self.triplets if triplet.instruction(granularity) is None
            )
            for granularity in self.granularities
        }

    def to_record(self) -> dict[str, JsonValue]:
        """Name, origin, what lacks an instruction, and a hash of all words and pictures."""
        defined = [
            {
                "name": triplet.name,
                "expression": triplet.expression,
                "domain": triplet.domain,
                "instructions": {each: triplet.instruction(each) for each in self.granularities},
                "face_box": triplet.face_box,
                "source": triplet.source.sha256(),
                "truth": triplet.truth.sha256(),
            }
            for triplet in self.triplets
        ]
        return {
            "name": self._name,
            "origin": self._origin,
            "num_triplets": len(self.triplets),
            "num_tasks": len(self._tasks),
            "granularities": list(self.granularities),
            "without_instruction": {each: list(names) for each, names in self.without_instruction().items()},
            "sha256": sha256_json(defined),
        }

    def _found(self, source: str) -> tuple[FedTriplet, Granularity]:
        if source not in self._by_source:
            raise InputError(
                f"{self._origin!r} has no task with source {source!r}: it has {len(self.triplets)} triplets, "
                f"each with {' and '.join(self.granularities)}"
            )
        return self._by_source[source]


def checked_granularities(granularities: Sequence[Granularity]) -> tuple[Granularity, ...]:
    """Those of GRANULARITIES, in their order; InputError for none, others, or one given twice."""
    found = tuple(each for each in GRANULARITIES if each in granularities)
    if not found or len(found) != len(granularities):
        raise InputError(
            f"granularities {tuple(granularities)!r}: name each of {', '.join(GRANULARITIES)} at most once"
        )
    return found


def parse_class(text: str) -> str:
    """One of CLASSES from what it is called in FED-Bench (`surprise`) or elsewhere; InputError otherwise."""
    expression = parse_expression(text)
    if expression not in CLASSES:
        raise InputError(f"class {text!r} is none of FED-Bench's: use one of {', '.join(CLASSES)}")
    return expression


def checked_triplets(triplets: Sequence[FedTriplet], origin: str) -> tuple[FedTriplet, ...]:
    """The triplets with every picture read once, and every face box cut to its picture.

    What lacks an instruction, and what has a source and a truth of different size, is logged with its number.
    InputError that names the triplets whose pictures cannot be read or whose box is not in its picture.
    """
    other_sizes: list[str] = []

    def checked(triplet: FedTriplet) -> FedTriplet:
        source, truth = triplet.source.load().size, triplet.truth.load().size
        if source != truth:
            other_sizes.append(f"{triplet.name} {source[0]} x {source[1]} and {truth[0]} x {truth[1]}")
        box = None if triplet.face_box is None else box_within(triplet.face_box, source)
        return replace(triplet, face_box=box)

    labelled = ((triplet.name, triplet) for triplet in triplets)
    found = all_or_error(labelled, checked, f"triplets of {origin!r}", "mend or remove them")
    for granularity in GRANULARITIES:
        if num_without := sum(triplet.instruction(granularity) is None for triplet in found):
            logger.warning("%d of %d triplets have no %s instruction", num_without, len(found), granularity)
    if other_sizes:
        listed = "; ".join(other_sizes[:_MAX_LISTED])
        logger.warning(
            "%d of %d triplets have a source and a ground truth of different size, among them %s",
            len(other_sizes),
            len(found),
            listed,
        )
    return found
