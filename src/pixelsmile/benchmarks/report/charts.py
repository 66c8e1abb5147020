"""The strength-identity trade-off (figure 4 of the paper) as a picture made of lines and words."""

import math
from collections.abc import Mapping, Sequence

from pixelsmile.benchmarks.metrics import Estimate
from pixelsmile.benchmarks.metrics.harmonic import TradeOffPoint
from pixelsmile.benchmarks.report.cells import interval_words
from pixelsmile.benchmarks.report.frame import Frame, curve_class, legend, marker
from pixelsmile.benchmarks.report.html import Html, join, tag
from pixelsmile.benchmarks.report.text import format_number

NATURAL_IDENTITY = (0.6, 0.7)  # what real changes of expression leave of it (section 5.2)
_TICK = 0.2


def trade_off_chart(curves: Mapping[str, Sequence[TradeOffPoint]]) -> Html:
    """A line for each editor (by label) from its weakest to its strongest edits; crosses are the intervals.

    Two drawings of the same, of which a page shows the one that suits its width.
    """
    drawn = (
        _Chart(width, height, curves).as_html(class_)
        for width, height, class_ in ((860, 470, "wide"), (370, 340, "slim"))
    )
    return tag("figure", legend(list(curves)), *drawn, class_="chart")


class _Chart:
    """One drawing: expression (0..1) to the right, identity upwards."""

    def __init__(self, width: int, height: int, curves: Mapping[str, Sequence[TradeOffPoint]]) -> None:
        self.curves = curves
        lows = [
            number
            for points in curves.values()
            for point in points
            for number in (point.identity.value, point.identity.low)
            if number is not None
        ]
        self.floor = math.floor(min([*lows, NATURAL_IDENTITY[0] - 0.01]) / _TICK) * _TICK
        self.frame = Frame(width, height, (0.0, 1.0), (self.floor, 1.0))

    def as_html(self, class_: str) -> Html:
        lines = (self._curve(place, points) for place, points in enumerate(self.curves.values()))
        title = "Expression score against identity, a line for each editor"
        return self.frame.svg(title, class_, self._axes(), *lines)

    def _axes(self) -> Html:
        frame = self.frame
        words = tag(
            "text", "natural range (paper, 5.2)", x=frame.x(0) + 8, y=frame.y(NATURAL_IDENTITY[0]) - 8
        )
        across = [round(_TICK * step, 1) for step in range(6)]
        up = [round(self.floor + _TICK * step, 1) for step in range(round((1 - self.floor) / _TICK) + 1)]
        names = frame.names("expression score for the target (S_E)", "identity (S_ID)")
        band = frame.band((0.0, 1.0), NATURAL_IDENTITY)
        return join((band, *frame.ticks(across, up), words, *names))

    def _curve(self, place: int, points: Sequence[TradeOffPoint]) -> Html:
        known = [(point, self._at(point)) for point in points]
        there = [(point, at) for point, at in known if at is not None]
        if not there:
            return Html("")
        path = " ".join(f"{x},{y}" for _, (x, y) in there)
        parts = [tag("polyline", points=path)]
        for point, (x, y) in there:
            cross = self.frame.cross(point.expression, point.identity, x, y)
            parts += [cross, marker(place, x, y, _words(point))]
        for point, (x, y) in there[:1] + there[1:][-1:]:
            beside = {"x": x - 9, "class_": "end"} if x > self.frame.x(0.9) else {"x": x + 9}
            parts.append(tag("text", f"{point.strength:g}", y=y - 8, **beside))
        return tag("g", *parts, class_=curve_class(place))

    def _at(self, point: TradeOffPoint) -> tuple[float, float] | None:
        expression, identity = point.expression.value, point.identity.value
        if expression is None or identity is None:
            return None
        return self.frame.x(expression), self.frame.y(identity)


def _words(point: TradeOffPoint) -> str:
    def both(found: Estimate) -> str:
        return f"{format_number(found.value)} ({interval_words(found.low, found.high)})"

    return (
        f"strength {point.strength:g}: expression {both(point.expression)}, identity {both(point.identity)}, "
        f"n {point.coverage.num_scored}"
    )
