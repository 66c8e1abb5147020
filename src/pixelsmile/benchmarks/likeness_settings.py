"""With what the likenesses of a run were measured: all lines of its identity.jsonl, or none of them."""

from typing import Literal

from pixelsmile.benchmarks.measuring import SettingsFile
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.store.json_lines import Record


class LikenessSettings(Record):
    """The detector and the encoders, by name and by the hash of their weights (None: it has none)."""

    schema_version: Literal[1] = 1
    detector: str
    detector_sha256: str | None
    encoders: dict[str, str]
    min_overlap: float


def likeness_settings(folder: RunFolder) -> LikenessSettings | None:
    """With what the likenesses of this run were measured; None where nothing was. InputError if damaged."""
    return _file(folder).read()


def keep_likeness_settings(folder: RunFolder, settings: LikenessSettings, *, force: bool = False) -> None:
    """Note with what likenesses are measured from now on; see SettingsFile.keep."""
    _file(folder).keep(settings, force=force)


def _file(folder: RunFolder) -> SettingsFile[LikenessSettings]:
    path = folder.path / "identity.json"
    return SettingsFile(path, folder.identity_file, LikenessSettings, "likenesses", _words)


def _words(settings: LikenessSettings) -> str:
    encoders = ", ".join(f"{name} {sha256[:8]}" for name, sha256 in settings.encoders.items())
    return f"{encoders} on faces that {settings.detector} found"
