"""An answer with scores: a number in [0, 1] for every label, and the dominant one.

80 is not 0.8, and "anger" is not a label.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from pixelsmile.expressions import EXPRESSIONS, JUDGE_LABELS, NEUTRAL
from pixelsmile.judges.rubrics.reading import (
    MalformedAnswerError,
    read_object,
    require_number,
    require_object,
)
from pixelsmile.judges.verdict import Verdict
from pixelsmile.limits import shown

NEUTRAL_LABEL = "Neutral"


@dataclass(frozen=True)
class Answer:
    """What was read: a score in [0, 1] for each of EXPRESSIONS, and the dominant one (or "neutral")."""

    scores: Mapping[str, float]
    dominant: str

    def outcome(self, judge: str, transcript: tuple[str, ...]) -> Verdict:
        """The verdict of that judge."""
        return Verdict(judge, self.scores, self.dominant, transcript)


def read_answer(text: str) -> Answer:
    """The answer in `text`; MalformedAnswerError where it is not exactly that."""
    record = require_object(read_object(text), "the answer", {"scores", "dominant"})
    labels = require_object(record["scores"], "scores", set(JUDGE_LABELS))
    by_name = {
        JUDGE_LABELS[label]: require_number(value, f"the score of {label}", 1.0)
        for label, value in labels.items()
    }
    return Answer({name: by_name[name] for name in EXPRESSIONS}, _dominant(record["dominant"]))


def _dominant(value: JsonValue) -> str:
    if value == NEUTRAL_LABEL:
        return NEUTRAL
    if not isinstance(value, str) or value not in JUDGE_LABELS:
        raise MalformedAnswerError(f"the dominant expression is no label, but {shown(value)}")
    return JUDGE_LABELS[value]
