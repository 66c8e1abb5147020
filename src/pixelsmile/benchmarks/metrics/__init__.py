"""The metrics of FFE-Bench and FED-Bench: pure functions on arrays, in float64."""

from pixelsmile.benchmarks.metrics.bootstrap import Bootstrap, Estimate
from pixelsmile.benchmarks.metrics.catalogue import METRIC_NAMES, METRICS, Metric
from pixelsmile.benchmarks.metrics.choices import MetricChoices, uniform_strengths
from pixelsmile.benchmarks.metrics.comparison import Comparison, Difference, compare
from pixelsmile.benchmarks.metrics.dynamics import DynamicsPoint, training_dynamics
from pixelsmile.benchmarks.metrics.fed_normalisation import FedNormalisation, load_normalisation
from pixelsmile.benchmarks.metrics.fed_score import FedComponents, FedScores, fed_scores, relative_gain
from pixelsmile.benchmarks.metrics.fed_summary import FedEdit, FedSummary, fed_summarise
from pixelsmile.benchmarks.metrics.samples import NO_FACE, JudgedEdit
from pixelsmile.benchmarks.metrics.summary import Figure, Summary, summarise
from pixelsmile.benchmarks.metrics.table import EditTable, Sweeps, general_edits, sweeps, tabulate

__all__ = [
    "METRICS",
    "METRIC_NAMES",
    "NO_FACE",
    "Bootstrap",
    "Comparison",
    "Difference",
    "DynamicsPoint",
    "EditTable",
    "Estimate",
    "FedComponents",
    "FedEdit",
    "FedNormalisation",
    "FedScores",
    "FedSummary",
    "Figure",
    "JudgedEdit",
    "Metric",
    "MetricChoices",
    "Summary",
    "Sweeps",
    "compare",
    "fed_scores",
    "fed_summarise",
    "general_edits",
    "load_normalisation",
    "relative_gain",
    "summarise",
    "sweeps",
    "tabulate",
    "training_dynamics",
    "uniform_strengths",
]
