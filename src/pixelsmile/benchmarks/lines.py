"""Benchmarks of your own pictures: JSON lines, with paths relative to their file.

For FFE-Bench, a task a line:

{"image": "a.png", "category": "happy"}
{"image": "b.png", "category": "fear", "domain": "anime", "face_box": [80, 60, 300, 310], "id": "b",
 "prompt": "Make her look terrified"}          (one line in the file)

For FED-Bench, a triplet a line:

{"source": "a.png", "truth": "a_happy.png", "class": "happy", "simple": "Make her smile"}
{"source": "b.png", "truth": "c.png", "class": "surprise", "dense": "Raise the brows and open the mouth.",
 "simple": "Make him look surprised", "name": "b", "domain": "human", "face_box": [80, 60, 300, 310]}
                                                                                    (one line in the file)
"""

import os
from pathlib import Path, PurePath

from pydantic import BaseModel, ConfigDict, Field

from pixelsmile.benchmarks.benchmark import source_name
from pixelsmile.benchmarks.fed.triplets import FedTriplet, parse_class
from pixelsmile.benchmarks.ffe.tasks import parse_target
from pixelsmile.editors.editor import (
    Box,
    PictureFile,
    Task,
)
from pixelsmile.errors import InputError
from pixelsmile.expressions import Domain, target_prompt
from pixelsmile.limits import shown, validated
from pixelsmile.results import check_domain, read_portrait
from pixelsmile.store.json_lines import Record, read_numbered


class TaskLine(Record):
    """One task. `category` is any name of an expression; `id` names the source, or else its path does.

    `domain` is human if left out; `prompt` then the published adapter's words for the category.
    """

    image: str
    category: str
    prompt: str | None = None
    face_box: Box | None = None
    domain: Domain = "human"
    id: str | None = None


class TripletLine(BaseModel):
    """One triplet. Without `name` it is called by the path of its truth; without an instruction in a
    granularity, it is left out there. `domain` is human if left out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    source: str
    truth: str
    expression: str = Field(alias="class")
    dense: str | None = None
    simple: str | None = None
    name: str | None = None
    domain: Domain = "human"
    face_box: Box | None = None


def read_task_lines(path: Path) -> tuple[Task, ...]:
    """The tasks in the file; empty lines do not count. InputError for lines that are none."""
    found = read_numbered(
        path,
        lambda text: _task(text, path.parent),
        needed="task: write one JSON object a line, with image and category",
    )
    return tuple(task for _, task in found)


def read_triplet_lines(path: Path) -> tuple[FedTriplet, ...]:
    """The triplets in the file; empty lines do not count. InputError for lines that are none."""
    found = read_numbered(
        path,
        lambda text: _triplet(text, path.parent),
        needed='triplet: write lines like {"source": "a.png", "truth": "b.png", "class": "happy", '
        '"simple": "Make her smile"}',
    )
    return tuple(triplet for _, triplet in found)


def _task(text: str, folder: Path) -> Task:
    line = validated(TaskLine, text)
    picture = _picture(folder / line.image, line.domain)
    target = parse_target(line.category)
    source = source_name(PurePath(line.image)) if line.id is None else line.id
    prompt = target_prompt(target, line.domain) if line.prompt is None else line.prompt
    return Task(source, target, line.domain, prompt, line.face_box, picture=picture)


def _triplet(text: str, folder: Path) -> FedTriplet:
    line = validated(TripletLine, text)
    return FedTriplet(
        source_name(PurePath(line.truth)) if line.name is None else line.name,
        parse_class(line.expression),
        line.domain,
        line.dense,
        line.simple,
        _picture(folder / line.source, line.domain, "source: "),
        _picture(folder / line.truth, line.domain, "truth: "),
        line.face_box,
    )


def _picture(path: Path, domain: Domain, key: str = "") -> PictureFile:
    """InputError for no file, and for a portrait of ours that is drawn in the other domain."""
    if not os.path.isfile(path):  # False, where Path.is_file raises, for a name that cannot be
        raise InputError(f"{key}there is no file {shown(str(path))}")
    check_domain(path, read_portrait(path), domain)
    return PictureFile(path)
