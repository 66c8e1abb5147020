"""Screen: what an edit must be to stay."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from pixelsmile.dataset.config import FaceSettings, ScreenSettings
from pixelsmile.dataset.rows import Row


@dataclass(frozen=True)
class Screen:
    """The step's function. folder: of the data set."""

    folder: Path
    settings: ScreenSettings
    faces: FaceSettings
    in_process = False
    batch_rows = 16
    keeps_batches = False

    def record(self) -> JsonValue:
        return {}

    def __call__(self, rows: Sequence[Row]) -> list[Row]:
        return list(rows)
