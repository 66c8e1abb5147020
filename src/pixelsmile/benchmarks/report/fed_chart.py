"""REG against FED-Score, a dot for each edit, with the lazy and the overfit side marked (figure 5)."""

from collections.abc import Mapping, Sequence

import numpy as np

from pixelsmile.benchmarks.fed.results import FedResults
from pixelsmile.benchmarks.metrics import FedNormalisation
from pixelsmile.benchmarks.metrics.fed_score import gain_factor
from pixelsmile.benchmarks.report.cells import interval_words
from pixelsmile.benchmarks.report.fed_cases import LAZY_BELOW, OVERFIT_ABOVE
from pixelsmile.benchmarks.report.frame import Frame, color_class, curve_class, legend, marker
from pixelsmile.benchmarks.report.html import Html, join, tag
from pixelsmile.benchmarks.report.text import format_number

LARGEST_GAIN = 3.0  # the end of the axis: what lies beyond is drawn on it
_TICK = 0.5


def gain_chart(runs: Mapping[str, FedResults]) -> Html:
    """A cloud for each run (by label) with its means; the dashed line is the most that a REG allows.

    Two drawings of the same, of which a page shows the one that suits its width.
    """
    drawn = (
        _drawing(Frame(width, height, (0.0, LARGEST_GAIN), (0.0, 1.0)), class_, runs)
        for width, height, class_ in ((860, 430, "wide"), (370, 340, "slim"))
    )
    return tag("figure", legend(list(runs)), *drawn, class_="chart")


def _drawing(frame: Frame, class_: str, runs: Mapping[str, FedResults]) -> Html:
    constants = next(iter(runs.values())).summary.constants
    clouds = [_cloud(frame, place, run) for place, run in enumerate(runs.values())]
    means = [_mean(frame, place, label, run) for place, (label, run) in enumerate(runs.items())]
    title = "REG against FED-Score, a dot for each edit"
    return frame.svg(title, class_, _axes(frame), _most(frame, constants), *clouds, *means)


def _axes(frame: Frame) -> Html:
    top = frame.y(1.0) + 16
    marks = (
        frame.band((0.0, LAZY_BELOW), (0.0, 1.0), "band pattern"),
        frame.band((OVERFIT_ABOVE, LARGEST_GAIN), (0.0, 1.0), "band pattern"),
        tag("text", "lazy", x=frame.x(0.0) + 8, y=top, class_="axis"),
        tag("text", "overfit", x=frame.x(LARGEST_GAIN) - 8, y=top, class_="axis end"),
    )
    across = np.arange(0.0, LARGEST_GAIN + _TICK / 2, _TICK).tolist()
    ticks = frame.ticks(across, (0.0, 0.25, 0.5, 0.75, 1.0))
    return join((*marks, *ticks, *frame.names("change over the expected change (REG)", "FED-Score")))


def _most(frame: Frame, constants: FedNormalisation) -> Html:
    """The Gaussian: what an edit of that REG has where all else is perfect."""
    gains = np.linspace(0.0, LARGEST_GAIN, 61)
    heights = gain_factor(gains, constants)
    points = " ".join(f"{frame.x(float(x))},{frame.y(float(y))}" for x, y in zip(gains, heights, strict=True))
    return tag("polyline", points=points, class_="most")


def _cloud(frame: Frame, place: int, run: FedResults) -> Html:
    """One path of dots: lines of no length with round ends."""
    dots = "".join(f"M{frame.x(x)},{frame.y(y)}h0" for x, y in _points(run))
    return tag("path", d=dots, class_=f"cloud {color_class(place)}") if dots else Html("")


def _points(run: FedResults) -> Sequence[tuple[float, float]]:
    found = ((each.edit.components["gain"], each.score) for each in run.edits)
    return [
        (min(gain, LARGEST_GAIN), score) for gain, score in found if gain is not None and score is not None
    ]


def _mean(frame: Frame, place: int, label: str, run: FedResults) -> Html:
    gain, score = (run.summary.overall[name].estimate for name in ("gain", "fed_score"))
    if gain.value is None or score.value is None:
        return Html("")
    x, y = frame.x(min(gain.value, LARGEST_GAIN)), frame.y(score.value)
    words = (
        f"{label}: REG {format_number(gain.value, 2)} ({interval_words(gain.low, gain.high, 2)}), FED-Score "
        f"{format_number(score.value)} ({interval_words(score.low, score.high)})"
    )
    parts = (frame.cross(gain, score, x, y), marker(place, x, y, words))
    return tag("g", *parts, class_=curve_class(place))
