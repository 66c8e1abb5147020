"""What a judge says about a picture: twelve scores and the dominant expression, or why there are none."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from pixelsmile.expressions import EXPRESSIONS, NEUTRAL

Reason = Literal["malformed", "empty", "refused", "unreachable", "unreadable", "unsuited"]
"""Why there is no verdict: the answer was not in the agreed form; there was none; the judge declined; the
server could not be reached or failed; the picture cannot be read; the judge does not know such pictures."""


@dataclass(frozen=True)
class Verdict:
    """One judge's opinion of one picture.

    `scores` has every name of EXPRESSIONS, in that order, with a strength in [0, 1]. `dominant` is one of
    those names or "neutral", as the judge said it: it need not be the name with the highest score.
    `transcript` holds every answer of the judge as it came, in order; the scores are from the last one.
    """

    judge: str
    scores: Mapping[str, float]
    dominant: str
    transcript: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if set(self.scores) != set(EXPRESSIONS):
            raise ValueError(f"a verdict scores the twelve expressions, not {sorted(self.scores)}")
        for name, score in self.scores.items():
            if not (math.isfinite(score) and 0 <= score <= 1):
                raise ValueError(f"the score of {name} is {score!r}: it lies in 0 to 1")
        if self.dominant not in (*EXPRESSIONS, NEUTRAL):
            raise ValueError(f"{self.dominant!r} is no expression that could be dominant")
        object.__setattr__(self, "scores", {name: float(self.scores[name]) for name in EXPRESSIONS})

    def to_json(self) -> str:
        """One line of JSON, for `outcome_from_json`."""
        return _to_json(
            {
                "kind": "verdict",
                "judge": self.judge,
                "scores": self.scores,
                "dominant": self.dominant,
                "transcript": self.transcript,
            }
        )


@dataclass(frozen=True)
class NoVerdict:
    """Why one judge has no opinion of one picture. It counts as unscored, never as zero."""

    judge: str
    reason: Reason
    detail: str
    transcript: tuple[str, ...] = ()

    def to_json(self) -> str:
        """One line of JSON, for `outcome_from_json`."""
        return _to_json(
            {
                "kind": "none",
                "judge": self.judge,
                "reason": self.reason,
                "detail": self.detail,
                "transcript": self.transcript,
            }
        )


Outcome = Verdict | NoVerdict


def outcome_from_json(text: str | bytes) -> Outcome:
    """What `to_json` wrote; ValueError for anything else."""
    record = _RECORDS.validate_json(text)
    if isinstance(record, _VerdictRecord):
        return Verdict(record.judge, record.scores, record.dominant, record.transcript)
    return NoVerdict(record.judge, record.reason, record.detail, record.transcript)


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    judge: str
    transcript: tuple[str, ...]


class _VerdictRecord(_Record):
    kind: Literal["verdict"]
    scores: dict[str, float]
    dominant: str


class _NoVerdictRecord(_Record):
    kind: Literal["none"]
    reason: Reason
    detail: str


_RECORDS: TypeAdapter[_VerdictRecord | _NoVerdictRecord] = TypeAdapter(
    Annotated[_VerdictRecord | _NoVerdictRecord, Field(discriminator="kind")]
)


def _to_json(record: Mapping[str, object]) -> str:
    return json.dumps(record, ensure_ascii=False, allow_nan=False)
