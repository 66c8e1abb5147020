"""Numbers that the papers publish, to stand beside ours: another judge gave them, on other samples.

Whoever shows one shows its `label` too. The files lie beside this one as CSV, a row a model.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pixelsmile.errors import InputError

TableName = Literal["ffe_general", "ffe_linear", "ffe_ablation", "ffe_user_study", "fed"]


class PublishedRow(BaseModel):
    """A model's published numbers, by the names of our metrics; a number that was not published is absent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(min_length=1)
    group: str | None = None  # closed, open, ours; dense, simple
    values: dict[str, float]


@dataclass(frozen=True)
class PublishedTable:
    """A table of a paper: where it stands, who judged, what to know before comparing."""

    name: TableName
    source: str
    judge: str
    notes: tuple[str, ...]
    rows: tuple[PublishedRow, ...]

    @property
    def label(self) -> str:
        """What must stand beside each of these numbers."""
        return f"published ({self.source}), judged by {self.judge}: not comparable with other judges"


@dataclass(frozen=True)
class _File:
    file: str
    source: str
    judge: str
    model_column: str = "model"
    group_column: str | None = None
    notes: tuple[str, ...] = ()


_GEMINI = "Gemini 3 Pro"
_FILES: MappingProxyType[str, _File] = MappingProxyType(
    {
        "ffe_general": _File(
            "ffe_bench_table1_general.csv", "PixelSmile, table 1", _GEMINI, group_column="group"
        ),
        "ffe_linear": _File(
            "ffe_bench_table2_linear.csv",
            "PixelSmile, table 2",
            _GEMINI,
            notes=(
                "CLS-2 is over happy and surprised; the paper prints it in the column of CLS-6.",
                "CLS-12 of SliderEdit and of PixelSmile w/o training are printed alike (0.5217).",
            ),
        ),
        "ffe_ablation": _File(
            "ffe_bench_table3_ablation.csv",
            "PixelSmile, table 3",
            _GEMINI,
            model_column="ablation",
            notes=("Acc-12 and CLS-12 without the contrastive loss are printed alike (0.5889).",),
        ),
        "ffe_user_study": _File(
            "ffe_bench_user_study.csv",
            "PixelSmile, section 5.5",
            "10 annotators",
            notes=("Mean scores from ranks of three methods; how ranks became scores is not published.",),
        ),
        "fed": _File(
            "fed_bench_table1.csv",
            "FED-Bench, table 1 of the project page",
            "a multimodal model that is not named",
            group_column="instructions",
        ),
    }
)


@cache
def published_table(name: TableName) -> PublishedTable:
    """A published table by name; InputError for a name that is none."""
    if name not in _FILES:
        raise InputError(f"published table {name!r} is unknown: choose from {', '.join(_FILES)}")
    about = _FILES[name]
    rows = tuple(_row(line, about) for line in _lines(about.file))
    return PublishedTable(name, about.source, about.judge, about.notes, rows)


def _lines(file: str) -> list[dict[str, str]]:
    text = (resources.files(__name__) / file).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _row(line: dict[str, str], about: _File) -> PublishedRow:
    words = {about.model_column, about.group_column}
    values = {name: float(text) for name, text in line.items() if name not in words and text}
    group = line[about.group_column] if about.group_column else None
    return PublishedRow(model=line[about.model_column], group=group, values=values)
