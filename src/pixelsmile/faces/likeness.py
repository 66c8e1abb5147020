"""How much of a person is left in an edit: the faces of source and edit, compared by identity encoders.

Faces go through the encoders one at a time. In a batch the last digits depend on what else is in it, and a
run that was interrupted would not come to the same numbers as one that was not.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pixelsmile.errors import ModelError
from pixelsmile.faces.alignment import landmarks_of_box
from pixelsmile.faces.detectors.overlap import intersection_over_union
from pixelsmile.faces.encoders.encoder import IdentityEncoder, cosine_similarity
from pixelsmile.faces.face import Box, Detector, Face

MIN_OVERLAP = 0.1  # intersection over union: a face that shares less is another one

Embeddings = Mapping[str, np.ndarray]  # by encoder: (1, D), of unit length


@dataclass(frozen=True)
class KnownEncoder:
    """An encoder, and the hash of its weights."""

    encoder: IdentityEncoder
    sha256: str


@dataclass(frozen=True)
class KnownFace:
    """A face in a picture of `size` (width, height): where it is, and as what the encoders see it."""

    size: tuple[int, int]
    face: Face
    embeddings: Embeddings

    def box_in(self, size: tuple[int, int]) -> Box:
        """Where the face would be in a picture of another size."""
        return box_in(self.face.box, self.size, size)


@dataclass(frozen=True)
class LikenessMeter:
    """What measures likeness. ModelError for two encoders of one name.

    by_box: a face without landmarks is aligned by its box, where landmarks lie in most faces; for pictures
    whose faces are cut alike. Without it, such a face is a ModelError.
    """

    detector: Detector
    detector_sha256: str | None
    encoders: Sequence[KnownEncoder]
    by_box: bool = False

    def __post_init__(self) -> None:
        names = [known.encoder.name for known in self.encoders]
        if len(set(names)) < len(names):
            raise ModelError(f"identity encoders {', '.join(names)}: give each of them once")

    def know(self, image: Image.Image, box: Box | None = None) -> KnownFace | None:
        """The face that shares most with `box` (without a box the largest); None where there is none."""
        face = face_at(self.detector.detect(image), box)
        return None if face is None else KnownFace(image.size, face, self._embed(image, face))

    def similarities(self, a: KnownFace, b: KnownFace) -> dict[str, float]:
        """Their cosines, by encoder, -1..1; ModelError where an encoder gives no finite number."""
        found = {
            known.encoder.name: float(
                cosine_similarity(a.embeddings[known.encoder.name], b.embeddings[known.encoder.name])[0]
            )
            for known in self.encoders
        }
        if broken := [name for name, cosine in found.items() if not math.isfinite(cosine)]:
            raise ModelError(f"identity encoder {broken[0]} gives no finite numbers: take others")
        return found

    def _embed(self, image: Image.Image, face: Face) -> Embeddings:
        landmarks_52 = face.landmarks_5
        if landmarks_52 is None:
            if not self.by_box:
                raise ModelError(
                    f"detector {self.detector.name} finds no eyes, nose and mouth to align a face by: take "
                    "another with --detector (pixelsmile models list)"
                )
            landmarks_52 = landmarks_of_box(face.box)
        pixels, found = np.asarray(image), {}
        for known in self.encoders:
            crop_HWC = known.encoder.alignment.crop(pixels, landmarks_52) / 255
            found[known.encoder.name] = known.encoder.embed(crop_HWC.transpose(2, 0, 1)[None])
        return found


def face_at(faces: Sequence[Face], box: Box | None) -> Face | None:
    """The face that shares most with `box`, at least MIN_OVERLAP; without a box the largest. Or None."""
    if box is None or not faces:
        return max(faces, key=lambda face: face.width * face.height, default=None)
    overlaps = intersection_over_union(np.array(box), np.array([face.box for face in faces]))
    best = int(overlaps.argmax())
    return faces[best] if overlaps[best] >= MIN_OVERLAP else None


def box_in(box: Box, size: tuple[int, int], other: tuple[int, int]) -> Box:
    """A box of a picture of `size` (width, height) in the same picture of another size."""
    x, y = other[0] / size[0], other[1] / size[1]
    return box[0] * x, box[1] * y, box[2] * x, box[3] * y
