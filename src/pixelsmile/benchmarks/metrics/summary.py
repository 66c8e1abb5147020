"""All numbers of one editor in one call: value, interval, what they rest on, and how they were taken."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixelsmile.benchmarks.metrics.bootstrap import Bootstrap, Estimate, estimate
from pixelsmile.benchmarks.metrics.catalogue import measures
from pixelsmile.benchmarks.metrics.choices import MetricChoices
from pixelsmile.benchmarks.metrics.confusion import confusion_rates, pair_measures
from pixelsmile.benchmarks.metrics.harmonic import encoder_measures
from pixelsmile.benchmarks.metrics.identity import identities
from pixelsmile.benchmarks.metrics.labels import PREDICTIONS, dominant_labels, label_counts
from pixelsmile.benchmarks.metrics.measure import Coverage, Measure
from pixelsmile.benchmarks.metrics.samples import JudgedEdit
from pixelsmile.benchmarks.metrics.table import EditTable, FloatArray, tabulate
from pixelsmile.benchmarks.metrics.trade_off import TradeOffPoint, trade_off_curve
from pixelsmile.expressions import EXPRESSIONS

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Figure:
    """One number of a report: the estimate, and what it rests on."""

    estimate: Estimate
    coverage: Coverage

    def as_json(self) -> dict[str, Any]:
        return {**self.estimate.as_json(), **self.coverage.as_json()}


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
    edits: Iterable[JudgedEdit], choices: MetricChoices | None = None, bootstrap: Bootstrap | None = None
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
        confusion=_confusion(table, choices),
        trade_off=trade_off_curve(table, identities(table, choices), plan, weights_RS),
    )


def _confusion(table: EditTable, choices: MetricChoices) -> FloatArray:
    labels = dominant_labels(table, choices)
    return label_counts(table, labels, choices.confusion_strengths)
