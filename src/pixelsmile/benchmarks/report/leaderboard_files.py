"""The leaderboard for other programs: a CSV of one row an editor, and LaTeX tables in the papers' form."""

import csv
import io
from collections.abc import Iterator, Sequence

from pixelsmile.benchmarks.report.leaderboard import LEVEL, Board, Entrant
from pixelsmile.benchmarks.report.tables import UNKNOWN, WARNING, Column, bootstrap_words, format_number

_ESCAPED = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
    "→": r"$\rightarrow$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}
_TEX_MARKS = {"near": r"$^{\approx}$", "unclear": r"$^{?}$"}


def leaderboard_csv(boards: Sequence[Board]) -> str:
    """A row for each editor, in the order of the first board that it is on; what it has not is empty.

    Columns begin with the name of the board (`ffe_linear`, `ffe_general`, `fed`; `-2` for a second one of a
    kind) and of the part (`dense`, `simple`). `_low` and `_high` are the interval, `_n` what is scored, `_p`
    the adjusted p-value of being no worse than the best, empty for the best itself.
    """
    rows: dict[str, dict[str, object]] = {}
    for board in boards:
        for entrant in board.entrants:
            rows.setdefault(entrant.label, {"editor": entrant.label}).update(_cells(board, entrant))
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    file = io.StringIO()
    writer = csv.DictWriter(file, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _plain(value) for name, value in row.items()} for row in rows.values())
    return file.getvalue()


def leaderboard_latex(boards: Sequence[Board]) -> str:
    """A `table` for each board, for a document with the package booktabs; any name is escaped."""
    return "% needs \\usepackage{booktabs}\n" + "\n".join(_latex(board) for board in boards)


def tex(text: str) -> str:
    """`text` so that LaTeX prints it as it is; what is no printable ASCII and has no command becomes `?`."""
    return "".join(_ESCAPED.get(c, c if c.isascii() and c.isprintable() else _other(c)) for c in text)


def _other(letter: str) -> str:
    """Letters of other alphabets are UTF-8, which LaTeX reads; control characters are nothing to print."""
    return letter if letter.isalpha() else "?"


def _cells(board: Board, entrant: Entrant) -> Iterator[tuple[str, object]]:
    yield f"{board.key}_samples", entrant.run.summary.num_samples
    yield f"{board.key}_edits", len(entrant.run.edits)
    yield f"{board.key}_made", entrant.num_made
    yield f"{board.key}_judge", entrant.run.judge_id
    for part in board.parts:
        for column in board.columns:
            if (figure := entrant.figures[part].get(column.name)) is None:
                continue
            name = "_".join(filter(None, (board.key, part, column.name.replace("/", "_"))))
            standing = entrant.standing(part, column.name)
            yield name, figure.estimate.value
            yield f"{name}_low", figure.estimate.low
            yield f"{name}_high", figure.estimate.high
            yield f"{name}_n", figure.coverage.num_scored
            yield f"{name}_p", None if standing is None else standing.p_value
    yield f"{board.key}_seconds_per_edit", entrant.cost.seconds
    yield f"{board.key}_dollars_per_edit", entrant.cost.dollars


def _plain(value: object) -> object:
    """Nothing that a spreadsheet would take for a formula: names come from files."""
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


def _latex(board: Board) -> str:
    num = len(board.parts) * len(board.shown)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_caption(board)}}}",
        rf"\begin{{tabular}}{{l{'r' * (num + 2)}}}",
        r"\toprule",
        *_heading(board),
        r"\midrule",
        *(_row([entrant.label], _values(board, entrant)) for entrant in board.entrants),
    ]
    for table in board.table.published_tables:
        heading = tex(f"Published: {table.source}, judged by {table.judge} ({WARNING})")
        lines += [r"\midrule", rf"\multicolumn{{{num + 3}}}{{l}}{{\itshape {heading}}} \\"]
        lines += [
            _row([model], [rf"\textit{{{_minus(tex(number))}}}" for number in numbers] + ["", ""])
            for model, numbers in board.table.published_rows(table).items()
        ]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"]) + "\n"


def _caption(board: Board) -> str:
    terms = "; ".join(f"{what}: {words}" for what, words in board.terms.items())
    return (
        tex(f"{board.title} ({terms}). ")
        + rf"Bold: best; $\approx$: not told apart from it ($p \ge {LEVEL:g}$, paired, Holm); "
        + r"$?$: no test possible. "
        + tex(f"{bootstrap_words(board.bootstrap)} in the CSV. {board.apart}").strip()
    )


def _heading(board: Board) -> Iterator[str]:
    width = len(board.shown)
    if len(board.parts) > 1:
        spans = [rf"\multicolumn{{{width}}}{{c}}{{{tex(part.capitalize())}}}" for part in board.parts]
        yield " & ".join(["", *spans, "", ""]) + r" \\"
        yield "".join(
            rf"\cmidrule(lr){{{2 + width * i}-{1 + width * (i + 1)}}}" for i in range(len(board.parts))
        )
    names = [tex(f"{column.label} {column.arrow}".strip()) for column in board.shown] * len(board.parts)
    yield " & ".join(["Editor", *names, "s/edit", r"\$/edit"]) + r" \\"


def _row(labels: Sequence[str], cells: Sequence[str]) -> str:
    return " & ".join([*map(tex, labels), *cells]) + r" \\"


def _values(board: Board, entrant: Entrant) -> list[str]:
    numbers = [_value(entrant, part, column) for part in board.parts for column in board.shown]
    dollars = entrant.cost.dollars
    return [
        *numbers,
        tex(format_number(entrant.cost.seconds, 2)),
        tex(UNKNOWN if dollars is None else f"{dollars:.4f}"),
    ]


def _minus(number: str) -> str:
    """A number with a minus, where it begins with a hyphen."""
    return f"$-${number[1:]}" if number.startswith("-") and number[1:2].isdigit() else number


def _value(entrant: Entrant, part: str, column: Column) -> str:
    figure = entrant.figures[part].get(column.name)
    number = UNKNOWN if figure is None else format_number(figure.estimate.value, column.digits)
    text = _minus(tex(number))
    standing = entrant.standing(part, column.name)
    if standing is None:
        return text
    return rf"\textbf{{{text}}}" if standing.place == "best" else text + _TEX_MARKS.get(standing.place, "")
