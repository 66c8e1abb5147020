"""The leaderboard: runs with their intervals, and below them what the paper published."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pixelsmile.benchmarks.metrics import METRICS, Figure, Metric, Summary
from pixelsmile.benchmarks.published import PublishedTable, published_table
from pixelsmile.benchmarks.report.html import Html, join, tag
from pixelsmile.benchmarks.report.terminal import PUBLISHED, UNKNOWN, WARNING, format_number
from pixelsmile.benchmarks.results import RunResults

_ARROWS = {"higher": "↑", "lower": "↓", None: ""}
_WAYS = {"higher": "higher is better", "lower": "lower is better", None: "neither end is best"}


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


def leaderboard(runs: Mapping[str, RunResults]) -> Html:
    """The table of `runs` (by label), each as a whole and by domain, and of the published rows."""
    notes = Footnotes()
    body = [_run_rows(label, run, notes) for label, run in runs.items()]
    body += [_published_rows(published_table(name), notes) for name in PUBLISHED]
    table = tag("table", tag("thead", _header()), *body, class_="board")
    return join(
        (
            tag("div", table, class_="scroll", tabindex=0, role="region", aria_label="Leaderboard"),
            notes.as_html(),
        )
    )


def _header() -> Html:
    cells = (
        tag(
            "th",
            metric.label,
            " ",
            tag("span", _ARROWS[metric.better], class_="muted"),
            scope="col",
            title=_WAYS[metric.better],
        )
        for metric in METRICS
    )
    return tag("tr", tag("th", "Editor", scope="col"), *cells)


def _run_rows(label: str, run: RunResults, notes: Footnotes) -> Html:
    rows = [_figures(tag("strong", label), run.summary, notes, "whole")]
    if len(run.by_domain) > 1:
        rows += [_figures(domain, found, notes, "part") for domain, found in run.by_domain.items()]
    return tag("tbody", *rows)


def _figures(name: str, found: Summary, notes: Footnotes, class_: str) -> Html:
    samples = tag("span", f"{found.num_samples} samples", class_="n")
    cells = (_figure(metric, found.metrics[metric.name], notes) for metric in METRICS)
    return tag("tr", tag("th", name, samples, scope="row"), *cells, class_=class_)


def _figure(metric: Metric, figure: Figure, notes: Footnotes) -> Html:
    found, coverage = figure.estimate, figure.coverage
    reasons = [f"{count}: {reason}" for reason, count in sorted(coverage.unscored.items())]
    num_out = sum(coverage.unscored.values())
    mark = notes.mark(found.note)  # a note says why there is no number, or no interval
    interval = None
    if found.value is not None:
        interval = tag("span", interval_words(found.low, found.high), mark, class_="interval")
    return tag(
        "td",
        tag("span", format_number(found.value), mark if found.value is None else None, class_="value"),
        interval,
        _whisker(metric, found.value, found.low, found.high),
        tag("span", f"n {coverage.num_scored}", f", {num_out} out" if num_out else "", class_="n"),
        title=f"{coverage.num_scored} {coverage.unit} of {coverage.num_samples} samples"
        + "".join(f"\n{reason}" for reason in reasons),
    )


def interval_words(low: float | None, high: float | None) -> str:
    return UNKNOWN if low is None or high is None else f"{low:.3f} – {high:.3f}"


def _whisker(metric: Metric, value: float | None, low: float | None, high: float | None) -> Html:
    """A dot and its interval on the metric's whole scale, the same in every row."""
    if value is None:
        return Html("")
    start = -1.0 if metric.name.startswith("cls") else 0.0

    def place(number: float) -> float:
        return round(100 * min(max((number - start) / (1 - start), 0), 1), 1)

    bar = None
    if low is not None and high is not None:
        bar = tag("i", style=f"left:{place(low)}%;width:{round(place(high) - place(low), 1)}%")
    return tag("span", bar, tag("b", style=f"left:{place(value)}%"), class_="whisker", aria_hidden="true")


def _published_rows(table: PublishedTable, notes: Footnotes) -> Html:
    marks = join(notes.mark(f"{table.source}: {note}") for note in table.notes)
    words = tag(
        "span",
        f"Published · {table.source} · judged by {table.judge}",
        marks,
        tag("span", f" · {WARNING}", class_="careful"),
    )
    heading = tag("th", words, colspan=1 + len(METRICS), scope="rowgroup")
    rows = (
        tag(
            "tr",
            tag("th", row.model, scope="row"),
            *(tag("td", format_number(row.values.get(metric.name), 4)) for metric in METRICS),
        )
        for row in table.rows
    )
    return tag("tbody", tag("tr", heading, class_="heading"), *rows, class_="published")


def missing_table(runs: Mapping[str, RunResults]) -> Html:
    """How many edits of each run lack a picture, a verdict or a likeness, and why."""
    rows: list[Html] = []
    for label, run in runs.items():
        missing = run.missing
        for what, reasons in (
            ("no picture", missing.not_made),
            ("no verdict", missing.not_judged),
            ("no likeness", missing.no_identity),
        ):
            rows += (
                tag("tr", tag("th", label, scope="row"), tag("td", what), tag("td", reason), tag("td", count))
                for reason, count in reasons.items()
            )
        if missing.num_neutral:
            rows.append(
                tag(
                    "tr",
                    tag("th", label, scope="row"),
                    tag("td", "left out"),
                    tag("td", "towards neutral: no metric is about it"),
                    tag("td", missing.num_neutral),
                )
            )
    if not rows:
        return tag("p", "Every edit was made, judged and measured.")
    return plain_table(("Run", "What", "Why", "Edits"), rows)


def plain_table(header: Iterable[str], rows: Iterable[Html]) -> Html:
    """A table that scrolls by itself where the page is narrow."""
    head = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in header)))
    return tag("div", tag("table", head, tag("tbody", *rows), class_="plain"), class_="scroll")
