"""Why a row was kept or rejected: what each step measured of it, and against which limit."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from pixelsmile.dataset.config import FaceSettings
from pixelsmile.dataset.doubts import doubt_checks
from pixelsmile.dataset.edit_config import AnnotateSettings, ScreenSettings
from pixelsmile.dataset.faces import face_checks
from pixelsmile.dataset.folder import step_folders
from pixelsmile.dataset.rows import Row
from pixelsmile.dataset.screen_checks import base_checks, edit_checks, sweep_checks
from pixelsmile.dataset.step_folder import StepFolder
from pixelsmile.errors import InputError
from pixelsmile.limits import shown, validated

_MAX_MATCHES = 5  # that a message names
_SHOWN_SCORES = 3
_SHORTEST_ID = 4  # digits: what is shorter is no id


def explain(folder: Path, wanted: str) -> Iterator[tuple[str, Row]]:
    """A row as each step has left it, in their order: the name of the step, and the row. Of an edit the first
    is the step that asked for it.

    wanted: its id, the beginning of that, or the picture's name in its source. InputError where it is none of
    them, or several rows'.
    """
    folders = step_folders(folder)
    first = [step_folder for step_folder in folders if step_folder.name in ("collect", "compose")]
    row_id, is_found = _found(first, wanted), False
    for step_folder in folders:
        row = _row(step_folder, row_id)
        if row is not None:
            is_found = True
            yield step_folder.name, row
        if (row is None and is_found) or (row is not None and row.reason is not None):
            return


def explanation(folder: Path, step: str, row: Row) -> list[str]:
    """What a step found of a row, a line for each number."""
    match step:
        case "collect":
            size = f"{row.width_px} x {row.height_px} px" if row.width_px is not None else "not read"
            words = [f"source {row.source}, {row.key}", size, f"file {row.picture or 'not kept'}"]
            known = {"licence": row.licence, "from": row.origin, "identity": row.identity}
            words += [f"{name}: {value}" for name, value in known.items() if value is not None]
        case "faces":
            faces = validated(FaceSettings, json.dumps(StepFolder(folder / step).settings()))
            measured = face_checks(row, faces) if row.face_px is not None else ()
            words = [f"{row.num_faces or 0} found", *(check.words for check in measured)]
        case "identities":
            words = [f"person {row.person}"]
        case "compose" if row.base is not None:
            words = list(_asked_words(row))
        case "generate" if row.base is not None:
            made = f"{row.width_px} x {row.height_px} px, file {row.picture}" if row.picture else "no picture"
            words = [f"editor {row.editor}", made]
        case "annotate":
            settings = validated(AnnotateSettings, json.dumps(StepFolder(folder / step).settings()))
            words = _annotation(row, settings)
        case "screen":
            words = list(_screen_words(folder, row))
        case _:
            words = []
    if row.reason is not None:
        words.append(_rejection(row))
    return words


def _asked_words(row: Row) -> Iterator[str]:
    shown = (
        f"{row.base_expression} at {row.base_strength:g}" if row.base_expression else "an unknown expression"
    )
    yield f"edit of {row.base}, which shows {shown}"
    yield f"asked for {row.expression} at {row.strength:g}, {row.combination or 'its own look'}"
    yield f"units {row.units or 'none'}"
    yield f'told "{row.prompt}"'


def _annotation(row: Row, settings: AnnotateSettings) -> list[str]:
    scores = sorted(row.judged.items(), key=lambda one: -one[1])[:_SHOWN_SCORES]
    said = ", ".join(f"{name} {score:.2f}" for name, score in scores)
    words = [f"judge {row.judge}", f"no verdict: {row.no_verdict}" if row.scores is None else said]
    words += [check.words for check in doubt_checks(row, None, settings)]
    words.append(f"doubts: {', '.join(row.doubts or ()) or 'none'}")
    statistics = (row.gender, row.age_group, row.skin_tone, row.style, row.statistics_expression)
    sentences = (row.appearance, row.action, row.background)
    if row.statistician is not None:
        found = ", ".join(word for word in statistics if word) or row.no_statistics
        words.append(f"statistics of {row.statistician}: {found}")
        words += [f'"{sentence}"' for sentence in sentences if sentence]
    return words


def _screen_words(folder: Path, row: Row) -> Iterator[str]:
    """Every number of a row with its limit, and which edit or expression it is about."""
    settings = validated(ScreenSettings, json.dumps(StepFolder(folder / "screen").settings()))
    if row.base is None:
        yield from (check.words for check in base_checks(row, settings))
        return
    faces = validated(FaceSettings, json.dumps(StepFolder(folder / "faces").settings()))
    yield f"edit of {row.base}"
    yield from (check.words for check in edit_checks(row, settings, faces))
    yield from (check.words for check in sweep_checks(row, settings))
    if row.other is not None:
        yield f"strongest of the others {row.other}"
    if row.nearest is not None:
        yield f"nearest edit {row.nearest} ({row.nearest_change:g} of 255)"
    if row.faults is not None:
        yield f"all faults: {row.faults}"


def _rejection(row: Row) -> str:
    numbers = "" if row.measured is None else f" ({row.measured:g}, limit {row.limit or 0:g})"
    return f"rejected: {row.reason}{numbers}{f': {row.detail}' if row.detail else ''}"


def _found(folders: Sequence[StepFolder], wanted: str) -> str:
    """The id of the row that is meant, of those that steps have brought in."""
    matches: dict[str, str] = {}
    for step_folder in folders:
        for row in step_folder.every_row():
            is_id = len(wanted) >= _SHORTEST_ID and row.id.startswith(wanted)
            if is_id or wanted in (row.key, f"{row.source}/{row.key}", os.path.basename(row.key)):
                matches[row.id] = f"{row.source}/{row.key}"
    if not matches:
        raise InputError(
            f"no row {shown(wanted)}: give its id, the beginning of that, or the name of its picture"
        )
    if len(matches) > 1:
        some = ", ".join(f"{row_id} ({key})" for row_id, key in list(matches.items())[:_MAX_MATCHES])
        raise InputError(f"{shown(wanted)} fits {len(matches):,} rows: give one of {some}")
    return next(iter(matches))


def _row(step_folder: StepFolder, row_id: str) -> Row | None:
    return next((row for row in step_folder.every_row() if row.id == row_id), None)
