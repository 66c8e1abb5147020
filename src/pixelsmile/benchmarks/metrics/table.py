"""What the metrics work on: one record for each judged edit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pixelsmile.benchmarks.metrics.choices import StrengthChoice
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL, check_strength

NO_FACE = "no face found"  # the `no_identity` of an edit that has lost its face
NOT_MEASURED = "identity not measured"
_COSINE_ROUNDING = 1e-5


@dataclass(frozen=True)
class JudgedEdit:
    """One edit and what was found out about it. InputError where the parts contradict each other.

    `sample` names the source: everything that was made from it is drawn together in a bootstrap, and two
    editors are compared on it. `scores` are the judge's, 0..1, one for each of EXPRESSIONS, or None with
    the reason in `no_verdict`. `dominant` is what the judge itself named, an expression or neutral.
    `similarities` are cosines of source and edit, -1..1, by encoder; None where an encoder has none, with
    the reason in `no_identity` (NO_FACE where the edit shows no face).
    """

    sample: str
    target: str
    strength: float = 1.0  # general editing has one edit a sample, at the full expression
    scores: Mapping[str, float] | None = None
    no_verdict: str | None = None
    dominant: str | None = None
    similarities: Mapping[str, float | None] = field(default_factory=dict)
    no_identity: str | None = None

    def __post_init__(self) -> None:
        if self.target not in EXPRESSIONS:
            raise self._error(f"target {self.target!r}", f"one of {', '.join(EXPRESSIONS)}")
        check_strength(self.strength)
        self._check_verdict()
        self._check_identity()

    def _check_verdict(self) -> None:
        if (self.scores is None) != bool(self.no_verdict):
            raise self._error(f"{self.no_verdict!r} as no_verdict", "either scores or the reason for none")
        if self.dominant is not None and self.dominant not in (*EXPRESSIONS, NEUTRAL):
            raise self._error(f"dominant {self.dominant!r}", f"neutral or one of {', '.join(EXPRESSIONS)}")
        if self.scores is None:
            if self.dominant is not None:
                raise self._error(f"dominant {self.dominant!r} without scores", "a whole verdict or none")
            return
        if set(self.scores) != set(EXPRESSIONS):
            wrong = sorted(set(self.scores) ^ set(EXPRESSIONS))
            raise self._error(f"scores that miss or add {', '.join(wrong)}", "one for each expression")
        for name, score in self.scores.items():
            if not 0 <= score <= 1:  # NaN is refused here too
                raise self._error(f"score {score!r} of {name}", "a number from 0 to 1")

    def _check_identity(self) -> None:
        for name, cosine in self.similarities.items():
            if cosine is not None and not abs(cosine) <= 1 + _COSINE_ROUNDING:
                raise self._error(f"similarity {cosine!r} of {name}", "a cosine from -1 to 1")
        complete = bool(self.similarities) and None not in self.similarities.values()
        if complete and self.no_identity:
            raise self._error(f"{self.no_identity!r} beside all similarities", "one or the other")
        if self.similarities and not complete and not self.no_identity:
            raise self._error("a similarity that is None", "the reason in no_identity")

    def _error(self, seen: str, wanted: str) -> InputError:
        where = f"sample {self.sample!r}, {self.target} at {self.strength!r}"
        return InputError(f"{where}: {seen}: give {wanted}")

    @property
    def key(self) -> tuple[str, str, float]:
        """Sample, target and strength: one editor has one edit for each."""
        return self.sample, self.target, float(self.strength)

    @property
    def identity_reason(self) -> str:
        """Why a similarity is missing."""
        return self.no_identity or NOT_MEASURED


# Many judged edits as arrays, and the views of the two settings: one edit a sample, and sweeps.
#
# Shape suffixes: E edits, S samples, X the expressions in the order of EXPRESSIONS, N identity encoders, Q
# sweeps, P points of a sweep.


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
