"""The metrics of FFE-Bench and FED-Bench: pure functions on arrays, in float64."""

from pixelsmile.benchmarks.metrics.choices import MetricChoices
from pixelsmile.benchmarks.metrics.fed_score import (
    FedNormalisation,
    FedSummary,
    fed_scores,
    fed_summarise,
    load_normalisation,
    relative_gain,
)
from pixelsmile.benchmarks.metrics.measure import Bootstrap, Estimate, Figure
from pixelsmile.benchmarks.metrics.summary import (
    METRIC_NAMES,
    METRICS,
    Comparison,
    Difference,
    Metric,
    Summary,
    compare,
    summarise,
)
from pixelsmile.benchmarks.metrics.table import (
    EditTable,
    Sweeps,
    sweeps,
    tabulate,
)

__all__ = [
    "METRICS",
    "METRIC_NAMES",
    "Bootstrap",
    "Comparison",
    "Difference",
    "EditTable",
    "Estimate",
    "FedNormalisation",
    "FedSummary",
    "Figure",
    "Metric",
    "MetricChoices",
    "Summary",
    "Sweeps",
    "compare",
    "fed_scores",
    "fed_summarise",
    "load_normalisation",
    "relative_gain",
    "summarise",
    "sweeps",
    "tabulate",
]
