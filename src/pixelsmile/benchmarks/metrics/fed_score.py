"""FED-Score: fidelity x alignment x gain, per edit, then averaged (FED-Bench).

The paper gives components, dimensions, product and the Gaussian at 1; how components make a dimension, and
every constant, is reconstructed (fed_normalisation_*.json). Arrays are of one number an edit, or of any
shape; NaN is a component without value, and makes the score NaN: unscored, never 0.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from pixelsmile.benchmarks.metrics.measure import Bootstrap, Figure, mean_figure, ratio
from pixelsmile.benchmarks.metrics.table import BoolArray, FloatArray
from pixelsmile.benchmarks.scores import Score, ScoredEdit
from pixelsmile.errors import InputError

# The components in their published units, and their range.
RANGES: Mapping[str, tuple[float, float]] = {
    "identity": (-1.0, 1.0),  # ID: cosine of source and edit
    "background": (0.0, 255.0),  # BG: RMSE of pixels outside the face, lower is better
    "quality": (0.0, 10.0),  # PQ: judged
    "consistency": (0.0, 10.0),  # SC: judged against the instruction
    "truth_alignment": (0.0, 10.0),  # GTA: judged against the ground truth
    "gain": (0.0, np.inf),  # REG: the change over the expected change, best at 1
}
COMPONENTS: tuple[str, ...] = tuple(RANGES)
DIMENSIONS: tuple[str, ...] = ("fidelity", "alignment", "gain_factor")
SCORE = "fed_score"
_PARTS: Mapping[str, tuple[str, ...]] = {
    "fidelity": ("identity", "background", "quality"),
    "alignment": ("consistency", "truth_alignment"),
    "gain_factor": ("gain",),
    SCORE: COMPONENTS,
}
_NUMBERS = (*COMPONENTS, *DIMENSIONS, SCORE)

CURRENT_VERSION = "2"
MeanRule = Literal["arithmetic", "geometric"]
Values = npt.ArrayLike


class FedNormalisation(BaseModel):
    """What turns six components into a score; a version never changes, so that scores stay comparable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    status: Literal["reconstructed", "published"]
    fidelity_mean: MeanRule
    alignment_mean: MeanRule
    background_scale: float = Field(gt=0)  # the RMSE (0-255) at which nothing of the background is left
    judge_scale: float = Field(gt=0)  # the highest mark of PQ, SC and GTA
    identity_floor: float  # a cosine below it counts as it
    gain_centre: float = Field(gt=0)
    gain_width: float = Field(gt=0)
    # Source to truth, in the twelve scores of a judge; below it REG is undefined.
    min_expected_change: float = Field(gt=0)
    # The same in other representations, by their kind: another space has other lengths. Since version 2.
    min_expected_changes: Mapping[str, float] = Field(default_factory=dict)
    source: str

    def of_representation(self, kind: str) -> "FedNormalisation | None":
        """The same with `min_expected_change` for REG by `kind`; None where it has no number for that."""
        if kind == "scores":
            return self
        if kind not in self.min_expected_changes:
            return None
        return self.model_copy(update={"min_expected_change": self.min_expected_changes[kind]})


def load_normalisation(version: str = CURRENT_VERSION) -> FedNormalisation:
    """The constants of `version`; InputError where this installation has no such version."""
    path = resources.files("pixelsmile.benchmarks.metrics") / f"fed_normalisation_{version}.json"
    if not version.isalnum() or not path.is_file():
        known = " or ".join(repr(str(number)) for number in range(1, int(CURRENT_VERSION) + 1))
        raise InputError(f"FED-Score normalisation {version!r} is unknown: use {known}")
    return FedNormalisation.model_validate_json(path.read_bytes())


def fed_scores(components: Mapping[str, FloatArray], constants: FedNormalisation) -> dict[str, FloatArray]:
    """The DIMENSIONS and the SCORE, 0..1, of components by name (reconstructed).

    The benchmark's number is the mean of the scores. InputError for components out of their range.
    """
    for name, (low, high) in RANGES.items():
        values = np.asarray(components[name], dtype=np.float64)
        wrong = values[(values < low - 1e-5) | (values > high + 1e-5) | np.isinf(values)]
        if wrong.size:
            raise InputError(f"{name} {float(wrong.flat[0])!r} is out of range: use {low:g} to {high:g}")
    kept = fidelity(components["identity"], components["background"], components["quality"], constants)
    met = alignment(components["consistency"], components["truth_alignment"], constants)
    gained = gain_factor(components["gain"], constants)
    return dict(zip((*DIMENSIONS, SCORE), (kept, met, gained, kept * met * gained), strict=True))


def fidelity(
    identity: Values, background: Values, quality: Values, constants: FedNormalisation
) -> FloatArray:
    """The mean of ID, 1 - BG / scale (0 at least) and PQ / 10: what should have stayed did, 0..1."""
    parts = (
        np.maximum(np.asarray(identity, dtype=np.float64), constants.identity_floor),
        np.maximum(1 - np.asarray(background, dtype=np.float64) / constants.background_scale, 0.0),
        np.asarray(quality, dtype=np.float64) / constants.judge_scale,
    )
    return _mean(parts, constants.fidelity_mean)


def alignment(consistency: Values, truth_alignment: Values, constants: FedNormalisation) -> FloatArray:
    """The mean of SC and GTA over 10: what was asked for is there, 0..1."""
    parts = tuple(
        np.asarray(mark, dtype=np.float64) / constants.judge_scale for mark in (consistency, truth_alignment)
    )
    return _mean(parts, constants.alignment_mean)


def gain_factor(gain: Values, constants: FedNormalisation) -> FloatArray:
    """exp(-(REG - 1)^2 / (2 width^2)): 1 for the expected change, less for lazy and for overfit edits."""
    away = (np.asarray(gain, dtype=np.float64) - constants.gain_centre) / constants.gain_width
    return np.asarray(np.exp(-0.5 * away**2))


def relative_gain(change: Values, expected: Values, constants: FedNormalisation) -> FloatArray:
    """REG: the change that was made over the one from source to ground truth.

    NaN, undefined, where the expected change is below `min_expected_change`: source and truth hardly
    differ, and any edit would count as infinitely too much. InputError for a negative change.
    """
    made, wanted = np.asarray(change, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    if (made < 0).any() or (wanted < 0).any():
        raise InputError("a change of expression is a distance, and one is negative: give its length")
    defined = gain_defined(wanted, constants)
    return np.where(defined, ratio(made, np.where(defined, wanted, np.nan)), np.nan)


def gain_defined(expected: Values, constants: FedNormalisation) -> BoolArray:
    """Where source and ground truth differ enough for REG."""
    return np.asarray(np.asarray(expected, dtype=np.float64) >= constants.min_expected_change)


def _mean(parts: tuple[FloatArray, ...], rule: str) -> FloatArray:
    stacked = np.stack(np.broadcast_arrays(*parts))
    if rule == "geometric":
        return np.asarray(np.prod(stacked, axis=0) ** (1 / len(parts)))
    return np.asarray(np.mean(stacked, axis=0))


def with_fed_scores(edits: Sequence[ScoredEdit], constants: FedNormalisation) -> tuple[ScoredEdit, ...]:
    """The edits, which have a score for each of COMPONENTS, with one for each of DIMENSIONS and for SCORE.

    One that a component is missing for says why, as the first of its components that is missing does.
    """
    columns = {name: np.array([_number(edit, name) for edit in edits]) for name in COMPONENTS}
    found = fed_scores(columns, constants)
    return tuple(
        edit.with_scores(**{name: _derived(edit, name, float(column[e])) for name, column in found.items()})
        for e, edit in enumerate(edits)
    )


@dataclass(frozen=True)
class FedSummary:
    """Everything that FED-Score says about one editor, marked as reconstructed where it is."""

    constants: FedNormalisation
    bootstrap: Bootstrap
    num_sources: int
    num_samples: int
    num_edits: int
    overall: Mapping[str, Figure]  # by COMPONENTS, DIMENSIONS and SCORE
    by_expression: Mapping[str, Mapping[str, Figure]]
    by_granularity: Mapping[str, Mapping[str, Figure]]

    def as_json(self) -> dict[str, Any]:
        return {
            "schema_version": 1,
            "status": self.constants.status,
            "normalisation": self.constants.model_dump(mode="json"),
            "bootstrap": self.bootstrap.as_json(),
            "n_sources": self.num_sources,
            "n_samples": self.num_samples,
            "n_edits": self.num_edits,
            "overall": _as_json(self.overall),
            "by_expression": {name: _as_json(found) for name, found in self.by_expression.items()},
            "by_granularity": {name: _as_json(found) for name, found in self.by_granularity.items()},
        }


def fed_summarise(
    edits: Iterable[ScoredEdit], constants: FedNormalisation, bootstrap: Bootstrap | None = None
) -> FedSummary:
    """The numbers of the editor that made `edits` (of `with_fed_scores`), each with its interval and counts.

    Means over edits; what was made from one source picture is drawn together. InputError where there are no
    edits, or two of one sample, class and granularity.
    """
    plan = bootstrap or Bootstrap()
    ordered = sorted(edits, key=_key)
    _check(ordered)
    sources = [edit.drawn_with for edit in ordered]
    places = {name: place for place, name in enumerate(sorted(set(sources)))}
    source_E = np.array([places[source] for source in sources], dtype=np.int64)
    weights_RS = plan.draw(len(places))

    def figures(rows: Sequence[int]) -> dict[str, Figure]:
        found = {}
        for name in _NUMBERS:
            values_E = np.full(len(ordered), np.nan)
            values_E[rows] = [_number(ordered[row], name) for row in rows]
            reasons = (ordered[row].score(name).unscored for row in rows)
            found[name] = mean_figure(values_E, source_E, reasons, plan, weights_RS)
        return found

    def split(labels: Sequence[str]) -> dict[str, dict[str, Figure]]:
        return {
            label: figures([row for row, own in enumerate(labels) if own == label])
            for label in sorted(set(labels))
        }

    return FedSummary(
        constants,
        plan,
        len(places),
        len({edit.sample for edit in ordered}),
        len(ordered),
        figures(range(len(ordered))),
        split([edit.target for edit in ordered]),
        split([edit.granularity for edit in ordered]),
    )


def _derived(edit: ScoredEdit, name: str, value: float) -> Score:
    missing = (edit.score(part).unscored for part in _PARTS[name])
    why = next((reason for reason in missing if reason is not None), None)
    return Score(values={name: value}) if why is None else Score(unscored=why)


def _number(edit: ScoredEdit, name: str) -> float:
    value = edit.score(name).value
    return np.nan if value is None else value


def _key(edit: ScoredEdit) -> tuple[str, str, str]:
    return edit.sample, edit.target, edit.granularity


def _check(edits: Sequence[ScoredEdit]) -> None:
    if not edits:
        raise InputError("no judged edits were given: judge some first")
    for before, after in pairwise(edits):
        if _key(before) == _key(after):
            raise InputError(f"two edits of {_key(after)!r}: keep one, or give the sources different names")


def _as_json(figures: Mapping[str, Figure]) -> dict[str, Any]:
    return {name: figure.as_json() for name, figure in figures.items()}
