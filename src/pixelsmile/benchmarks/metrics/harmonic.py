"""Expression and identity: S_E, S_ID, the harmonic editing score (section 3.2, Eq. 3), and their trade-off.

S_ID is how much of the person is left: the mean over face encoders. Shape suffixes: E edits, N encoders,
S samples, Q sweeps, R replicates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixelsmile.benchmarks.metrics.choices import MetricChoices, StrengthChoice
from pixelsmile.benchmarks.metrics.measure import (
    Bootstrap,
    Coverage,
    Estimate,
    Measure,
    count_reasons,
    coverage,
    estimate,
    mean_measure,
    ratio,
)
from pixelsmile.benchmarks.metrics.table import (
    BoolArray,
    EditTable,
    FloatArray,
    IntArray,
)
from pixelsmile.benchmarks.scores import NO_FACE, NOT_MEASURED
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS

NEGATIVE_IDENTITY = "identity similarity below 0"
NOTHING_SCORED = "no edit of the sweep has both a verdict and an identity"

Reasons = Sequence[str | None]


@dataclass(frozen=True)
class Identities:
    """S_ID of each edit, -1..1, NaN where `reasons` says why there is none."""

    similarity: FloatArray  # (E,)
    reasons: tuple[str | None, ...]


def mean_similarity(similarity_EN: FloatArray, partial: str = "unscored") -> FloatArray:
    """The mean over encoders, (E,). An edit that some lack: NaN, or with `mean` that of the others."""
    if similarity_EN.shape[1] == 0:
        return np.full(len(similarity_EN), np.nan)
    found_EN = np.isfinite(similarity_EN)
    num_E = found_EN.sum(axis=1)
    total_E = np.where(found_EN, similarity_EN, 0.0).sum(axis=1)
    enough_E = num_E > 0 if partial == "mean" else num_E == similarity_EN.shape[1]
    return np.where(enough_E, total_E / np.maximum(num_E, 1), np.nan)


def identities(table: EditTable, choices: MetricChoices) -> Identities:
    """S_ID of each edit by the encoders, and the rules for what is missing, of `choices`."""
    columns = _columns(table.encoders, choices.identity_encoders)
    similarity_EN = table.similarities[:, columns]
    faceless_E = np.array([edit.identity.unscored == NO_FACE for edit in table.edits])
    if choices.missing_faces == "zero" and similarity_EN.shape[1]:
        similarity_EN = np.where(faceless_E[:, None] & np.isnan(similarity_EN), 0.0, similarity_EN)
    similarity_E = mean_similarity(similarity_EN, choices.partial_identity)
    reasons = tuple(
        None if np.isfinite(similarity) else edit.identity.unscored or NOT_MEASURED
        for edit, similarity in zip(table.edits, similarity_E, strict=True)
    )
    return Identities(similarity_E, reasons)


def harmonic_score(expression: FloatArray, identity: FloatArray, negative: str = "zero") -> FloatArray:
    """HES = 2 S_E S_ID / (S_E + S_ID), Eq. 3, elementwise: S_E in 0..1, S_ID a cosine; HES in 0..1.

    0 where either is 0. A cosine below 0 gives 0, the limit from above, or NaN with `undefined`.
    """
    positive = np.maximum(identity, 0.0)
    denominator = np.where((expression > 0) & (positive > 0), expression + positive, 0.0)
    score = np.where(denominator == 0, 0.0, ratio(2 * expression * positive, denominator))
    unknown = np.isnan(expression) | np.isnan(identity)
    if negative == "undefined":
        unknown = unknown | (np.asarray(identity) < 0)
    return np.where(unknown, np.nan, score)


def expression_measure(table: EditTable, choices: MetricChoices) -> Measure:
    """S_E: the mean of the judge's scores for the target."""
    reasons = [edit.verdict.unscored for edit in table.edits]
    return _edit_mean(table, table.target_scores(), reasons, choices.expression_strengths)


def identity_measure(table: EditTable, found: Identities, choices: MetricChoices) -> Measure:
    """S_ID: the mean of the edits' similarities to their sources."""
    return _edit_mean(table, found.similarity, found.reasons, choices.identity_strengths)


def encoder_measures(table: EditTable, choices: MetricChoices) -> dict[str, Measure]:
    """The mean similarity of each encoder alone."""
    found = {}
    for column, name in enumerate(table.encoders):
        similarity_E = table.similarities[:, column]
        reasons = [
            None if np.isfinite(similarity) else edit.identity.unscored or NOT_MEASURED
            for edit, similarity in zip(table.edits, similarity_E, strict=True)
        ]
        found[name] = _edit_mean(table, similarity_E, reasons, choices.identity_strengths)
    return found


def harmonic_measure(table: EditTable, found: Identities, choices: MetricChoices) -> Measure:
    """HES over the edits that have both a verdict and an identity, by `harmonic` of `choices`."""
    reasons = [edit.verdict.unscored or found.reasons[place] for place, edit in enumerate(table.edits)]
    expression_E = table.target_scores()
    both_E = table.at(choices.harmonic_strengths) & np.isfinite(expression_E) & np.isfinite(found.similarity)
    expression_E = np.where(both_E, expression_E, np.nan)
    identity_E = np.where(both_E, found.similarity, np.nan)
    match choices.harmonic:
        case "of_means":
            return _of_means(table, expression_E, identity_E, reasons, choices)
        case "per_sweep":
            return _per_sweep(table, expression_E, identity_E, choices)
        case _:
            return _per_edit(table, expression_E, identity_E, reasons, choices)


def _of_means(
    table: EditTable,
    expression_E: FloatArray,
    identity_E: FloatArray,
    reasons: Reasons,
    choices: MetricChoices,
) -> Measure:
    both_E = np.isfinite(expression_E)
    columns = [both_E.astype(np.float64), np.nan_to_num(expression_E), np.nan_to_num(identity_E)]
    parts_EK = np.stack(columns, axis=1)

    def formula(sums: FloatArray) -> FloatArray:
        expression, identity = ratio(sums[..., 1], sums[..., 0]), ratio(sums[..., 2], sums[..., 0])
        return harmonic_score(expression, identity, choices.negative_identity)

    rests_on = _coverage(table, both_E, reasons, choices.harmonic_strengths)
    return Measure(parts_EK, table.sample, table.num_samples, formula, rests_on)


def _per_edit(
    table: EditTable,
    expression_E: FloatArray,
    identity_E: FloatArray,
    reasons: Reasons,
    choices: MetricChoices,
) -> Measure:
    score_E = harmonic_score(expression_E, identity_E, choices.negative_identity)
    negative_E = np.isfinite(expression_E) & np.isnan(score_E)
    reasons = [
        NEGATIVE_IDENTITY if negative else reason
        for negative, reason in zip(negative_E, reasons, strict=True)
    ]
    rests_on = _coverage(table, np.isfinite(score_E), reasons, choices.harmonic_strengths)
    return mean_measure(score_E, table.sample, table.num_samples, rests_on)


def _per_sweep(
    table: EditTable, expression_E: FloatArray, identity_E: FloatArray, choices: MetricChoices
) -> Measure:
    pair_Q, row_E = np.unique(table.sample * len(EXPRESSIONS) + table.target, return_inverse=True)
    expression_Q, identity_Q = (_row_means(part, row_E, len(pair_Q)) for part in (expression_E, identity_E))
    score_Q = harmonic_score(expression_Q, identity_Q, choices.negative_identity)
    reasons = [
        None if np.isfinite(score) else NOTHING_SCORED if np.isnan(expression) else NEGATIVE_IDENTITY
        for score, expression in zip(score_Q, expression_Q, strict=True)
    ]
    sample_Q = pair_Q // len(EXPRESSIONS)
    scored_Q = np.isfinite(score_Q)
    rests_on = coverage("sweeps", sample_Q, scored_Q, reasons)
    return mean_measure(score_Q, sample_Q, table.num_samples, rests_on)


def _coverage(table: EditTable, scored_E: BoolArray, reasons: Reasons, strengths: StrengthChoice) -> Coverage:
    """What a number over the edits at `strengths` rests on."""
    taken_E = table.at(strengths)
    scored_E = scored_E & taken_E
    unscored = count_reasons(reasons[int(edit)] for edit in np.flatnonzero(taken_E & ~scored_E))
    if missing := table.missing_at(strengths):
        unscored[f"no edit at strength {strengths}"] = missing
    return Coverage("edits", int(scored_E.sum()), len(np.unique(table.sample[scored_E])), unscored)


def _edit_mean(
    table: EditTable, values_E: FloatArray, reasons: Reasons, strengths: StrengthChoice
) -> Measure:
    values_E = np.where(table.at(strengths), values_E, np.nan)
    rests_on = _coverage(table, np.isfinite(values_E), reasons, strengths)
    return mean_measure(values_E, table.sample, table.num_samples, rests_on)


def _row_means(values_E: FloatArray, row_E: IntArray, num_rows: int) -> FloatArray:
    sums, counts = (
        np.bincount(row_E, column, minlength=num_rows).astype(np.float64)
        for column in (np.nan_to_num(values_E), np.isfinite(values_E).astype(np.float64))
    )
    return ratio(sums, counts)


@dataclass(frozen=True)
class TradeOffPoint:
    """Where an editor stands at one strength (figure 4): means over edits with both verdict and identity."""

    strength: float
    expression: Estimate
    identity: Estimate
    coverage: Coverage

    def as_json(self) -> dict[str, Any]:
        return {
            "strength": self.strength,
            "expression": self.expression.as_json(),
            "identity": self.identity.as_json(),
            **self.coverage.as_json(),
        }


def trade_off_curve(
    table: EditTable, found: Identities, plan: Bootstrap, weights_RS: FloatArray
) -> tuple[TradeOffPoint, ...]:
    """One point for each strength in `table`, rising: mean score for the target, mean S_ID."""
    score_E = table.target_scores()
    reasons = [edit.verdict.unscored or found.reasons[place] for place, edit in enumerate(table.edits)]
    points = []
    for strength in table.strengths():
        both_E = table.at(strength) & np.isfinite(score_E) & np.isfinite(found.similarity)
        rests_on = _coverage(table, both_E, reasons, strength)
        means = [
            mean_measure(np.where(both_E, values_E, np.nan), table.sample, table.num_samples, rests_on)
            for values_E in (score_E, found.similarity)
        ]
        expression, identity = (estimate(mean, plan, weights_RS) for mean in means)
        points.append(TradeOffPoint(strength, expression, identity, rests_on))
    return tuple(points)


def _columns(encoders: Sequence[str], wanted: Sequence[str] | None) -> list[int]:
    if wanted is None:
        return list(range(len(encoders)))
    if unknown := [name for name in wanted if name not in encoders]:
        raise InputError(
            f"identity encoders {', '.join(unknown)} measured nothing here: choose from {', '.join(encoders)}"
        )
    return [encoders.index(name) for name in wanted]
