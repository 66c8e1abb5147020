"""What edits show: structural confusion (Eq. 1 and 2) and accuracy (PixelSmile, section 3.2).

An edit shows its dominant expression, from the judge's scores or as the judge names it. All rates are
functions of counts (..., T, L), how many edits towards T show L, of one editor or of many replicates at once.
Shape suffixes: E edits, S samples, T targets (EXPRESSIONS), L labels (PREDICTIONS), X expressions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from pixelsmile.benchmarks.metrics.choices import MetricChoices, StrengthChoice
from pixelsmile.benchmarks.metrics.measure import Coverage, Formula, Measure, count_reasons, ratio
from pixelsmile.benchmarks.metrics.table import EXPRESSION_INDEX, BoolArray, EditTable, FloatArray
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL

PREDICTIONS: tuple[str, ...] = (*EXPRESSIONS, NEUTRAL)
PREDICTION_INDEX = {name: index for index, name in enumerate(PREDICTIONS)}

TIE = "highest scores are equal"
NOT_NAMED = "the judge names no dominant expression"


@dataclass(frozen=True)
class Labels:
    """What each edit shows. A row of `share` adds up to 1, or to 0 where `reasons` says why not."""

    share: FloatArray  # (E, L)
    reasons: tuple[str | None, ...]


def dominant_labels(table: EditTable, choices: MetricChoices) -> Labels:
    """The label of every edit (y-hat of Eq. 1) by `dominant`, `ties` and `neutral_at_most` of `choices`."""
    if choices.dominant == "judge":
        share_EL, unnamed = _named(table), NOT_NAMED
    else:
        share_EL, unnamed = _highest(table, choices), TIE
    reasons = tuple(
        edit.verdict.unscored or (None if labelled else unnamed)
        for edit, labelled in zip(table.edits, share_EL.sum(axis=1) > 0, strict=True)
    )
    return Labels(share_EL, reasons)


def label_counts(table: EditTable, labels: Labels, strengths: StrengthChoice) -> FloatArray:
    """How many edits towards T, at `strengths`, show L: (T, L)."""
    counts_TL = np.zeros((len(EXPRESSIONS), len(PREDICTIONS)))
    taken = table.at(strengths)
    np.add.at(counts_TL, table.target[taken], labels.share[taken])
    return counts_TL


def directed_confusion(counts: FloatArray, target: str, shown: str) -> FloatArray:
    """C(target -> shown), Eq. 1: the share of edits towards `target` that show `shown`, 0..1.

    NaN where no edit towards `target` was scored.
    """
    row = counts[..., EXPRESSION_INDEX[target], :]
    return ratio(row[..., PREDICTION_INDEX[shown]], row.sum(axis=-1))


def bidirectional_confusion(counts: FloatArray, a: str, b: str) -> FloatArray:
    """BCR(a, b), Eq. 2: the mean of both directed rates, 0..1; .5 where both collapse into one."""
    return 0.5 * (directed_confusion(counts, a, b) + directed_confusion(counts, b, a))


def mean_confusion(counts: FloatArray, pairs: Sequence[tuple[str, str]]) -> FloatArray:
    """mSCR: the mean of BCR over `pairs`, 0..1. NaN where one of them is: a part is no mean of the whole."""
    return np.asarray(np.mean([bidirectional_confusion(counts, a, b) for a, b in pairs], axis=0))


def confusion_rates(counts: FloatArray) -> FloatArray:
    """Every directed rate (..., T, L); NaN in the rows of targets without a scored edit."""
    return ratio(counts, counts.sum(axis=-1, keepdims=True))


def accuracy(counts: FloatArray, targets: Sequence[str]) -> FloatArray:
    """The share of edits towards `targets` that show what they should, 0..1; NaN where none was scored.

    An edit towards one of the basic six may show any of the twelve: Acc-6 leaves out targets, not answers.
    Every edit weighs the same, whatever its target.
    """
    rows = counts[..., [EXPRESSION_INDEX[name] for name in targets], :]
    columns = [PREDICTION_INDEX[name] for name in targets]
    hits = rows[..., np.arange(len(targets)), columns].sum(axis=-1)
    return ratio(np.asarray(hits), rows.sum(axis=(-2, -1)))


def mean_confusion_measure(table: EditTable, labels: Labels, choices: MetricChoices) -> Measure:
    """mSCR over the pairs of `choices`, as something to draw samples from."""
    pairs = choices.confusing_pairs
    targets = tuple(dict.fromkeys(name for pair in pairs for name in pair))
    formula = partial(mean_confusion, pairs=pairs)
    return _measure(table, labels, choices.confusion_strengths, targets, formula)


def pair_measures(table: EditTable, labels: Labels, choices: MetricChoices) -> dict[str, Measure]:
    """BCR and both directed rates of each pair, by names like `fear-surprised` and `fear->surprised`."""
    strengths, found = choices.confusion_strengths, dict[str, Measure]()
    for a, b in choices.confusing_pairs:
        both = partial(bidirectional_confusion, a=a, b=b)
        found[f"{a}-{b}"] = _measure(table, labels, strengths, (a, b), both)
        for target, shown in ((a, b), (b, a)):
            rate = partial(directed_confusion, target=target, shown=shown)
            found[f"{target}->{shown}"] = _measure(table, labels, strengths, (target,), rate)
    return found


def accuracy_measure(
    table: EditTable, labels: Labels, choices: MetricChoices, targets: tuple[str, ...]
) -> Measure:
    """The accuracy over `targets`, as something to draw samples from."""
    return _measure(table, labels, choices.accuracy_strengths, targets, partial(accuracy, targets=targets))


def _measure(
    table: EditTable, labels: Labels, strengths: StrengthChoice, targets: tuple[str, ...], formula: Formula
) -> Measure:
    """A metric of the counts of edits towards `targets` at `strengths`."""
    shape_TL = len(EXPRESSIONS), len(PREDICTIONS)
    edit_E = np.flatnonzero(table.at(strengths) & table.of(targets))
    parts_ETL = np.zeros((len(edit_E), *shape_TL))
    parts_ETL[np.arange(len(edit_E)), table.target[edit_E]] = labels.share[edit_E]
    return Measure(
        parts_ETL.reshape(len(edit_E), shape_TL[0] * shape_TL[1]),
        table.sample[edit_E],
        table.num_samples,
        lambda sums: formula(sums.reshape(*sums.shape[:-1], *shape_TL)),
        _coverage(table, labels, strengths, targets),
    )


def _coverage(
    table: EditTable, labels: Labels, strengths: StrengthChoice, targets: tuple[str, ...]
) -> Coverage:
    taken = np.flatnonzero(table.at(strengths) & table.of(targets))
    unscored = count_reasons(labels.reasons[edit] for edit in taken)
    if missing := table.missing_at(strengths, targets):
        unscored[f"no edit at strength {strengths}"] = missing
    scored = [edit for edit in taken if labels.reasons[edit] is None]
    return Coverage("edits", len(scored), len(np.unique(table.sample[scored])), unscored)


def _named(table: EditTable) -> FloatArray:
    share_EL = np.zeros((len(table.edits), len(PREDICTIONS)))
    for row, edit in enumerate(table.edits):
        if edit.verdict.answer is not None:
            share_EL[row, PREDICTION_INDEX[edit.verdict.answer]] = 1.0
    return share_EL


def _highest(table: EditTable, choices: MetricChoices) -> FloatArray:
    scored_E = np.isfinite(table.scores[:, 0])  # a verdict has all scores or none
    highest_E1 = np.where(scored_E[:, None], table.scores, -1.0).max(axis=1, keepdims=True)
    tied_EX = (table.scores == highest_E1) & (highest_E1 > choices.neutral_at_most)
    tied_EX = _settle(tied_EX, table, choices)
    share_EL = np.zeros((len(table.edits), len(PREDICTIONS)))
    share_EL[:, : len(EXPRESSIONS)] = tied_EX / np.maximum(tied_EX.sum(axis=1, keepdims=True), 1)
    neutral_E = scored_E & (highest_E1[:, 0] <= choices.neutral_at_most)
    share_EL[neutral_E, PREDICTION_INDEX[NEUTRAL]] = 1.0
    return share_EL


def _settle(tied_EX: BoolArray, table: EditTable, choices: MetricChoices) -> BoolArray:
    """`tied_EX` with the ties among the highest scores settled by `ties`; what stays is shared out evenly."""
    tied_E = tied_EX.sum(axis=1) > 1
    target_EX = np.zeros_like(tied_EX)
    target_EX[np.arange(len(tied_EX)), table.target] = True
    disputed_E1 = (tied_E & ((tied_EX & target_EX).sum(axis=1) > 0))[:, None]
    match choices.ties:
        case "unscored":
            return tied_EX & ~tied_E[:, None]
        case "target":
            return np.where(disputed_E1, target_EX, tied_EX)
        case "other":
            return np.where(disputed_E1, tied_EX & ~target_EX, tied_EX)
        case _:
            return tied_EX
