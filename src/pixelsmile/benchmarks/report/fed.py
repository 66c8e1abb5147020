"""The report of FED-Bench: its tables for the terminal, and its page (templates/fed.html)."""

from collections.abc import Iterator, Mapping

from pixelsmile.benchmarks.fed.results import FedResults
from pixelsmile.benchmarks.fed.triplets import CLASSES
from pixelsmile.benchmarks.published import TableName
from pixelsmile.benchmarks.report.cases import (
    LAZY_BELOW,
    OVERFIT_ABOVE,
    Pattern,
    Together,
    examples,
    pattern_counts,
    ranked_tasks,
    shared_tasks,
)
from pixelsmile.benchmarks.report.charts import LARGEST_GAIN, gain_chart
from pixelsmile.benchmarks.report.page import Pictures, excerpt, render, specified
from pixelsmile.benchmarks.report.remarks import benchmark_words, fed_remarks, gain_words, identity_words
from pixelsmile.benchmarks.report.tables import (
    COMPONENTS,
    DIMENSIONS,
    FED_COLUMNS,
    SCORE,
    UNKNOWN,
    Column,
    Figures,
    Row,
    Table,
    bootstrap_words,
    format_interval,
    format_number,
    further_columns,
    further_rows,
    interval_lines,
    level_words,
    printable,
    table_lines,
    value_lines,
)
from pixelsmile.benchmarks.scores import MARKS, ScoredEdit
from pixelsmile.editors.editor import GRANULARITIES

_TABLE_1 = (*COMPONENTS, SCORE)
_NOT_SPECIFIED = ("schema_version", "edits", "summary", "by_domain", "missing", "scores")
_PATTERNS: tuple[Pattern, ...] = ("lazy", "overfit")
_SEED = 0  # of what is drawn by lot
_NUM_EXAMPLES = 3


def fed_lines(runs: Mapping[str, FedResults], *, classes: bool = False, published: bool = False) -> list[str]:
    """The leaderboard of `runs`, dense beside simple, then each run with its intervals and what is missing.

    classes: the numbers of each class too. published: the 18 published rows below the leaderboard.
    """
    lines = value_lines(leaderboard(runs, published=published))
    for label, run in runs.items():
        found = run.summary
        lines += ["", f"{label}: {found.num_samples} triplets, judged by {run.judge_id}"]
        parts = {each: found.by_granularity[each] for each in GRANULARITIES if each in found.by_granularity}
        columns = (*FED_COLUMNS, *further_columns(run.further))
        lines += interval_lines(columns, {**found.overall, **run.further}, found.bootstrap, parts)
        unscored = found.overall[SCORE.name].coverage.unscored
        lines += (f"unscored: {count} x {reason}" for reason, count in unscored.items())
        if classes:
            lines += ["", f"{label}, by class", *_class_lines(run)]
    found = next(iter(runs.values())).summary
    lines += [
        "",
        f"FED-Score by normalisation {found.constants.version}, {found.constants.status}: the authors "
        "published the form, not the constants",
        f"Intervals: {bootstrap_words(found.bootstrap)}",
    ]
    return [printable(line) for line in lines]


def fed_page(runs: Mapping[str, FedResults]) -> str:
    """The page of `runs`, by the label of each."""
    records = {label: run.as_json() for label, run in runs.items()}
    names = tuple(name for name in next(iter(records.values())) if name not in _NOT_SPECIFIED)
    albums = {label: Album(label, run) for label, run in runs.items()}
    return render(
        "fed.html",
        f"FED-Bench: {', '.join(runs)}",
        {"numbers": records},
        runs=runs,
        albums=albums,
        about=[_about(label, run) for label, run in runs.items()],
        remarks=fed_remarks(runs),
        board=leaderboard(runs),
        further=further_rows({label: run.further for label, run in runs.items()}),
        dimensions=_dimensions(runs),
        classes=_classes(runs),
        class_details={label: _class_details(label, run) for label, run in runs.items()},
        tasks=_tasks(runs),
        chart=gain_chart(runs),
        limits=(LAZY_BELOW, OVERFIT_ABOVE, LARGEST_GAIN),
        patterns=[(label, *_shares(run)) for label, run in runs.items()],
        examples={label: _examples(run) for label, run in runs.items()},
        missing=[row for label, run in runs.items() for row in _missing(label, run)],
        specified=specified(records, names),
    )


def leaderboard(runs: Mapping[str, FedResults], *, published: bool = True) -> Table:
    """Components and score, dense beside simple, as Table 1 of the paper has them."""
    groups = [
        [
            Row(
                label,
                [run.summary.by_granularity.get(each, {}) for each in GRANULARITIES],
                f"{run.summary.num_samples} triplets",
            )
        ]
        for label, run in runs.items()
    ]
    tables: tuple[TableName, ...] = ("fed",) if published else ()
    return Table("Leaderboard", _TABLE_1, groups, GRANULARITIES, tables, style="halves")


class Album:
    """The pictures of one run, and what was found out about each edit."""

    def __init__(self, label: str, run: FedResults) -> None:
        self.label, self.run = label, run
        self._pictures = Pictures(run.folder)

    def source(self, scored: ScoredEdit) -> dict[str, str]:
        return self._pictures.source(scored.task.source)

    def truth(self, scored: ScoredEdit) -> dict[str, str]:
        return self._pictures.truth(scored.sample)

    def edit(self, scored: ScoredEdit) -> dict[str, str]:
        words = f"{scored.sample}, edit of {self.label}"
        return self._pictures.edit(scored.key, words, scored.unmade)

    def said(self, scored: ScoredEdit) -> list[tuple[str, str]]:
        """The judge's own words, by the label of the component."""
        marks = ((column.label, scored.score(column.name)) for column in COMPONENTS if column.name in MARKS)
        return [(label, excerpt(mark.explanation)) for label, mark in marks if mark.unscored is None]

    def unscored(self) -> list[tuple[str, str]]:
        """The edits without a score, with the reasons; nothing was said of them."""
        return [
            (f"{edit.sample} → {edit.target}, {edit.granularity}: {_why(edit)}", "")
            for edit in self.run.edits
            if edit.score(SCORE.name).value is None
        ]


def _about(label: str, run: FedResults) -> tuple[object, ...]:
    return (
        label,
        benchmark_words(run),
        run.summary.num_samples,
        run.summary.num_edits,
        run.judge_id,
        identity_words(run, digits=0),
        gain_words(run),
        run.spec.seed,
        f"{run.spec.created:%Y-%m-%d}",
    )


def _dimensions(runs: Mapping[str, FedResults]) -> Table:
    """The three dimensions and their product: of all edits, then of the dense and of the simple ones."""
    groups = []
    for label, run in runs.items():
        found, counts = run.summary, f"{run.summary.num_samples} triplets, {run.summary.num_edits} edits"
        by = found.by_granularity if len(found.by_granularity) > 1 else {}
        parts = [Row(each, [by[each]], is_part=True) for each in GRANULARITIES if each in by]
        groups.append([Row(label, [found.overall], counts), *parts])
    return Table("Dimensions", (*DIMENSIONS, SCORE), groups, style="narrow")


def _classes(runs: Mapping[str, FedResults]) -> Table:
    """FED-Score of each class; both granularities together."""
    shown = [name for name in CLASSES if any(name in run.summary.by_expression for run in runs.values())]
    columns = [Column(name, name, SCORE.meaning) for name in shown]
    groups = [[Row(label, [_score_by_class(run)])] for label, run in runs.items()]
    return Table("FED-Score by class", columns, groups, style="narrow")


def _score_by_class(run: FedResults) -> Figures:
    return {name: figures[SCORE.name] for name, figures in run.summary.by_expression.items()}


def _class_details(label: str, run: FedResults) -> Table:
    """All numbers of each class."""
    by = run.summary.by_expression
    rows = [Row(name, [by[name]]) for name in CLASSES if name in by]
    return Table(f"Classes of {label}", FED_COLUMNS, [rows], heading="Class")


def _tasks(runs: Mapping[str, FedResults]) -> list[Together]:
    """Of several runs the same tasks side by side, of one its best, its median and its worst."""
    return shared_tasks(runs, _SEED) if len(runs) > 1 else ranked_tasks(next(iter(runs.values())))


def _shares(run: FedResults) -> list[str]:
    found = pattern_counts(run)
    num = sum(found.values())
    return [f"{count} ({count / num:.0%})" if num else "0" for count in found.values()]


def _examples(run: FedResults) -> list[tuple[str, ScoredEdit]]:
    """Lazy and overfit edits, each with what it is."""
    return [
        (f"{kind}, REG {each.score('gain').value:.2f}", each)
        for kind in _PATTERNS
        for each in examples(run, kind, _NUM_EXAMPLES)
    ]


def _missing(label: str, run: FedResults) -> Iterator[tuple[str, str, str, int]]:
    """How many tasks lack an instruction, an edit or a component, and why."""
    missing = run.missing
    yield from ((label, "no edit", reason, count) for reason, count in missing.not_made.items())
    for each, count in missing.no_instruction.items():
        if count:
            yield label, "no instruction", f"the benchmark has no {each} one", count
    for column in COMPONENTS:
        for reason, count in missing.components.get(column.name, {}).items():
            yield label, f"no {column.label}", reason, count


def _why(scored: ScoredEdit) -> str:
    reasons = (scored.score(column.name).unscored for column in COMPONENTS)
    return excerpt("; ".join(dict.fromkeys(why for why in reasons if why is not None))) or UNKNOWN


def _class_lines(run: FedResults) -> list[str]:
    by = run.summary.by_expression
    rows = [
        (
            name,
            *(format_number(by[name][each.name].estimate.value, each.digits) for each in FED_COLUMNS),
            format_interval(by[name][SCORE.name].estimate),
            str(by[name][SCORE.name].coverage.num_scored),
        )
        for name in CLASSES
        if name in by
    ]
    labels = (column.label for column in FED_COLUMNS)
    return table_lines(("", *labels, level_words(run.summary.bootstrap), "scored"), rows)
