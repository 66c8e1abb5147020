"""Tables of a report: the columns of both benchmarks, rows of editors, published rows, and all as text."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Any, Literal

from pixelsmile.benchmarks.metrics.fed_score import FedNormalisation, gain_factor
from pixelsmile.benchmarks.metrics.measure import (
    Bootstrap,
    Estimate,
    Figure,
)
from pixelsmile.benchmarks.metrics.summary import METRICS
from pixelsmile.benchmarks.published import PublishedTable, TableName, published_table

UNKNOWN = "–"
WIDTH = 118  # of a line of words in the terminal
WARNING = "another judge, other samples: not comparable directly"
_ARROWS = {"higher": "↑", "lower": "↓", None: ""}
_WAYS = {"higher": "higher is better", "lower": "lower is better", None: "neither end is best"}
_METHODS = {"bca": "BCa", "percentile": "percentile"}

Figures = Mapping[str, Figure]


@dataclass(frozen=True)
class Column:
    """A number that a table shows: what it is called, which way is better, and how it is written.

    name: its key among a row's figures. low, high: the ends of its scale. best: its best value where that is
    neither end. published_digits: of the papers' tables, which have it by its name or its label.
    """

    name: str
    label: str
    meaning: str = ""
    better: Literal["higher", "lower"] | None = "higher"
    low: float = 0.0
    high: float = 1.0
    digits: int = 3
    best: float | None = None
    published_digits: int = 3

    @property
    def arrow(self) -> str:
        return _ARROWS[self.better] if self.best is None else f"→ {self.best:g}"

    @property
    def hint(self) -> str:
        """What the number is, and which way is better."""
        way = _WAYS[self.better] if self.best is None else f"best at {self.best:g}"
        return f"{self.meaning}; {way}" if self.meaning else way

    def published(self, values: Mapping[str, float]) -> str:
        """This number of a published row, as it stands there."""
        return format_number(values.get(self.name, values.get(self.label.lower())), self.published_digits)

    def place(self, value: float) -> float:
        """Where a value lies on the whole scale, in percent; at its end where it is beyond."""
        return round(100 * min(max((value - self.low) / (self.high - self.low), 0), 1), 1)


_WHOLE_SCALE = {  # where it is not 0 to 1
    **dict.fromkeys(("cls_2", "cls_6", "cls_12"), (-1.0, 1.0)),
    "evenness": (-0.5, 1.0),
    "moving_share": (0.0, 1.25),
}
FFE_COLUMNS: tuple[Column, ...] = tuple(
    Column(
        metric.name,
        metric.label,
        metric.meaning,
        better=metric.better,
        low=_WHOLE_SCALE.get(metric.name, (0.0, 1.0))[0],
        high=_WHOLE_SCALE.get(metric.name, (0.0, 1.0))[1],
        published_digits=4,
    )
    for metric in METRICS
)

PAPERS_COLUMNS = tuple(column for column in FFE_COLUMNS if not column.meaning)
OUR_COLUMNS = tuple(column for column in FFE_COLUMNS if column.meaning)

# What drawn benchmarks tell beside, by strength: by `scorer/value`.
DRAWN_COLUMNS: tuple[Column, ...] = (
    Column("truth/psnr_db", "PSNR, dB", "changed pixels against the drawn truth", high=59.0, digits=1),
    Column("truth/perceptual", "Perceptual", "features of changed pixels against the truth", "lower"),
    Column(
        "damage/damage", "Damage", "grey levels from any drawing of the person", "lower", high=64.0, digits=1
    ),
)

COMPONENTS: tuple[Column, ...] = (
    Column("identity", "ID", "cosine of source and edit", digits=2, published_digits=2),
    Column("background", "BG", "RMSE outside the face", "lower", high=100.0, digits=1, published_digits=1),
    Column("quality", "PQ", "quality of the picture, judged", high=10.0, digits=2, published_digits=1),
    Column("consistency", "SC", "instruction followed, judged", high=10.0, digits=2, published_digits=1),
    Column("truth_alignment", "GTA", "ground truth met, judged", high=10.0, digits=2, published_digits=1),
    Column("gain", "REG", "change over the expected", None, high=2.0, digits=2, best=1.0, published_digits=2),
)
DIMENSIONS: tuple[Column, ...] = (
    Column("fidelity", "Fidelity", "of ID, BG and PQ"),
    Column("alignment", "Alignment", "of SC and GTA"),
    Column("gain_factor", "Gain", "the Gaussian of REG"),
)
SCORE = Column("fed_score", "FED-Score", "the product, by sample")
FED_COLUMNS: tuple[Column, ...] = (*COMPONENTS, *DIMENSIONS, SCORE)


@dataclass(frozen=True)
class Row:
    """Figures under a label: one mapping for each half of the table. is_part: of the row above it."""

    label: str
    halves: Sequence[Figures]
    note: str = ""
    is_part: bool = False


@dataclass(frozen=True)
class Table:
    """Rows in groups under `columns`, which come once for each name in `halves`.

    label: says what the table is where it cannot be seen. published: tables whose rows stand below.
    """

    label: str
    columns: Sequence[Column]
    groups: Sequence[Sequence[Row]]
    halves: Sequence[str] = ("",)
    published: Sequence[TableName] = ()
    heading: str = "Editor"
    style: str = ""

    @property
    def published_tables(self) -> list[PublishedTable]:
        return [published_table(name) for name in self.published]

    def published_rows(self, table: PublishedTable) -> dict[str, list[str]]:
        """The numbers of each model as they were published, in the order of our columns."""
        found: dict[str, dict[str, Mapping[str, float]]] = {}
        for row in table.rows:
            half = row.group if row.group in self.halves else ""
            found.setdefault(row.model, {})[half or ""] = row.values
        return {
            model: [each.published(by_half.get(half, {})) for half in self.halves for each in self.columns]
            for model, by_half in found.items()
        }


@dataclass
class Footnotes:
    """Sentences below a table, each once, with the number that stands in the table."""

    sentences: list[str] = field(default_factory=list)

    def mark(self, sentence: str | None) -> int | None:
        """The number of `sentence`; None for none."""
        if sentence is None:
            return None
        if sentence not in self.sentences:
            self.sentences.append(sentence)
        return self.sentences.index(sentence) + 1


def goodness(name: str, value: float | None, constants: FedNormalisation) -> float:
    """How full the bar of a component is, 0..1: full is best, whichever way the component runs."""
    if value is None:
        return 0.0
    match name:
        case "identity":
            share = value
        case "background":
            share = 1 - value / constants.background_scale
        case "gain":
            share = float(gain_factor(value, constants))
        case _:
            share = value / constants.judge_scale
    return min(max(share, 0.0), 1.0)


def value_lines(table: Table) -> list[str]:
    """The values alone, aligned over all rows: whose they are stands above the published ones."""
    blocks = [("", [(row.label, *_values(table.columns, row)) for group in table.groups for row in group])]
    for published in table.published_tables:
        heading = f"published: {published.source}, judged by {published.judge} ({WARNING})"
        blocks.append((heading, [(name, *row) for name, row in table.published_rows(published).items()]))
    first, *others = [column.label for column in table.columns]
    header = ["", *(label for half in table.halves for label in (f"{half} {first}".strip(), *others))]
    head, *aligned = table_lines(header, [row for _, block in blocks for row in block])
    lines, rest = [head], iter(aligned)
    for heading, block in blocks:
        lines += [*(["", heading] if heading else []), *(next(rest) for _ in block)]
    return lines


def interval_lines(
    columns: Sequence[Column], figures: Figures, plan: Bootstrap, parts: Mapping[Any, Figures]
) -> Iterator[str]:
    """A line for each column: value, interval, what it rests on, and each part; then why some lack."""
    rows: list[tuple[str, ...]] = []
    notes: dict[str, list[str]] = {}
    for column in columns:
        figure, digits = figures[column.name], column.digits
        if figure.estimate.note is not None:
            notes.setdefault(figure.estimate.note, []).append(column.label)
        of_parts = (_part(part.get(column.name), digits) for part in parts.values())
        rows.append((column.label, *value_interval_and_n(figure, digits), *of_parts))
    yield from table_lines(("", "value", level_words(plan), "scored", "unscored", *parts), rows)
    for note, labels in notes.items():
        yield from wrap(f"{', '.join(labels)}: {note}", WIDTH, subsequent_indent="  ")


def further_columns(further: Figures) -> list[Column]:
    """Columns for the values of scorers of one's own, of which nobody says which way is better."""
    return [Column(name, name, better=None) for name in further]


def further_rows(runs: Mapping[str, Figures]) -> list[tuple[str, ...]]:
    """The run, the value's name, and the figure in words; of all runs, by their labels."""
    return [
        (label, column.label, *value_interval_and_n(further[column.name], column.digits))
        for label, further in runs.items()
        for column in further_columns(further)
    ]


def value_interval_and_n(figure: Figure, digits: int) -> tuple[str, str, str, str]:
    """A figure in words: its value, its interval, what is scored and what is not."""
    found, coverage = figure.estimate, figure.coverage
    unit = coverage.unit.removesuffix("s") if coverage.num_scored == 1 else coverage.unit
    return (
        format_number(found.value, digits),
        format_interval(found, digits),
        f"{coverage.num_scored} {unit}",
        str(sum(coverage.unscored.values())),
    )


def table_lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Aligned columns, the first to the left, the others to the right."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return [
        "  ".join(
            [line[0].ljust(widths[0])]
            + [text.rjust(width) for text, width in zip(line[1:], widths[1:], strict=True)]
        ).rstrip()
        for line in lines
    ]


def format_number(value: float | None, digits: int = 3) -> str:
    """`0.730`, never `-0.000`, or a dash where there is none."""
    return UNKNOWN if value is None else f"{value:z.{digits}f}"


def format_interval(found: Estimate, digits: int = 3, between: str = "..") -> str:
    """`0.700..0.760`, or a dash where there is none."""
    if found.low is None or found.high is None:
        return UNKNOWN
    return f"{found.low:z.{digits}f}{between}{found.high:z.{digits}f}"


def level_words(plan: Bootstrap) -> str:
    """`95% interval`."""
    return f"{100 * plan.level:g}% interval"


def bootstrap_words(plan: Bootstrap) -> str:
    """How the intervals were made."""
    return (
        f"{level_words(plan)} ({_METHODS[plan.method]} bootstrap over source pictures, "
        f"{plan.num_replicates} draws)"
    )


def printable(text: str) -> str:
    """`text` with nothing in it that could steer a terminal: names come from files."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _values(columns: Sequence[Column], row: Row) -> Iterator[str]:
    for figures in row.halves:
        for column in columns:
            found = figures.get(column.name)
            yield UNKNOWN if found is None else format_number(found.estimate.value, column.digits)


def _part(figure: Figure | None, digits: int) -> str:
    return UNKNOWN if figure is None else " ".join(value_interval_and_n(figure, digits)[:2])
