"""How much of the person is left in each edit of a run: the faces of source and edit, compared by encoders.

Faces go through the encoders one at a time. In a batch the last digits depend on what else is in it, and a
run that was interrupted would not come to the same numbers as one that was not.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from pixelsmile.benchmarks.judging import picture_file
from pixelsmile.benchmarks.likeness_settings import LikenessSettings, keep_likeness_settings
from pixelsmile.benchmarks.metrics import NO_FACE
from pixelsmile.benchmarks.run_folder import EditRecord, IdentityRecord, RunFolder
from pixelsmile.errors import ImageError, ModelError
from pixelsmile.faces.alignment import align
from pixelsmile.faces.detectors.overlap import intersection_over_union
from pixelsmile.faces.encoders.encoder import IdentityEncoder, cosine_similarity
from pixelsmile.faces.face import Box, Detector, Face
from pixelsmile.images import load_image
from pixelsmile.json_lines import LineWriter

MIN_OVERLAP = 0.1  # intersection over union: a face that shares less is another one
NO_SOURCE_FACE = "no face found in the source"

Embeddings = dict[str, np.ndarray]  # by encoder: (1, D), of unit length


@dataclass(frozen=True)
class KnownEncoder:
    """An encoder, and the hash of its weights."""

    encoder: IdentityEncoder
    sha256: str


@dataclass(frozen=True)
class LikenessMeter:
    """What measures likeness. ModelError for two encoders of one name."""

    detector: Detector
    detector_sha256: str | None
    encoders: Sequence[KnownEncoder]

    def __post_init__(self) -> None:
        names = [known.encoder.name for known in self.encoders]
        if len(set(names)) < len(names):
            raise ModelError(f"identity encoders {', '.join(names)}: give each of them once")

    @property
    def settings(self) -> LikenessSettings:
        """What the numbers depend on beside the pictures."""
        return LikenessSettings(
            detector=self.detector.name,
            detector_sha256=self.detector_sha256,
            encoders={known.encoder.name: known.sha256 for known in self.encoders},
            min_overlap=MIN_OVERLAP,
        )

    def find(self, image: Image.Image, box: Box | None) -> Face | None:
        """The face that shares most with `box` (without a box the largest); None where there is none."""
        faces = self.detector.detect(image)
        if box is None or not faces:
            return max(faces, key=lambda face: face.width * face.height, default=None)
        overlaps = intersection_over_union(np.array(box), np.array([face.box for face in faces]))
        best = int(overlaps.argmax())
        return faces[best] if overlaps[best] >= MIN_OVERLAP else None

    def embed(self, image: Image.Image, face: Face) -> Embeddings:
        """The face as each encoder sees it. ModelError without landmarks: by them faces are aligned."""
        if face.landmarks_5 is None:
            raise ModelError(
                f"detector {self.detector.name} finds no eyes, nose and mouth to align a face by: take "
                "another with --detector (pixelsmile models list)"
            )
        pixels, found = np.asarray(image), {}
        for known in self.encoders:
            crop_HWC = align(pixels, face.landmarks_5, known.encoder.size_px) / 255
            found[known.encoder.name] = known.encoder.embed(crop_HWC.transpose(2, 0, 1)[None])
        return found


def measure_likeness(
    folder: RunFolder, meter: LikenessMeter, *, force: bool = False
) -> Iterator[tuple[int, int]]:
    """Measure the edits of a run that were not measured, or were made anew since; gives (done, of how many).

    An edit without a face has no likeness, with the reason in its record; so has one whose source shows none.
    InputError where this run was measured with another detector or other encoders, unless `force` says to
    begin again, and where a picture is not the one that was made.
    """
    keep_likeness_settings(folder, meter.settings, force=force)
    waiting = _edits_to_measure(folder)
    boxes = {task.source: task.face_box for task in folder.spec().tasks}

    @lru_cache(maxsize=4)  # the edits of one source follow each other
    def source(name: str) -> "_Known | None":
        return _source(folder, meter, name, boxes[name])

    yield 0, len(waiting)
    with LineWriter(folder.identity_file) as lines:
        for num_done, edit in enumerate(waiting, 1):
            lines.write(_record(folder, meter, edit, source(edit.source)))
            yield num_done, len(waiting)


@dataclass(frozen=True)
class _Known:
    """A source: its size, where its face is, and as what the encoders see it."""

    size: tuple[int, int]
    box: Box
    embeddings: Embeddings

    def box_in(self, size: tuple[int, int]) -> Box:
        """Where the face would be in a picture of another size."""
        x0, y0, x1, y1 = self.box
        x, y = size[0] / self.size[0], size[1] / self.size[1]
        return x0 * x, y0 * y, x1 * x, y1 * y


def _edits_to_measure(folder: RunFolder) -> list[EditRecord]:
    made, measured = folder.edits(), folder.identities()
    edits = [made[key] for key in folder.spec().edit_keys() if key in made]
    return [
        edit
        for edit in edits
        if edit.sha256 is not None
        and (edit.key not in measured or measured[edit.key].edit_sha256 != edit.sha256)
    ]


def _source(folder: RunFolder, meter: LikenessMeter, name: str, box: Box | None) -> _Known | None:
    image = load_image(folder.source_file(name))
    face = meter.find(image, box)
    return None if face is None else _Known(image.size, face.box, meter.embed(image, face))


def _record(
    folder: RunFolder, meter: LikenessMeter, edit: EditRecord, source: _Known | None
) -> IdentityRecord:
    found = _similarities(folder, meter, edit, source)
    return IdentityRecord(
        source=edit.source,
        target=edit.target,
        strength=edit.strength,
        edit_sha256=edit.sha256 or "",
        similarities=dict.fromkeys(meter.settings.encoders) if isinstance(found, str) else {**found},
        no_identity=found if isinstance(found, str) else None,
    )


def _similarities(
    folder: RunFolder, meter: LikenessMeter, edit: EditRecord, source: _Known | None
) -> dict[str, float] | str:
    """By encoder, or why there are none."""
    if source is None:
        return NO_SOURCE_FACE
    path = picture_file(folder, edit)
    try:
        image = load_image(path)
    except ImageError as error:
        return str(error)
    face = meter.find(image, source.box_in(image.size))
    if face is None:
        return NO_FACE
    similarities = {
        name: float(cosine_similarity(source.embeddings[name], embedding)[0])
        for name, embedding in meter.embed(image, face).items()
    }
    if broken := [name for name, cosine in similarities.items() if not math.isfinite(cosine)]:
        raise ModelError(f"identity encoder {broken[0]} gives no finite numbers for {path!r}: take others")
    return similarities
