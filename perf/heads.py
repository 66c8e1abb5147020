"""Do judge, detector and identity encoders still know a drawn person whose head is turned, bowed or tilted?

    python perf/heads.py [--pictures 24]

draws people of both domains with full expressions, each with the head as it is held and once for each unit of
the head at each intensity (to either side, by lot), and prints: the judge's score of what is drawn, and how
often that is the highest; how many faces are found, and the overlap of their boxes with the truth; the cosine
to the same person at rest; and the RMSE outside of both faces, which `screen` has a limit for.
"""

import argparse
import itertools
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from counts import whole
from PIL import Image

from pixelsmile.expressions import DOMAINS, EXPRESSIONS, Domain
from pixelsmile.faces.drift import background_error
from pixelsmile.faces.face import Box, Face
from pixelsmile.faces.likeness import LikenessMeter, open_meter
from pixelsmile.judges.embedded.judge import EmbeddedJudge
from pixelsmile.judges.judge import Verdict
from pixelsmile.portraits import ActionUnits, action_units, draw_portrait, sample_identity
from pixelsmile.portraits.action_units import HEAD, HEAD_DEG

FIRST_PERSON = 29_000_000  # nobody else's
INTENSITIES = (0.5, 0.8, 1.0, 1.5, 2.0)
SIZE_PX = 256


@dataclass(frozen=True)
class Seen:
    """One picture: nan where there is no verdict or no face."""

    score: float
    is_highest: bool
    overlap: float
    cosine: float
    background_rmse: float


@dataclass(frozen=True)
class AtRest:
    """A drawn person with the head as it is held."""

    seed: int
    domain: Domain
    expression: str
    image: Image.Image
    face: Face
    embedding: np.ndarray


class Meter:
    """What the data set's own steps would say of drawn people."""

    def __init__(self) -> None:
        self._judge = EmbeddedJudge()
        self._meter: LikenessMeter = open_meter(("embedded",), drawn=True)

    def at_rest(self, seed: int, domain: Domain, expression: str) -> AtRest:
        """Drawn, with its face."""
        image = draw_portrait(sample_identity(seed), action_units(expression), domain, SIZE_PX).image
        face = self._face(image)
        assert face is not None
        return AtRest(seed, domain, expression, image, face, self._embedding(image, face))

    def seen(self, rest: AtRest, moved: ActionUnits) -> Seen:
        """The same with the head moved."""
        units = action_units(rest.expression).plus(moved)
        drawn = draw_portrait(sample_identity(rest.seed), units, rest.domain, SIZE_PX)
        (verdict,) = self._judge.judge_pictures([drawn.image])
        scores = verdict.scores if isinstance(verdict, Verdict) else dict.fromkeys(EXPRESSIONS, np.nan)
        score, is_highest = (
            scores[rest.expression],
            max(scores, key=lambda name: scores[name]) == rest.expression,
        )
        if (face := self._face(drawn.image)) is None:
            return Seen(score, is_highest, 0.0, np.nan, np.nan)
        return Seen(
            score,
            is_highest,
            overlap(face.box, drawn.truth.face_box),
            float(self._embedding(drawn.image, face) @ rest.embedding),
            background_error(rest.image, drawn.image, [rest.face, face])[0],
        )

    def _face(self, image: Image.Image) -> Face | None:
        """The one that is surest."""
        return max(self._meter.detector.detect(image), key=lambda face: face.score, default=None)

    def _embedding(self, image: Image.Image, face: Face) -> np.ndarray:
        """Of all encoders in one, of length 1."""
        joined = np.concatenate([part[0] for part in self._meter.embed(image, face).values()])
        return np.asarray(joined / np.linalg.norm(joined))


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width, height = (min(one[2 + k], other[2 + k]) - max(one[k], other[k]) for k in (0, 1))
    shared = max(0.0, width) * max(0.0, height)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return shared / (areas - shared)


def held(num: int) -> Iterator[tuple[str, list[Seen]]]:
    """For each way of holding the head, in words, what is seen of all people."""
    meter = Meter()
    people = [
        meter.at_rest(
            FIRST_PERSON + k, DOMAINS[k % len(DOMAINS)], EXPRESSIONS[k // len(DOMAINS) % len(EXPRESSIONS)]
        )
        for k in range(num)
    ]
    yield "as at rest", [meter.seen(rest, ActionUnits()) for rest in people]
    for unit, size in itertools.product(HEAD, INTENSITIES):
        sides = [random.Random(f"{rest.seed} {unit}").choice((-1, 1)) for rest in people]
        found = [
            meter.seen(rest, ActionUnits(**{unit: side * size}))
            for rest, side in zip(people, sides, strict=True)
        ]
        yield f"{unit} {size:g} ({HEAD_DEG[unit] * size:g} deg)", found


def main() -> None:
    """Draw, look, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=whole(), default=24)
    options = parser.parse_args()
    start = time.perf_counter()
    columns = ("score", "highest", "faces found", "overlap", "least", "cosine", "least", "background", "95 %")
    print(f"{'head':<26}" + "".join(f"{name:>12}" for name in columns))
    for words, found in held(options.pictures):
        overlaps, cosines, changes = (
            np.array([getattr(one, name) for one in found])
            for name in ("overlap", "cosine", "background_rmse")
        )
        numbers = (
            np.nanmean([one.score for one in found]),
            np.mean([one.is_highest for one in found]),
            np.mean(overlaps > 0),
            overlaps.mean(),
            overlaps.min(),
            np.nanmean(cosines),
            np.nanmin(cosines),
            np.nanmean(changes),
            np.nanquantile(changes, 0.95),
        )
        print(f"{words:<26}" + "".join(f"{number:12.3f}" for number in numbers))
    print(f"{options.pictures} pictures a row, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
