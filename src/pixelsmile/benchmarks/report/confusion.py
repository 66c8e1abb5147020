"""What was asked for, and what the judge saw: the confusion matrix as a heat map, and the confusing pairs."""

import math

from pixelsmile.benchmarks.metrics import Figure, Summary
from pixelsmile.benchmarks.metrics.confusion import PREDICTIONS, confusion_rates
from pixelsmile.benchmarks.report.cells import interval_words, plain_table
from pixelsmile.benchmarks.report.html import Html, join, tag
from pixelsmile.benchmarks.report.text import format_number
from pixelsmile.expressions import EXPRESSIONS

_DARK_FROM = 0.55  # a cell from which on its text is light


def confusion_figure(label: str, found: Summary) -> Html:
    """Rows are targets, columns what was shown, cells the share of a row in percent (Eq. 1)."""
    rates = confusion_rates(found.confusion)
    columns = (tag("th", tag("span", name), scope="col") for name in PREDICTIONS)
    head = tag(
        "tr",
        tag("td", "asked ↓  shown →", class_="corner"),
        *columns,
        tag("th", tag("span", "n"), scope="col"),
    )
    rows = (
        tag(
            "tr",
            tag("th", target, scope="row"),
            *(_cell(target, shown, float(rate)) for shown, rate in zip(PREDICTIONS, row, strict=True)),
            tag("td", f"{counts.sum():g}", class_="total"),
        )
        for target, row, counts in zip(EXPRESSIONS, rates, found.confusion, strict=True)
    )
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="heat")
    at = found.choices.confusion_strengths
    strength = f"at strength {at:g}" if isinstance(at, (int, float)) else f"at {at} strengths"
    caption = tag("figcaption", tag("strong", label), f" · percent of a row, {strength}")
    return tag("figure", caption, tag("div", table, class_="scroll"))


def pairs_table(label: str, found: Summary) -> Html:
    """The rates of the confusing pairs with intervals: BCR (Eq. 2), and both directions."""
    return join(
        (
            tag("h4", label),
            plain_table(
                ("Pair", "Rate", "95% interval", "n", "out"),
                (_pair(name, figure) for name, figure in found.pairs.items()),
            ),
        )
    )


def _pair(name: str, figure: Figure) -> Html:
    words = name.replace("->", " shown as ") if "->" in name else f"{name.replace('-', ' and ')} (BCR)"
    found, coverage = figure.estimate, figure.coverage
    return tag(
        "tr",
        tag("th", words, scope="row"),
        tag("td", format_number(found.value), title=found.note),
        tag("td", interval_words(found.low, found.high), title=found.note),
        tag("td", coverage.num_scored),
        tag("td", sum(coverage.unscored.values())),
    )


def _cell(target: str, shown: str, rate: float) -> Html:
    if math.isnan(rate):
        return tag("td", "–", title=f"no scored edit towards {target}", class_="none")
    kind = "right" if target == shown else "wrong"
    return tag(
        "td",
        f"{100 * rate:.0f}" if rate else "",
        class_=f"{kind} strong" if rate >= _DARK_FROM else kind,
        style=f"--rate:{100 * rate:.0f}%",
        title=f"{target} shown as {shown}: {100 * rate:.1f} %",
    )
