"""Benchmarks of pictures that exist: tasks with files, checked before anything is paid for."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image
from pydantic import JsonValue

from pixelsmile.benchmarks.reading import all_or_error, box_within
from pixelsmile.benchmarks.selection import balanced_part
from pixelsmile.benchmarks.tasks import Task
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL, Domain, parse_expression
from pixelsmile.hashing import sha256_bytes, sha256_file, sha256_json
from pixelsmile.images import load_image

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sample:
    """A task and its source picture: a file, or the bytes of one."""

    task: Task
    picture: Path | bytes


class PhotographBenchmark:
    """Tasks with pictures. Every picture is read once and every box compared with it.

    name: which benchmark it is. origin: the folder or file it came from. Boxes are cut to their pictures.
    InputError that names the samples whose picture cannot be read or does not hold its face box, or two
    samples that ask for the same, or two pictures of one name.
    """

    def __init__(self, name: str, origin: str, samples: Sequence[Sample]) -> None:
        _check_names(samples)
        self._name, self._origin = name, origin
        labelled = ((sample.task.key, sample) for sample in samples)
        self._samples = all_or_error(labelled, _checked, f"tasks of {origin!r}", "mend or remove them")
        self._pictures = {sample.task.source: sample.picture for sample in self._samples}

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks, in the order of the samples."""
        return tuple(sample.task for sample in self._samples)

    def picture(self, source: str) -> Image.Image:
        """The source picture, upright RGB. InputError for a name that is none."""
        if source not in self._pictures:
            raise InputError(f"{self._origin!r} has no source {source!r}: it holds {len(self._pictures)}")
        return load_image(self._pictures[source])

    def to_record(self) -> dict[str, JsonValue]:
        """Name, origin, and a hash of all tasks and of the bytes of all pictures."""
        pictures = {
            source: sha256_bytes(picture) if isinstance(picture, bytes) else sha256_file(picture)
            for source, picture in self._pictures.items()
        }
        return {
            "name": self._name,
            "origin": self._origin,
            "num_tasks": len(self._samples),
            "sha256": sha256_json({"tasks": [task.as_json() for task in self.tasks], "pictures": pictures}),
        }


def parse_target(text: str) -> str:
    """The expression that a benchmark asks for; neutral is none of FFE-Bench's, and an InputError."""
    target = parse_expression(text)
    if target == NEUTRAL:
        raise InputError(f"category {text!r} is no target: use one of {', '.join(EXPRESSIONS)}")
    return target


def select(
    samples: Sequence[Sample], num_samples: int | None, domains: Sequence[Domain] | None
) -> tuple[Sample, ...]:
    """`num_samples` of those in `domains`, balanced over domains and targets, in their order; None: all.

    InputError where there are not so many.
    """
    return balanced_part(samples, _kind, num_samples, domains)


def _kind(sample: Sample) -> tuple[Domain, str]:
    return sample.task.domain, sample.task.target


def _check_names(samples: Sequence[Sample]) -> None:
    pictures: dict[str, Path | bytes] = {}
    for sample in samples:
        source = sample.task.source
        if pictures.setdefault(source, sample.picture) != sample.picture:
            raise InputError(f"two pictures are called {source!r}: give each a name, or an id, of its own")
    for key, count in Counter(sample.task.key for sample in samples).items():
        if count > 1:
            raise InputError(f"{key} is asked for {count} times: keep one of these tasks")


def _checked(sample: Sample) -> Sample:
    """The sample with its box inside its picture; InputError where that cannot be."""
    size = load_image(sample.picture).size
    if sample.task.face_box is None:
        return sample
    box = box_within(sample.task.face_box, size)
    if box != sample.task.face_box:
        logger.info("%s: face box %s cut to %s", sample.task.key, sample.task.face_box, box)
    return replace(sample, task=replace(sample.task, face_box=box))
