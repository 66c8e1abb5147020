"""The figures of a card as SVG files: bars, strips of quantiles, a table of shades. Light and dark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from pixelsmile.dataset.doubts import AGES, TONES
from pixelsmile.dataset.export.distributions import STRENGTH_STEP, Distributions
from pixelsmile.dataset.rows import LABELS, STATISTICS
from pixelsmile.expressions import EXPRESSIONS, Domain

_WIDTH = 860
_MAX_BARS = 16  # of a group that may have any number
_STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
text { fill: #6a6862; } .paper { fill: #fbfaf7; } .ink { fill: #24252b; }
.title { font-size: 15px; font-weight: 600; fill: #24252b; } .small { font-size: 11px; }
.end { text-anchor: end; } .middle { text-anchor: middle; } .rule { stroke: #dedbd3; stroke-width: 1; }
.c0 { fill: #1f5fa8; } .c1 { fill: #c2571a; } .light { fill: #ffffff; }
.strip { stroke: #1f5fa8; stroke-width: 2; } .box { fill: #1f5fa8; opacity: .3; }
@media (prefers-color-scheme: dark) {
text { fill: #9d9a93; } .paper { fill: #17181b; } .ink, .title { fill: #e8e6e1; } .rule { stroke: #34363c; }
.c0 { fill: #7fb2f0; } .c1 { fill: #f2a06b; } .light { fill: #17181b; }
.strip { stroke: #7fb2f0; } .box { fill: #7fb2f0; }
}"""
_MARGIN, _TOP, _LABELS = 20, 48, 110  # the last: room for the names of bars
_BAR, _GAP = 12, 7  # heights: of a bar, and between two groups of them


@dataclass(frozen=True)
class Bars:
    """Names, and for each domain a number for each of them, drawn as its share of `totals`."""

    title: str
    names: Sequence[str]
    numbers: Mapping[Domain, Sequence[int]]
    totals: Mapping[Domain, int]

    @property
    def height(self) -> int:
        """Of the drawing, without margins."""
        return _TOP + len(self.names) * (len(self.numbers) * _BAR + _GAP)


def figures(numbers: Distributions) -> dict[str, tuple[str, str]]:
    """SVG by the name of its file, and what it shows in words; only of what is known."""
    found: dict[str, tuple[str, str]] = {"expressions.svg": (_expressions(numbers), "Expressions")}
    if any(numbers.strengths.values()):
        found["strengths.svg"] = (_strengths(numbers), "Strengths that were asked for")
    if any(numbers.own_scores.values()):
        found["scores.svg"] = (_scores(numbers), "The judge's score for the picture's own expression")
        found["confusions.svg"] = (_confusions(numbers), "Mean score for each expression")
    if panels := _people(numbers):
        found["people.svg"] = (panels, "Who is shown, as annotated")
    if words := _words(numbers):
        found["words.svg"] = (words, "Words of the descriptions")
    return found


def _expressions(numbers: Distributions) -> str:
    names = [name for name in (*LABELS, "not said") if any(c[name] for c in numbers.expressions.values())]
    others = {name for counter in numbers.expressions.values() for name in counter} - {*LABELS, "not said"}
    names += sorted(others)[:_MAX_BARS]
    counts = {domain: [numbers.expressions[domain][name] for name in names] for domain in numbers.domains()}
    return _panels(
        [Bars("Expression, share of the domain's pictures", names, counts, numbers.pictures)], _WIDTH
    )


def _people(numbers: Distributions) -> str:
    titles = {"gender": "Gender", "age_group": "Age", "skin_tone": "Skin tone", "style": "Style"}
    panels = []
    for name in STATISTICS:
        found = {domain: numbers.categories[name][domain] for domain in numbers.domains()}
        counts = {domain: counter for domain, counter in found.items() if counter}
        if counts:
            values = sorted({value for counter in counts.values() for value in counter}, key=_order)
            shown = {domain: [counter[value] for value in values] for domain, counter in counts.items()}
            totals = {domain: counter.total() for domain, counter in counts.items()}
            panels.append(Bars(titles[name], values, shown, totals))
    return _panels(panels, _WIDTH // 2) if panels else ""


def _words(numbers: Distributions) -> str:
    panels = []
    for domain in numbers.domains():
        if common := numbers.telling_words(domain, _MAX_BARS):
            names, counts = zip(*common, strict=True)
            title = f"Words of descriptions: {domain}"
            panels.append(Bars(title, names, {domain: counts}, {domain: numbers.num_described[domain]}))
    return _panels(panels, _WIDTH // 2, with_legend=False) if panels else ""


def _order(value: str) -> tuple[int, str]:
    """Ages and tones in their order, what is not known last."""
    known = ("female", "male", "androgynous", *AGES, *TONES)
    if value in ("other", "unknown"):
        return len(known) + 1, value
    return (known.index(value) if value in known else len(known)), value


def _panels(panels: Sequence[Bars], width: int, *, with_legend: bool = True) -> str:
    """Bars side by side, or below one another where one takes all of the width."""
    columns = _WIDTH // width
    parts: list[str] = []
    top = 0
    for begin in range(0, len(panels), columns):
        row = panels[begin : begin + columns]
        for place, panel in enumerate(row):
            parts += _bars(panel, place * width, top, width)
        top += max(panel.height for panel in row) + _GAP
    domains = sorted({domain for panel in panels for domain in panel.numbers}, reverse=True)
    return _svg(top + _MARGIN, parts, panels[0].title, domains if with_legend else [])


def _bars(panel: Bars, left: int, top: int, width: int) -> list[str]:
    start, room = left + _MARGIN + _LABELS, width - 2 * _MARGIN - _LABELS - 44
    shares = {domain: [n / panel.totals[domain] for n in each] for domain, each in panel.numbers.items()}
    largest = max((share for each in shares.values() for share in each), default=0) or 1
    parts = [_text(left + _MARGIN, top + 36, panel.title, "title")]
    y: float = top + _TOP + _GAP
    for number, name in enumerate(panel.names):
        middle = y + len(shares) * _BAR / 2 + 4
        parts.append(_text(start - 8, middle, name.replace("_", " "), "end ink"))
        for domain, each in shares.items():
            length = each[number] / largest * room
            parts.append(_rect(start, y, max(length, 0.5 if each[number] else 0), _BAR - 1.5, _color(domain)))
            words = f"{each[number]:.1%}" if each[number] else "–"
            parts.append(_text(start + length + 5, y + _BAR - 2, words, "small"))
            y += _BAR
        y += _GAP
    return parts


def _strengths(numbers: Distributions) -> str:
    """Columns: how many pictures were asked for with about each strength."""
    places = sorted({place for counter in numbers.strengths.values() for place in counter})
    span = range(0, max(10, *places) + 1)
    domains = [domain for domain in numbers.domains() if numbers.strengths[domain]]
    highest = max(n for counter in numbers.strengths.values() for n in counter.values())
    left, bottom, height = 64, 250, 180
    step = (_WIDTH - left - _MARGIN) / len(span)
    parts = [_text(_MARGIN, 36, "Strength asked for, number of pictures", "title")]
    for share in (0.0, 0.5, 1.0):
        y = bottom - height * share
        parts.append(f'<line class="rule" x1="{left}" x2="{_WIDTH - _MARGIN}" y1="{y}" y2="{y}"/>')
        parts.append(_text(left - 8, y + 4, f"{highest * share:,.0f}", "end"))
    for number, place in enumerate(span):
        x = left + number * step
        wide = (step - 8) / len(domains)
        for which, domain in enumerate(domains):
            tall = numbers.strengths[domain][place] / highest * height
            parts.append(_rect(x + 4 + which * wide, bottom - tall, wide - 1, tall, _color(domain)))
        if number % 2 == 0:
            parts.append(_text(x + step / 2, bottom + 18, f"{place * STRENGTH_STEP:.1f}", "middle"))
    return _svg(bottom + 34, parts, "Strength asked for", domains)


def _scores(numbers: Distributions) -> str:
    """A strip an expression: 5 to 95 % of its scores, the middle half, the median."""
    left, room, row = _MARGIN + _LABELS, _WIDTH - 2 * _MARGIN - _LABELS - 60, 24
    names = [name for name in EXPRESSIONS if numbers.own_scores[name]]
    bottom = _TOP + 12 + row * len(names)
    parts = [
        _text(_MARGIN, 36, "Score for the picture's own expression: 5–95 %, middle half, median", "title")
    ]
    for tick in (0, 0.25, 0.5, 0.75, 1):
        x = left + tick * room
        parts.append(f'<line class="rule" x1="{x}" x2="{x}" y1="{_TOP + 8}" y2="{bottom}"/>')
        parts.append(_text(x, bottom + 18, f"{tick:g}", "middle"))
    for number, name in enumerate(names):
        y = _TOP + 24 + number * row
        low, first, median, third, high = (
            left + room * numbers.own_quantile(name, share) for share in (0.05, 0.25, 0.5, 0.75, 0.95)
        )
        count = sum(numbers.own_scores[name].values())
        parts.append(_text(left - 8, y + 4, name, "end ink"))
        parts.append(f'<line class="strip" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>')
        parts.append(_rect(first, y - 7, max(third - first, 1), 14, "box"))
        parts.append(_rect(median - 1.5, y - 8, 3, 16, "c0"))
        parts.append(_text(left + room + 12, y + 4, f"{count:,}", "small"))
    return _svg(bottom + 30, parts, "Scores", [])


def _confusions(numbers: Distributions) -> str:
    """A row for what pictures show, a column for what the judge was asked about."""
    shown = [
        name for name in LABELS if any(numbers.mean_score(name, each) is not None for each in EXPRESSIONS)
    ]
    left, top, wide, row = _MARGIN + _LABELS, 72, 56, 26
    parts = [_text(_MARGIN, 36, "Mean score (columns) of pictures of each expression (rows)", "title")]
    for place, name in enumerate(EXPRESSIONS):
        parts.append(_text(left + place * wide + wide / 2, top - 8, name, "middle small"))
    for number, name in enumerate(shown):
        y = top + number * row
        parts.append(_text(left - 8, y + 17, name, "end ink"))
        for place, judged in enumerate(EXPRESSIONS):
            mean = numbers.mean_score(name, judged)
            x = left + place * wide
            if mean is None:
                parts.append(_text(x + wide / 2, y + 17, "–", "middle small"))
                continue
            color = "c0" if name == judged else "c1"
            shade = f' style="opacity:{max(mean, 0.03):.2f}"'
            parts.append(_rect(x + 1, y + 1, wide - 2, row - 2, color, shade))
            style = "middle small light" if mean > 0.5 else "middle small ink"
            parts.append(_text(x + wide / 2, y + 17, f"{mean:.2f}", style))
    return _svg(top + row * len(shown) + 14, parts, "Mean scores", [])


def _svg(height: float, parts: Sequence[str], title: str, domains: Sequence[Domain]) -> str:
    legend, x = [], float(_WIDTH - _MARGIN)
    for domain in reversed(domains) if len(domains) > 1 else ():
        legend.append(_text(x, 36, domain, "end"))
        x -= 9 * len(domain) + 14
        legend.append(_rect(x, 26, 11, 11, _color(domain)))
        x -= 16
    body = "\n".join((f'<rect class="paper" width="{_WIDTH}" height="{height:g}"/>', *parts, *legend))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:g}" role="img">'
        f"<title>{escape(title)}</title><style>{_STYLE}\n</style>\n{body}\n</svg>\n"
    )


def _color(domain: Domain) -> str:
    return "c0" if domain == "human" else "c1"


def _rect(x: float, y: float, width: float, height: float, style: str, more: str = "") -> str:
    return f'<rect class="{style}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"{more}/>'


def _text(x: float, y: float, words: str, style: str) -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'
