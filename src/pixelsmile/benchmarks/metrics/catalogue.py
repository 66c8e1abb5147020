"""The metrics by name: what they are called, which way is better, and how each is taken."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pixelsmile.benchmarks.metrics.accuracy import accuracy_measure
from pixelsmile.benchmarks.metrics.choices import MetricChoices
from pixelsmile.benchmarks.metrics.confusion import mean_confusion_measure
from pixelsmile.benchmarks.metrics.harmonic import expression_measure, harmonic_measure, identity_measure
from pixelsmile.benchmarks.metrics.identity import identities
from pixelsmile.benchmarks.metrics.labels import dominant_labels
from pixelsmile.benchmarks.metrics.linearity import CLS_2, linearity_measure
from pixelsmile.benchmarks.metrics.measure import Measure
from pixelsmile.benchmarks.metrics.table import EditTable
from pixelsmile.expressions import BASIC_SIX, EXPRESSIONS


@dataclass(frozen=True)
class Metric:
    """A column of a leaderboard. `better` is None where neither end is: identity is best near .6 to .7."""

    name: str
    label: str
    better: Literal["higher", "lower"] | None


METRICS: tuple[Metric, ...] = (
    Metric("mscr", "mSCR", "lower"),
    Metric("acc_6", "Acc-6", "higher"),
    Metric("acc_12", "Acc-12", "higher"),
    Metric("cls_2", "CLS-2", "higher"),
    Metric("cls_6", "CLS-6", "higher"),
    Metric("cls_12", "CLS-12", "higher"),
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
        "expression": expression_measure(table, choices),
        "id_sim": identity_measure(table, found, choices),
        "hes": harmonic_measure(table, found, choices),
    }
