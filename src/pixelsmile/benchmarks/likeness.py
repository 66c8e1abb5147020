"""How much of the person is left in each edit of a run."""

from collections.abc import Iterator
from functools import lru_cache

from pixelsmile.benchmarks.likeness_settings import LikenessSettings, keep_likeness_settings
from pixelsmile.benchmarks.measuring import edits_to_measure
from pixelsmile.benchmarks.metrics import NO_FACE
from pixelsmile.benchmarks.run_folder import EditRecord, IdentityRecord, RunFolder
from pixelsmile.errors import ImageError
from pixelsmile.faces.likeness import MIN_OVERLAP, KnownFace, LikenessMeter
from pixelsmile.images import load_image
from pixelsmile.store.json_lines import LineWriter

NO_SOURCE_FACE = "no face found in the source"


def settings_of(meter: LikenessMeter) -> LikenessSettings:
    """What the numbers of a meter depend on beside the pictures."""
    return LikenessSettings(
        detector=meter.detector.name,
        detector_sha256=meter.detector_sha256,
        encoders={known.encoder.name: known.sha256 for known in meter.encoders},
        min_overlap=MIN_OVERLAP,
    )


def measure_likeness(
    folder: RunFolder, meter: LikenessMeter, *, force: bool = False
) -> Iterator[tuple[int, int]]:
    """Measure the edits of a run that were not measured, or were made anew since; gives (done, of how many).

    An edit without a face has no likeness, with the reason in its record; so has one whose source shows none.
    InputError where this run was measured with another detector or other encoders, unless `force` says to
    begin again, and where a picture is not the one that was made.
    """
    keep_likeness_settings(folder, settings_of(meter), force=force)
    measured = {key: record.edit_sha256 for key, record in folder.identities().items()}
    waiting = edits_to_measure(folder, measured)
    boxes = {task.source: task.face_box for task in folder.spec().tasks}

    @lru_cache(maxsize=4)  # the edits of one source follow each other
    def source(name: str) -> KnownFace | None:
        return meter.know(load_image(folder.source_file(name)), boxes[name])

    yield 0, len(waiting)
    with LineWriter(folder.identity_file) as lines:
        for num_done, edit in enumerate(waiting, 1):
            lines.write(_record(folder, meter, edit, source(edit.source)))
            yield num_done, len(waiting)


def _record(
    folder: RunFolder, meter: LikenessMeter, edit: EditRecord, source: KnownFace | None
) -> IdentityRecord:
    found = _similarities(folder, meter, edit, source)
    names = [known.encoder.name for known in meter.encoders]
    return IdentityRecord(
        source=edit.source,
        target=edit.target,
        strength=edit.strength,
        edit_sha256=edit.sha256 or "",
        similarities=dict.fromkeys(names) if isinstance(found, str) else {**found},
        no_identity=found if isinstance(found, str) else None,
    )


def _similarities(
    folder: RunFolder, meter: LikenessMeter, edit: EditRecord, source: KnownFace | None
) -> dict[str, float] | str:
    """By encoder, or why there are none."""
    if source is None:
        return NO_SOURCE_FACE
    try:
        image = load_image(folder.picture_of(edit))
    except ImageError as error:
        return str(error)
    face = meter.know(image, source.box_in(image.size))
    return NO_FACE if face is None else meter.similarities(source, face)
