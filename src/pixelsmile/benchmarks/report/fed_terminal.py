"""The report of FED-Bench as plain text."""

from collections.abc import Mapping, Sequence

from pixelsmile.benchmarks.fed.results import FedResults
from pixelsmile.benchmarks.fed.triplets import CLASSES, GRANULARITIES
from pixelsmile.benchmarks.metrics import Figure
from pixelsmile.benchmarks.published import published_table
from pixelsmile.benchmarks.report.fed_numbers import (
    COMPONENT_NUMBERS,
    DIMENSION_NUMBERS,
    SCORE_NUMBER,
)
from pixelsmile.benchmarks.report.terminal import WARNING, bootstrap_words
from pixelsmile.benchmarks.report.text import UNKNOWN, format_interval, format_number, printable, table_lines

_TABLE_1 = (*COMPONENT_NUMBERS, SCORE_NUMBER)
_ALL = (*COMPONENT_NUMBERS, *DIMENSION_NUMBERS, SCORE_NUMBER)
_Figures = Mapping[str, Figure]


def fed_report_lines(
    runs: Mapping[str, FedResults], *, classes: bool = False, published: bool = False
) -> list[str]:
    """The leaderboard of `runs`, dense beside simple, then each run with its intervals and what is missing.

    classes: the numbers of each class too. published: the 18 published rows below the leaderboard.
    """
    lines = _leaderboard_lines(runs, published)
    for label, run in runs.items():
        found = run.summary
        lines += ["", f"{label}: {found.num_samples} triplets, judged by {run.judge_id}", *_run_lines(run)]
        if classes:
            lines += ["", f"{label}, by class", *_class_lines(run)]
    constants = next(iter(runs.values())).summary.constants
    plan = next(iter(runs.values())).summary.bootstrap
    lines += [
        "",
        f"FED-Score by normalisation {constants.version}, {constants.status}: the authors published the "
        "form, not the constants",
        f"Intervals: {bootstrap_words(plan)}",
    ]
    return [printable(line) for line in lines]


def _leaderboard_lines(runs: Mapping[str, FedResults], published: bool) -> list[str]:
    rows = [
        (label, *(text for each in GRANULARITIES for text in _half(run.summary.by_granularity.get(each, {}))))
        for label, run in runs.items()
    ]
    num_ours, heading = len(rows), ""
    if published:
        table = published_table("fed")
        heading = f"published: {table.source}, judged by {table.judge} ({WARNING})"
        rows += _published_rows()
    labels = [number.label for number in _TABLE_1]
    header = ("", *(f"{each} {labels[0]}" for each in GRANULARITIES[:1]), *labels[1:])
    header = (*header, f"{GRANULARITIES[1]} {labels[0]}", *labels[1:])
    head, *aligned = table_lines(header, rows)
    lines = [head, *aligned[:num_ours]]
    return [*lines, "", heading, *aligned[num_ours:]] if published else lines


def _half(figures: _Figures) -> Sequence[str]:
    return [
        format_number(figures[number.name].estimate.value, number.digits) if figures else UNKNOWN
        for number in _TABLE_1
    ]


def _published_rows() -> list[tuple[str, ...]]:
    """A row for each model, dense beside simple."""
    values: dict[str, dict[str, Mapping[str, float]]] = {}
    for row in published_table("fed").rows:
        values.setdefault(row.model, {})[row.group or ""] = row.values
    return [
        (
            model,
            *(
                format_number(by.get(each, {}).get(number.published or ""), number.published_digits)
                for each in GRANULARITIES
                for number in _TABLE_1
            ),
        )
        for model, by in values.items()
    ]


def _run_lines(run: FedResults) -> list[str]:
    """A row for each number: value, interval, what it rests on, each granularity; below, what is missing."""
    found = run.summary
    parts = {each: found.by_granularity[each] for each in GRANULARITIES if each in found.by_granularity}
    rows, notes = [], dict[str, list[str]]()
    for number in _ALL:
        figure = found.overall[number.name]
        coverage = figure.coverage
        if figure.estimate.note is not None:
            notes.setdefault(figure.estimate.note, []).append(number.label)
        rows.append(
            (
                number.label,
                *_value(figure, number.digits),
                f"{coverage.num_scored} {coverage.unit}",
                str(sum(coverage.unscored.values())),
                *(" ".join(_value(part[number.name], number.digits)) for part in parts.values()),
            )
        )
    header = ("", "value", f"{100 * found.bootstrap.level:g}% interval", "scored", "unscored", *parts)
    unscored = found.overall[SCORE_NUMBER.name].coverage.unscored
    return [
        *table_lines(header, rows),
        *(f"{', '.join(labels)}: {note}" for note, labels in notes.items()),
        *(f"unscored: {count} x {reason}" for reason, count in unscored.items()),
    ]


def _class_lines(run: FedResults) -> list[str]:
    by = run.summary.by_expression
    rows = [
        (
            name,
            *(format_number(by[name][number.name].estimate.value, number.digits) for number in _ALL),
            format_interval(by[name][SCORE_NUMBER.name].estimate),
            str(by[name][SCORE_NUMBER.name].coverage.num_scored),
        )
        for name in CLASSES
        if name in by
    ]
    level = f"{100 * run.summary.bootstrap.level:g}% interval"
    return table_lines(("", *(number.label for number in _ALL), level, "scored"), rows)


def _value(figure: Figure, digits: int) -> tuple[str, str]:
    return format_number(figure.estimate.value, digits), format_interval(figure.estimate, digits)
