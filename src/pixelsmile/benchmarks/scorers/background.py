"""Background (BG): what an edit did to everything but the face (FED-Bench: RMSE of pixels, 0..255)."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from PIL import Image

from pixelsmile.benchmarks.scorers.scorer import Edit, Scorer
from pixelsmile.benchmarks.scores import BACKGROUND, NO_FACE, NO_SOURCE_FACE, Score
from pixelsmile.errors import ImageError
from pixelsmile.faces.drift import background_error
from pixelsmile.faces.face import Box, Detector, Face
from pixelsmile.faces.likeness import MIN_OVERLAP, box_in, face_at
from pixelsmile.images import load_image
from pixelsmile.store.json_lines import Record

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


@dataclass(frozen=True)
class _Source:
    image: Image.Image
    face: Face | None
    num_faces: int


class BackgroundScorer(Scorer):
    """`rmse`, 0..255, and the `share` of the pixels that are background, 0..1."""

    name = stem = BACKGROUND

    def __init__(
        self, detector: Detector, detector_sha256: str | None, other_sizes: OtherSizes = "unscored"
    ) -> None:
        self._detector = detector
        self._source = lru_cache(maxsize=4)(self._read_source)
        self.settings: BackgroundSettings = BackgroundSettings(
            detector=detector.name, detector_sha256=detector_sha256, other_sizes=other_sizes
        )

    async def score(self, edit: Edit) -> Score:
        try:
            found = self._compared(self._source(edit.source, edit.task.face_box), load_image(edit.picture))
        except ImageError as error:
            found = str(error)
        if isinstance(found, str):
            return Score(values={"rmse": None, "share": None}, unscored=found)
        return Score(values=dict(zip(("rmse", "share"), found, strict=True)))

    def _compared(self, source: _Source, edit: Image.Image) -> tuple[float, float] | str:
        """RMSE and share, or why there are none."""
        if source.face is None:
            return NO_SOURCE_FACE
        if edit.size != source.image.size:
            if self.settings.other_sizes == "unscored":
                return "the edit's size is not the source's"
            edit = edit.resize(source.image.size, Image.Resampling.LANCZOS)
        faces = self._detector.detect(edit)
        if len(faces) > max(source.num_faces, 1):
            return f"{len(faces)} faces found in the edit, {source.num_faces} in the source"
        face = face_at(faces, box_in(source.face.box, source.image.size, edit.size))
        if face is None:
            return NO_FACE
        return background_error(source.image, edit, [source.face, face])

    def _read_source(self, path: Path, box: Box | None) -> _Source:
        image = load_image(path)
        faces = self._detector.detect(image)
        return _Source(image, face_at(faces, box), len(faces))
