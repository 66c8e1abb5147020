"""What a judge says: twelve scores and the dominant expression, or a mark, or why there is neither.

Each is declared once, as it is made and as it is read back from JSON.
"""

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from pixelsmile.expressions import EXPRESSIONS, NEUTRAL

Reason = Literal["malformed", "empty", "refused", "unreachable", "unreadable", "unsuited"]
"""Why there is no verdict: the answer was not in the agreed form; there was none; the judge or its server
declined; the server could not be reached or failed; a picture cannot be read; the judge does not know such
questions."""

MAX_MARK = 10.0
_CONFIG = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_CONFIG)
class _Outcome:
    """`transcript` holds every answer of the judge as it came, in order; what counts is from the last one."""

    judge: str

    def to_json(self) -> str:
        """One line of JSON, for `outcome_from_json`."""
        record = dataclasses.asdict(self)
        return json.dumps({"kind": record.pop("kind"), **record}, ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True, config=_CONFIG)
class Verdict(_Outcome):
    """One judge's opinion of one picture.

    `scores` has every name of EXPRESSIONS, in that order, with a strength in [0, 1]. `dominant` is one of
    those names or "neutral", as the judge said it: it need not be the name with the highest score.
    """

    scores: Mapping[str, float]
    dominant: str
    transcript: tuple[str, ...] = ()
    kind: Literal["verdict"] = "verdict"

    def __post_init__(self) -> None:
        if set(self.scores) != set(EXPRESSIONS):
            raise ValueError(f"a verdict scores the twelve expressions, not {sorted(self.scores)}")
        for name, score in self.scores.items():
            if not (math.isfinite(score) and 0 <= score <= 1):
                raise ValueError(f"the score of {name} is {score!r}: it lies in 0 to 1")
        if self.dominant not in (*EXPRESSIONS, NEUTRAL):
            raise ValueError(f"{self.dominant!r} is no expression that could be dominant")
        object.__setattr__(self, "scores", {name: float(self.scores[name]) for name in EXPRESSIONS})


@dataclass(frozen=True, config=_CONFIG)
class Mark(_Outcome):
    """One judge's mark, 0 (worst) to 10 (best), for what the rubric asks about, and the reason it gives."""

    mark: float
    reason: str
    transcript: tuple[str, ...] = ()
    kind: Literal["mark"] = "mark"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mark) and 0 <= self.mark <= MAX_MARK):
            raise ValueError(f"the mark is {self.mark!r}: it lies in 0 to {MAX_MARK:g}")
        if not self.reason.strip():
            raise ValueError("a mark has a reason")


@dataclass(frozen=True, config=_CONFIG)
class NoVerdict(_Outcome):
    """Why one judge has no opinion in answer to one question. It counts as unscored, never as zero."""

    reason: Reason
    detail: str
    transcript: tuple[str, ...] = ()
    kind: Literal["none"] = "none"


Outcome = Verdict | Mark | NoVerdict
_OUTCOMES: TypeAdapter[Outcome] = TypeAdapter(Annotated[Outcome, Field(discriminator="kind")])


def is_final(outcome: Outcome, *, ask_refused_again: bool = False) -> bool:
    """Whether another run need not ask again: a verdict, a mark, or a refusal unless that is asked for."""
    if not isinstance(outcome, NoVerdict):
        return True
    return outcome.reason == "refused" and not ask_refused_again


def outcome_from_json(text: str | bytes) -> Outcome:
    """What `to_json` wrote; ValueError for anything else."""
    return _OUTCOMES.validate_json(text, strict=True)
