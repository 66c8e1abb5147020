"""What a change of expression is measured by: a face becomes numbers, a change is their distance.

The paper does not say which numbers. Here they are the judge's twelve scores, five landmarks, or an image
encoder's features; a model of action units or blendshapes is one more `ExpressionRepresentation`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image
from pydantic import JsonValue

from pixelsmile.benchmarks.scores import NO_FACE, Score, score_of
from pixelsmile.expressions import EXPRESSIONS, Domain
from pixelsmile.faces.alignment import similarity, template
from pixelsmile.faces.crops import crop_around
from pixelsmile.faces.face import Box, Detector, Face
from pixelsmile.faces.likeness import face_at
from pixelsmile.hashing import sha256_json
from pixelsmile.judges.judge import Sample
from pixelsmile.judges.run import Asker
from pixelsmile.store.json_lines import Record

if TYPE_CHECKING:
    from pixelsmile.features.encoder import ImageEncoder

SCORES = "scores"  # the kind of representation that a judge gives
_STEADY = [0, 1, 2]  # eyes and nose tip: what an expression moves least
_FACE_CONTEXT = 1.3  # side of the square over the face's longer side: the face, and little of the hair


class RepresentationSettings(Record):
    """Everything that the numbers depend on beside the picture.

    kind: by which the frozen normalisation knows the least change (scores, landmarks, embedding, or one of a
    model's own). names: of the numbers, where they mean something each.
    """

    schema_version: Literal[1] = 1
    kind: str
    names: tuple[str, ...] = ()
    parameters: dict[str, JsonValue]

    @property
    def id(self) -> str:
        """A short name that is still unique: the kind, and the start of the hash."""
        return f"{self.kind}:{sha256_json(self.model_dump(mode='json'))[:12]}"


class ExpressionRepresentation(ABC):
    """Says what a face shows, in numbers whose Euclidean distance is a change of expression."""

    settings: RepresentationSettings

    @abstractmethod
    async def of(self, image: Image.Image, box: Box | None, domain: Domain) -> np.ndarray | Score:
        """The numbers (D,) of the face at `box` (None: the largest) in an upright RGB picture.

        A score without values says why there are none. ImageError where the picture is not for it;
        BudgetSpentError and RemoteError where the pass must end.
        """

    async def aclose(self) -> None:  # noqa: B027
        """Close what is open in this event loop."""


class ScoreRepresentation(ExpressionRepresentation):
    """The twelve scores of a judge, 0..1; it looks for the face itself, and sees each picture once."""

    def __init__(self, asker: Asker) -> None:
        identity = asker.judge.identity
        self._asker = asker
        self.settings = RepresentationSettings(
            kind=SCORES, names=EXPRESSIONS, parameters={"judge": identity.id, **identity.to_record()}
        )

    async def of(self, image: Image.Image, box: Box | None, domain: Domain) -> np.ndarray | Score:
        score = score_of((await self._asker.ask(Sample("", image, domain))).outcome)
        return score if score.unscored else np.array([score.values[name] for name in EXPRESSIONS])

    async def aclose(self) -> None:
        await self._asker.judge.aclose()


class LandmarkRepresentation(ExpressionRepresentation):
    """Five landmarks in shares of ArcFace's template, after eyes and nose tip have been brought to theirs.

    They see a mouth widen and its corners rise, and nothing of brows, lids and teeth.
    """

    def __init__(self, detector: Detector, detector_sha256: str | None) -> None:
        self._detector = detector
        points = ("left eye", "right eye", "nose", "left corner of the mouth", "right corner of the mouth")
        self.settings = RepresentationSettings(
            kind="landmarks",
            names=tuple(f"{point} {axis}" for point in points for axis in "xy"),
            parameters={
                "detector": detector.name,
                "detector_sha256": detector_sha256,
                "aligned_by": list(points[:3]),
            },
        )

    async def of(self, image: Image.Image, box: Box | None, domain: Domain) -> np.ndarray | Score:
        face = face_at(self._detector.detect(image), box)
        if face is None:
            return Score(unscored=NO_FACE)
        if face.landmarks_5 is None:
            return Score(unscored=f"detector {self._detector.name} finds no landmarks")
        matrix_23 = similarity(face.landmarks_5[_STEADY], template(1)[_STEADY])
        return (face.landmarks_5 @ matrix_23[:, :2].T + matrix_23[:, 2]).ravel()


class EmbeddingRepresentation(ExpressionRepresentation):
    """Features of an image encoder: of the picture, or of the face in it where a detector is given.

    They see everything, the person and the light too: an edit that swaps the face is a large change.
    """

    def __init__(
        self, encoder: "ImageEncoder", detector: Detector | None = None, detector_sha256: str | None = None
    ) -> None:
        self._encoder, self._detector = encoder, detector
        region: Mapping[str, JsonValue] = {"region": "picture"}
        if detector is not None:
            region = {
                "region": "face",
                "context": _FACE_CONTEXT,
                "detector": detector.name,
                "detector_sha256": detector_sha256,
            }
        self.settings = RepresentationSettings(
            kind="embedding",
            parameters={"encoder": encoder.name, "encoder_sha256": encoder.sha256, **region},
        )

    async def of(self, image: Image.Image, box: Box | None, domain: Domain) -> np.ndarray | Score:
        import torch

        if self._detector is not None:
            face = face_at(self._detector.detect(image), box)
            if face is None:
                return Score(unscored=NO_FACE)
            image = _cut(image, face)
        pixels_HWC = torch.from_numpy(np.asarray(image, np.float32)) / 127.5 - 1
        with torch.inference_mode():
            features_BD = self._encoder.features(pixels_HWC.permute(2, 0, 1)[None])
        return features_BD[0].double().cpu().numpy()


def _cut(image: Image.Image, face: Face) -> Image.Image:
    return crop_around(face, image.size, _FACE_CONTEXT).cut(image)
