"""The leaderboard: runs with their intervals, and below them what the paper published."""

from collections.abc import Mapping

from pixelsmile.benchmarks.metrics import METRICS, Summary
from pixelsmile.benchmarks.published import PublishedTable, published_table
from pixelsmile.benchmarks.report.cells import (
    ARROWS,
    WAYS,
    Footnotes,
    board,
    figure_cell,
    plain_table,
    published_heading,
)
from pixelsmile.benchmarks.report.html import Html, tag
from pixelsmile.benchmarks.report.terminal import PUBLISHED
from pixelsmile.benchmarks.report.text import format_number
from pixelsmile.benchmarks.results import RunResults


def leaderboard(runs: Mapping[str, RunResults]) -> Html:
    """The table of `runs` (by label), each as a whole and by domain, and of the published rows."""
    notes = Footnotes()
    body = [_run_rows(label, run, notes) for label, run in runs.items()]
    body += [_published_rows(published_table(name), notes) for name in PUBLISHED]
    return board(_header(), body, notes, "Leaderboard")


def _header() -> Html:
    cells = (
        tag(
            "th",
            metric.label,
            " ",
            tag("span", ARROWS[metric.better], class_="muted"),
            scope="col",
            title=WAYS[metric.better],
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
    cells = (
        figure_cell(found.metrics[metric.name], notes, low=-1.0 if metric.name.startswith("cls") else 0.0)
        for metric in METRICS
    )
    return tag("tr", tag("th", name, samples, scope="row"), *cells, class_=class_)


def _published_rows(table: PublishedTable, notes: Footnotes) -> Html:
    rows = (
        tag(
            "tr",
            tag("th", row.model, scope="row"),
            *(tag("td", format_number(row.values.get(metric.name), 4)) for metric in METRICS),
        )
        for row in table.rows
    )
    return tag("tbody", published_heading(table, notes, 1 + len(METRICS)), *rows, class_="published")


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
