"""Numbers, intervals and aligned tables as plain text: the one printer of tables for terminals."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixelsmile.benchmarks.metrics import Estimate

UNKNOWN = "–"


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
    """`0.730`, or a dash where there is none."""
    return UNKNOWN if value is None else f"{value:.{digits}f}"


def format_interval(found: "Estimate", digits: int = 3, between: str = "..") -> str:
    """`0.700..0.760`, or a dash where there is none."""
    if found.low is None or found.high is None:
        return UNKNOWN
    return f"{found.low:.{digits}f}{between}{found.high:.{digits}f}"


def printable(text: str) -> str:
    """`text` with nothing in it that could steer a terminal: names come from files."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
