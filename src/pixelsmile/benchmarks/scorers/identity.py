"""Identity: how much of the person is left in an edit, as the cosine of source and edit by each encoder."""

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pixelsmile.benchmarks.scorers.scorer import Edit, Scorer
from pixelsmile.benchmarks.scores import IDENTITY, NO_FACE, NO_SOURCE_FACE, Score
from pixelsmile.errors import ImageError
from pixelsmile.faces.face import Box
from pixelsmile.faces.likeness import MIN_OVERLAP, KnownFace, LikenessMeter
from pixelsmile.images import load_image
from pixelsmile.store.json_lines import Record


class IdentitySettings(Record):
    """The detector and the encoders, by name and by the hash of their weights (None: it has none)."""

    schema_version: Literal[1] = 1
    detector: str
    detector_sha256: str | None
    encoders: dict[str, str]
    min_overlap: float = MIN_OVERLAP


class IdentityScorer(Scorer):
    """Cosines, -1..1, by encoder; an edit without a face has none, nor has one whose source shows none.

    The face is meant that is where the source's is.
    """

    name = stem = IDENTITY

    def __init__(self, meter: LikenessMeter) -> None:
        self._meter = meter
        self._source = lru_cache(maxsize=4)(self._known_source)  # the edits of one source follow each other
        self.settings: IdentitySettings = IdentitySettings(
            detector=meter.detector.name,
            detector_sha256=meter.detector_sha256,
            encoders={known.encoder.name: known.sha256 for known in meter.encoders},
        )

    async def score(self, edit: Edit) -> Score:
        found = self._similarities(edit)
        if isinstance(found, str):
            return Score(values=dict.fromkeys(self.settings.encoders), unscored=found)
        return Score(values=found)

    def _similarities(self, edit: Edit) -> dict[str, float] | str:
        """By encoder, or why there are none."""
        source = self._source(edit.source, edit.task.face_box)
        if source is None:
            return NO_SOURCE_FACE
        try:
            image = load_image(edit.picture)
        except ImageError as error:
            return str(error)
        face = self._meter.know(image, source.box_in(image.size))
        return NO_FACE if face is None else self._meter.similarities(source, face)

    def _known_source(self, path: Path, box: Box | None) -> KnownFace | None:
        return self._meter.know(load_image(path), box)
