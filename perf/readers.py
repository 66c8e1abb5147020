"""Do detector, judge and identity encoders read edits as they read drawings?

    python perf/readers.py [--people 12] [--expressions 3] [--model embedded]

What they are measured on elsewhere is drawn. Here people that nobody was trained on are edited by the model's
own adapters at half and at full strength, and each edit stands beside the drawing that it comes nearest to
(portraits.damage finds that one): the same face, the same landmarks and scores, without the editor's faults.
So what the editor gets wrong is not held against those who read it. Prints what each reads of the drawings
and of the edits, and the difference with 95 % intervals over people.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from counts import whole
from damage import paired_difference
from PIL import Image

from pixelsmile.editing.editor import Editor
from pixelsmile.editing.folders import find_model
from pixelsmile.editing.requests import Request
from pixelsmile.errors import ModelError
from pixelsmile.expressions import DOMAINS, EXPRESSIONS, NEUTRAL, Domain
from pixelsmile.faces.likeness import KnownFace, LikenessMeter, open_meter
from pixelsmile.judges.embedded.judge import EmbeddedJudge
from pixelsmile.judges.judge import Verdict
from pixelsmile.portraits import Portrait, action_units, draw_portrait, sample_identity
from pixelsmile.portraits.damage import damage_of
from pixelsmile.portraits.nearest import DrawnPerson

sys.path.insert(0, str(Path(__file__).parent.parent))
from recipes.embedded.sheet import require_own_adapter
from recipes.faces.detector.quality import box_overlap, landmark_errors

FIRST_SEED = 37_000_000  # nobody else's
STRENGTHS = (0.5, 1.0)
SIZE_PX = 256


@dataclass(frozen=True)
class Read:
    """What was read of one picture; nan where there is no face or no verdict. The names head the table."""

    face_found: float
    box_overlap: float  # intersection over union
    landmark_error: float  # mean of the five, % of the distance of the eyes
    verdict: float
    score_error: float  # mean of the twelve, 0..1
    highest_is_right: float  # the highest of the judge's scores is that of the truth; at full strength alone
    to_self: float  # cosine to the person at rest
    to_another: float  # cosine to another person at rest


@dataclass(frozen=True)
class Pair:
    """An edit and its nearest drawing, as they were read."""

    seed: int
    domain: Domain
    drawing: Read
    edit: Read


class Readers:
    """Who ships."""

    def __init__(self) -> None:
        self._judge = EmbeddedJudge()
        self._meter: LikenessMeter = open_meter(("embedded",), drawn=True)

    def know(self, image: Image.Image) -> KnownFace:
        """A person at rest."""
        face = self._meter.know(image)
        assert face is not None
        return face

    def read(
        self, image: Image.Image, drawn: Portrait, strength: float, person: KnownFace, other: KnownFace
    ) -> Read:
        """drawn: what the picture shows, with its truth."""
        known, (verdict,) = self._meter.know(image), self._judge.judge_pictures([image])
        box = landmarks = to_self = to_another = score = right = np.nan
        if known is not None:
            assert known.face.landmarks_5 is not None
            box = box_overlap(known.face, drawn.truth.face_box)
            landmarks = float(landmark_errors(known.face.landmarks_5, drawn.truth.landmarks_5).mean())
            to_self, to_another = (
                float(np.mean(list(self._meter.similarities(known, them).values())))
                for them in (person, other)
            )
        if isinstance(verdict, Verdict):
            truth = drawn.truth.scores
            score = float(np.mean([abs(verdict.scores[name] - truth[name]) for name in EXPRESSIONS]))
            right = float(verdict.dominant == max(truth, key=truth.__getitem__)) if strength == 1 else np.nan
        found, judged = float(known is not None), float(isinstance(verdict, Verdict))
        return Read(found, box, landmarks, judged, score, right, to_self, to_another)


def pairs(model: str, num_people: int, num_expressions: int) -> Iterator[Pair]:
    """All that are read, person by person."""
    editor, readers = Editor.from_pretrained(model), Readers()
    for domain in DOMAINS:
        people = range(FIRST_SEED, FIRST_SEED + num_people)
        rest = {
            seed: draw_portrait(sample_identity(seed), action_units(NEUTRAL), domain, SIZE_PX).image
            for seed in people
        }
        known = {seed: readers.know(image) for seed, image in rest.items()}
        for place, seed in enumerate(people):
            other, person = known[people[place - 1]], DrawnPerson(sample_identity(seed), domain)
            names = [EXPRESSIONS[(5 * place + i) % len(EXPRESSIONS)] for i in range(num_expressions)]
            requests = [Request(name, None, None, STRENGTHS) for name in names]
            for result in editor.edit_many(rest[seed], requests, domain=domain):
                for strength, edit in zip(STRENGTHS, result.images, strict=True):
                    units = damage_of(edit, person).units
                    drawn = draw_portrait(person.identity, units, domain, SIZE_PX)
                    drawing, seen = (
                        readers.read(image, drawn, strength, known[seed], other)
                        for image in (drawn.image, edit)
                    )
                    yield Pair(seed, domain, drawing, seen)


def report(found: Sequence[Pair]) -> Iterator[str]:
    """A table for each domain."""
    for domain in DOMAINS:
        some = [pair for pair in found if pair.domain == domain]
        yield f"{domain + f', {len(some)} edits':<22}{'drawings':>9}{'edits':>9}   edits - drawings"
        seeds = [pair.seed for pair in some]
        for name in (field.name for field in fields(Read)):
            edits, drawings = (
                np.array([getattr(read, name) for read in reads])
                for reads in ([pair.edit for pair in some], [pair.drawing for pair in some])
            )
            change = paired_difference(edits, drawings, seeds, digits=3)
            means = f"{np.nanmean(drawings):9.3f}{np.nanmean(edits):9.3f}"
            yield f"  {name.replace('_', ' '):<20}{means}   {change}"


def main() -> int:
    """Edit, read, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=whole(2), default=12, help="in each domain")
    parser.add_argument("--expressions", type=whole(), default=3, help="of each person")
    parser.add_argument("--model", default="embedded")
    arguments = parser.parse_args()
    if arguments.expressions > len(EXPRESSIONS):
        parser.error(
            f"argument --expressions: {arguments.expressions} are more than there are: {len(EXPRESSIONS)}"
        )
    try:
        for domain in DOMAINS:
            require_own_adapter(find_model(arguments.model).as_posix(), domain)
    except ModelError as error:
        parser.error(str(error))
    torch.set_num_threads(1)
    print("\n".join(report(list(pairs(arguments.model, arguments.people, arguments.expressions)))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
