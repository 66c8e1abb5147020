"""The frame of a chart: where numbers lie in it, its ticks, its names, and the marks of editors."""

from collections.abc import Sequence
from dataclasses import dataclass

from pixelsmile.benchmarks.metrics import Estimate
from pixelsmile.benchmarks.report.html import Html, join, tag

NUM_COLORS = 8
MARGIN = {"left": 46, "right": 20, "top": 14, "bottom": 44}
_SHAPES = ("circle", "square", "diamond", "triangle")


@dataclass(frozen=True)
class Frame:
    """`width` by `height` units; `across` and `up` are the ends of its axes."""

    width: int
    height: int
    across: tuple[float, float]
    up: tuple[float, float]

    def x(self, number: float) -> float:
        inner = self.width - MARGIN["left"] - MARGIN["right"]
        low, high = self.across
        return round(MARGIN["left"] + inner * (number - low) / (high - low), 1)

    def y(self, number: float) -> float:
        inner = self.height - MARGIN["top"] - MARGIN["bottom"]
        low, high = self.up
        return round(MARGIN["top"] + inner * (high - number) / (high - low), 1)

    def band(self, across: tuple[float, float], up: tuple[float, float], class_: str = "band") -> Html:
        """A shaded part."""
        left, top = self.x(across[0]), self.y(up[1])
        width, height = self.x(across[1]) - left, self.y(up[0]) - top
        return tag("rect", x=left, y=top, width=round(width, 1), height=round(height, 1), class_=class_)

    def ticks(self, across: Sequence[float], up: Sequence[float]) -> list[Html]:
        """Numbers on both axes, lines for those upwards."""
        left, right, bottom = self.x(self.across[0]), self.x(self.across[1]), self.y(self.up[0])
        marks = [tag("text", f"{tick:g}", x=self.x(tick), y=bottom + 18, class_="middle") for tick in across]
        for tick in up:
            marks.append(tag("line", x1=left, x2=right, y1=self.y(tick), y2=self.y(tick), class_="grid"))
            marks.append(tag("text", f"{tick:g}", x=left - 8, y=self.y(tick) + 4, class_="end"))
        return marks

    def names(self, across: str, up: str) -> list[Html]:
        """What the axes show."""
        middle_x = (self.x(self.across[0]) + self.x(self.across[1])) / 2
        middle_y = (MARGIN["top"] + self.y(self.up[0])) / 2
        turned = f"rotate(-90 12 {middle_y})"
        return [
            tag("text", f"{across} →", x=middle_x, y=self.height - 6, class_="middle axis"),
            tag("text", f"{up} →", x=12, y=middle_y, class_="middle axis", transform=turned),
        ]

    def cross(self, across: Estimate, up: Estimate, x: float, y: float) -> Html:
        """The intervals of a point at `x`, `y`; cut where the axes end."""
        lines = []
        if across.low is not None and across.high is not None:
            low, high = max(across.low, self.across[0]), min(across.high, self.across[1])
            lines.append(tag("line", x1=self.x(low), x2=self.x(high), y1=y, y2=y, class_="cross"))
        if up.low is not None and up.high is not None:
            low, high = max(up.low, self.up[0]), min(up.high, self.up[1])
            lines.append(tag("line", x1=x, x2=x, y1=self.y(low), y2=self.y(high), class_="cross"))
        return join(lines)

    def svg(self, title: str, class_: str, *children: Html) -> Html:
        """The drawing."""
        box = f"0 0 {self.width} {self.height}"
        return tag("svg", tag("title", title), *children, viewBox=box, role="img", class_=class_)


def legend(labels: Sequence[str]) -> Html:
    """Which mark and colour stands for whom."""
    return tag("ul", *(tag("li", _key(place), label) for place, label in enumerate(labels)), class_="legend")


def color_class(place: int) -> str:
    """The class that has the colour of the editor at that place."""
    return f"c{place % NUM_COLORS}"


def curve_class(place: int) -> str:
    """The classes of what is drawn for the editor at that place."""
    return f"curve {color_class(place)}"


def marker(place: int, x: float, y: float, words: str | None) -> Html:
    """The mark of the editor at that place, with words that appear on pointing at it."""
    title = None if words is None else tag("title", words)
    match _SHAPES[place % len(_SHAPES)]:
        case "circle":
            return tag("circle", title, cx=x, cy=y, r=4.5, class_="dot")
        case "square":
            left, top = round(x - 4.2, 1), round(y - 4.2, 1)
            return tag("rect", title, x=left, y=top, width=8.4, height=8.4, class_="dot")
        case "diamond":
            return tag("path", title, d=f"M{x},{y}m0,-6l6,6l-6,6l-6,-6z", class_="dot")
        case _:
            return tag("path", title, d=f"M{x},{y}m0,-5.5l5.5,10h-11z", class_="dot")


def _key(place: int) -> Html:
    line = tag("line", x1=0, x2=20, y1=10, y2=10)
    shown = tag("g", line, marker(place, 10, 10, None), class_=curve_class(place))
    return tag("svg", shown, viewBox="0 0 20 20", class_="key", aria_hidden="true")
