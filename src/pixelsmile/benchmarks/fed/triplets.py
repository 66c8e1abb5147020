"""FED-Bench's tasks: a source, an instruction in two granularities, and the ground truth.

Each triplet gives a task for each granularity. A task's source is called NAME-dense or NAME-simple, so that
two edits of one picture have different names.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from pixelsmile.benchmarks.benchmark import Benchmark, all_or_error, box_within
from pixelsmile.editors.editor import (
    GRANULARITIES,
    Box,
    Granularity,
    Picture,
    Task,
    check_name,
)
from pixelsmile.errors import InputError
from pixelsmile.expressions import FED_BENCH_CLASSES, Domain, parse_expression
from pixelsmile.hashing import sha256_json

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

    def task(self, granularity: Granularity) -> Task:
        """What an editor is asked; without an instruction, a task with an empty prompt."""
        return Task(
            f"{self.name}-{granularity}",
            self.expression,
            self.domain,
            self.instruction(granularity) or "",
            self.face_box,
            self.name,
            granularity,
            self.dense_strength if granularity == "dense" else None,
            picture=self.source,
            truth=self.truth,
        )


def fed_benchmark(
    name: str,
    origin: str,
    triplets: Sequence[FedTriplet],
    granularities: Sequence[Granularity] = GRANULARITIES,
) -> Benchmark:
    """Triplets as tasks: of each triplet the granularities in their order.

    name: which benchmark it is. origin: the folder or file it came from. InputError for two triplets of one
    name, and where there is not one instruction.
    """
    asked = checked_granularities(granularities)
    for twice, count in Counter(triplet.name for triplet in triplets).items():
        if count > 1:
            raise InputError(f"two triplets are called {twice!r}: give each a name of its own")
    every = [triplet.task(granularity) for triplet in triplets for granularity in asked]
    tasks = tuple(task for task in every if task.prompt)
    if not tasks:
        raise InputError(
            f"no triplet of {origin!r} has an instruction that is {' or '.join(asked)}: there is nothing to "
            "ask for"
        )
    unasked = tuple(
        task for granularity in asked for task in every if task.granularity == granularity and not task.prompt
    )
    return Benchmark(name, origin, tasks, lambda: _description(triplets, asked, tasks), unasked)


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
        return replace(triplet, face_box=box_within(triplet.face_box, source))

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


def _description(
    triplets: Sequence[FedTriplet], granularities: Sequence[Granularity], tasks: Sequence[Task]
) -> dict[str, JsonValue]:
    """What lacks an instruction, and a hash of all words and pictures."""
    without: dict[str, JsonValue] = {
        granularity: [triplet.name for triplet in triplets if triplet.instruction(granularity) is None]
        for granularity in granularities
    }
    defined = [
        {
            "name": triplet.name,
            "expression": triplet.expression,
            "domain": triplet.domain,
            "instructions": {each: triplet.instruction(each) for each in granularities},
            "face_box": triplet.face_box,
            "source": triplet.source.sha256(),
            "truth": triplet.truth.sha256(),
        }
        for triplet in triplets
    ]
    return {
        "num_triplets": len(triplets),
        "num_tasks": len(tasks),
        "granularities": list(granularities),
        "without_instruction": without,
        "sha256": sha256_json(defined),
    }
