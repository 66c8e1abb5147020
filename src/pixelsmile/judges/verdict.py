"""What a judge says: twelve scores and the dominant expression, or a mark, or why there is neither."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from pixelsmile.expressions import EXPRESSIONS, NEUTRAL

Reason = Literal["malformed", "empty", "refused", "unreachable", "unreadable", "unsuited"]
"""Why there is no verdict: the answer was not in the agreed form; there was none; the judge or its server
declined; the server could not be reached or failed; a picture cannot be read; the judge does not know such
questions."""

MAX_MARK = 10.0


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
class Mark:
    """One judge's mark, 0 (worst) to 10 (best), for what the rubric asks about, and the reason it gives.

    `transcript` holds every answer of the judge as it came, in order; mark and reason are from the last one.
    """

    judge: str
    mark: float
    reason: str
    transcript: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mark) and 0 <= self.mark <= MAX_MARK):
            raise ValueError(f"the mark is {self.mark!r}: it lies in 0 to {MAX_MARK:g}")
        if not self.reason.strip():
            raise ValueError("a mark has a reason")
        object.__setattr__(self, "mark", float(self.mark))

    def to_json(self) -> str:
        """One line of JSON, for `outcome_from_json`."""
        return _to_json(
            {
                "kind": "mark",
                "judge": self.judge,
                "mark": self.mark,
                "reason": self.reason,
                "transcript": self.transcript,
            }
        )


@dataclass(frozen=True)
class NoVerdict:
    """Why one judge has no opinion in answer to one question. It counts as unscored, never as zero."""

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


Outcome = Verdict | Mark | NoVerdict


def is_final(outcome: Outcome, *, ask_refused_again: bool = False) -> bool:
    """Whether another run need not ask again: a verdict, a mark, or a refusal unless that is asked for."""
    if not isinstance(outcome, NoVerdict):
        return True
    return outcome.reason == "refused" and not ask_refused_again


def outcome_from_json(text: str | bytes) -> Outcome:
    """What `to_json` wrote; ValueError for anything else."""
    record = _RECORDS.validate_json(text)
    match record:
        case _VerdictRecord():
            return Verdict(record.judge, record.scores, record.dominant, record.transcript)
        case _MarkRecord():
            return Mark(record.judge, record.mark, record.reason, record.transcript)
        case _NoVerdictRecord():
            return NoVerdict(record.judge, record.reason, record.detail, record.transcript)


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    judge: str
    transcript: tuple[str, ...]


class _VerdictRecord(_Record):
    kind: Literal["verdict"]
    scores: dict[str, float]
    dominant: str


class _MarkRecord(_Record):
    kind: Literal["mark"]
    mark: float
    reason: str


class _NoVerdictRecord(_Record):
    kind: Literal["none"]
    reason: Reason
    detail: str


_AnyRecord = _VerdictRecord | _MarkRecord | _NoVerdictRecord
_RECORDS: TypeAdapter[_AnyRecord] = TypeAdapter(Annotated[_AnyRecord, Field(discriminator="kind")])


def _to_json(record: Mapping[str, object]) -> str:
    return json.dumps(record, ensure_ascii=False, allow_nan=False)
