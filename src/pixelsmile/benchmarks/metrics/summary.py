"""The metrics of FFE-Bench by name: all numbers of one editor, and the differences of two editors."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pixelsmile.benchmarks.metrics.choices import MetricChoices
from pixelsmile.benchmarks.metrics.confusion import (
    PREDICTIONS,
    accuracy_measure,
    confusion_rates,
    dominant_labels,
    label_counts,
    mean_confusion_measure,
    pair_measures,
)
from pixelsmile.benchmarks.metrics.evenness import evenness_measure, moving_share_measure
from pixelsmile.benchmarks.metrics.harmonic import (
    TradeOffPoint,
    encoder_measures,
    expression_measure,
    harmonic_measure,
    identities,
    identity_measure,
    trade_off_curve,
)
from pixelsmile.benchmarks.metrics.linearity import CLS_2, linearity_measure
from pixelsmile.benchmarks.metrics.measure import (
    Bootstrap,
    Coverage,
    Estimate,
    Figure,
    Measure,
    difference,
    estimate,
    in_common,
    p_value,
)
from pixelsmile.benchmarks.metrics.table import EditTable, FloatArray, tabulate
from pixelsmile.benchmarks.scores import IDENTITY, NO_FACE, VERDICT, Score, ScoredEdit
from pixelsmile.errors import InputError
from pixelsmile.expressions import BASIC_SIX, EXPRESSIONS

SCHEMA_VERSION = 1
ONLY_OTHER = "no verdict for the other editor's edit"
ONLY_OTHER_IDENTITY = "no identity for the other editor's edit"
_MAX_NAMED = 3


@dataclass(frozen=True)
class Metric:
    """A column of a leaderboard. `better` is None where neither end is: identity is best near .6 to .7.

    meaning: of what the paper does not have.
    """

    name: str
    label: str
    better: Literal["higher", "lower"] | None
    meaning: str = ""


METRICS: tuple[Metric, ...] = (
    Metric("mscr", "mSCR", "lower"),
    Metric("acc_6", "Acc-6", "higher"),
    Metric("acc_12", "Acc-12", "higher"),
    Metric("cls_2", "CLS-2", "higher"),
    Metric("cls_6", "CLS-6", "higher"),
    Metric("cls_12", "CLS-12", "higher"),
    Metric("evenness", "Evenness", "higher", "1 where the score rises in proportion to strength"),
    Metric("moving_share", "Moving", "higher", "the share of the range in which the score still rises"),
    Metric("expression", "S_E", "higher"),
    Metric("id_sim", "ID Sim", None),
    Metric("hes", "HES", "higher"),
)
METRIC_NAMES: tuple[str, ...] = tuple(metric.name for metric in METRICS)


def measures(table: EditTable, choices: MetricChoices) -> Mapping[str, Measure]:
    """Every metric of METRICS on `table`, before anything is drawn."""
    labels = dominant_labels(table, choices)
    found = identities(table, choices)
    return {
        "mscr": mean_confusion_measure(table, labels, choices),
        "acc_6": accuracy_measure(table, labels, choices, BASIC_SIX),
        "acc_12": accuracy_measure(table, labels, choices, EXPRESSIONS),
        "cls_2": linearity_measure(table, choices, CLS_2),
        "cls_6": linearity_measure(table, choices, BASIC_SIX),
        "cls_12": linearity_measure(table, choices, EXPRESSIONS),
        "evenness": evenness_measure(table, choices),
        "moving_share": moving_share_measure(table, choices),
        "expression": expression_measure(table, choices),
        "id_sim": identity_measure(table, found, choices),
        "hes": harmonic_measure(table, found, choices),
    }


@dataclass(frozen=True)
class Summary:
    """Everything that the metrics say about one editor. `as_json` is ready for a file."""

    choices: MetricChoices
    bootstrap: Bootstrap
    num_samples: int
    num_edits: int
    strengths: tuple[float, ...]
    encoders: tuple[str, ...]  # that S_ID is the mean of
    metrics: Mapping[str, Figure]  # by the names of METRICS
    pairs: Mapping[str, Figure]  # `fear-surprised` (BCR) and `fear->surprised`, `surprised->fear`
    identity_by_encoder: Mapping[str, Figure]
    confusion: FloatArray  # (T, L) edits towards EXPRESSIONS that show PREDICTIONS, at `confusion_strengths`
    trade_off: tuple[TradeOffPoint, ...]

    def as_json(self) -> dict[str, Any]:
        """Numbers, strings, lists and objects alone; what is undefined is null."""
        rates = confusion_rates(self.confusion)
        return {
            "schema_version": SCHEMA_VERSION,
            "choices": self.choices.as_json(),
            "bootstrap": self.bootstrap.as_json(),
            "n_samples": self.num_samples,
            "n_edits": self.num_edits,
            "strengths": list(self.strengths),
            "encoders": list(self.encoders),
            "metrics": {name: figure.as_json() for name, figure in self.metrics.items()},
            "pairs": {name: figure.as_json() for name, figure in self.pairs.items()},
            "identity_by_encoder": {
                name: figure.as_json() for name, figure in self.identity_by_encoder.items()
            },
            "confusion": {
                "targets": list(EXPRESSIONS),
                "shown": list(PREDICTIONS),
                "counts": self.confusion.tolist(),
                "rates": [[None if np.isnan(rate) else float(rate) for rate in row] for row in rates],
            },
            "trade_off": [point.as_json() for point in self.trade_off],
        }


def summarise(
    edits: Iterable[ScoredEdit], choices: MetricChoices | None = None, bootstrap: Bootstrap | None = None
) -> Summary:
    """The numbers of the editor that made `edits`, with intervals over its samples.

    InputError where there are no edits, or two of one sample, target and strength.
    """
    choices, plan = choices or MetricChoices(), bootstrap or Bootstrap()
    table = tabulate(edits)
    weights_RS = plan.draw(table.num_samples)
    labels = dominant_labels(table, choices)

    def figures(found: Mapping[str, Measure]) -> dict[str, Figure]:
        return {
            name: Figure(estimate(measure, plan, weights_RS), measure.coverage)
            for name, measure in found.items()
        }

    return Summary(
        choices=choices,
        bootstrap=plan,
        num_samples=table.num_samples,
        num_edits=len(table.edits),
        strengths=table.strengths(),
        encoders=choices.identity_encoders or table.encoders,
        metrics=figures(measures(table, choices)),
        pairs=figures(pair_measures(table, labels, choices)),
        identity_by_encoder=figures(encoder_measures(table, choices)),
        confusion=label_counts(table, labels, choices.confusion_strengths),
        trade_off=trade_off_curve(table, identities(table, choices), plan, weights_RS),
    )


@dataclass(frozen=True)
class Difference:
    """A metric of both editors on the edits that both have scored, and a - b with its paired interval.

    p_value: of no difference, two-sided, by the same draws; None where there is no interval.
    """

    a: float | None
    b: float | None
    difference: Estimate
    coverage: Coverage
    p_value: float | None

    def as_json(self) -> dict[str, Any]:
        return {
            "a": self.a,
            "b": self.b,
            "difference": self.difference.as_json(),
            "p_value": self.p_value,
            **self.coverage.as_json(),
        }


@dataclass(frozen=True)
class Comparison:
    """Every metric of METRICS, a against b."""

    choices: MetricChoices
    bootstrap: Bootstrap
    num_samples: int
    differences: Mapping[str, Difference]

    def as_json(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "choices": self.choices.as_json(),
            "bootstrap": self.bootstrap.as_json(),
            "n_samples": self.num_samples,
            "differences": {name: found.as_json() for name, found in self.differences.items()},
        }


def compare(
    a: Iterable[ScoredEdit],
    b: Iterable[ScoredEdit],
    choices: MetricChoices | None = None,
    bootstrap: Bootstrap | None = None,
) -> Comparison:
    """The metrics of `a` minus those of `b`, samples drawn together for both.

    An edit without verdict (or identity) in one is left out in both, and so is what has no value in one, as
    the linearity of a sweep whose scores are all the same: neither gains by silence.
    InputError where the samples, targets or strengths are not the same.
    """
    choices, plan = choices or MetricChoices(), bootstrap or Bootstrap()
    table_a, table_b = tabulate(a), tabulate(b)
    _require_same_jobs(table_a, table_b)
    pairs = list(zip(table_a.edits, table_b.edits, strict=True))
    found_a = measures(tabulate(_in_common(edit, other, choices) for edit, other in pairs), choices)
    found_b = measures(tabulate(_in_common(edit, other, choices) for other, edit in pairs), choices)
    weights_RS = plan.draw(table_a.num_samples)
    differences = {}
    for name in found_a:
        one, other = in_common(found_a[name], found_b[name])
        gap = difference(one, other)
        found = estimate(gap, plan, weights_RS), one.coverage, p_value(gap, plan, weights_RS)
        differences[name] = Difference(_known(one), _known(other), *found)
    return Comparison(choices, plan, table_a.num_samples, differences)


def _in_common(edit: ScoredEdit, other: ScoredEdit, choices: MetricChoices) -> ScoredEdit:
    """`edit` without what `other` lacks."""
    if edit.verdict.unscored is None and other.verdict.unscored is not None:
        edit = edit.with_scores(**{VERDICT: Score(unscored=ONLY_OTHER)})
    if choices.missing_faces == "zero" and other.identity.unscored == NO_FACE:
        return edit  # the other's is known: it is 0
    kept = {
        name: cosine if other.identity.values.get(name) is not None else None
        for name, cosine in edit.identity.values.items()
    }
    if kept != edit.identity.values:
        why = edit.identity.unscored or ONLY_OTHER_IDENTITY
        edit = edit.with_scores(**{IDENTITY: Score(values=kept, unscored=why)})
    return edit


def _require_same_jobs(a: EditTable, b: EditTable) -> None:
    keys_a, keys_b = {edit.key for edit in a.edits}, {edit.key for edit in b.edits}
    if odd := sorted(keys_a ^ keys_b):
        named = ", ".join(
            f"{sample} {target} at {strength:g}" for sample, target, strength in odd[:_MAX_NAMED]
        )
        raise InputError(
            f"{len(odd)} edits are of one editor alone ({named}{', …' if len(odd) > _MAX_NAMED else ''}): "
            "compare editors on the same samples, targets and strengths"
        )
    if a.encoders != b.encoders:
        raise InputError(
            f"identity was measured with {', '.join(a.encoders) or 'nothing'} and with "
            f"{', '.join(b.encoders) or 'nothing'}: measure both alike"
        )


def _known(measure: Measure) -> float | None:
    value = measure.value()
    return None if value != value else value
