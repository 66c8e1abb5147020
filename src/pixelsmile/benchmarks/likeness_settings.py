"""With what the likenesses of a run were measured: all lines of its identity.jsonl, or none of them."""

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.errors import InputError
from pixelsmile.json_lines import Record
from pixelsmile.publication import write_file


class LikenessSettings(Record):
    """The detector and the encoders, by name and by the hash of their weights (None: it has none)."""

    schema_version: Literal[1] = 1
    detector: str
    detector_sha256: str | None
    encoders: dict[str, str]
    min_overlap: float


def likeness_settings(folder: RunFolder) -> LikenessSettings | None:
    """With what the likenesses of this run were measured; None where nothing was. InputError if damaged."""
    path = _file(folder)
    try:
        return LikenessSettings.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise InputError(
            f"cannot read {str(path)!r} ({type(error).__name__}): measure again with `pixelsmile bench ffe "
            "judge --force`"
        ) from error


def keep_likeness_settings(folder: RunFolder, settings: LikenessSettings, *, force: bool = False) -> None:
    """Note with what likenesses are measured from now on.

    Likenesses that were measured otherwise are dropped with `force`, and an InputError without: numbers of
    two encoders do not belong in one column.
    """
    if folder.identity_file.exists():
        found = _settings_if_whole(folder) if force else likeness_settings(folder)
        if found == settings:
            return
        if not force:
            raise InputError(
                f"{str(folder.path)!r} has likenesses by {_words(found)}, not by {_words(settings)}: "
                "use those, or measure all again with --force"
            )
        folder.identity_file.unlink()
    write_file(_file(folder), (settings.model_dump_json(indent=1) + "\n").encode(), force=True)


def _settings_if_whole(folder: RunFolder) -> LikenessSettings | None:
    try:
        return likeness_settings(folder)
    except InputError:
        return None


def _file(folder: RunFolder) -> Path:
    return folder.path / "identity.json"


def _words(settings: LikenessSettings | None) -> str:
    if settings is None:
        return "unknown encoders"
    encoders = ", ".join(f"{name} {sha256[:8]}" for name, sha256 in settings.encoders.items())
    return f"{encoders} on faces that {settings.detector} found"
