"""Scored edits as arrays, and the views of the two settings: one edit a sample, and sweeps.

Shape suffixes: E edits, S samples, X the expressions in the order of EXPRESSIONS, N identity encoders, Q
sweeps, P points of a sweep.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pixelsmile.benchmarks.metrics.choices import StrengthChoice
from pixelsmile.benchmarks.scores import Score, ScoredEdit
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL, check_strength

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

EXPRESSION_INDEX = {name: index for index, name in enumerate(EXPRESSIONS)}
NO_POINT = -1
_COSINE_ROUNDING = 1e-5


@dataclass(frozen=True)
class EditTable:
    """The edits of one editor, ordered by sample, target and strength: the order given does not matter."""

    edits: tuple[ScoredEdit, ...]
    samples: tuple[str, ...]
    encoders: tuple[str, ...]
    sample: IntArray  # (E,) index into `samples`
    target: IntArray  # (E,) index into EXPRESSIONS
    strength: FloatArray  # (E,)
    scores: FloatArray  # (E, X) NaN where there is no verdict
    similarities: FloatArray  # (E, N) NaN where an encoder has none

    @property
    def num_samples(self) -> int:
        return len(self.samples)

    def strengths(self) -> tuple[float, ...]:
        """Every strength that occurs, rising."""
        return tuple(float(strength) for strength in np.unique(self.strength))

    def target_scores(self) -> FloatArray:
        """The score of each edit for its own target (S_E of the paper); NaN where there is no verdict."""
        return self.scores[np.arange(len(self.edits)), self.target]

    def at(self, choice: StrengthChoice) -> BoolArray:
        """Which edits `choice` takes: a strength, `all`, `positive`, or `largest` (of this table)."""
        match choice:
            case "all":
                return np.ones(len(self.edits), dtype=bool)
            case "positive":
                return self.strength > 0
            case "largest":
                return same_strength(self.strength, self.strength.max())
            case _:
                return same_strength(self.strength, float(choice))

    def missing_at(self, choice: StrengthChoice, targets: Sequence[str] = EXPRESSIONS) -> int:
        """How many of the (sample, target) pairs of `targets` have no edit at the strengths of `choice`."""
        wanted = self.of(targets)
        taken = wanted & self.at(choice)
        return self.num_pairs(wanted) - self.num_pairs(taken)

    def of(self, targets: Sequence[str]) -> BoolArray:
        """Which edits are towards one of `targets`."""
        return np.isin(self.target, [EXPRESSION_INDEX[name] for name in targets])

    def num_pairs(self, taken_E: BoolArray) -> int:
        """How many (sample, target) pairs the edits `taken_E` belong to."""
        return len(np.unique(self.sample[taken_E] * len(EXPRESSIONS) + self.target[taken_E]))


@dataclass(frozen=True)
class Sweeps:
    """The linear-control view: one row for each sample and target, one column for each strength."""

    strength: FloatArray  # (P,) rising
    sample: IntArray  # (Q,)
    target: IntArray  # (Q,)
    edit: IntArray  # (Q, P) index into the table's edits, NO_POINT where there is no such edit

    def values(self, values_E: FloatArray) -> FloatArray:
        """`values_E` of the table laid out as (Q, P); NaN where there is no edit."""
        return np.where(self.edit == NO_POINT, np.nan, values_E[self.edit])


def tabulate(edits: Iterable[ScoredEdit]) -> EditTable:
    """The arrays of `edits`, each with its verdict and identity as far as there are any.

    InputError where there are none, or two of one sample, target and strength, and for scores that cannot be.
    """
    ordered = tuple(sorted(edits, key=lambda edit: edit.key))
    if not ordered:
        raise InputError("no judged edits were given: judge some first")
    for edit in ordered:
        _check(edit)
    for before, after in pairwise(ordered):
        if before.key == after.key:
            raise InputError(f"two edits of {after.key!r}: keep one, or give the sources different names")
    samples = tuple(sorted({edit.sample for edit in ordered}))
    encoders = tuple(sorted({name for edit in ordered for name in edit.identity.values}))
    sample_index = {name: index for index, name in enumerate(samples)}
    return EditTable(
        edits=ordered,
        samples=samples,
        encoders=encoders,
        sample=np.array([sample_index[edit.sample] for edit in ordered], dtype=np.int64),
        target=np.array([EXPRESSION_INDEX[edit.target] for edit in ordered], dtype=np.int64),
        strength=np.array([edit.strength for edit in ordered], dtype=np.float64),
        scores=np.array([_scores(edit) for edit in ordered], dtype=np.float64),
        similarities=_similarities(ordered, encoders),
    )


def sweeps(table: EditTable, strengths: Sequence[float] | None = None) -> Sweeps:
    """The sweeps in `table` at `strengths`; None: at every strength that occurs in it."""
    strength_P = np.array(table.strengths() if strengths is None else strengths, dtype=np.float64)
    pair_E = table.sample * len(EXPRESSIONS) + table.target
    pair_Q, row_E = np.unique(pair_E, return_inverse=True)
    edit_QP = np.full((len(pair_Q), len(strength_P)), NO_POINT, dtype=np.int64)
    for column, strength in enumerate(strength_P):
        taken = np.flatnonzero(same_strength(table.strength, strength))
        edit_QP[row_E[taken], column] = taken
    return Sweeps(strength_P, pair_Q // len(EXPRESSIONS), pair_Q % len(EXPRESSIONS), edit_QP)


def same_strength(strength_E: FloatArray, strength: float) -> BoolArray:
    """Whether two strengths are the same but for the rounding of a spaced grid."""
    return np.abs(strength_E - strength) <= 1e-9


def _scores(edit: ScoredEdit) -> list[float]:
    return [_number(edit.verdict, name) for name in EXPRESSIONS]


def _similarities(edits: Sequence[ScoredEdit], encoders: Sequence[str]) -> FloatArray:
    rows = [[_number(edit.identity, name) for name in encoders] for edit in edits]
    return np.array(rows, dtype=np.float64).reshape(len(edits), len(encoders))


def _number(score: Score, name: str) -> float:
    value = score.values.get(name)
    return np.nan if value is None else value


def _check(edit: ScoredEdit) -> None:
    """InputError for a target, strength, verdict or identity of no possible edit."""
    if edit.target not in EXPRESSIONS:
        raise _error(edit, f"target {edit.target!r}", f"one of {', '.join(EXPRESSIONS)}")
    check_strength(edit.strength)
    verdict = edit.verdict
    if verdict.answer not in (None, *EXPRESSIONS, NEUTRAL):
        raise _error(edit, f"dominant {verdict.answer!r}", f"neutral or one of {', '.join(EXPRESSIONS)}")
    if verdict.unscored is None and set(verdict.values) != set(EXPRESSIONS):
        wrong = sorted(set(verdict.values) ^ set(EXPRESSIONS))
        raise _error(edit, f"scores that miss or add {', '.join(wrong)}", "one for each expression")
    if verdict.unscored is not None and (verdict.values or verdict.answer is not None):
        raise _error(edit, f"scores beside {verdict.unscored!r}", "a whole verdict or none")
    for name, score in verdict.values.items():
        if score is not None and not 0 <= score <= 1:
            raise _error(edit, f"score {score!r} of {name}", "a number from 0 to 1")
    for name, cosine in edit.identity.values.items():
        if cosine is not None and not abs(cosine) <= 1 + _COSINE_ROUNDING:
            raise _error(edit, f"similarity {cosine!r} of {name}", "a cosine from -1 to 1")


def _error(edit: ScoredEdit, seen: str, wanted: str) -> InputError:
    where = f"sample {edit.sample!r}, {edit.target} at {edit.strength!r}"
    return InputError(f"{where}: {seen}: give {wanted}")
