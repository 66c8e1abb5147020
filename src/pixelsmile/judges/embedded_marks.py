"""The embedded counterparts of FED-Bench's judged components, for portraits that this project draws.

All three look with the embedded judge, and refuse what it refuses: photographs and other people's drawings.
Errors become marks by a calibration on drawn truth (`recipes/judge/marks.py`).
"""

import asyncio
import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pixelsmile.embedded import judge_path
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL
from pixelsmile.hashing import sha256_bytes, sha256_json
from pixelsmile.judges.embedded import EmbeddedJudge, Look
from pixelsmile.judges.embedded_calibration import Calibration, load_calibration
from pixelsmile.judges.embedded_damage import damage
from pixelsmile.judges.embedded_distance import apart, missing
from pixelsmile.judges.fed_samples import EDIT, SOURCE, TRUTH
from pixelsmile.judges.judge import JudgeIdentity
from pixelsmile.judges.picture import Picture
from pixelsmile.judges.question import Question
from pixelsmile.judges.verdict import MAX_MARK, Mark, NoVerdict

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
