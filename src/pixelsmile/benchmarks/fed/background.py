"""BG: what each edit of a run did to everything but the face (FED-Bench: RMSE of pixels, 0-255)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from PIL import Image
from pydantic import Field

from pixelsmile.benchmarks.likeness import NO_SOURCE_FACE
from pixelsmile.benchmarks.measuring import SettingsFile, edits_to_measure
from pixelsmile.benchmarks.metrics.table import NO_FACE
from pixelsmile.benchmarks.run_folder import EditKey, EditLine, EditRecord, RunFolder, latest
from pixelsmile.errors import ImageError
from pixelsmile.faces.drift import compare_background
from pixelsmile.faces.face import Detector, Face
from pixelsmile.faces.likeness import MIN_OVERLAP, box_in, face_at
from pixelsmile.images import load_image
from pixelsmile.store.json_lines import LineWriter, Record, read_lines

OtherSizes = Literal["unscored", "resized"]


class BackgroundSettings(Record):
    """What BG depends on beside the pictures.

    grow: scales the ellipses that are left out. other_sizes: what becomes of an edit whose size is not the
    source's: no BG, or brought to it (Lanczos) before.
    """

    schema_version: Literal[1] = 1
    detector: str
    detector_sha256: str | None
    min_overlap: float = MIN_OVERLAP
    grow: float = 1.0
    other_sizes: OtherSizes = "unscored"


class BackgroundRecord(EditLine):
    """rmse: 0..255; share: of the pixels that are background. Both None, with the reason in no_background."""

    edit_sha256: str
    rmse: Annotated[float, Field(ge=0, le=255)] | None
    share: Annotated[float, Field(ge=0, le=1)] | None
    no_background: str | None = None


@dataclass(frozen=True)
class BackgroundMeter:
    """A detector, the hash of its weights, and what to do with edits of another size."""

    detector: Detector
    detector_sha256: str | None
    other_sizes: OtherSizes = "unscored"

    @property
    def settings(self) -> BackgroundSettings:
        return BackgroundSettings(
            detector=self.detector.name, detector_sha256=self.detector_sha256, other_sizes=self.other_sizes
        )


@dataclass(frozen=True)
class _Source:
    image: Image.Image
    face: Face | None
    num_faces: int


def background_settings(folder: RunFolder) -> BackgroundSettings | None:
    """With what the backgrounds of this run were measured; None where none was. InputError if damaged."""
    return _settings_file(folder).read()


def backgrounds(folder: RunFolder) -> dict[EditKey, BackgroundRecord]:
    """The backgrounds that are measured, by edit."""
    return latest(read_lines(_lines_file(folder), BackgroundRecord))


def measure_background(
    folder: RunFolder, meter: BackgroundMeter, *, force: bool = False
) -> Iterator[tuple[int, int]]:
    """Measure the edits of a run that were not measured, or were made anew since; gives (done, of how many).

    InputError where this run was measured otherwise, unless `force` says to begin again, and where a picture
    is not the one that was made.
    """
    _settings_file(folder).keep(meter.settings, force=force)
    measured = {key: record.edit_sha256 for key, record in backgrounds(folder).items()}
    waiting = edits_to_measure(folder, measured)
    boxes = {task.source: task.face_box for task in folder.spec().tasks}

    @lru_cache(maxsize=4)
    def source(name: str) -> _Source:
        image = load_image(folder.source_file(name))
        faces = meter.detector.detect(image)
        return _Source(image, face_at(faces, boxes[name]), len(faces))

    yield 0, len(waiting)
    with LineWriter(_lines_file(folder)) as lines:
        for num_done, edit in enumerate(waiting, 1):
            lines.write(_record(folder, meter, edit, source(edit.source)))
            yield num_done, len(waiting)


def _record(folder: RunFolder, meter: BackgroundMeter, edit: EditRecord, source: _Source) -> BackgroundRecord:
    try:
        found = _compared(meter, source, load_image(folder.picture_of(edit)))
    except ImageError as error:
        found = str(error)
    rmse, share = (None, None) if isinstance(found, str) else found
    return BackgroundRecord(
        source=edit.source,
        target=edit.target,
        strength=edit.strength,
        edit_sha256=edit.sha256 or "",
        rmse=rmse,
        share=share,
        no_background=found if isinstance(found, str) else None,
    )


def _compared(meter: BackgroundMeter, source: _Source, edit: Image.Image) -> tuple[float, float] | str:
    """RMSE and share, or why there are none."""
    if source.face is None:
        return NO_SOURCE_FACE
    if edit.size != source.image.size:
        if meter.other_sizes == "unscored":
            return "the edit's size is not the source's"
        edit = edit.resize(source.image.size, Image.Resampling.LANCZOS)
    faces = meter.detector.detect(edit)
    if len(faces) > max(source.num_faces, 1):
        return f"{len(faces)} faces found in the edit, {source.num_faces} in the source"
    face = face_at(faces, box_in(source.face.box, source.image.size, edit.size))
    if face is None:
        return NO_FACE
    found = compare_background(source.image, edit, [source.face, face])
    return found.rmse, found.share


def _lines_file(folder: RunFolder) -> Path:
    return folder.path / "background.jsonl"


def _settings_file(folder: RunFolder) -> SettingsFile[BackgroundSettings]:
    path = folder.path / "background.json"
    return SettingsFile(path, _lines_file(folder), BackgroundSettings, "backgrounds", _words)


def _words(settings: BackgroundSettings) -> str:
    sizes = f"edits of another size {settings.other_sizes}"
    return f"faces that {settings.detector} {(settings.detector_sha256 or '')[:8]} found, {sizes}"
