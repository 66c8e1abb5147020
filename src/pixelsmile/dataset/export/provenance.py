"""The table beside single pictures of an export: where each is from, and under which licence."""

import csv
from pathlib import Path

from pixelsmile.dataset.rows import Row

PROVENANCE = "provenance.csv"
_FIELDS = (
    *("id", "sha256", "source", "key", "origin", "licence", "domain", "person", "expression", "strength"),
    *("base", "prompt", "editor", "judge"),
)


class Provenance:
    """A table of pictures: where each is from. To be used in `with`."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", newline="", encoding="utf-8")
        self._table = csv.writer(self._file)
        self._table.writerow(("picture", *_FIELDS))
        self._seen: set[str] = set()

    def add(self, picture: str, row: Row) -> None:
        """picture: its name in the export."""
        if picture not in self._seen:
            self._seen.add(picture)
            self._table.writerow((picture, *(getattr(row, name) for name in _FIELDS)))

    def __enter__(self) -> "Provenance":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
