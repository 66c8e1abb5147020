"""What the paper leaves open about its metrics: each a named field, recorded with every result.

PixelSmile (section 3.2) does not say any of what follows; the reason for a default stands beside it.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from pixelsmile.errors import InputError
from pixelsmile.expressions import CONFUSING_PAIRS, EXPRESSIONS

StrengthWord = Literal["all", "positive", "largest"]
StrengthChoice = float | StrengthWord  # one strength, every one, every one above 0, the table's largest
DominantRule = Literal["scores", "judge"]
TieRule = Literal["split", "unscored", "target", "other"]
PartialIdentityRule = Literal["unscored", "mean"]
MissingFaceRule = Literal["unscored", "zero"]
HarmonicRule = Literal["of_means", "per_sweep", "per_edit"]
NegativeIdentityRule = Literal["zero", "undefined"]
LinearityRule = Literal["per_sweep", "pooled"]
IncompleteSweepRule = Literal["use", "unscored"]
ConstantSweepRule = Literal["undefined", "zero"]

_WORDS: dict[str, tuple[str, ...]] = {
    "dominant": get_args(DominantRule),
    "ties": get_args(TieRule),
    "partial_identity": get_args(PartialIdentityRule),
    "missing_faces": get_args(MissingFaceRule),
    "harmonic": get_args(HarmonicRule),
    "negative_identity": get_args(NegativeIdentityRule),
    "linearity": get_args(LinearityRule),
    "incomplete_sweeps": get_args(IncompleteSweepRule),
    "constant_sweeps": get_args(ConstantSweepRule),
}
_STRENGTHS = (
    "confusion_strengths",
    "accuracy_strengths",
    "expression_strengths",
    "identity_strengths",
    "harmonic_strengths",
)


@dataclass(frozen=True)
class MetricChoices:
    """How each metric is taken. InputError for a value that no rule knows.

    An edit without verdict is never scored by any of them: it is counted beside the number.
    """

    confusing_pairs: tuple[tuple[str, str], ...] = CONFUSING_PAIRS  # mSCR: the two that the paper names

    # The dominant expression: the highest score, as the published prompt (table 6) asks for scores alone;
    # or the one that the judge names. Equal highest scores: shared out evenly (what a fair coin gives on
    # average), not scored, or for and against the target (the bounds of the number).
    dominant: DominantRule = "scores"
    ties: TieRule = "split"
    neutral_at_most: float = 0.0  # a highest score up to here is no expression: the edit shows a neutral face

    # Which strengths enter. Labels are taken at 1, the full expression (below Eq. 5). Scores are taken over
    # the sweep: tables 1 and 2 print the same ID, and ID .6522 with HES .4723 means a mean score of .370.
    confusion_strengths: StrengthChoice = 1.0
    accuracy_strengths: StrengthChoice = 1.0
    expression_strengths: StrengthChoice = "all"
    identity_strengths: StrengthChoice = "all"
    harmonic_strengths: StrengthChoice = "all"

    # S_ID: the mean of these encoders (None: of all that measured anything). Where one of them found
    # nothing: not scored, or the mean of the others. No face in the edit: not scored, or similarity 0.
    identity_encoders: tuple[str, ...] | None = None
    partial_identity: PartialIdentityRule = "unscored"
    missing_faces: MissingFaceRule = "unscored"

    # HES: of the two means (so that a table's row can be checked against itself), or a mean of each sweep's
    # or each edit's. A similarity below 0 has no harmonic mean: 0, its limit, or undefined.
    harmonic: HarmonicRule = "of_means"
    negative_identity: NegativeIdentityRule = "zero"

    # CLS: the mean of each sweep's Pearson (what the user of one picture meets), or one over all points
    # (differences between faces then count as noise). Strengths are `num_points` from 0 to `max_strength`;
    # None: all that there are. A sweep with points missing is used from `min_points` on, or not at all.
    # One whose scores are all the same has no correlation: undefined and counted, or 0.
    linearity: LinearityRule = "per_sweep"
    max_strength: float | None = None
    num_points: int | None = None
    min_points: int = 3
    incomplete_sweeps: IncompleteSweepRule = "use"
    constant_sweeps: ConstantSweepRule = "undefined"

    def __post_init__(self) -> None:
        for name, allowed in _WORDS.items():
            if getattr(self, name) not in allowed:
                raise InputError(f"{name} {getattr(self, name)!r} is unknown: use {' or '.join(allowed)}")
        for name in _STRENGTHS:
            _check_strength_choice(name, getattr(self, name))
        _check_pairs(self.confusing_pairs)
        _check_grid(self)
        if not 0 <= self.neutral_at_most < 1:
            raise InputError(f"neutral_at_most {self.neutral_at_most!r}: use a score from 0 to below 1")
        _check_encoders(self.identity_encoders)

    def sweep_strengths(self) -> tuple[float, ...] | None:
        """The uniformly spaced strengths of CLS, 0 to `max_strength`; None where all that exist count."""
        if self.max_strength is None or self.num_points is None:
            return None
        return uniform_strengths(self.max_strength, self.num_points)

    def as_json(self) -> dict[str, Any]:
        """Every field, as JSON knows it; `from_json` reads it back."""
        found = asdict(self)
        found["confusing_pairs"] = [list(pair) for pair in self.confusing_pairs]
        if self.identity_encoders is not None:
            found["identity_encoders"] = list(self.identity_encoders)
        return found

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "MetricChoices":
        """The choices in `found`; fields left out keep their default. InputError for a name that is none."""
        if unknown := sorted(set(found) - {field.name for field in fields(cls)}):
            raise InputError(f"unknown metric choices: {', '.join(unknown)}: see MetricChoices")
        values = dict(found)
        if "confusing_pairs" in values:
            values["confusing_pairs"] = tuple(tuple(pair) for pair in values["confusing_pairs"])
        encoders = values.get("identity_encoders")
        if encoders is not None:
            values["identity_encoders"] = (encoders,) if isinstance(encoders, str) else tuple(encoders)
        return cls(**values)


def uniform_strengths(max_strength: float, num_points: int) -> tuple[float, ...]:
    """`num_points` strengths from 0 to `max_strength`, equally spaced (section 3.2, CLS)."""
    return tuple(max_strength * i / (num_points - 1) for i in range(num_points))


def _check_strength_choice(name: str, value: object) -> None:
    if isinstance(value, str):
        known = value in get_args(StrengthWord)
    else:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        known = number and math.isfinite(value) and value >= 0  # type: ignore[arg-type, operator]
    if not known:
        raise InputError(f"{name} {value!r} is unknown: use a strength, {', '.join(get_args(StrengthWord))}")


def _check_pairs(pairs: tuple[tuple[str, str], ...]) -> None:
    if not pairs:
        raise InputError("confusing_pairs is empty: mSCR needs at least one pair")
    for pair in pairs:
        if len(pair) != 2 or pair[0] == pair[1] or not set(pair) <= set(EXPRESSIONS):
            raise InputError(f"confusing pair {pair!r}: name two different ones of {', '.join(EXPRESSIONS)}")


def _check_encoders(names: tuple[str, ...] | None) -> None:
    if names is not None and not (names and all(isinstance(name, str) for name in names)):
        raise InputError(f"identity_encoders {names!r}: name at least one, or None for all")


def _check_grid(choices: MetricChoices) -> None:
    for name in ("min_points", "num_points"):
        number = getattr(choices, name)
        if number is not None and not isinstance(number, int):
            raise InputError(f"{name} {number!r}: use a whole number")
    if (choices.max_strength is None) != (choices.num_points is None):
        raise InputError("max_strength and num_points belong together: give both, or neither")
    if choices.max_strength is not None and not (
        math.isfinite(choices.max_strength) and choices.max_strength > 0
    ):
        raise InputError(f"max_strength {choices.max_strength!r}: use a number above 0")
    if choices.min_points < 3:
        raise InputError(f"min_points {choices.min_points!r}: two points always lie on a line, use 3 or more")
    if choices.num_points is not None and choices.num_points < choices.min_points:
        raise InputError(f"num_points {choices.num_points!r} is below min_points {choices.min_points}")
