"""The strength-identity trade-off (figure 4 of the paper) as a picture made of lines and words."""

import math
from collections.abc import Mapping, Sequence

from pixelsmile.benchmarks.metrics import Estimate
from pixelsmile.benchmarks.metrics.trade_off import TradeOffPoint
from pixelsmile.benchmarks.report.html import Html, join, tag
from pixelsmile.benchmarks.report.leaderboard import interval_words
from pixelsmile.benchmarks.report.terminal import format_number

NATURAL_IDENTITY = (0.6, 0.7)  # what real changes of expression leave of it (section 5.2)
NUM_COLORS = 8
_MARGIN = {"left": 46, "right": 20, "top": 14, "bottom": 44}
_TICK = 0.2
_SHAPES = ("circle", "square", "diamond", "triangle")


def trade_off_chart(curves: Mapping[str, Sequence[TradeOffPoint]]) -> Html:
    """A line for each editor (by label) from its weakest to its strongest edits; crosses are the intervals.

    Two drawings of the same, of which a page shows the one that suits its width.
    """
    drawn = (
        _Chart(width, height, curves).as_html(class_)
        for width, height, class_ in ((860, 470, "wide"), (370, 340, "slim"))
    )
    legend = tag(
        "ul", *(tag("li", _key(place), label) for place, label in enumerate(curves)), class_="legend"
    )
    return tag("figure", legend, *drawn, class_="chart")


class _Chart:
    """One drawing: `width` by `height` units, expression (0..1) to the right, identity upwards."""

    def __init__(self, width: int, height: int, curves: Mapping[str, Sequence[TradeOffPoint]]) -> None:
        self.width, self.height, self.curves = width, height, curves
        lows = [
            number
            for points in curves.values()
            for point in points
            for number in (point.identity.value, point.identity.low)
            if number is not None
        ]
        self.floor = math.floor(min([*lows, NATURAL_IDENTITY[0] - 0.01]) / _TICK) * _TICK

    def x(self, expression: float) -> float:
        inner = self.width - _MARGIN["left"] - _MARGIN["right"]
        return round(_MARGIN["left"] + inner * expression, 1)

    def y(self, identity: float) -> float:
        inner = self.height - _MARGIN["top"] - _MARGIN["bottom"]
        return round(_MARGIN["top"] + inner * (1 - identity) / (1 - self.floor), 1)

    def as_html(self, class_: str) -> Html:
        lines = (self._curve(place, points) for place, points in enumerate(self.curves.values()))
        return tag(
            "svg",
            tag("title", "Expression score against identity, a line for each editor"),
            self._frame(),
            *lines,
            viewBox=f"0 0 {self.width} {self.height}",
            role="img",
            class_=class_,
        )

    def _frame(self) -> Html:
        left, right, bottom = self.x(0), self.x(1), self.y(self.floor)
        low, high = NATURAL_IDENTITY
        band = tag(
            "rect",
            x=left,
            y=self.y(high),
            width=right - left,
            height=self.y(low) - self.y(high),
            class_="band",
        )
        words = tag("text", "natural range (paper, 5.2)", x=left + 8, y=self.y(low) - 8)
        across = [round(_TICK * step, 1) for step in range(6)]
        up = [round(self.floor + _TICK * step, 1) for step in range(round((1 - self.floor) / _TICK) + 1)]
        ticks = [tag("text", f"{tick:g}", x=self.x(tick), y=bottom + 18, class_="middle") for tick in across]
        for tick in up:
            ticks.append(tag("line", x1=left, x2=right, y1=self.y(tick), y2=self.y(tick), class_="grid"))
            ticks.append(tag("text", f"{tick:g}", x=left - 8, y=self.y(tick) + 4, class_="end"))
        middle = (_MARGIN["top"] + bottom) / 2
        names = (
            tag(
                "text",
                "expression score for the target (S_E) →",
                x=(left + right) / 2,
                y=self.height - 6,
                class_="middle axis",
            ),
            tag(
                "text",
                "identity (S_ID) →",
                x=12,
                y=middle,
                class_="middle axis",
                transform=f"rotate(-90 12 {middle})",
            ),
        )
        return join((band, *ticks, words, *names))

    def _curve(self, place: int, points: Sequence[TradeOffPoint]) -> Html:
        known = [(point, self._at(point)) for point in points]
        there = [(point, at) for point, at in known if at is not None]
        if not there:
            return Html("")
        path = " ".join(f"{x},{y}" for _, (x, y) in there)
        parts = [tag("polyline", points=path)]
        for point, (x, y) in there:
            parts += [self._cross(point, x, y), _marker(place, x, y, _words(point))]
        for point, (x, y) in there[:1] + there[1:][-1:]:
            beside = {"x": x - 9, "class_": "end"} if x > self.x(0.9) else {"x": x + 9}
            parts.append(tag("text", f"{point.strength:g}", y=y - 8, **beside))
        return tag("g", *parts, class_=f"curve c{place % NUM_COLORS}")

    def _at(self, point: TradeOffPoint) -> tuple[float, float] | None:
        expression, identity = point.expression.value, point.identity.value
        return None if expression is None or identity is None else (self.x(expression), self.y(identity))

    def _cross(self, point: TradeOffPoint, x: float, y: float) -> Html:
        """The intervals of a point."""
        across, up = point.expression, point.identity
        lines = []
        if across.low is not None and across.high is not None:
            lines.append(
                tag(
                    "line",
                    x1=self.x(max(across.low, 0)),
                    x2=self.x(min(across.high, 1)),
                    y1=y,
                    y2=y,
                    class_="cross",
                )
            )
        if up.low is not None and up.high is not None:
            lines.append(
                tag("line", x1=x, x2=x, y1=self.y(up.low), y2=self.y(min(up.high, 1)), class_="cross")
            )
        return join(lines)


def _key(place: int) -> Html:
    marker = _marker(place, 10, 10, None)
    line = tag("line", x1=0, x2=20, y1=10, y2=10)
    return tag(
        "svg",
        tag("g", line, marker, class_=f"curve c{place % NUM_COLORS}"),
        viewBox="0 0 20 20",
        class_="key",
        aria_hidden="true",
    )


def _marker(place: int, x: float, y: float, words: str | None) -> Html:
    title = None if words is None else tag("title", words)
    match _SHAPES[place % len(_SHAPES)]:
        case "circle":
            return tag("circle", title, cx=x, cy=y, r=4.5, class_="dot")
        case "square":
            return tag(
                "rect", title, x=round(x - 4.2, 1), y=round(y - 4.2, 1), width=8.4, height=8.4, class_="dot"
            )
        case "diamond":
            return tag("path", title, d=f"M{x},{y}m0,-6l6,6l-6,6l-6,-6z", class_="dot")
        case _:
            return tag("path", title, d=f"M{x},{y}m0,-5.5l5.5,10h-11z", class_="dot")


def _words(point: TradeOffPoint) -> str:
    def both(found: Estimate) -> str:
        return f"{format_number(found.value)} ({interval_words(found.low, found.high)})"

    return (
        f"strength {point.strength:g}: expression {both(point.expression)}, identity {both(point.identity)}, "
        f"n {point.coverage.num_scored}"
    )
