"""Triplets of your own pictures: a JSON line for each, with paths relative to the file.

{"source": "a.png", "truth": "a_happy.png", "class": "happy", "simple": "Make her smile"}
{"source": "b.png", "truth": "c.png", "class": "surprise", "dense": "Raise the brows and open the mouth.",
 "simple": "Make him look surprised", "name": "b", "domain": "human", "face_box": [80, 60, 300, 310]}
                                                                                    (one line in the file)
"""

import os
from pathlib import Path, PurePath

from pydantic import BaseModel, ConfigDict, Field

from pixelsmile.benchmarks.fed.pictures import PictureFile
from pixelsmile.benchmarks.fed.triplets import FedTriplet, parse_class
from pixelsmile.benchmarks.reading import source_name
from pixelsmile.benchmarks.tasks import Box
from pixelsmile.errors import InputError
from pixelsmile.expressions import Domain
from pixelsmile.limits import shown, validated
from pixelsmile.results import check_domain, read_portrait
from pixelsmile.store.json_lines import read_numbered


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


def read_triplet_lines(path: Path) -> tuple[FedTriplet, ...]:
    """The triplets in the file; empty lines do not count. InputError for lines that are none."""
    found = read_numbered(
        path,
        lambda text: _triplet(text, path.parent),
        needed='triplet: write lines like {"source": "a.png", "truth": "b.png", "class": "happy", '
        '"simple": "Make her smile"}',
    )
    return tuple(triplet for _, triplet in found)


def _triplet(text: str, folder: Path) -> FedTriplet:
    line = validated(TripletLine, text)
    for key, name in (("source", line.source), ("truth", line.truth)):
        if not os.path.isfile(folder / name):  # False, where Path.is_file raises, for a name that cannot be
            raise InputError(f"{key}: there is no file {shown(str(folder / name))}")
        check_domain(folder / name, read_portrait(folder / name), line.domain)
    return FedTriplet(
        source_name(PurePath(line.truth)) if line.name is None else line.name,
        parse_class(line.expression),
        line.domain,
        line.dense,
        line.simple,
        PictureFile(folder / line.source),
        PictureFile(folder / line.truth),
        line.face_box,
    )
