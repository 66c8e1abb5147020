"""Marks of FED-Bench without a server: what the judges of drawings and of photographs share.

A marker looks at faces through a judge of expressions. Quality (PQ) is the worst of three signs of damage in
the edit alone; consistency (SC) is how much of the way from the source to what was asked for the edit has
gone; truth alignment (GTA) is how near the edit's scores are to those of the ground truth. Errors become
marks by a scale. Shape suffixes: E expressions, in the order of EXPRESSIONS; H and W rows and columns, 3
channels. Grey is in 0..1.
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from pixelsmile.expressions import EXPRESSIONS, NEUTRAL
from pixelsmile.hashing import sha256_bytes
from pixelsmile.judges.judge import (
    EDIT,
    MAX_MARK,
    SOURCE,
    TRUTH,
    JudgeIdentity,
    Mark,
    Markers,
    NoVerdict,
    Question,
    Target,
)
from pixelsmile.portraits import NUM_VARIANTS
from pixelsmile.remote.picture import Picture

FACE_PX = 128  # of a face that is looked at for damage
LEAST_LENGTH = 0.3  # of what errors are measured by: below it, the judge's own errors would count as faults
PLAIN_STRENGTH = 0.5  # of an expression that is asked for without a strength: from here on it is plain to see
TOO_STRONG = 0.5  # a step too far counts so much of a step too short
Goal = Callable[[str, float, int], np.ndarray]  # the scores (E) of an expression at a strength in a variant
_NUM_STEPS = 6  # from the strength that is asked for to the full expression
_BLUR_PX = 9  # of the second blur, as in the paper
_BLOCK_PX = 8  # JPEG's, and what one latent of the editor covers
_LUMA = np.array([0.299, 0.587, 0.114])
_FULL = 255.0
_NUM_DIGITS = 2  # of a mark


class ScoredFace(Protocol):
    """What a judge sees of a face."""

    @property
    def scores(self) -> np.ndarray:
        """Of EXPRESSIONS, as a verdict has them."""


L = TypeVar("L", bound=ScoredFace)
L_co = TypeVar("L_co", bound=ScoredFace, covariant=True)


class LookingJudge(Protocol[L_co]):
    """A judge that can say more than its verdict."""

    @property
    def identity(self) -> JudgeIdentity: ...

    def look(self, image: Image.Image) -> L_co | NoVerdict:
        """What is seen of the face in an upright RGB picture, or why it is `unsuited`."""


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


@dataclass(frozen=True)
class Rules(Generic[L]):
    """How one kind of picture is marked.

    scales: of `softness`, `grain`, `blocks`, `consistency` and `truth_alignment`. rubrics: by component, the
    version and what the mark means; whoever changes the words makes a new version. goal: the scores of what
    was asked for. damage: in a picture and the face in it. refuses: why there is no mark whatever is seen.
    parameters: of the markers' identities, beside the judge's.
    """

    scales: Mapping[str, Scale]
    rubrics: Mapping[str, tuple[str, str]]
    goal: Goal
    damage: Callable[[Image.Image, L], "Damage"]
    refuses: Callable[[Question], str | None] = lambda question: None
    parameters: Mapping[str, JsonValue] = field(default_factory=dict)


def make_markers(judge: LookingJudge[L], rules: Rules[L]) -> Markers:
    """The three, which look once at each picture between them."""
    looks: dict[str, L | NoVerdict] = {}  # by pictures' hashes: some hundred numbers each

    def look(picture: Picture) -> L | NoVerdict:
        if picture.sha256 not in looks:
            looks[picture.sha256] = judge.look(picture.image)
        return looks[picture.sha256]

    quality, consistency, truth_alignment = (
        Marker(component, judge.identity, look, rules)
        for component in ("quality", "consistency", "truth_alignment")
    )
    return Markers(quality, consistency, truth_alignment)


class Marker(Generic[L]):
    """Marks one component, without a network connection, the same every time.

    A question whose captions are not those of the component's sample is a KeyError: it is meant for another
    judge.
    """

    def __init__(
        self,
        component: str,
        asked: JudgeIdentity,
        look: Callable[[Picture], L | NoVerdict],
        rules: Rules[L],
    ) -> None:
        self._component, self._look, self._rules = component, look, rules
        version, text = rules.rubrics[component]
        parameters = {**asked.parameters, **rules.parameters}
        text_sha256 = sha256_bytes(text.encode())
        self.identity = JudgeIdentity(
            asked.provider, asked.model, version, text_sha256, parameters, asked.remark
        )

    async def judge(self, question: Question) -> Mark | NoVerdict:
        """A mark, or `unsuited`: a face that cannot be judged, or a question without the target it needs."""
        return await asyncio.to_thread(self.mark, question)

    async def aclose(self) -> None:
        """There is nothing to close."""

    def mark(self, question: Question) -> Mark | NoVerdict:
        """The same, at once."""
        refusal = self._rules.refuses(question)
        if refusal is None and self._component == "consistency" and question.target is None:
            refusal = "the question does not say in figures what was asked for, and this judge reads no words"
        if refusal is not None:
            return NoVerdict(self.identity.id, "unsuited", refusal)
        captions = {"quality": (EDIT,), "consistency": (SOURCE, EDIT), "truth_alignment": (TRUTH, EDIT)}
        looks = []
        for caption in captions[self._component]:
            look = self._look(question.pictures[caption])
            if isinstance(look, NoVerdict):
                return NoVerdict(self.identity.id, look.reason, f"{caption}: {look.detail}", look.transcript)
            looks.append(look)
        if self._component == "quality":
            return self._quality(question.pictures[EDIT].image, looks[0])
        before_E, edit_E = (look.scores for look in looks)
        if question.target is not None and self._component == "consistency":
            return self._consistency(question.target, before_E, edit_E)
        return self._truth_alignment(before_E, edit_E)

    def _quality(self, image: Image.Image, look: L) -> Mark:
        found = self._rules.damage(image, look)._asdict()
        marks = {sign: self._rules.scales[sign].mark(value) for sign, value in found.items()}
        worst = min(marks, key=marks.__getitem__)
        reason = f"{worst} ({found[worst]:.2f}) is the worst sign of damage"
        if marks[worst] == MAX_MARK:
            reason = "there is no sign of damage"
        return self._mark(marks[worst], reason, **{sign: round(value, 4) for sign, value in found.items()})

    def _consistency(self, target: Target, source_E: np.ndarray, edit_E: np.ndarray) -> Mark:
        error = missing(target, source_E, edit_E, self._rules.goal)
        asked = target.expression + ("" if target.strength is None else f" at {target.strength:g}")
        gone = max(0.0, 1 - error)
        reason = f"asked for {asked}, it shows {_shown(edit_E)}: {gone:.0%} of the way from the source"
        return self._mark(self._rules.scales["consistency"].mark(error), reason, missing=round(error, 4))

    def _truth_alignment(self, truth_E: np.ndarray, edit_E: np.ndarray) -> Mark:
        error = apart(truth_E, edit_E)
        reason = f"the reference shows {_shown(truth_E)}, the edit {_shown(edit_E)}"
        return self._mark(self._rules.scales["truth_alignment"].mark(error), reason, apart=round(error, 4))

    def _mark(self, mark: float, reason: str, **seen: Any) -> Mark:
        return Mark(self.identity.id, round(mark, _NUM_DIGITS), reason, (json.dumps(seen),))


# How far twelve scores are from other scores, and from those of what was asked for.


def apart(truth_E: np.ndarray, edit_E: np.ndarray) -> float:
    """The distance of two faces' scores over the length of the longer: 0 for equal ones.

    1 for an expression and a face at rest, about 1.4 for two expressions that have nothing in common.
    """
    longer = max(float(np.linalg.norm(truth_E)), float(np.linalg.norm(edit_E)), LEAST_LENGTH)
    return _distance(truth_E, edit_E) / longer


def missing(target: Target, source_E: np.ndarray, edit_E: np.ndarray, goal: Goal) -> float:
    """The way that an edit leaves to what was asked for, over the whole way from the source: 1 for a copy.

    Any variant of the expression will do. Without a strength, so will any strength that is plain to see; with
    one, what is stronger counts as missing TOO_STRONG of what it is too much.
    """
    return min(
        (_distance(edit_E, goal_E) + toll) / max(_distance(source_E, first_E), LEAST_LENGTH)
        for first_E, goal_E, toll in _goals(target, goal)
    )


def _goals(target: Target, goal: Goal) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """What is asked for, what else will do, and the distance that this costs."""
    strength = PLAIN_STRENGTH if target.strength is None else target.strength
    for variant in range(NUM_VARIANTS):
        first_E = goal(target.expression, strength, variant)
        for step in np.linspace(strength, max(strength, 1.0), _NUM_STEPS):
            goal_E = goal(target.expression, float(step), variant)
            toll = 0.0 if target.strength is None else TOO_STRONG * _distance(goal_E, first_E)
            yield first_E, goal_E, toll


def _distance(one_E: np.ndarray, other_E: np.ndarray) -> float:
    return float(np.linalg.norm(one_E - other_E))


def _shown(scores_E: np.ndarray) -> str:
    highest = int(scores_E.argmax())
    return f"{EXPRESSIONS[highest]} {scores_E[highest]:.2f}" if scores_E[highest] > 0 else NEUTRAL


# Signs of damage, from the picture alone. Neither a grimace nor a beard counts. What a blur, noise and
# compression leave each shows in one sign; one sharp face faintly over another shows in none.


class Damage(NamedTuple):
    """More is worse; what is much is for a scale to say."""

    softness: float  # of the face, 0..1: how little a further blur takes from the steps between neighbours
    grain: float  # of the face: deviation of noise, 0..255
    blocks: float  # of the picture: how far steps at the edges of blocks stand out, 0..255; 0 is chance


def damage(image: Image.Image, face_HW3: np.ndarray) -> Damage:
    """The damage of a picture and of the face in it, which is given upright, FACE_PX high and wide."""
    face_HW, picture_HW = _grey(face_HW3), _grey(np.asarray(image))
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
    return np.asarray(pixels_HW3 @ _LUMA / _FULL)
