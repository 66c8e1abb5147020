"""Many judged edits as arrays, and the views of the two settings: one edit a sample, and sweeps.

Shape suffixes: E edits, S samples, X the expressions in the order of EXPRESSIONS, N identity encoders,
Q sweeps, P points of a sweep.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pixelsmile.benchmarks.metrics.choices import StrengthChoice
from pixelsmile.benchmarks.metrics.samples import JudgedEdit
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

EXPRESSION_INDEX = {name: index for index, name in enumerate(EXPRESSIONS)}
NO_POINT = -1


@dataclass(frozen=True)
class EditTable:
    """The edits of one editor, ordered by sample, target and strength: the order given does not matter."""

    edits: tuple[JudgedEdit, ...]
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


def tabulate(edits: Iterable[JudgedEdit]) -> EditTable:
    """The arrays of `edits`. InputError where there are none, or two of one sample, target and strength."""
    ordered = tuple(sorted(edits, key=lambda edit: edit.key))
    if not ordered:
        raise InputError("no judged edits were given: judge some first")
    for before, after in pairwise(ordered):
        if before.key == after.key:
            raise InputError(f"two edits of {after.key!r}: keep one, or give the sources different names")
    samples = tuple(sorted({edit.sample for edit in ordered}))
    encoders = tuple(sorted({name for edit in ordered for name in edit.similarities}))
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


def general_edits(table: EditTable) -> EditTable:
    """The general-editing view: `table` itself. InputError unless each sample and target has one edit."""
    if table.num_pairs(table.at("all")) != len(table.edits):
        raise InputError(
            f"general editing takes one edit for each sample and target, not strengths "
            f"{', '.join(f'{strength:g}' for strength in table.strengths())}: choose one strength"
        )
    return table


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


def _scores(edit: JudgedEdit) -> list[float]:
    scores = edit.scores
    return [np.nan if scores is None else scores[name] for name in EXPRESSIONS]


def _similarities(edits: Sequence[JudgedEdit], encoders: Sequence[str]) -> FloatArray:
    found = [[edit.similarities.get(name) for name in encoders] for edit in edits]
    rows = [[np.nan if cosine is None else cosine for cosine in row] for row in found]
    return np.array(rows, dtype=np.float64).reshape(len(edits), len(encoders))
