"""Editors side by side: boards of runs that compare directly, who is best, and how sure that is.

Runs of one board have the same samples, strengths, judge and measures. In each column the best editor is the
one with the best number; every other is compared with it on the edits that both have, paired by sample, and
the p-values of a column are adjusted for their number (Holm). Whoever is chosen as best for its number had
luck on its side: "not told apart" can be trusted, a difference that is barely significant less so.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from pixelsmile.benchmarks.fed.results import FedResults, load_fed_results
from pixelsmile.benchmarks.ffe.results import RunResults, load_results
from pixelsmile.benchmarks.metrics.measure import Bootstrap, Figure, holm
from pixelsmile.benchmarks.metrics.summary import Difference
from pixelsmile.benchmarks.published import TableName
from pixelsmile.benchmarks.report.comparison import compare_runs
from pixelsmile.benchmarks.report.fed_comparison import ALL, compare_fed_runs
from pixelsmile.benchmarks.report.remarks import fed_terms, ffe_terms, run_labels
from pixelsmile.benchmarks.report.tables import (
    DIMENSIONS,
    FED_COLUMNS,
    FFE_COLUMNS,
    UNKNOWN,
    WARNING,
    Column,
    Figures,
    Row,
    Table,
    bootstrap_words,
    format_number,
    further_columns,
    printable,
    table_lines,
)
from pixelsmile.benchmarks.run_folder import BenchmarkKind, RunFolder
from pixelsmile.editors.editor import GRANULARITIES
from pixelsmile.errors import InputError

LEVEL = 0.05
MARKS = {"best": "*", "near": "=", "unclear": "?", "behind": " "}
LEGEND = (
    f"* the best of its column; = not told apart from it (paired, Holm over the column, p >= {LEVEL:g}); "
    "? too few or too equal samples for a test; no mark: behind it, or a column without a best end"
)
_RANKED_BY = {"general": "acc_12", "linear": "hes", "fed": "fed_score"}  # the paper's last column, or nearest
_PUBLISHED: dict[str, tuple[TableName, ...]] = {
    "general": ("ffe_general",),
    "linear": ("ffe_general", "ffe_linear"),
    "fed": ("fed",),
}

Place = Literal["best", "near", "unclear", "behind"]
Results = RunResults | FedResults
_Differences = Mapping[str, Mapping[str, Difference]]  # by part, by column


@dataclass(frozen=True)
class Standing:
    """How a number stands to the best of its column.

    place: near, not told apart from the best; unclear, the draws have no p-value. difference: the best one's
    minus this; None for the best itself. p_value: of no difference, adjusted for the others of the column.
    """

    place: Place
    difference: Difference | None = None
    p_value: float | None = None

    @property
    def words(self) -> str:
        """For who points at the number."""
        if self.difference is None:
            return "the best of its column"
        gap = self.difference.difference
        p_value = "no p-value" if self.p_value is None else f"p {self.p_value:.3g} (Holm)"
        return f"{format_number(gap.value)} from the best on the same edits, {p_value}"

    def as_json(self) -> dict[str, Any]:
        difference = None if self.difference is None else self.difference.as_json()
        return {"place": self.place, "p_value": self.p_value, "difference": difference}


@dataclass(frozen=True)
class Cost:
    """What an edit took. seconds: of the editor, the mean of those made. dollars: all that was paid over the
    edits made. None for what is not known. hardware: where the run was made."""

    seconds: float | None
    dollars: float | None
    hardware: str

    @classmethod
    def of(cls, folder: RunFolder) -> "Cost":
        made = [record for record in folder.edits().values() if record.file is not None]
        timed = [record.seconds for record in made if record.seconds is not None]
        paid = float(sum(line.dollars for line in folder.spending()))
        about = folder.spec().hardware
        gpus = about.get("gpus")
        here = f"{about.get('platform', 'unknown')}, {about.get('num_processors', '?')} processors"
        return cls(
            sum(timed) / len(timed) if timed else None,
            paid / len(made) if paid and made else None,
            ", ".join(map(str, gpus)) if isinstance(gpus, list) and gpus else here,
        )


@dataclass(frozen=True)
class Entrant:
    """An editor on a board. figures, standings: by part of the board, then by column."""

    label: str
    run: Results
    figures: Mapping[str, Figures]
    cost: Cost
    standings: Mapping[str, Mapping[str, Standing]]

    def standing(self, part: str, column: str) -> Standing | None:
        return self.standings.get(part, {}).get(column)

    @property
    def num_made(self) -> int:
        return sum(edit.file is not None for edit in self.run.edits)

    def as_json(self) -> dict[str, Any]:
        return {
            "editor": self.label,
            "run": str(self.run.folder.path),
            "samples": self.run.summary.num_samples,
            "edits": len(self.run.edits),
            "made": self.num_made,
            "seconds_per_edit": self.cost.seconds,
            "dollars_per_edit": self.cost.dollars,
            "hardware": self.cost.hardware,
            "metrics": {
                part or ALL: {
                    name: figure.as_json()
                    | {"standing": None if (found := self.standing(part, name)) is None else found.as_json()}
                    for name, figure in figures.items()
                }
                for part, figures in self.figures.items()
            },
        }


@dataclass(frozen=True)
class Board:
    """Runs that compare directly. terms: what they all share, in words. apart: why they are not on the first
    board of their benchmark; empty for that. parts: dense and simple, or one without a name. entrants: by the
    number that the paper ranks by, or nearest to it."""

    key: str
    kind: BenchmarkKind
    terms: Mapping[str, str]
    apart: str
    parts: Sequence[str]
    columns: Sequence[Column]
    entrants: Sequence[Entrant]
    published: Sequence[TableName]
    remarks: Sequence[str] = ()

    @property
    def title(self) -> str:
        """What the board is, in a few words."""
        setting = {"general": ", one edit a sample", "linear": ", sweeps of strengths"}
        return f"{self.kind.upper()}-Bench{setting.get(self.terms.get('settings', ''), '')}"

    @property
    def bootstrap(self) -> Bootstrap:
        return self.entrants[0].run.summary.bootstrap

    @property
    def shown(self) -> Sequence[Column]:
        """The columns of the paper's table: of FED-Bench without the dimensions."""
        return [column for column in self.columns if column not in DIMENSIONS]

    @cached_property
    def table(self) -> Table:
        """What reports print and draw."""
        groups = [[Row(e.label, [e.figures[part] for part in self.parts])] for e in self.entrants]
        return Table(self.title, self.shown, groups, self.parts, self.published)

    def as_json(self) -> dict[str, Any]:
        return {
            "board": self.key,
            "benchmark": self.kind,
            "terms": dict(self.terms),
            "apart": self.apart,
            "bootstrap": self.bootstrap.as_json(),
            "remarks": list(self.remarks),
            "editors": [entrant.as_json() for entrant in self.entrants],
        }


def leaderboard(
    folders: Sequence[RunFolder], judge_id: str | None = None, bootstrap: Bootstrap | None = None
) -> list[Board]:
    """The boards of these runs, FFE-Bench first, of each benchmark the one with the most runs first.

    judge_id: the beginning of an id, where runs have several judges. InputError for a run that is not judged,
    and for one that is given twice.
    """
    run_labels(folders)  # InputError for a folder that is given twice
    grouped: dict[tuple[str, ...], list[Results]] = {}
    for folder in folders:
        run = _loaded(folder, judge_id, bootstrap)
        grouped.setdefault((_kind(run), *_terms(run).values()), []).append(run)
    boards: list[Board] = []
    for runs in sorted(grouped.values(), key=lambda runs: (_kind(runs[0]) != "ffe", -len(runs))):
        first = next((board for board in boards if board.kind == _kind(runs[0])), None)
        boards.append(_board(runs, first, {board.key for board in boards}))
    return boards


def leaderboard_lines(board: Board) -> list[str]:
    """The board for a terminal: numbers with their marks, what an edit took, the published rows."""
    header = [f"{part} {column.label}".strip() for part in board.parts for column in board.shown]
    rows = [
        (
            entrant.label,
            *(_marked(entrant, part, column) for part in board.parts for column in board.shown),
            format_number(entrant.cost.seconds, 2),
            UNKNOWN if entrant.cost.dollars is None else f"{entrant.cost.dollars:.4f}",
            f"{entrant.num_made}/{len(entrant.run.edits)}",
        )
        for entrant in board.entrants
    ]
    published = [(table, board.table.published_rows(table)) for table in board.table.published_tables]
    below = [(model, *numbers, "", "", "") for _, found in published for model, numbers in found.items()]
    head, *lines = table_lines(("", *header, "s/edit", "$/edit", "made"), [*rows, *below])
    made = [f"{board.title} ({'; '.join(f'{what}: {word}' for what, word in board.terms.items())})"]
    made += [board.apart] if board.apart else []
    made += ["", head, *lines[: len(rows)]]
    rest = iter(lines[len(rows) :])
    for table, found in published:
        made += ["", f"published: {table.source}, judged by {table.judge} ({WARNING})"]
        made += [next(rest) for _ in found]
    made += ["", LEGEND, f"Intervals: {bootstrap_words(board.bootstrap)}", *board.remarks]
    return [printable(line) for line in made]


def _loaded(folder: RunFolder, judge_id: str | None, bootstrap: Bootstrap | None) -> Results:
    if folder.spec().tasks[0].benchmark == "fed":
        return load_fed_results(folder, judge_id, bootstrap=bootstrap)
    return load_results(folder, judge_id, bootstrap=bootstrap)


def _kind(run: Results) -> BenchmarkKind:
    return "fed" if isinstance(run, FedResults) else "ffe"


def _terms(run: Results) -> dict[str, str]:
    """What runs of a board share; for FED-Bench also which instructions were followed."""
    if isinstance(run, FedResults):
        return {**fed_terms(run), "instructions": " and ".join(run.summary.by_granularity)}
    return ffe_terms(run)


def _board(runs: Sequence[Results], first: Board | None, taken: set[str]) -> Board:
    kind, terms = _kind(runs[0]), _terms(runs[0])
    setting = terms.get("settings", kind)
    key = kind if kind == "fed" else f"{kind}_{setting}"
    while key in taken:
        stem, _, number = key.rpartition("-")
        key = f"{stem}-{int(number) + 1}" if stem else f"{key}-2"
    further = {name: figure for run in runs for name, figure in run.further.items()}
    columns = (*(FED_COLUMNS if kind == "fed" else FFE_COLUMNS), *further_columns(further))
    parts = [str(part) for part in GRANULARITIES if part in terms.get("instructions", "")] or [""]
    entrants = [
        Entrant(label, run, {part: _figures(run, part) for part in parts}, Cost.of(run.folder), {})
        for label, run in zip(run_labels([run.folder for run in runs]), runs, strict=True)
    ]
    entrants.sort(key=lambda entrant: _rank(entrant.figures[parts[0]].get(_RANKED_BY[setting])))
    entrants, remarks = _with_standings(entrants, parts, columns)
    apart = "" if first is None else _apart(terms, first.terms)
    return Board(key, kind, terms, apart, parts, columns, entrants, _PUBLISHED[setting], remarks)


def _figures(run: Results, part: str) -> Figures:
    if isinstance(run, FedResults):
        return run.summary.by_granularity.get(part, {})
    return {**run.summary.metrics, **run.further}


def _rank(figure: Figure | None) -> float:
    """The highest first, those without a number last."""
    value = None if figure is None else figure.estimate.value
    return float("inf") if value is None else -value


def _apart(terms: Mapping[str, str], first: Mapping[str, str]) -> str:
    """In what these runs differ from those of the first board."""
    differing = [f"{what}: {words}" for what, words in terms.items() if first.get(what) != words]
    return f"Not to be compared with the board above, for they differ in {'; '.join(differing)}."


def _with_standings(
    entrants: Sequence[Entrant], parts: Sequence[str], columns: Sequence[Column]
) -> tuple[list[Entrant], list[str]]:
    """Each entrant with how it stands to the best of each column; and what could not be compared."""
    paired = _Pairs(entrants)
    found: list[dict[str, dict[str, Standing]]] = [{part: {} for part in parts} for _ in entrants]
    for part in parts:
        for column in columns:
            for place, standing in _column(entrants, part, column, paired):
                found[place][part][column.name] = standing
    return [replace(e, standings=each) for e, each in zip(entrants, found, strict=True)], paired.remarks


def _column(
    entrants: Sequence[Entrant], part: str, column: Column, paired: "_Pairs"
) -> Iterator[tuple[int, Standing]]:
    """The standing of every entrant with a number, by its place; of none where neither end is best."""
    if column.better is None or len(entrants) < 2:
        return
    sign = 1 if column.better == "higher" else -1
    values = {
        place: sign * figure.estimate.value
        for place, entrant in enumerate(entrants)
        if (figure := entrant.figures[part].get(column.name)) is not None
        and figure.estimate.value is not None
    }
    if not values:
        return
    best = max(values, key=lambda place: values[place])
    yield best, Standing("best")
    others = [place for place in values if place != best]
    gaps = [paired(best, place).get(part, {}).get(column.name) for place in others]
    adjusted = holm([None if gap is None else gap.p_value for gap in gaps])
    for place, gap, p_value in zip(others, gaps, adjusted, strict=True):
        if gap is not None:
            found: Place = "unclear" if p_value is None else "near" if p_value >= LEVEL else "behind"
            yield place, Standing(found, gap, p_value)


class _Pairs:
    """The differences of two entrants, by their places; each made once."""

    def __init__(self, entrants: Sequence[Entrant]) -> None:
        self._entrants = entrants
        self._found: dict[tuple[int, int], _Differences] = {}
        self.remarks: list[str] = []

    def __call__(self, one: int, other: int) -> _Differences:
        if (one, other) not in self._found:
            self._found[one, other] = self._differences(self._entrants[one], self._entrants[other])
        return self._found[one, other]

    def _differences(self, one: Entrant, other: Entrant) -> _Differences:
        plan = one.run.summary.bootstrap
        try:
            if isinstance(one.run, FedResults) and isinstance(other.run, FedResults):
                found = dict(compare_fed_runs(one.run, other.run, plan)[0].differences)
                return {**{part: found[ALL] for part in one.figures}, **found}
            assert isinstance(one.run, RunResults)
            assert isinstance(other.run, RunResults)
            found_ffe, _ = compare_runs(one.run, other.run, one.run.summary.choices, plan)
            return {"": found_ffe.differences}
        except InputError as error:
            self.remarks.append(f"{one.label} and {other.label} could not be paired: {error}")
            return {}


def _marked(entrant: Entrant, part: str, column: Column) -> str:
    figure = entrant.figures[part].get(column.name)
    if figure is None:
        return f"{UNKNOWN} "
    standing = entrant.standing(part, column.name)
    mark = " " if standing is None else MARKS[standing.place]
    return format_number(figure.estimate.value, column.digits) + mark
