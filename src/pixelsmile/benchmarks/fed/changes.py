"""The lengths behind REG: how far each edit has moved the expression, and how far it should have."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
from PIL import Image
from pydantic import Field

from pixelsmile.benchmarks.fed.representations import ExpressionRepresentation, RepresentationSettings
from pixelsmile.benchmarks.measuring import edits_to_measure, keep_record, kept_records
from pixelsmile.benchmarks.run_folder import (
    EditKey,
    EditLine,
    EditRecord,
    FedTaskRecord,
    RunFolder,
    file_name,
    latest,
)
from pixelsmile.errors import ImageError
from pixelsmile.faces.likeness import box_in
from pixelsmile.images import load_image
from pixelsmile.store.json_lines import LineWriter, read_lines

SOURCE, TRUTH, EDIT = "source", "truth", "edit"
_MAX_KEPT = 32  # numbers of a representation that are kept: those that a person may want to look up

Found = np.ndarray | str
Length = Annotated[float, Field(ge=0, le=1e9)]  # the squares of such numbers are still added up


class ChangeRecord(EditLine):
    """change: from source to edit; expected: from source to ground truth. None with the reason in no_change.

    seen: the numbers of `source`, `truth` and `edit`, of a representation that has few.
    """

    edit_sha256: str
    change: Length | None
    expected: Length | None
    no_change: str | None = None
    seen: dict[str, tuple[float, ...]] = Field(default_factory=dict)


def changes_file(folder: RunFolder, representation: str) -> Path:
    """Where the changes by the representation of that id are; its settings are beside, `.json`."""
    return folder.path / "changes" / f"{file_name(representation)}.jsonl"


def changes(folder: RunFolder, representation: str) -> dict[EditKey, ChangeRecord]:
    """The changes that are measured by the representation of that id, by edit."""
    return latest(read_lines(changes_file(folder, representation), ChangeRecord))


def representations(folder: RunFolder) -> dict[str, RepresentationSettings]:
    """What changes were measured by, by id. InputError for a file that is damaged."""
    kept = kept_records(folder.path / "changes", RepresentationSettings)
    return {settings.id: settings for settings in kept}


def waiting_for_change(folder: RunFolder, representation: str) -> list[EditRecord]:
    """The edits without a change: not measured, made anew since, or without one when they were measured."""
    measured = changes(folder, representation)
    return edits_to_measure(
        folder,
        {key: record.edit_sha256 for key, record in measured.items() if record.change is not None},
    )


def measure_changes(folder: RunFolder, representation: ExpressionRepresentation) -> Iterator[tuple[int, int]]:
    """Measure the edits of a run that have no change by this representation; gives (done, of how many).

    InputError where a picture is not the one that was made.
    """
    settings = representation.settings
    waiting = waiting_for_change(folder, settings.id)
    tasks = {task.source: task for task in folder.spec().fed_tasks}

    path = changes_file(folder, settings.id)
    keep_record(path.with_suffix(".json"), settings)
    yield 0, len(waiting)
    with LineWriter(path) as lines:
        triplet, known = "", dict[str, Found]()
        for num_done, edit in enumerate(waiting, 1):
            task = tasks[edit.source]
            files = pictures_of(folder, task, edit)
            if task.triplet != triplet:  # dense and simple follow each other
                triplet = task.triplet
                known = {what: _of_file(files[what], representation, task, files) for what in (SOURCE, TRUTH)}
            found = {**known, EDIT: _of_file(files[EDIT], representation, task, files)}
            lines.write(_record(edit, found))
            yield num_done, len(waiting)


def pictures_of(folder: RunFolder, task: FedTaskRecord, edit: EditRecord) -> dict[str, Path]:
    """The files of SOURCE, TRUTH and EDIT; InputError where the edit is not the one that was made."""
    return {
        SOURCE: folder.source_file(task.source),
        TRUTH: folder.truth_file(task.triplet),
        EDIT: folder.picture_of(edit),
    }


def _of_file(
    path: Path, representation: ExpressionRepresentation, task: FedTaskRecord, files: Mapping[str, Path]
) -> Found:
    """The numbers of a picture; the face is looked for where the source has it."""
    try:
        image, box = load_image(path), task.face_box
        if box is not None and path != files[SOURCE]:
            with Image.open(files[SOURCE]) as source:  # our own file, and of it the header alone
                box = box_in(box, source.size, image.size)
        return representation.of(image, box)
    except ImageError as error:
        return str(error)


def _record(edit: EditRecord, found: dict[str, Found]) -> ChangeRecord:
    reasons = [f"{what}: {each}" for what, each in found.items() if isinstance(each, str)]
    numbers = {what: each for what, each in found.items() if isinstance(each, np.ndarray)}
    made = wanted = None
    if not reasons:
        made, wanted = (float(np.linalg.norm(numbers[what] - numbers[SOURCE])) for what in (EDIT, TRUTH))
    return ChangeRecord(
        source=edit.source,
        target=edit.target,
        strength=edit.strength,
        edit_sha256=edit.sha256 or "",
        change=made,
        expected=wanted,
        no_change=reasons[0] if reasons else None,
        seen={
            what: tuple(float(value) for value in each)
            for what, each in numbers.items()
            if len(each) <= _MAX_KEPT
        },
    )
