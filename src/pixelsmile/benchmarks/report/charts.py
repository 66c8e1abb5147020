"""Charts: a figure is a function that gives a Chart, and templates/chart.html draws any of them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pixelsmile.benchmarks.fed.results import FedResults
from pixelsmile.benchmarks.metrics.fed_score import gain_factor
from pixelsmile.benchmarks.metrics.harmonic import TradeOffPoint
from pixelsmile.benchmarks.metrics.measure import Estimate
from pixelsmile.benchmarks.report.cases import LAZY_BELOW, OVERFIT_ABOVE
from pixelsmile.benchmarks.report.tables import format_interval, format_number

NATURAL_IDENTITY = (0.6, 0.7)  # what real changes of expression leave of it (PixelSmile, section 5.2)
CLOSE_IDENTITY = 0.9  # above it all lines would lie on each other
LARGEST_GAIN = 3.0  # the end of the axis: what lies beyond is drawn on it
NUM_COLORS = 8
_SIZES = ((860, "wide"), (370, "slim"))
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 20, 14, 44  # margins


@dataclass(frozen=True)
class Axis:
    """What an axis shows, and its ticks: the first and the last are its ends."""

    name: str
    ticks: Sequence[float]


@dataclass(frozen=True)
class Point:
    """A mark with its intervals as a cross. words: appear on pointing at it. beside: stands beside it.

    size: of the mark, 1 the usual.
    """

    across: Estimate
    up: Estimate
    words: str
    beside: str = ""
    size: float = 1.0


@dataclass(frozen=True)
class Series:
    """What is drawn for one editor: marks, joined by a line or not, and a cloud of dots."""

    label: str
    points: Sequence[Point] = ()
    is_line: bool = False
    cloud: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True)
class Band:
    """A shaded part with its name."""

    across: tuple[float, float]
    up: tuple[float, float]
    name: str
    style: str = ""


@dataclass(frozen=True)
class Chart:
    """A figure: numbers to the right and upwards. limit: a dashed line. height: of the wide drawing."""

    title: str
    across: Axis
    up: Axis
    series: Sequence[Series]
    bands: Sequence[Band] = ()
    limit: Sequence[tuple[float, float]] = ()
    height: int = 430

    def frames(self) -> Iterator["Frame"]:
        """Two drawings of the same, of which a page shows the one that suits its width."""
        for width, style in _SIZES:
            yield Frame(width, self.height if style == "wide" else 340, style, self)


@dataclass(frozen=True)
class Frame:
    """A drawing of `width` by `height` units, and where numbers lie in it."""

    width: int
    height: int
    style: str
    chart: Chart

    def x(self, number: float) -> float:
        low, high = self.chart.across.ticks[0], self.chart.across.ticks[-1]
        share = min(max((number - low) / (high - low), 0.0), 1.0)
        return round(_LEFT + (self.width - _LEFT - _RIGHT) * share, 1)

    def y(self, number: float) -> float:
        low, high = self.chart.up.ticks[0], self.chart.up.ticks[-1]
        share = min(max((high - number) / (high - low), 0.0), 1.0)
        return round(_TOP + (self.height - _TOP - _BOTTOM) * share, 1)

    def path(self, points: Sequence[tuple[float, float]]) -> str:
        """`points` as those of a polyline."""
        return " ".join(f"{self.x(across)},{self.y(up)}" for across, up in points)


def color_class(place: int) -> str:
    """The class that has the colour of the editor at that place."""
    return f"c{place % NUM_COLORS}"


def trade_off_chart(curves: Mapping[str, Sequence[TradeOffPoint]]) -> Chart:
    """Expression against identity (PixelSmile, figure 4): a line for each editor, weak to strong.

    Where every identity is close to 1, as of drawn people, of whom nothing but the face can change, the axis
    shows that end alone, and not the natural range of photographs.
    """
    series = [Series(label, _trade_off(points), is_line=True) for label, points in curves.items()]
    found = [low for each in series for point in each.points for low in (point.up.value, point.up.low)]
    lows = [low for low in found if low is not None]
    bands = []
    if lows and min(lows) > CLOSE_IDENTITY:
        heights = nice_ticks(min(lows), 1.0)
    else:
        least = min([*lows, NATURAL_IDENTITY[0] - 0.01])
        heights = _ticks(math.floor(least / 0.2) * 0.2, 1.0, 0.2)
        bands = [Band((0.0, 1.0), NATURAL_IDENTITY, "natural range (paper, 5.2)")]
    return Chart(
        "Expression score against identity, a line for each editor",
        Axis("expression score for the target (S_E)", _ticks(0.0, 1.0, 0.2)),
        Axis("identity (S_ID)", heights),
        series,
        bands,
        height=470,
    )


def gain_chart(runs: Mapping[str, FedResults]) -> Chart:
    """REG against FED-Score (FED-Bench, figure 5): a dot for each edit, and the means.

    The lazy and the overfit side are marked; the dashed line is the most that a REG allows.
    """
    constants = next(iter(runs.values())).summary.constants
    gains = np.linspace(0.0, LARGEST_GAIN, 61)
    heights = gain_factor(gains, constants)
    return Chart(
        "REG against FED-Score, a dot for each edit",
        Axis("change over the expected change (REG)", _ticks(0.0, LARGEST_GAIN, 0.5)),
        Axis("FED-Score", _ticks(0.0, 1.0, 0.25)),
        [Series(label, _means(label, run), cloud=_cloud(run)) for label, run in runs.items()],
        [
            Band((0.0, LAZY_BELOW), (0.0, 1.0), "lazy", "pattern"),
            Band((OVERFIT_ABOVE, LARGEST_GAIN), (0.0, 1.0), "overfit", "pattern"),
        ],
        [(float(x), float(y)) for x, y in zip(gains, heights, strict=True)],
    )


def nice_ticks(low: float, high: float) -> list[float]:
    """Round numbers from `low` or below to `high` or above, at most seven."""
    rough = (high - low) / 5 or 1.0
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = magnitude * next(factor for factor in (1, 2, 5, 10) if factor * magnitude >= rough * (1 - 1e-9))
    first, last = math.floor(low / step), max(math.ceil(high / step), math.floor(low / step) + 1)
    return [place * step for place in range(first, last + 1)]


def _trade_off(points: Sequence[TradeOffPoint]) -> list[Point]:
    """Those that have both numbers, the first and the last with their strength."""
    known = [p for p in points if p.expression.value is not None and p.identity.value is not None]
    return [
        Point(
            point.expression,
            point.identity,
            f"strength {point.strength:g}: expression {_with_interval(point.expression)}, identity "
            f"{_with_interval(point.identity)}, n {point.coverage.num_scored}",
            f"{point.strength:g}" if point in (known[0], known[-1]) else "",
        )
        for point in known
    ]


def _means(label: str, run: FedResults) -> list[Point]:
    gain, score = (run.summary.overall[name].estimate for name in ("gain", "fed_score"))
    if gain.value is None or score.value is None:
        return []
    return [Point(gain, score, f"{label}: REG {_with_interval(gain, 2)}, FED-Score {_with_interval(score)}")]


def _cloud(run: FedResults) -> list[tuple[float, float]]:
    found = ((edit.score("gain").value, edit.score("fed_score").value) for edit in run.edits)
    return [(gain, score) for gain, score in found if gain is not None and score is not None]


def _with_interval(found: Estimate, digits: int = 3) -> str:
    return f"{format_number(found.value, digits)} ({format_interval(found, digits, ' – ')})"


def _ticks(low: float, high: float, step: float) -> list[float]:
    return [round(low + step * place, 2) for place in range(round((high - low) / step) + 1)]
