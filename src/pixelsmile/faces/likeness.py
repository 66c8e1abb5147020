"""How much of a person is left in an edit, by identity encoders, and what else has changed.

Faces go through the encoders one at a time. In a batch the last digits depend on what else is in it, and a
run that was interrupted would not come to the same numbers as one that was not.
"""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pixelsmile import embedded
from pixelsmile.embedded import photo_path
from pixelsmile.errors import InputError, ModelError
from pixelsmile.faces.alignment import landmarks_of_box
from pixelsmile.faces.detectors.candidates import intersection_over_union
from pixelsmile.faces.detectors.loading import AUTO, detector_sha256, load_detector
from pixelsmile.faces.drift import Background, compare_background
from pixelsmile.faces.encoders.encoder import KINDS, IdentityEncoder, cosine_similarity
from pixelsmile.faces.encoders.loading import load_encoder
from pixelsmile.faces.encoders.onnx_encoder import NAME, photo_encoder
from pixelsmile.faces.face import Box, Detector, Face
from pixelsmile.faces.masks import face_mask
from pixelsmile.faces.weights import WEIGHTS
from pixelsmile.store.weight_hashes import sha256_weights

EMBEDDED = "embedded"
MIN_OVERLAP = 0.1  # intersection over union: a face that shares less is another one
IMPERCEPTIBLE_RMSE = 2.0  # of 255: nobody sees a face change by less
_OF_THE_PAPER = ("arcface", "adaface", "facenet")

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
        return None if face is None else KnownFace(image.size, face, self.embed(image, face))

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

    def embed(self, image: Image.Image, face: Face) -> Embeddings:
        """A face that is known already, as what the encoders see it."""
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


@dataclass(frozen=True)
class Comparison:
    """One edit and its source. has_face: whether the edit shows one where the source does.

    similarities: cosines by encoder, -1..1; empty without a face or an encoder. face_rmse: root of the mean
    squared error of the colours where the source has its face, 0..255.
    """

    has_face: bool
    similarities: dict[str, float]
    face_rmse: float
    background: Background

    @property
    def identity(self) -> float | None:
        """The mean of the encoders (PixelSmile, section 3.2), -1..1."""
        return sum(self.similarities.values()) / len(self.similarities) if self.similarities else None

    def to_record(self) -> dict[str, Any]:
        drift = self.background.drift
        return {
            "identity": self.identity,
            "similarities": self.similarities or None,
            "face_rmse": self.face_rmse,
            "background_rmse": self.background.rmse,
            "background_share": self.background.share,
            "shift_px": None if drift is None else [drift.shift_x_px, drift.shift_y_px],
            "zoom": None if drift is None else drift.zoom,
        }


def compare_edit(
    source: Image.Image, edit: Image.Image, known: KnownFace, meter: LikenessMeter
) -> Comparison:
    """Both are RGB and have one size; `known` is the source's face. ImageError, ModelError."""
    face = meter.know(edit, known.face.box)
    faces = [known.face] + ([] if face is None else [face.face])
    return Comparison(
        has_face=face is not None,
        similarities={} if face is None else meter.similarities(known, face),
        face_rmse=face_error(source, edit, known.face),
        background=compare_background(source, edit, faces),
    )


def face_error(source: Image.Image, edit: Image.Image, face: Face) -> float:
    """Root of the mean squared error of the colours inside of a face, 0..255; both pictures have one size."""
    inside_HW = face_mask(face, source.size) > 0
    before, after = (np.asarray(picture, np.float64)[inside_HW] for picture in (source, edit))
    return float(np.sqrt(np.mean((after - before) ** 2)))


def encoders_at_hand() -> Sequence[str]:
    """The paper's encoders whose weights are here; where there are none, the one that ships."""
    return [name for name in _OF_THE_PAPER if WEIGHTS[name].is_there] or [NAME]


def open_meter(
    encoders: Sequence[str], detector: str = AUTO, *, drawn: bool, device: str | None = None
) -> LikenessMeter:
    """A meter with these encoders and this detector.

    encoders: `embedded` (the three that ship; they know drawn portraits alone), dlib (ships, for
    photographs), arcface, adaface, facenet or auraface (published weights, `pixelsmile models`), KIND=PATH,
    or a path that says its kind itself. drawn: whether the pictures are drawn portraits; then `auto` is the
    detector that knows those. device: of encoders in torch. ModelError where something is missing or cannot
    be run.
    """
    if EMBEDDED in encoders and not drawn:
        raise InputError(
            "the embedded encoders know drawn portraits only, which these are not: give --encoders dlib, or "
            "arcface adaface facenet (pixelsmile models list shows how to get them), or none"
        )
    return LikenessMeter(
        detector=load_detector(detector, drawn=drawn),
        detector_sha256=detector_sha256(detector, drawn=drawn),
        encoders=load_encoders(encoders, device),
    )


def load_encoders(names: Sequence[str], device: str | None = None) -> list[KnownEncoder]:
    """The encoders of these names (see `open_meter`). ModelError; InputError for dlib beside others."""
    if NAME in names and len(names) > 1:
        raise InputError(f"encoder {NAME} measures on a scale of its own: give it alone, or the others")
    return [known for name in names for known in _encoders(name, device)]


def _encoders(word: str, device: str | None) -> list[KnownEncoder]:
    if word == NAME:
        encoder = photo_encoder()
        return [KnownEncoder(encoder, sha256_weights(photo_path() / "identity.onnx"))]
    if word == EMBEDDED:
        return [_encoder(path, None, device) for path in embedded.encoder_paths()]
    if word in WEIGHTS and word in KINDS:
        return [_encoder(WEIGHTS[word].require(), word, device)]
    kind, equals, path = word.partition("=")
    if equals and kind in KINDS:
        return [_encoder(Path(os.path.expanduser(path)), kind, device)]
    if not Path(os.path.expanduser(word)).exists():
        raise ModelError(
            f"unknown identity encoder {word!r}: use {EMBEDDED}, {', '.join(KINDS)}, KIND=PATH or a path"
        )
    return [_encoder(Path(os.path.expanduser(word)), None, device)]


def _encoder(path: Path, kind: str | None, device: str | None) -> KnownEncoder:
    return KnownEncoder(load_encoder(path, kind, device=device), sha256_weights(path))
