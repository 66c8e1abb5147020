"""The embedded counterparts of FED-Bench's judged components, for portraits that this project draws.

All three look with the embedded judge, and refuse what it refuses: photographs and other people's drawings.
Errors become marks by a calibration on drawn truth, a small file beside the judge's weights
(`recipes/judge/marks.py`).
"""

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict

from pixelsmile.embedded import judge_path
from pixelsmile.errors import ModelError
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL
from pixelsmile.hashing import sha256_json
from pixelsmile.judges import marks
from pixelsmile.judges.embedded.judge import EmbeddedJudge, ScoredFace, face_crop
from pixelsmile.judges.judge import Markers
from pixelsmile.judges.marks import Damage, Rules, Scale, make_markers
from pixelsmile.limits import read_json_object, validated
from pixelsmile.portraits import action_units, scores

CALIBRATION_FILE = "marks.json"
RUBRICS = {
    "quality": (
        "drawn-quality-1",
        "The lowest of three marks of the edit alone: for softness and grain of its face, and for blocks as "
        "compression leaves them. Drawn pictures and the editor's reconstructions of them earn about 10, "
        "what is blurred, noisy or compressed beyond use 0; expression and identity do not count.",
    ),
    "consistency": (
        "drawn-consistency-1",
        "The way that is left from the edit's scores to those of the expression that was asked for, over "
        "the way from the source's. What was asked for is the question's target: the expression in any "
        "variant, at its strength if it has one, else at any that is plain to see. Too strong counts half of "
        "too weak. An edit that does it earns about 10; one that is no nearer than the source, or shows "
        "another expression, 0.",
    ),
    "truth_alignment": (
        "drawn-truth-alignment-1",
        "The distance of the twelve scores of ground truth and edit, over the length of the longer. The same "
        "expression earns about 10, whoever shows it, an unrelated one 0.",
    ),
}


class Calibration(BaseModel):
    """A scale for each error. weights_sha256: of the judge that it was made for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    weights_sha256: str
    softness: Scale
    grain: Scale
    blocks: Scale
    consistency: Scale
    truth_alignment: Scale

    @property
    def scales(self) -> dict[str, Scale]:
        """By the name of their error."""
        return {name: value for name, value in self if isinstance(value, Scale)}


def load_calibration(folder: Path, weights_sha256: str) -> Calibration:
    """The calibration in the judge's folder; ModelError where it is absent, damaged, or another judge's."""
    file = folder / CALIBRATION_FILE
    if not file.exists():
        raise ModelError(f"{str(folder)!r} has no {CALIBRATION_FILE}: make it with the recipe")

    def damaged(reason: str) -> ModelError:
        return ModelError(f"{CALIBRATION_FILE} in {str(folder)!r} is damaged ({reason}): make it again")

    calibration = validated(Calibration, read_json_object(file, error=damaged), "it", error=damaged)
    if calibration.weights_sha256 != weights_sha256:
        raise ModelError(
            f"{CALIBRATION_FILE} in {str(folder)!r} is for other weights than the judge's: make it again"
        )
    return calibration


def embedded_markers(path: Path | None = None) -> Markers:
    """The three of the judge in a folder (default: the one that ships), which they share.

    ModelError where judge or calibration are absent or damaged.
    """
    folder = path or judge_path()
    judge = EmbeddedJudge(folder)
    calibration = load_calibration(folder, str(judge.identity.parameters["weights_sha256"]))
    calibrated = {"calibration_sha256": sha256_json(calibration.model_dump())}
    rules = Rules(calibration.scales, RUBRICS, drawn_scores, damage, parameters=calibrated)
    return make_markers(judge, rules)


@cache
def drawn_scores(expression: str, strength: float, variant: int) -> np.ndarray:
    """The true scores (E) of that expression as it is drawn; zeros for a face at rest."""
    if expression == NEUTRAL:
        return np.zeros(len(EXPRESSIONS))
    found = scores(action_units(expression, strength, variant))
    return np.array([found[name] for name in EXPRESSIONS])


def damage(image: Image.Image, look: ScoredFace) -> Damage:
    """The damage of a picture, whose face `look` is of."""
    return marks.damage(image, face_crop(image, look.landmarks, marks.FACE_PX))
