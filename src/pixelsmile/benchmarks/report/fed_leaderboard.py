"""FED-Bench's tables: the leaderboard as Table 1 has it, the dimensions, the classes, what is missing."""

from collections.abc import Iterable, Mapping, Sequence

from pixelsmile.benchmarks.fed.results import FedResults
from pixelsmile.benchmarks.fed.triplets import CLASSES, GRANULARITIES
from pixelsmile.benchmarks.metrics import Figure
from pixelsmile.benchmarks.published import PublishedRow, published_table
from pixelsmile.benchmarks.report.cells import (
    ARROWS,
    WAYS,
    Footnotes,
    board,
    figure_cell,
    plain_table,
    published_heading,
)
from pixelsmile.benchmarks.report.fed_numbers import (
    ALL_NUMBERS,
    COMPONENT_NUMBERS,
    DIMENSION_NUMBERS,
    SCORE_NUMBER,
    FedNumber,
)
from pixelsmile.benchmarks.report.html import Html, join, tag
from pixelsmile.benchmarks.report.text import UNKNOWN, format_number

_TABLE_1 = (*COMPONENT_NUMBERS, SCORE_NUMBER)
_DIMENSIONS = (*DIMENSION_NUMBERS, SCORE_NUMBER)
_NONE: Mapping[str, Figure] = {}


def fed_leaderboard(runs: Mapping[str, FedResults]) -> Html:
    """Components and score, dense beside simple; below, the published rows, which were judged otherwise."""
    notes = Footnotes()
    bodies = [tag("tbody", _run_row(label, run, notes)) for label, run in runs.items()]
    return board(_header(), [*bodies, _published(notes)], notes, "Leaderboard", "board halves")


def dimensions_table(runs: Mapping[str, FedResults]) -> Html:
    """The three dimensions and their product: of all edits, then of the dense and of the simple ones."""
    notes = Footnotes()
    head = tag("tr", tag("th", "Editor", scope="col"), *(_name(number) for number in _DIMENSIONS))
    bodies = []
    for label, run in runs.items():
        found = run.summary
        counts = f"{found.num_samples} triplets, {found.num_edits} edits"
        rows = [_row(tag("strong", label), found.overall, _DIMENSIONS, notes, "whole", counts)]
        if len(found.by_granularity) > 1:
            rows += [
                _row(each, found.by_granularity[each], _DIMENSIONS, notes, "part")
                for each in GRANULARITIES
                if each in found.by_granularity
            ]
        bodies.append(tag("tbody", *rows))
    return board(head, bodies, notes, "Dimensions", "board narrow")


def classes_table(runs: Mapping[str, FedResults]) -> Html:
    """FED-Score of each class, a row for each run; both granularities together."""
    notes = Footnotes()
    shown = [name for name in CLASSES if any(name in run.summary.by_expression for run in runs.values())]
    head = tag("tr", tag("th", "Editor", scope="col"), *(tag("th", name, scope="col") for name in shown))
    bodies = []
    for label, run in runs.items():
        by = run.summary.by_expression
        cells = (_cell(SCORE_NUMBER, by.get(name, _NONE), notes) for name in shown)
        bodies.append(tag("tbody", tag("tr", tag("th", tag("strong", label), scope="row"), *cells)))
    return board(head, bodies, notes, "FED-Score by class", "board narrow")


def class_details(runs: Mapping[str, FedResults]) -> Html:
    """All numbers of each class, folded by run."""
    head = tag("tr", tag("th", "Class", scope="col"), *(_name(number) for number in ALL_NUMBERS))
    parts = []
    for label, run in runs.items():
        notes = Footnotes()
        by = run.summary.by_expression
        rows = (_row(name, by[name], ALL_NUMBERS, notes, "whole") for name in CLASSES if name in by)
        table = board(head, [tag("tbody", *rows)], notes, f"Classes of {label}")
        parts.append(tag("details", tag("summary", label), table))
    return join(parts)


def fed_missing_table(runs: Mapping[str, FedResults]) -> Html:
    """How many tasks of each run lack an instruction, an edit or a component, and why."""
    rows: list[Html] = []
    for label, run in runs.items():
        missing = run.missing
        lacks = [("no edit", reason, count) for reason, count in missing.not_made.items()]
        lacks += [
            ("no instruction", f"the benchmark has no {each} one", count)
            for each, count in missing.no_instruction.items()
            if count
        ]
        for number in COMPONENT_NUMBERS:
            reasons = missing.components.get(number.name, {})
            lacks += [(f"no {number.label}", reason, count) for reason, count in reasons.items()]
        for what, reason, count in lacks:
            cells = (tag("td", cell) for cell in (what, reason, count))
            rows.append(tag("tr", tag("th", label, scope="row"), *cells))
    if not rows:
        return tag("p", "Every task has an edit with all six components.")
    return plain_table(("Run", "What", "Why", "Edits"), rows)


def _header() -> Html:
    halves = (
        tag("th", f"{each.capitalize()} instructions", colspan=len(_TABLE_1), scope="colgroup", class_="half")
        for each in GRANULARITIES
    )
    names = [_name(number, first=place == 0) for _ in GRANULARITIES for place, number in enumerate(_TABLE_1)]
    return join(
        (
            tag("tr", tag("th", "Editor", scope="col", rowspan=2), *halves),
            tag("tr", *names),
        )
    )


def _name(number: FedNumber, first: bool = False) -> Html:
    way = "best at 1" if number.name == "gain" else WAYS[number.better]
    arrow = "→ 1" if number.name == "gain" else ARROWS[number.better]
    return tag(
        "th",
        number.label,
        " ",
        tag("span", arrow, class_="muted"),
        scope="col",
        title=f"{number.meaning}; {way}",
        class_="first" if first else None,
    )


def _run_row(label: str, run: FedResults, notes: Footnotes) -> Html:
    by = run.summary.by_granularity
    cells = [_cell(number, by.get(each, _NONE), notes) for each in GRANULARITIES for number in _TABLE_1]
    samples = tag("span", f"{run.summary.num_samples} triplets", class_="n")
    return tag("tr", tag("th", tag("strong", label), samples, scope="row"), *cells)


def _row(
    name: str,
    figures: Mapping[str, Figure],
    numbers: Iterable[FedNumber],
    notes: Footnotes,
    class_: str,
    counts: str | None = None,
) -> Html:
    below = None if counts is None else tag("span", counts, class_="n")
    cells = (_cell(number, figures, notes) for number in numbers)
    return tag("tr", tag("th", name, below, scope="row"), *cells, class_=class_)


def _cell(number: FedNumber, figures: Mapping[str, Figure], notes: Footnotes) -> Html:
    if number.name not in figures:  # not asked in this granularity, or no such class
        return tag("td", tag("span", UNKNOWN, class_="value"))
    return figure_cell(figures[number.name], notes, number.low, number.high, number.digits)


def _published(notes: Footnotes) -> Html:
    table = published_table("fed")
    halves = {each: {row.model: row for row in table.rows if row.group == each} for each in GRANULARITIES}
    models = dict.fromkeys(row.model for row in table.rows)
    rows = (
        tag(
            "tr",
            tag("th", model, scope="row"),
            *(cell for each in GRANULARITIES for cell in _published_cells(halves[each].get(model))),
        )
        for model in models
    )
    heading = published_heading(table, notes, 1 + len(GRANULARITIES) * len(_TABLE_1))
    return tag("tbody", heading, *rows, class_="published")


def _published_cells(row: PublishedRow | None) -> Sequence[Html]:
    values = {} if row is None else row.values
    return [
        tag("td", format_number(values.get(number.published or ""), number.published_digits))
        for number in _TABLE_1
    ]
