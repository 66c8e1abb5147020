"""The parts of a report's tables: a number with its interval and what it rests on, and notes below."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pixelsmile.benchmarks.metrics import Figure
from pixelsmile.benchmarks.published import PublishedTable
from pixelsmile.benchmarks.report.html import Html, join, tag
from pixelsmile.benchmarks.report.terminal import WARNING
from pixelsmile.benchmarks.report.text import UNKNOWN, format_number

ARROWS = {"higher": "↑", "lower": "↓", None: ""}
WAYS = {"higher": "higher is better", "lower": "lower is better", None: "neither end is best"}


@dataclass
class Footnotes:
    """Sentences below a table, each once, with the number that stands in the table."""

    sentences: list[str] = field(default_factory=list)

    def mark(self, sentence: str | None) -> Html:
        """The raised number of `sentence`; nothing for None."""
        if sentence is None:
            return Html("")
        if sentence not in self.sentences:
            self.sentences.append(sentence)
        return tag("sup", self.sentences.index(sentence) + 1)

    def as_html(self) -> Html:
        if not self.sentences:
            return Html("")
        return tag("ol", *(tag("li", sentence) for sentence in self.sentences), class_="footnotes")


def figure_cell(
    figure: Figure, notes: Footnotes, low: float = 0.0, high: float = 1.0, digits: int = 3
) -> Html:
    """A cell with value, interval and n; `low` and `high` are the ends of the number's whole scale."""
    found, coverage = figure.estimate, figure.coverage
    reasons = [f"{count}: {reason}" for reason, count in sorted(coverage.unscored.items())]
    num_out = sum(coverage.unscored.values())
    mark = notes.mark(found.note)  # a note says why there is no number, or no interval
    interval = None
    if found.value is not None:
        interval = tag("span", interval_words(found.low, found.high, digits), mark, class_="interval")
    value = format_number(found.value, digits)
    return tag(
        "td",
        tag("span", value, mark if found.value is None else None, class_="value"),
        interval,
        _whisker(found.value, found.low, found.high, (low, high)),
        tag("span", f"n {coverage.num_scored}", f", {num_out} out" if num_out else "", class_="n"),
        title=f"{coverage.num_scored} {coverage.unit} of {coverage.num_samples} samples"
        + "".join(f"\n{reason}" for reason in reasons),
    )


def interval_words(low: float | None, high: float | None, digits: int = 3) -> str:
    return UNKNOWN if low is None or high is None else f"{low:.{digits}f} – {high:.{digits}f}"


def published_heading(table: PublishedTable, notes: Footnotes, num_columns: int) -> Html:
    """The row above published rows: whose they are, who judged, and that they do not compare."""
    marks = join(notes.mark(f"{table.source}: {note}") for note in table.notes)
    words = tag(
        "span",
        f"Published · {table.source} · judged by {table.judge}",
        marks,
        tag("span", f" · {WARNING}", class_="careful"),
    )
    return tag("tr", tag("th", words, colspan=num_columns, scope="rowgroup"), class_="heading")


def board(head: Html, bodies: Iterable[Html], notes: Footnotes, label: str, class_: str = "board") -> Html:
    """A wide table that scrolls under its first column, with its notes."""
    table = tag("table", tag("thead", head), *bodies, class_=class_)
    return join(
        (
            tag("div", table, class_="scroll", tabindex=0, role="region", aria_label=label),
            notes.as_html(),
        )
    )


def plain_table(header: Iterable[str], rows: Iterable[Html]) -> Html:
    """A table that scrolls by itself where the page is narrow."""
    head = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in header)))
    return tag("div", tag("table", head, tag("tbody", *rows), class_="plain"), class_="scroll")


def _whisker(value: float | None, low: float | None, high: float | None, scale: tuple[float, float]) -> Html:
    """A dot and its interval on the number's whole scale, the same in every row."""
    if value is None:
        return Html("")
    start, end = scale

    def place(number: float) -> float:
        return round(100 * min(max((number - start) / (end - start), 0), 1), 1)

    bar = None
    if low is not None and high is not None:
        bar = tag("i", style=f"left:{place(low)}%;width:{round(place(high) - place(low), 1)}%")
    return tag("span", bar, tag("b", style=f"left:{place(value)}%"), class_="whisker", aria_hidden="true")
