"""An edit beside its source: what is left of the person, and what else has changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from pixelsmile.faces.drift import Background, compare_background
from pixelsmile.faces.encoders.onnx_encoder import NAME
from pixelsmile.faces.face import Face
from pixelsmile.faces.likeness import KnownFace, LikenessMeter
from pixelsmile.faces.masks import face_mask
from pixelsmile.faces.weights import WEIGHTS

IMPERCEPTIBLE_RMSE = 2.0  # of 255: nobody sees a face change by less
_OF_THE_PAPER = ("arcface", "adaface", "facenet")


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
        face_rmse=_rmse_inside(source, edit, known.face),
        background=compare_background(source, edit, faces),
    )


def _rmse_inside(source: Image.Image, edit: Image.Image, face: Face) -> float:
    inside_HW = face_mask(face, source.size) > 0
    before, after = (np.asarray(picture, np.float64)[inside_HW] for picture in (source, edit))
    return float(np.sqrt(np.mean((after - before) ** 2)))


def encoders_at_hand() -> Sequence[str]:
    """The paper's encoders whose weights are here; where there are none, the one that ships."""
    return [name for name in _OF_THE_PAPER if WEIGHTS[name].is_there] or [NAME]
