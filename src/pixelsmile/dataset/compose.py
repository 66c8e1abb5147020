"""Compose: which edits of each base are asked for."""

from dataclasses import dataclass

from pixelsmile.dataset.config import ComposeSettings
from pixelsmile.dataset.rows import Row


@dataclass(frozen=True)
class Compose:
    """The step's function: of a base, the base itself and behind it the edits of it that are asked for."""

    settings: ComposeSettings

    def __call__(self, base: Row) -> list[Row]:
        return [base]
