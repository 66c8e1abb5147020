"""What the paper leaves open about its metrics: each a named field, recorded with every result.

PixelSmile (section 3.2) does not say any of what follows; the reason for a default stands beside it.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, model_validator

from pixelsmile.expressions import CONFUSING_PAIRS, EXPRESSIONS
from pixelsmile.limits import validated

StrengthWord = Literal["all", "positive", "largest"]  # every one, every one above 0, the table's largest


def _strength_choice(value: object) -> object:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value in get_args(StrengthWord) or (is_number and 0 <= float(str(value)) < math.inf):
        return value
    raise ValueError(f"use a strength, {', '.join(get_args(StrengthWord))}")


StrengthChoice = Annotated[float | StrengthWord, PlainValidator(_strength_choice)]
Encoders = Annotated[tuple[str, ...], Field(min_length=1)]


class MetricChoices(BaseModel):
    """How each metric is taken.

    An edit without verdict is never scored by any of them: it is counted beside the number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    # mSCR: the two that the paper names.
    confusing_pairs: Annotated[tuple[tuple[str, str], ...], Field(min_length=1)] = CONFUSING_PAIRS

    # The dominant expression: the highest score, as the published prompt (table 6) asks for scores alone;
    # or the one that the judge names. Equal highest scores: shared out evenly (what a fair coin gives on
    # average), not scored, or for and against the target (the bounds of the number).
    dominant: Literal["scores", "judge"] = "scores"
    ties: Literal["split", "unscored", "target", "other"] = "split"
    # A highest score up to here is no expression: the edit shows a neutral face.
    neutral_at_most: Annotated[float, Field(ge=0, lt=1, strict=True)] = 0.0

    # Which strengths enter. Labels are taken at 1, the full expression (below Eq. 5). Scores are taken over
    # the sweep: tables 1 and 2 print the same ID, and ID .6522 with HES .4723 means a mean score of .370.
    confusion_strengths: StrengthChoice = 1.0
    accuracy_strengths: StrengthChoice = 1.0
    expression_strengths: StrengthChoice = "all"
    identity_strengths: StrengthChoice = "all"
    harmonic_strengths: StrengthChoice = "all"

    # S_ID: the mean of these encoders (None: of all that measured anything). Where one of them found
    # nothing: not scored, or the mean of the others. No face in the edit: not scored, or similarity 0.
    identity_encoders: Annotated[
        Encoders | None, BeforeValidator(lambda names: (names,) if isinstance(names, str) else names)
    ] = None
    partial_identity: Literal["unscored", "mean"] = "unscored"
    missing_faces: Literal["unscored", "zero"] = "unscored"

    # HES: of the two means (so that a table's row can be checked against itself), or a mean of each sweep's
    # or each edit's. A similarity below 0 has no harmonic mean: 0, its limit, or undefined.
    harmonic: Literal["of_means", "per_sweep", "per_edit"] = "of_means"
    negative_identity: Literal["zero", "undefined"] = "zero"

    # CLS: the mean of each sweep's Pearson (what the user of one picture meets), or one over all points
    # (differences between faces then count as noise). Strengths are `num_points` from 0 to `max_strength`;
    # None: all that there are. A sweep with points missing is used from `min_points` on, or not at all.
    # One whose scores are all the same has no correlation: undefined and counted, or 0.
    linearity: Literal["per_sweep", "pooled"] = "per_sweep"
    max_strength: Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False)] | None = None
    num_points: Annotated[int, Field(strict=True)] | None = None
    min_points: Annotated[int, Field(ge=3, strict=True)] = 3  # two always lie on a line
    incomplete_sweeps: Literal["use", "unscored"] = "use"
    constant_sweeps: Literal["undefined", "zero"] = "undefined"

    # Evenness and the share that moves (ours): over strengths from the least up to here. At 1 the expression
    # is full and a score at its end, so that beyond it even the truth stands still.
    evenness_to: Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False)] = 1.0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for one, other in self.confusing_pairs:
            if one == other or not {one, other} <= set(EXPRESSIONS):
                raise ValueError(f"confusing pair {one}, {other}: name two of {', '.join(EXPRESSIONS)}")
        if (self.max_strength is None) != (self.num_points is None):
            raise ValueError("max_strength and num_points belong together: give both, or neither")
        if self.num_points is not None and self.num_points < self.min_points:
            raise ValueError(f"num_points {self.num_points} is below min_points {self.min_points}")
        return self

    def sweep_strengths(self) -> tuple[float, ...] | None:
        """The uniformly spaced strengths of CLS, 0 to `max_strength`; None where all that exist count."""
        if self.max_strength is None or self.num_points is None:
            return None
        return tuple(self.max_strength * i / (self.num_points - 1) for i in range(self.num_points))

    def as_json(self) -> dict[str, Any]:
        """Every field, as JSON knows it; `from_json` reads it back."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "MetricChoices":
        """The choices in `found`; fields left out keep their default. InputError for what no metric knows."""
        return validated(cls, dict(found), "metric choices")
