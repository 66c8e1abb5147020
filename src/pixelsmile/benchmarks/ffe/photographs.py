"""Benchmarks of pictures that exist: tasks with files, checked before anything is paid for."""

import logging
import math
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath
from typing import TypeVar

from PIL import Image
from pydantic import JsonValue

from pixelsmile.benchmarks.tasks import Box, Task
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL, Domain, parse_expression
from pixelsmile.hashing import sha256_bytes, sha256_file, sha256_json
from pixelsmile.images import load_image

MAX_LISTED = 5  # problems that one error names
BOX_SLACK = 0.1  # of a box's side may stick out of the picture, as detectors' boxes do: that much is cut off

logger = logging.getLogger(__name__)

R = TypeVar("R")
S = TypeVar("S")


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
            "sha256": sha256_json({"tasks": [asdict(task) for task in self.tasks], "pictures": pictures}),
        }


def all_or_error(
    labelled: Iterable[tuple[str, R]], make: Callable[[R], S], what: str, advice: str
) -> tuple[S, ...]:
    """`make` of every item; where it raises InputErrors, one that counts them all and lists the first."""
    made, problems = [], []
    for label, item in labelled:
        try:
            made.append(make(item))
        except InputError as error:
            problems.append(f"{label}: {error}")
    if problems:
        more = f"; and {len(problems) - MAX_LISTED} more" if len(problems) > MAX_LISTED else ""
        raise InputError(
            f"{len(problems)} of {len(made) + len(problems)} {what} cannot be used "
            f"({'; '.join(problems[:MAX_LISTED])}{more}): {advice}"
        )
    return tuple(made)


def parse_target(text: str) -> str:
    """The expression that a benchmark asks for; neutral is none of FFE-Bench's, and an InputError."""
    target = parse_expression(text)
    if target == NEUTRAL:
        raise InputError(f"category {text!r} is no target: use one of {', '.join(EXPRESSIONS)}")
    return target


def source_name(path: PurePath) -> str:
    """A name for the source in that file: `human/0001.png` is `human-0001`; an absolute path's last part."""
    parts = path.parts[-1:] if path.is_absolute() else [part for part in path.parts if part != ".."]
    name, _ = os.path.splitext("-".join(parts))
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[-100:].lstrip(".-")


def select(
    samples: Sequence[Sample], num_samples: int | None, domains: Sequence[Domain] | None
) -> tuple[Sample, ...]:
    """`num_samples` of those in `domains`, in their order; None: all.

    Domains and targets are taken by turns, each target's first samples first, so that few are balanced too.
    InputError where there are not so many.
    """
    found = [sample for sample in samples if domains is None or sample.task.domain in domains]
    if not found or (num_samples is not None and not 1 <= num_samples <= len(found)):
        wanted = f"{'all' if num_samples is None else num_samples} {' and '.join(domains or ())}".strip()
        counts = Counter(sample.task.domain for sample in samples)
        there = " and ".join(f"{count} {domain}" for domain, count in counts.items())
        raise InputError(f"{wanted} tasks of a benchmark that has {there}: ask for what is there")
    turns = _turns(found)
    chosen = sorted(range(len(found)), key=lambda place: (turns[place], place))[:num_samples]
    return tuple(found[place] for place in sorted(chosen))


def _turns(samples: Sequence[Sample]) -> list[tuple[int, int]]:
    """For each sample: how many like it came before, and its target's place among those of its domain."""
    seen: Counter[tuple[Domain, str]] = Counter()
    targets: defaultdict[Domain, list[str]] = defaultdict(list)
    turns = []
    for sample in samples:
        task = sample.task
        if task.target not in targets[task.domain]:
            targets[task.domain].append(task.target)
        turns.append((seen[task.domain, task.target], targets[task.domain].index(task.target)))
        seen[task.domain, task.target] += 1
    return turns


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
    box = _box_within(sample.task.face_box, size)
    if box != sample.task.face_box:
        logger.info("%s: face box %s cut to %s", sample.task.key, sample.task.face_box, box)
    return replace(sample, task=replace(sample.task, face_box=box))


def _box_within(box: Box, size: tuple[int, int]) -> Box:
    x0, y0, x1, y1 = box
    width, height = size
    cut = max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))
    slack_x, slack_y = BOX_SLACK * (x1 - x0), BOX_SLACK * (y1 - y0)
    fits_x = x1 - x0 >= 1 and max(cut[0] - x0, x1 - cut[2]) <= slack_x
    fits_y = y1 - y0 >= 1 and max(cut[1] - y0, y1 - cut[3]) <= slack_y
    if not (all(map(math.isfinite, box)) and fits_x and fits_y):
        raise InputError(
            f"face box {list(box)} is not in its picture of {width} x {height}: give x0, y0, x1, y1 in pixels"
        )
    return cut
