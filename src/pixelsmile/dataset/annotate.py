"""Annotate: judges say what the pictures show."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from pixelsmile.dataset.config import AnnotateSettings
from pixelsmile.dataset.rows import Row


@dataclass(frozen=True)
class Annotate:
    """The step's function. folder: of the data set."""

    folder: Path
    settings: AnnotateSettings
    in_process = False
    batch_rows = 16
    keeps_batches = True

    def record(self) -> JsonValue:
        return {}

    def __call__(self, rows: Sequence[Row]) -> list[Row]:
        return list(rows)
