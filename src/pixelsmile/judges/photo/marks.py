"""FED-Bench's judged components for photographs of people, by the judge of photographs: `photo`.

What it sees of expressions is what PhotoJudge sees. Quality is the weakest of the three: of the edit alone,
signs of blur, noise and compression; a face that is drawn badly but sharply has none of them.
"""

import numpy as np
from PIL import Image

from pixelsmile.expressions import EXPRESSIONS, NEUTRAL
from pixelsmile.faces.mesh.networks import Picture as Squares
from pixelsmile.judges import marks
from pixelsmile.judges.judge import (
    SOURCE,
    Markers,
    Question,
)
from pixelsmile.judges.marks import Damage, Rules, Scale, make_markers
from pixelsmile.judges.photo.judge import NO_PHOTOGRAPH, PhotoFace, PhotoJudge, not_judged
from pixelsmile.judges.photo.scores import CATEGORIES

# Nine in ten photographs and paintings as they came have less than `full_at`; half of them about `none_at`
# when blurred by a twentieth of the face, in noise of 25, or as JPEG of quality 5 (recipes/photo/marks.py).
SIGNS = {
    "softness": Scale(full_at=0.55, none_at=0.9),
    "grain": Scale(full_at=2.5, none_at=8.0),
    "blocks": Scale(full_at=1.7, none_at=8.0),
}
# The judge's own errors cost nothing; an edit that is no nearer than the source, or unrelated, has no marks.
EXPRESSION = Scale(full_at=0.2, none_at=1.0)
RUBRICS = {
    "quality": (
        "photo-quality-1",
        "The lowest of three marks of the edit alone: for softness and grain of its face, and for blocks as "
        "compression leaves them. Photographs as they come earn about 10, what is blurred, noisy or "
        "compressed beyond use 0; how well the face is drawn does not count.",
    ),
    "consistency": (
        "photo-consistency-1",
        "The way that is left from the edit's scores to the expression that was asked for, over the way from "
        "the source's: to its strength if it has one, else to any that is plain to see. Too strong counts "
        "half of too weak. An edit that does it earns about 10; one that is no nearer than the source, or "
        "shows another expression, 0. It reads no words: the question's target says what was asked for.",
    ),
    "truth_alignment": (
        "photo-truth-alignment-1",
        "The distance of the scores of ground truth and edit, over the length of the longer. The same "
        "expression earns about 10, whoever shows it, an unrelated one 0.",
    ),
}


def photo_markers() -> Markers:
    """ModelError where the installation lacks the networks."""
    scales = {**SIGNS, "consistency": EXPRESSION, "truth_alignment": EXPRESSION}
    return make_markers(PhotoJudge(), Rules(scales, RUBRICS, pure_scores, damage, refused))


def refused(question: Question) -> str | None:
    """Why there is no mark, whatever the pictures show."""
    if question.domain != "human":
        return NO_PHOTOGRAPH
    target = question.target
    if target is not None and SOURCE in question.pictures and target.expression not in (*CATEGORIES, NEUTRAL):
        return not_judged(target.expression)
    return None


def damage(image: Image.Image, look: PhotoFace) -> Damage:
    """The damage of a picture, whose face `look` is of."""
    x0, y0, x1, y1 = look.mesh.box
    middle = ((x0 + x1) / 2, (y0 + y1) / 2)
    face_HW3 = Squares(image).square(middle, max(x1 - x0, y1 - y0), look.mesh.angle, marks.FACE_PX)
    return marks.damage(image, face_HW3)


def pure_scores(expression: str, strength: float, variant: int) -> np.ndarray:
    """The scores (E) of an expression and nothing else, whatever the variant; zeros for a face at rest."""
    return np.array([min(strength, 1.0) if name == expression else 0.0 for name in EXPRESSIONS])
