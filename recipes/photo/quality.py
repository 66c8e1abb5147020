"""`python -m recipes.photo.quality FACES SWEEPS`: how often the judge of photographs is right.

And how evenly its scores rise along sweeps.

FACES is a folder of photographs with labels.jsonl, lines of {"image": "a.jpg", "label": "happy"}; what they
are is said with --on. SWEEPS has the pictures of sweeps and index.json, a list of {"file", "domain",
"expression", "step"}: files of one sweep differ in their last part. Pictures are never part of the project;
what was measured on them is written beside the judge's networks, and the judge says it wherever it judges.
"""

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from pydantic import BaseModel, RootModel, field_validator

from pixelsmile.embedded import photo_path
from pixelsmile.errors import InputError
from pixelsmile.images import load_image
from pixelsmile.judges.judge import NoVerdict
from pixelsmile.judges.photo.judge import FILE, PhotoJudge, Quality
from pixelsmile.judges.photo.scores import CATEGORIES, CLASSES, load_fitted
from pixelsmile.limits import MAX_FILE_BYTES, read_record, validated
from pixelsmile.store.json_lines import read_numbered
from pixelsmile.store.publication import check_place, write_file
from recipes.command_line import refusing

LABELS, INDEX = "labels.jsonl", "index.json"


class Labelled(BaseModel):
    """A line of labels.jsonl."""

    image: str
    label: str

    @field_validator("label")
    @classmethod
    def _known(cls, label: str) -> str:
        if label not in CLASSES:
            raise ValueError(f"{label!r} is none of {', '.join(CLASSES)}")
        return label


class Shot(BaseModel):
    """A picture of a sweep."""

    file: str
    domain: str
    expression: str
    step: int


class Index(RootModel[tuple[Shot, ...]]):
    """index.json."""


@refusing()
def main() -> None:
    """Measure, print, write embedded/photo/judge_quality.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faces", type=Path)
    parser.add_argument("sweeps", type=Path)
    parser.add_argument("--on", default="photographs labelled by volunteers", help="what the faces are")
    parser.add_argument("--into", type=Path, default=photo_path() / FILE)
    options = parser.parse_args()
    check_place(options.into.parent, [options.into.name], force=True)
    for folder, name in ((options.faces, LABELS), (options.sweeps, INDEX)):
        if not (folder / name).is_file():
            raise InputError(f"{str(folder)!r} has no {name}: see the top of recipes/photo/quality.py")
    judge = PhotoJudge()
    seen, num_without, ms_per_face = labelled(judge, options.faces)
    confusion = {label: Counter(saw for is_, saw in seen if is_ == label) for label in CLASSES}
    by_class = {
        label: round(found[label] / found.total(), 3) for label, found in confusion.items() if found.total()
    }
    quality = Quality(
        fitted_sha256=load_fitted().sha256,
        on=options.on,
        num_faces=len(seen),
        num_without=num_without,
        accuracy=round(sum(is_ == saw for is_, saw in seen) / len(seen), 3),
        balanced_accuracy=round(float(np.mean(list(by_class.values()))), 3),
        by_class=by_class,
        confusion={label: dict(found) for label, found in confusion.items()},
        pearson=rises(judge, options.sweeps),
        ms_per_face=round(ms_per_face, 1),
    )
    print_confusion(quality)
    write_file(options.into, (json.dumps(quality.model_dump(), indent=1) + "\n").encode(), force=True)


def labelled(judge: PhotoJudge, folder: Path) -> tuple[list[tuple[str, str]], int, float]:
    """Label and dominant expression of each face, how many got no verdict, and milliseconds a face.

    InputError for a line that is none, and where no face gets a verdict.
    """
    seen, num_without, spent_s = [], 0, []
    for _, one in read_numbered(folder / LABELS, partial(validated, Labelled)):
        image = load_image(folder / one.image)
        start_s = time.process_time()
        look = judge.look(image)
        spent_s.append(time.process_time() - start_s)
        if isinstance(look, NoVerdict):
            num_without += 1
            print(f"{one.image}: {look.detail}")
        else:
            seen.append((one.label, look.evidence.dominant))
    if not seen:
        raise InputError(f"no face in {str(folder)!r} gets a verdict: give portraits")
    return seen, num_without, float(np.median(spent_s)) * 1000


def rises(judge: PhotoJudge, folder: Path) -> dict[str, float]:
    """Pearson of the asked expression's score and the step, by sweep; printed with the largest step.

    A sweep whose score does not move has none. InputError for an index that is none.
    """
    sweeps: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for one in read_record(folder / INDEX, Index, max_bytes=MAX_FILE_BYTES).root:
        if one.domain == "human" and one.expression in CATEGORIES:
            sweeps[one.file.rpartition("-")[0]].append((one.step, one.file, one.expression))
    found = {}
    for name, pictures in sorted(sweeps.items()):
        steps, scores = [], []
        for step, file, expression in sorted(pictures):
            look = judge.look(load_image(folder / file))
            if not isinstance(look, NoVerdict):
                steps.append(step)
                scores.append(look.evidence.scores[expression])
        if len(scores) < 2 or np.ptp(scores) == 0:
            print(f"{name}: no rise to measure")
            continue
        found[name] = round(float(np.corrcoef(steps, scores)[0, 1]), 3)
        print(name, " ".join(f"{score:.2f}" for score in scores), f"pearson {found[name]}", evenness(scores))
    return found


def evenness(scores: Sequence[float]) -> str:
    """The largest step, as a share of the whole rise, and what it would be in an even one."""
    steps = np.diff(scores)
    if scores[-1] <= scores[0]:
        return "no rise"
    return f"largest step {steps.max() / (scores[-1] - scores[0]):.2f} (even: {1 / len(steps):.2f})"


def print_confusion(quality: Quality) -> None:
    """Rows: labels; columns: what was seen."""
    print(" " * 10 + " ".join(f"{name[:8]:>8}" for name in CLASSES))
    for label in CLASSES:
        row = quality.confusion[label]
        counts = " ".join(f"{row.get(name, 0):>8}" for name in CLASSES)
        print(f"{label:<10}{counts}  {quality.by_class.get(label, 'none')}")
    print(
        f"accuracy {quality.accuracy}, balanced {quality.balanced_accuracy}, {quality.num_faces} faces, "
        f"{quality.num_without} without a verdict, {quality.ms_per_face} ms of CPU a face"
    )


if __name__ == "__main__":
    main()
