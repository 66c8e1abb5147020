"""A benchmark of your own pictures: a JSON line for each task, with paths relative to the file.

{"image": "a.png", "category": "happy"}
{"image": "b.png", "category": "fear", "domain": "anime", "face_box": [80, 60, 300, 310], "id": "b",
 "prompt": "Make her look terrified"}          (one line in the file)
"""

import os
from pathlib import Path, PurePath

from pixelsmile.benchmarks.ffe.photographs import Sample, parse_target
from pixelsmile.benchmarks.reading import source_name
from pixelsmile.benchmarks.tasks import Box, Task
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


def read_task_lines(path: Path) -> tuple[Sample, ...]:
    """The tasks in the file; empty lines do not count. InputError for lines that are none."""
    found = read_numbered(
        path,
        lambda text: _sample(text, path.parent),
        needed="task: write one JSON object a line, with image and category",
    )
    return tuple(sample for _, sample in found)


def _sample(text: str, folder: Path) -> Sample:
    line = validated(TaskLine, text)
    picture = folder / line.image
    if not os.path.isfile(picture):  # False, where Path.is_file raises, for a name that cannot be
        raise InputError(f"there is no file {shown(str(picture))}")
    check_domain(picture, read_portrait(picture), line.domain)
    target = parse_target(line.category)
    source = source_name(PurePath(line.image)) if line.id is None else line.id
    prompt = target_prompt(target, line.domain) if line.prompt is None else line.prompt
    return Sample(Task(source, target, line.domain, prompt, line.face_box), picture)
