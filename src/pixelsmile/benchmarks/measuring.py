"""Measuring a run's edits: what is left to do, and one way of measuring for all lines of a file."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pixelsmile.benchmarks.run_folder import EditKey, EditRecord, RunFolder
from pixelsmile.errors import InputError
from pixelsmile.limits import read_record
from pixelsmile.store.json_lines import Record
from pixelsmile.store.publication import write_file

S = TypeVar("S", bound=Record)


def edits_to_measure(folder: RunFolder, measured: Mapping[EditKey, str]) -> list[EditRecord]:
    """The edits that were not measured, or made anew since; measured: the hash of the picture, by edit."""
    made = folder.edits()
    edits = [made[key] for key in folder.spec().edit_keys() if key in made]
    return [edit for edit in edits if edit.sha256 is not None and measured.get(edit.key) != edit.sha256]


def keep_record(path: Path, record: Record) -> None:
    """Write a record as a file of its own, in place of one that is there."""
    write_file(path, (record.model_dump_json(indent=1) + "\n").encode(), force=True)


def kept_records(folder: Path, kind: type[S]) -> list[S]:
    """What `keep_record` wrote into a folder, by name. InputError for a file that is damaged."""
    found = []
    for path in sorted(folder.glob("*.json")):
        found.append(read_record(path, kind, error=lambda problem: InputError(f"{problem}; judge again")))
    return found


@dataclass(frozen=True)
class SettingsFile(Generic[S]):
    """With what the lines of a file were measured: all of them, or none.

    path: of the settings; lines: of what was measured, which is called `what`. words: settings for a message.
    """

    path: Path
    lines: Path
    kind: type[S]
    what: str
    words: Callable[[S], str]

    def read(self) -> S | None:
        """None where nothing was measured. InputError if damaged."""
        if not os.path.lexists(self.path):
            return None
        return read_record(
            self.path, self.kind, error=lambda problem: InputError(f"{problem}; judge again with --force")
        )

    def keep(self, settings: S, *, force: bool = False) -> None:
        """Note with what is measured from now on.

        What was measured otherwise is dropped with `force`, and an InputError without: numbers that were
        come by in two ways do not belong in one column.
        """
        if self.lines.exists():
            found = self._read_if_whole() if force else self.read()
            if found == settings:
                return
            if not force:
                before = f"unknown {self.what}" if found is None else self.words(found)
                raise InputError(
                    f"{str(self.path.parent)!r} has {self.what} by {before}, not by {self.words(settings)}: "
                    "use those, or measure all again with --force"
                )
            self.lines.unlink()
        keep_record(self.path, settings)

    def _read_if_whole(self) -> S | None:
        try:
            return self.read()
        except InputError:
            return None
