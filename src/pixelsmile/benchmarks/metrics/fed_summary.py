"""All FED-Bench numbers of one editor: components, dimensions and score, whole, per class and granularity."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any

import numpy as np

from pixelsmile.benchmarks.metrics.fed_score import (
    FedComponents,
    FedNormalisation,
    fed_scores,
    load_normalisation,
)
from pixelsmile.benchmarks.metrics.measure import Bootstrap, Coverage, estimate, mean_measure
from pixelsmile.benchmarks.metrics.summary import Figure
from pixelsmile.benchmarks.metrics.table import FloatArray, IntArray
from pixelsmile.errors import InputError

COMPONENTS: tuple[str, ...] = tuple(part.name for part in fields(FedComponents))
DIMENSIONS: tuple[str, ...] = ("fidelity", "alignment", "gain_factor")
SCORE = "fed_score"
_PARTS: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in COMPONENTS},
    "fidelity": ("identity", "background", "quality"),
    "alignment": ("consistency", "truth_alignment"),
    "gain_factor": ("gain",),
    SCORE: COMPONENTS,
}


@dataclass(frozen=True)
class FedEdit:
    """One judged edit of a triplet. InputError where a component has neither a value nor a reason.

    sample: the triplet. source: its source picture, which triplets may share: what was made from it is drawn
    together; None: the triplet's alone. A component that is None has its reason in `reasons`, under its name.
    """

    sample: str
    expression: str  # the class: an expression or neutral
    granularity: str  # dense or simple
    components: Mapping[str, float | None]
    reasons: Mapping[str, str] = field(default_factory=dict)
    source: str | None = None

    def __post_init__(self) -> None:
        if set(self.components) != set(COMPONENTS):
            raise InputError(f"sample {self.sample!r}: give each of {', '.join(COMPONENTS)}, or None")
        missing = {name for name, value in self.components.items() if value is None}
        if missing != set(self.reasons):
            odd = ", ".join(sorted(missing ^ set(self.reasons)))
            raise InputError(f"sample {self.sample!r}: {odd}: give either a value or the reason for none")
        if bad := [
            name for name, value in self.components.items() if value is not None and not math.isfinite(value)
        ]:
            raise InputError(
                f"sample {self.sample!r}: {', '.join(bad)} is not finite: leave it out with a reason"
            )

    @property
    def key(self) -> tuple[str, str, str]:
        return self.sample, self.expression, self.granularity

    @property
    def drawn_with(self) -> str:
        """What is the same for all edits that are drawn together."""
        return self.source or self.sample

    def unscored_reason(self, number: str = SCORE) -> str | None:
        """Why this edit lacks a component, dimension or the score: its first missing part's reason."""
        return next((self.reasons[name] for name in _PARTS[number] if name in self.reasons), None)


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
    edits: Iterable[FedEdit],
    constants: FedNormalisation | None = None,
    bootstrap: Bootstrap | None = None,
) -> FedSummary:
    """The numbers of the editor that made `edits`: means over edits, each with its interval and counts.

    InputError where there are no edits, or two of one sample, class and granularity.
    """
    constants, plan = constants or load_normalisation(), bootstrap or Bootstrap()
    ordered = sorted(edits, key=lambda edit: edit.key)
    _check(ordered)
    sources = [edit.drawn_with for edit in ordered]
    places = {name: place for place, name in enumerate(sorted(set(sources)))}
    source_E = np.array([places[source] for source in sources], dtype=np.int64)
    values, reasons = _columns(ordered, constants)
    weights_RS = plan.draw(len(places))

    def figures(part: str | None = None, name: str = "") -> dict[str, Figure]:
        rows = np.array([part is None or getattr(edit, part) == name for edit in ordered])
        found = {}
        for number, values_E in values.items():
            mean_of = np.where(rows, values_E, np.nan)
            coverage = _coverage(mean_of, source_E, [reasons[number][row] for row in np.flatnonzero(rows)])
            measure = mean_measure(mean_of, source_E, len(places), coverage)
            found[number] = Figure(estimate(measure, plan, weights_RS), coverage)
        return found

    classes, granularities = _names(ordered, "expression"), _names(ordered, "granularity")
    return FedSummary(
        constants,
        plan,
        len(places),
        len({edit.sample for edit in ordered}),
        len(ordered),
        figures(),
        {name: figures("expression", name) for name in classes},
        {name: figures("granularity", name) for name in granularities},
    )


def _columns(
    edits: Sequence[FedEdit], constants: FedNormalisation
) -> tuple[dict[str, FloatArray], dict[str, list[str | None]]]:
    """Every number of every edit, and why it is missing."""
    values: dict[str, FloatArray] = {
        name: np.array([_number(edit.components[name]) for edit in edits]) for name in COMPONENTS
    }
    scores = fed_scores(FedComponents(**values), constants)
    values |= dict(zip(DIMENSIONS, (scores.fidelity, scores.alignment, scores.gain), strict=True))
    values[SCORE] = scores.score
    return values, {name: [edit.unscored_reason(name) for edit in edits] for name in values}


def _coverage(values_E: FloatArray, source_E: IntArray, reasons: Sequence[str | None]) -> Coverage:
    scored_E = np.isfinite(values_E)
    unscored = Counter(reason for reason in reasons if reason is not None)
    return Coverage("edits", int(scored_E.sum()), len(np.unique(source_E[scored_E])), dict(unscored))


def _check(edits: Sequence[FedEdit]) -> None:
    if not edits:
        raise InputError("no judged edits were given: judge some first")
    for before, after in pairwise(edits):
        if before.key == after.key:
            raise InputError(f"two edits of {after.key!r}: keep one, or give the sources different names")


def _names(edits: Sequence[FedEdit], part: str) -> list[str]:
    return sorted({getattr(edit, part) for edit in edits})


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def _as_json(figures: Mapping[str, Figure]) -> dict[str, Any]:
    return {name: figure.as_json() for name, figure in figures.items()}
