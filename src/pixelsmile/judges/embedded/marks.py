"""The embedded counterparts of FED-Bench's judged components, for portraits that this project draws.

All three look with the embedded judge, and refuse what it refuses: photographs and other people's drawings.
Errors become marks by a calibration on drawn truth (`recipes/judge/marks.py`).
"""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pixelsmile.embedded import judge_path
from pixelsmile.errors import ModelError
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL
from pixelsmile.hashing import sha256_bytes, sha256_json
from pixelsmile.judges.embedded.judge import EmbeddedJudge, Look, face_crop
from pixelsmile.judges.judge import JudgeIdentity
from pixelsmile.judges.question import (
    EDIT,
    SOURCE,
    TRUTH,
    Question,
    Target,
)
from pixelsmile.judges.verdict import MAX_MARK, Mark, NoVerdict
from pixelsmile.limits import read_json_object, validated
from pixelsmile.portraits import NUM_VARIANTS, action_units, scores
from pixelsmile.remote import Picture

if TYPE_CHECKING:
    from pixelsmile.judges.embedded.judge import Look


# What the embedded markers' errors are worth in marks: a small file beside the judge's weights.
#
# `recipes.judge.marks` makes it from drawn truth, and says how.


CALIBRATION_FILE = "marks.json"


class Scale(BaseModel):
    """Errors up to `full_at` earn full marks, from `none_at` on none; in between marks fall evenly."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    full_at: float = Field(ge=0, allow_inf_nan=False)
    none_at: float = Field(allow_inf_nan=False)

    @model_validator(mode="after")
    def _rises(self) -> "Scale":
        if not self.full_at < self.none_at:
            raise ValueError(f"full marks at {self.full_at}, none at {self.none_at}: errors cost marks")
        return self

    def mark(self, error: float) -> float:
        """The mark (0..10) for an error."""
        return float(np.interp(error, (self.full_at, self.none_at), (MAX_MARK, 0.0)))


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


# How far twelve scores are from other scores, and from those of what was asked for.
#
# Shape suffixes: E expressions, in the order of EXPRESSIONS.


LEAST_LENGTH = 0.3  # of what errors are measured by: below it, the judge's own errors would count as faults
PLAIN_STRENGTH = 0.5  # of an expression that is asked for without a strength: from here on it is plain to see
TOO_STRONG = 0.5  # a step too far counts so much of a step too short
Shown = Callable[[str, float, int], np.ndarray]  # the scores (E) of an expression at a strength in a variant
_NUM_STEPS = 6  # from the strength that is asked for to the full expression


def apart(truth_E: np.ndarray, edit_E: np.ndarray) -> float:
    """The distance of two faces' scores over the length of the longer: 0 for equal ones.

    1 for an expression and a face at rest, about 1.4 for two expressions that have nothing in common.
    """
    longer = max(float(np.linalg.norm(truth_E)), float(np.linalg.norm(edit_E)), LEAST_LENGTH)
    return _distance(truth_E, edit_E) / longer


@cache
def drawn_scores(expression: str, strength: float, variant: int) -> np.ndarray:
    """The true scores (E) of that expression as it is drawn; zeros for a face at rest."""
    if expression == NEUTRAL:
        return np.zeros(len(EXPRESSIONS))
    found = scores(action_units(expression, strength, variant))
    return np.array([found[name] for name in EXPRESSIONS])


def missing(target: Target, source_E: np.ndarray, edit_E: np.ndarray, shown: Shown = drawn_scores) -> float:
    """The way that an edit leaves to what was asked for, over the whole way from the source: 1 for a copy.

    Any variant of the expression will do. Without a strength, so will any strength that is plain to see; with
    one, what is stronger counts as missing TOO_STRONG of what it is too much.
    """
    return min(
        (_distance(edit_E, goal_E) + toll) / max(_distance(source_E, first_E), LEAST_LENGTH)
        for first_E, goal_E, toll in _goals(target, shown)
    )


def _goals(target: Target, shown: Shown) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """What is asked for, what else will do, and the distance that this costs."""
    strength = PLAIN_STRENGTH if target.strength is None else target.strength
    for variant in range(NUM_VARIANTS):
        first_E = shown(target.expression, strength, variant)
        for step in np.linspace(strength, max(strength, 1.0), _NUM_STEPS):
            goal_E = shown(target.expression, float(step), variant)
            toll = 0.0 if target.strength is None else TOO_STRONG * _distance(goal_E, first_E)
            yield first_E, goal_E, toll


def _distance(one_E: np.ndarray, other_E: np.ndarray) -> float:
    return float(np.linalg.norm(one_E - other_E))


# Signs of damage in a drawn portrait, from the picture alone: softness, grain, blocks.
#
# Drawn faces have crisp lines and even shading, whatever they express, so neither a grimace nor a beard
# counts as damage. What a blur, noise and compression leave each shows in one sign; one sharp face faintly
# over another shows in none. Shape suffixes: H and W rows and columns, 3 channels. Grey is in 0..1.


CROP_PX = 128
_BLUR_PX = 9  # of the second blur, as in the paper
_BLOCK_PX = 8  # JPEG's, and what one latent of the editor covers
_LUMA = np.array([0.299, 0.587, 0.114])
_FULL = 255.0


class Damage(NamedTuple):
    """More is worse; what is much for a drawn face is for the calibration to say."""

    softness: float  # of the face, 0..1: how little a further blur takes from the steps between neighbours
    grain: float  # of the face: deviation of noise, 0..255
    blocks: float  # of the picture: how far steps at the edges of blocks stand out, 0..255; 0 is chance


def damage(image: Image.Image, look: "Look") -> Damage:
    """The damage of a picture, whose face `look` is of."""
    face_HW = _grey(face_crop(image, look.landmarks, CROP_PX))
    picture_HW = _grey(np.asarray(image))
    return Damage(
        softness=max(softness(face_HW), softness(face_HW.T)),
        grain=grain(face_HW) * _FULL,
        blocks=max(0.0, blocks(picture_HW) + blocks(picture_HW.T)) / 2 * _FULL,
    )


def softness(grey_HW: np.ndarray) -> float:
    """How soft a picture is along its rows: Crete et al., "The Blur Effect" (2007), equations 1 to 6.

    A sharp picture loses most of its steps to a further blur, a soft one has few to lose. Of one colour: 1.
    """
    kernel = np.full(_BLUR_PX, 1 / _BLUR_PX)
    blurred_HW = np.stack([np.convolve(row, kernel, "valid") for row in grey_HW])
    margin = _BLUR_PX // 2
    before_HW = np.abs(np.diff(grey_HW[:, margin:-margin]))
    lost_HW = np.maximum(0, before_HW - np.abs(np.diff(blurred_HW)))
    total = before_HW.sum()
    return float(1 - lost_HW.sum() / total) if total else 1.0


def grain(grey_HW: np.ndarray) -> float:
    """The deviation of noise, by Immerkaer, "Fast Noise Variance Estimation" (1996).

    The median stands for his mean: it passes over the lines of a drawing. For normal noise both are right.
    """
    rows_HW = grey_HW[:-2] - 2 * grey_HW[1:-1] + grey_HW[2:]
    noise_HW = rows_HW[:, :-2] - 2 * rows_HW[:, 1:-1] + rows_HW[:, 2:]
    median_of_normal = 0.67449  # of |x|, where x has deviation 1; the mask has deviation 6
    return float(np.median(np.abs(noise_HW)) / (6 * median_of_normal))


def blocks(grey_HW: np.ndarray) -> float:
    """How far steps between the columns of neighbouring blocks stand out from other steps, on average.

    A step stands out by what it has more than the mean of those beside it. After Wang, Sheikh and Bovik,
    "No-Reference Perceptual Quality Assessment of JPEG Compressed Images" (2002). Only blocks that still lie
    where they were made are found: not those of a picture that was scaled or cropped afterwards.
    """
    steps_HW = np.abs(np.diff(grey_HW))
    standing_out_HW = steps_HW[:, 1:-1] - (steps_HW[:, :-2] + steps_HW[:, 2:]) / 2
    at_edge_W = np.arange(2, grey_HW.shape[1] - 1) % _BLOCK_PX == 0  # the column after the step
    return float(standing_out_HW[:, at_edge_W].mean() - standing_out_HW[:, ~at_edge_W].mean())


def _grey(pixels_HW3: np.ndarray) -> np.ndarray:
    return pixels_HW3 @ _LUMA / _FULL


_NUM_DIGITS = 2  # of a mark


class Looks:
    """A judge's looks, one at each picture: sources, truths and edits are shown to several markers.

    They are kept as long as this is, some hundred numbers each.
    """

    def __init__(self, judge: EmbeddedJudge) -> None:
        self.identity = judge.identity
        self._judge = judge
        self._kept: dict[str, Look | NoVerdict] = {}

    def at(self, picture: Picture) -> Look | NoVerdict:
        """What EmbeddedJudge.look says of it."""
        if picture.sha256 not in self._kept:
            self._kept[picture.sha256] = self._judge.look(picture.image)
        return self._kept[picture.sha256]


class EmbeddedMarker(ABC):
    """Marks without a network connection, the same every time. A subclass says for what, and why.

    A question whose captions are not those of fed_samples is a KeyError: it is meant for another judge.
    """

    rubric: str
    rubric_text: str  # what the mark means; whoever changes it makes a new version

    def __init__(self, looks: Looks, calibration: Calibration) -> None:
        self._looks = looks
        self._calibration = calibration
        self.identity = JudgeIdentity(
            looks.identity.provider,
            looks.identity.model,
            self.rubric,
            sha256_bytes(self.rubric_text.encode()),
            {**looks.identity.parameters, "calibration_sha256": sha256_json(calibration.model_dump())},
        )

    async def judge(self, question: Question) -> Mark | NoVerdict:
        """A mark, or `unsuited`: a face is not drawn as it knows them, or the question lacks its target."""
        return await asyncio.to_thread(self.mark, question)

    async def aclose(self) -> None:  # noqa: B027 -- not abstract: there is nothing more to do
        """There is nothing to close."""

    @abstractmethod
    def mark(self, question: Question) -> Mark | NoVerdict:
        """The same, at once."""

    def _mark(self, mark: float, reason: str, **seen: object) -> Mark:
        return Mark(self.identity.id, round(mark, _NUM_DIGITS), reason, (json.dumps(seen),))

    def _look(self, question: Question, *captions: str) -> list[Look] | NoVerdict:
        """What is seen in these pictures, or why one of them is unsuited."""
        looks = []
        for caption in captions:
            look = self._looks.at(question.pictures[caption])
            if isinstance(look, NoVerdict):
                return NoVerdict(self.identity.id, look.reason, f"{caption}: {look.detail}", look.transcript)
            looks.append(look)
        return looks


class EmbeddedQuality(EmbeddedMarker):
    """PQ: the worst of three signs of damage."""

    rubric = "drawn-quality-1"
    rubric_text = (
        "The lowest of three marks of the edit alone: for softness and grain of its face, and for blocks as "
        "compression leaves them. Drawn pictures and the editor's reconstructions of them earn about 10, "
        "what is blurred, noisy or compressed beyond use 0; expression and identity do not count."
    )

    def mark(self, question: Question) -> Mark | NoVerdict:
        """The mark of the edit."""
        looks = self._look(question, EDIT)
        if isinstance(looks, NoVerdict):
            return looks
        found = damage(question.pictures[EDIT].image, *looks)._asdict()
        marks = {sign: getattr(self._calibration, sign).mark(value) for sign, value in found.items()}
        worst = min(marks, key=marks.__getitem__)
        reason = f"{worst} ({found[worst]:.2f}) is the worst sign of damage"
        if marks[worst] == MAX_MARK:
            reason = "there is no sign of damage"
        return self._mark(marks[worst], reason, **{sign: round(value, 4) for sign, value in found.items()})


class EmbeddedConsistency(EmbeddedMarker):
    """SC: how much of the way from the source to what was asked for the edit has gone."""

    rubric = "drawn-consistency-1"
    rubric_text = (
        "The way that is left from the edit's scores to those of the expression that was asked for, over "
        "the way from the source's. What was asked for is the question's target: the expression in any "
        "variant, at its strength if it has one, else at any that is plain to see. Too strong counts half of "
        "too weak. An edit that does it earns about 10; one that is no nearer than the source, or shows "
        "another expression, 0."
    )

    def mark(self, question: Question) -> Mark | NoVerdict:
        """The mark of the edit; `unsuited` where the question has no target."""
        if question.target is None:
            detail = "the question does not say in figures what was asked for, and this judge reads no words"
            return NoVerdict(self.identity.id, "unsuited", detail)
        looks = self._look(question, SOURCE, EDIT)
        if isinstance(looks, NoVerdict):
            return looks
        source_E, edit_E = (look.cut_scores for look in looks)
        error = missing(question.target, source_E, edit_E)
        asked = question.target.expression
        if question.target.strength is not None:
            asked += f" at {question.target.strength:g}"
        gone = max(0.0, 1 - error)
        reason = f"asked for {asked}, it shows {_shown(edit_E)}: {gone:.0%} of the way from the source"
        return self._mark(self._calibration.consistency.mark(error), reason, missing=round(error, 4))


class EmbeddedTruthAlignment(EmbeddedMarker):
    """GTA: how near the edit's scores are to those of the ground truth."""

    rubric = "drawn-truth-alignment-1"
    rubric_text = (
        "The distance of the twelve scores of ground truth and edit, over the length of the longer. The same "
        "expression earns about 10, whoever shows it, an unrelated one 0."
    )

    def mark(self, question: Question) -> Mark | NoVerdict:
        """The mark of the edit."""
        looks = self._look(question, TRUTH, EDIT)
        if isinstance(looks, NoVerdict):
            return looks
        truth_E, edit_E = (look.cut_scores for look in looks)
        error = apart(truth_E, edit_E)
        reason = f"the reference shows {_shown(truth_E)}, the edit {_shown(edit_E)}"
        return self._mark(self._calibration.truth_alignment.mark(error), reason, apart=round(error, 4))


class EmbeddedMarkers(NamedTuple):
    """The three."""

    quality: EmbeddedQuality
    consistency: EmbeddedConsistency
    truth_alignment: EmbeddedTruthAlignment


def embedded_markers(path: Path | None = None) -> EmbeddedMarkers:
    """The three of the judge in a folder (default: the one that ships), which they share.

    ModelError where judge or calibration are absent or damaged.
    """
    folder = path or judge_path()
    looks = Looks(EmbeddedJudge(folder))
    calibration = load_calibration(folder, str(looks.identity.parameters["weights_sha256"]))
    return EmbeddedMarkers(
        EmbeddedQuality(looks, calibration),
        EmbeddedConsistency(looks, calibration),
        EmbeddedTruthAlignment(looks, calibration),
    )


def _shown(scores_E: np.ndarray) -> str:
    highest = int(scores_E.argmax())
    return f"{EXPRESSIONS[highest]} {scores_E[highest]:.2f}" if scores_E[highest] > 0 else NEUTRAL
