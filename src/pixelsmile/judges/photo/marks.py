"""FED-Bench's judged components for photographs of people, by the judge of photographs: `photo`.

What it sees of expressions is what PhotoJudge sees. Quality is the weakest of the three: of the edit alone,
signs of blur, noise and compression; a face that is drawn badly but sharply has none of them.
"""

import asyncio
import json
from abc import ABC, abstractmethod

import numpy as np
from PIL import Image

from pixelsmile.expressions import EXPRESSIONS, NEUTRAL
from pixelsmile.faces.mesh.networks import Picture as Squares
from pixelsmile.hashing import sha256_bytes
from pixelsmile.judges.embedded.marks import (
    Scale,
    apart,
    blocks,
    grain,
    missing,
    softness,
)
from pixelsmile.judges.judge import JudgeIdentity
from pixelsmile.judges.photo.judge import PhotoJudge, PhotoLook, not_judged
from pixelsmile.judges.photo.scores import CATEGORIES
from pixelsmile.judges.question import (
    EDIT,
    SOURCE,
    TRUTH,
    Question,
)
from pixelsmile.judges.verdict import MAX_MARK, Mark, NoVerdict
from pixelsmile.remote import Picture

# Nine in ten photographs and paintings as they came have less than `full_at`; half of them about `none_at`
# when blurred by a twentieth of the face, in noise of 25, or as JPEG of quality 5 (recipes/photo/marks.py).
SIGNS = {
    "softness": Scale(full_at=0.55, none_at=0.9),
    "grain": Scale(full_at=2.5, none_at=8.0),
    "blocks": Scale(full_at=1.7, none_at=8.0),
}
# The judge's own errors cost nothing; an edit that is no nearer than the source, or unrelated, has no marks.
EXPRESSION = Scale(full_at=0.2, none_at=1.0)
_FACE_PX = 128
_NUM_DIGITS = 2


class PhotoLooks:
    """A judge's looks, one at each picture: sources, truths and edits are shown to several markers."""

    def __init__(self, judge: PhotoJudge) -> None:
        self.identity = judge.identity
        self._judge = judge
        self._kept: dict[str, PhotoLook | NoVerdict] = {}

    def at(self, picture: Picture) -> PhotoLook | NoVerdict:
        """What PhotoJudge.look says of it."""
        if picture.sha256 not in self._kept:
            self._kept[picture.sha256] = self._judge.look(picture.image)
        return self._kept[picture.sha256]


class PhotoMarker(ABC):
    """Marks without a network connection, the same every time. A subclass says for what, and why.

    A question whose captions are not those of fed_samples is a KeyError: it is meant for another judge.
    """

    rubric: str
    rubric_text: str  # what the mark means; whoever changes it makes a new version

    def __init__(self, looks: PhotoLooks) -> None:
        self._looks = looks
        asked = looks.identity
        text_sha256 = sha256_bytes(self.rubric_text.encode())
        self.identity = JudgeIdentity(
            asked.provider, asked.model, self.rubric, text_sha256, asked.parameters, asked.remark
        )

    async def judge(self, question: Question) -> Mark | NoVerdict:
        """A mark, or `unsuited`: a face that cannot be judged, or a target that is not judged."""
        if question.domain != "human":
            return self._unsuited("it is no photograph of a person")
        return await asyncio.to_thread(self.mark, question)

    async def aclose(self) -> None:  # noqa: B027 -- not abstract: there is nothing more to do
        """There is nothing to close."""

    @abstractmethod
    def mark(self, question: Question) -> Mark | NoVerdict:
        """The same, at once, for a person."""

    def _unsuited(self, detail: str) -> NoVerdict:
        return NoVerdict(self.identity.id, "unsuited", detail)

    def _mark(self, mark: float, reason: str, **seen: object) -> Mark:
        return Mark(self.identity.id, round(mark, _NUM_DIGITS), reason, (json.dumps(seen),))

    def _look(self, question: Question, *captions: str) -> list[PhotoLook] | NoVerdict:
        """What is seen in these pictures, or why one of them is unsuited."""
        looks = []
        for caption in captions:
            look = self._looks.at(question.pictures[caption])
            if isinstance(look, NoVerdict):
                return self._unsuited(f"{caption}: {look.detail}")
            looks.append(look)
        return looks


class PhotoQuality(PhotoMarker):
    """PQ: the worst of three signs of damage."""

    rubric = "photo-quality-1"
    rubric_text = (
        "The lowest of three marks of the edit alone: for softness and grain of its face, and for blocks as "
        "compression leaves them. Photographs as they come earn about 10, what is blurred, noisy or "
        "compressed beyond use 0; how well the face is drawn does not count."
    )

    def mark(self, question: Question) -> Mark | NoVerdict:
        """The mark of the edit."""
        looks = self._look(question, EDIT)
        if isinstance(looks, NoVerdict):
            return looks
        found = damage(question.pictures[EDIT].image, *looks)
        marks = {sign: scale.mark(found[sign]) for sign, scale in SIGNS.items()}
        worst = min(marks, key=marks.__getitem__)
        reason = f"{worst} ({found[worst]:.2f}) is the worst sign of damage"
        if marks[worst] == MAX_MARK:
            reason = "there is no sign of damage"
        return self._mark(marks[worst], reason, **{sign: round(value, 4) for sign, value in found.items()})


class PhotoConsistency(PhotoMarker):
    """SC: how much of the way from the source to what was asked for the edit has gone."""

    rubric = "photo-consistency-1"
    rubric_text = (
        "The way that is left from the edit's scores to the expression that was asked for, over the way from "
        "the source's: to its strength if it has one, else to any that is plain to see. Too strong counts "
        "half of too weak. An edit that does it earns about 10; one that is no nearer than the source, or "
        "shows another expression, 0. It reads no words: the question's target says what was asked for."
    )

    def mark(self, question: Question) -> Mark | NoVerdict:
        """The mark of the edit; `unsuited` where the question has no target, or one that is not judged."""
        if question.target is None:
            return self._unsuited(
                "the question does not say in figures what was asked for, and this judge reads no words"
            )
        asked = question.target.expression
        if asked not in (*CATEGORIES, NEUTRAL):
            return self._unsuited(not_judged(asked))
        looks = self._look(question, SOURCE, EDIT)
        if isinstance(looks, NoVerdict):
            return looks
        source_E, edit_E = (look.scores for look in looks)
        error = missing(question.target, source_E, edit_E, pure_scores)
        if question.target.strength is not None:
            asked += f" at {question.target.strength:g}"
        gone = max(0.0, 1 - error)
        reason = f"asked for {asked}, it shows {_shown(looks[1])}: {gone:.0%} of the way from the source"
        return self._mark(EXPRESSION.mark(error), reason, missing=round(error, 4))


class PhotoTruthAlignment(PhotoMarker):
    """GTA: how near the edit's scores are to those of the ground truth."""

    rubric = "photo-truth-alignment-1"
    rubric_text = (
        "The distance of the scores of ground truth and edit, over the length of the longer. The same "
        "expression earns about 10, whoever shows it, an unrelated one 0."
    )

    def mark(self, question: Question) -> Mark | NoVerdict:
        """The mark of the edit."""
        looks = self._look(question, TRUTH, EDIT)
        if isinstance(looks, NoVerdict):
            return looks
        error = apart(*(look.scores for look in looks))
        reason = f"the reference shows {_shown(looks[0])}, the edit {_shown(looks[1])}"
        return self._mark(EXPRESSION.mark(error), reason, apart=round(error, 4))


def photo_markers() -> dict[str, PhotoMarker]:
    """By component. ModelError where the installation lacks the networks."""
    looks = PhotoLooks(PhotoJudge())
    return {
        "quality": PhotoQuality(looks),
        "consistency": PhotoConsistency(looks),
        "truth_alignment": PhotoTruthAlignment(looks),
    }


def damage(image: Image.Image, look: PhotoLook) -> dict[str, float]:
    """The signs of damage: see embedded_damage. More is worse; a face is seen at _FACE_PX."""
    x0, y0, x1, y1 = look.mesh.box
    middle = ((x0 + x1) / 2, (y0 + y1) / 2)
    face_HW = _grey(Squares(image).square(middle, max(x1 - x0, y1 - y0), look.mesh.angle, _FACE_PX))
    picture_HW = _grey(np.asarray(image))
    return {
        "softness": max(softness(face_HW), softness(face_HW.T)),
        "grain": grain(face_HW) * 255,
        "blocks": max(0.0, blocks(picture_HW) + blocks(picture_HW.T)) / 2 * 255,
    }


def pure_scores(expression: str, strength: float, variant: int) -> np.ndarray:
    """The scores (E) of an expression and nothing else, whatever the variant; zeros for a face at rest."""
    return np.array([min(strength, 1.0) if name == expression else 0.0 for name in EXPRESSIONS])


def _grey(pixels_HW3: np.ndarray) -> np.ndarray:
    return np.asarray(pixels_HW3 @ np.array([0.299, 0.587, 0.114]) / 255)


def _shown(look: PhotoLook) -> str:
    highest = int(look.scores.argmax())
    return f"{EXPRESSIONS[highest]} {look.scores[highest]:.2f}" if look.scores[highest] > 0 else NEUTRAL
