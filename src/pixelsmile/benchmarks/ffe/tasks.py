"""FFE-Bench's tasks: a picture each, and one of the twelve expressions that are asked for."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from pydantic import JsonValue

from pixelsmile.benchmarks.benchmark import Benchmark, all_or_error, box_within
from pixelsmile.editors.editor import (
    Picture,
    Task,
)
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL, parse_expression
from pixelsmile.hashing import sha256_json

logger = logging.getLogger(__name__)


def ffe_benchmark(name: str, origin: str, tasks: Sequence[Task]) -> Benchmark:
    """The benchmark of these tasks. Every picture is read once, and every box cut to its picture.

    InputError that names the tasks whose picture cannot be read or does not hold its face box, or two tasks
    that ask for the same, or two pictures of one name.
    """
    _check_names(tasks)
    labelled = ((task.key, task) for task in tasks)
    checked = all_or_error(labelled, _checked, f"tasks of {origin!r}", "mend or remove them")
    return Benchmark(name, origin, checked, lambda: _description(checked))


def parse_target(text: str) -> str:
    """The expression that a benchmark asks for; neutral is none of FFE-Bench's, and an InputError."""
    target = parse_expression(text)
    if target == NEUTRAL:
        raise InputError(f"category {text!r} is no target: use one of {', '.join(EXPRESSIONS)}")
    return target


def _description(tasks: Sequence[Task]) -> dict[str, JsonValue]:
    """A hash of all tasks and of the bytes of all pictures."""
    pictures = {task.source: task.picture for task in tasks}
    defined = {
        "tasks": [task.as_json() for task in tasks],
        "pictures": {source: picture.sha256() for source, picture in pictures.items()},
    }
    return {"num_tasks": len(tasks), "sha256": sha256_json(defined)}


def _check_names(tasks: Sequence[Task]) -> None:
    pictures: dict[str, Picture] = {}
    for task in tasks:
        known = pictures.setdefault(task.source, task.picture)
        if known != task.picture and known.sha256() != task.picture.sha256():
            raise InputError(
                f"two pictures are called {task.source!r}: give each a name, or an id, of its own"
            )
    for key, count in Counter(task.key for task in tasks).items():
        if count > 1:
            raise InputError(f"{key} is asked for {count} times: keep one of these tasks")


def _checked(task: Task) -> Task:
    """The task with its box inside its picture; InputError where that cannot be."""
    box = box_within(task.face_box, task.picture.load().size)
    if box != task.face_box:
        logger.info("%s: face box %s cut to %s", task.key, task.face_box, box)
    return replace(task, face_box=box)
