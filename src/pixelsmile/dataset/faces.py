"""Faces: is there one, how large, held how, how sharp and how lit, and whose.

All is measured before anything is decided, so that a row tells every number, whatever it was rejected for.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydantic import JsonValue

from pixelsmile.dataset.checks import Check, checks_of
from pixelsmile.dataset.config import FaceNetworks, FaceSettings
from pixelsmile.dataset.folder import kept_picture
from pixelsmile.dataset.picture_quality import metric_record, quality_of
from pixelsmile.dataset.rows import Reason, Row, encoded_embedding
from pixelsmile.errors import InputError
from pixelsmile.expressions import Domain
from pixelsmile.faces.alignment import landmarks_of_box, roll_of
from pixelsmile.faces.face import Box, Face

_FACE_PX = 128  # side at which all faces are compared
_BLACK, _WHITE = 2, 253  # levels that say no more
_LUMA_LEVELS = 255
_CONTRAST_LEVELS = 50  # the deviation of a photographed face's levels


@dataclass(frozen=True)
class Faces:
    """The step's function for one row. folder: of the data set."""

    folder: Path
    settings: FaceSettings

    def __call__(self, row: Row) -> Row:
        image = kept_picture(self.folder, row)
        row = with_face(row, image, self.settings).updated(phash=_perceptual_hash(image))
        if not row.num_faces:
            return row.rejected("faces", "no face", 0, 1)
        if row.num_faces > 1 and self.settings.which == "one":
            return row.rejected("faces", "several faces", row.num_faces, 1)
        for check in face_checks(row, self.settings):
            if not check.is_met:
                return row.rejected("faces", check.fault, check.measured, check.limit)
        return row


def with_face(row: Row, image: Image.Image, settings: FaceSettings, near: Box | None = None) -> Row:
    """The row with its picture's quality, how many faces it shows, and what was measured of one: the largest.

    near: rather the one that shares most with this box; where none does, there is nothing but their number.
    """
    from pixelsmile.faces.likeness import face_at  # torch takes seconds to load

    networks = _networks(networks_for(settings, row.domain, row.is_drawn), row.is_drawn)
    found = networks.detector.detect(image)
    row = row.updated(num_faces=len(found))
    if settings.quality is not None:
        row = row.updated(quality=round(quality_of(image, settings.quality.metric), 4))
    face = face_at(found, near)
    if face is None:
        return row
    return row.updated(**_measured(image, face, row.is_drawn), **networks.identity(image, face))


def face_checks(row: Row, settings: FaceSettings) -> Iterator[Check[Reason]]:
    """Every limit that applies to a row whose face was measured."""
    quality = settings.quality
    pose: tuple[tuple[str, Reason, float | None], ...] = (
        ("yaw", "turned away", None if row.is_drawn else settings.max_yaw),
        ("pitch", "bent", None if row.is_drawn else settings.max_pitch),
        ("roll", "tilted", settings.max_roll),
    )
    yield from checks_of(row, ("face_px", "face too small", settings.min_px, True))
    for field, reason, limit in pose:
        if limit is not None and getattr(row, field) is None:
            yield Check(field, "no pose", None, limit, is_least=False, is_met=False)
        yield from checks_of(row, (field, reason, limit, False))
    yield from checks_of(
        row,
        ("sharpness", "blurred", settings.min_sharpness, True),
        ("light", "too dark", settings.min_light, True),
        ("light", "too bright", settings.max_light, False),
        ("clipped", "clipped", settings.max_clipped, False),
        ("quality", "poor quality", None if quality is None else quality.least, True),
        ("quality", "poor quality", None if quality is None else quality.most, False),
    )


def networks_for(settings: FaceSettings, domain: Domain, is_drawn: bool) -> FaceNetworks:
    """Those that know such pictures."""
    networks: FaceNetworks | None = settings.drawn if is_drawn else getattr(settings, domain)
    assert networks is not None  # the configuration has been checked
    return networks


def networks_record(settings: FaceSettings, kinds: Iterable[tuple[Domain, bool]]) -> JsonValue:
    """The hashes of the networks' weights for these (domain, is_drawn). ModelError where one is not there."""
    found: dict[str, JsonValue] = {}
    for domain, is_drawn in sorted(kinds):
        networks = _networks(networks_for(settings, domain, is_drawn), is_drawn)
        found["drawn" if is_drawn else domain] = networks.record()
    if settings.quality is not None:
        found["quality"] = metric_record(settings.quality.metric)
    return found


class _Networks:
    """A detector and identity encoders, loaded once a process."""

    def __init__(self, settings: FaceNetworks, is_drawn: bool) -> None:
        from pixelsmile.faces.likeness import open_meter  # torch takes seconds to load

        self._meter = open_meter(settings.encoders, settings.detector, drawn=is_drawn)
        self.detector = self._meter.detector

    def identity(self, image: Image.Image, face: Face) -> dict[str, str]:
        """The embeddings of all encoders in one: the cosine of two is the mean of the encoders' cosines."""
        parts = self._meter.embed(image, face)
        joined = np.concatenate([part[0] for part in parts.values()]) / np.sqrt(len(parts))
        if not np.isfinite(joined).all():
            raise InputError(f"identity encoders {', '.join(parts)} give no finite numbers")
        return {"encoder": "+".join(parts), "embedding": encoded_embedding(joined)}

    def record(self) -> dict[str, JsonValue]:
        encoders: dict[str, JsonValue] = {known.encoder.name: known.sha256 for known in self._meter.encoders}
        return {
            "detector": self.detector.name,
            "detector_sha256": self._meter.detector_sha256,
            "encoders": encoders,
        }


@cache
def _networks(settings: FaceNetworks, is_drawn: bool) -> _Networks:
    return _Networks(settings, is_drawn)


def measure_face(image: Image.Image, face: Face) -> dict[str, float]:
    """Fields of its row: sharpness, light, clipped."""
    grey = np.asarray(_face_crop(image, face), np.float32)
    return {
        "sharpness": round(_sharpness(grey), 2),
        "light": round(float(grey.mean()) / _LUMA_LEVELS, 4),
        "clipped": round(float(((grey <= _BLACK) | (grey >= _WHITE)).mean()), 4),
    }


def _measured(image: Image.Image, face: Face, is_drawn: bool) -> dict[str, Any]:
    landmarks = landmarks_of_box(face.box) if face.landmarks_5 is None else face.landmarks_5
    return {
        "face_box": tuple(round(value, 2) for value in face.box),
        "landmarks": tuple(round(float(value), 2) for value in landmarks.ravel()),
        "face_px": round(min(face.width, face.height), 2),
        **_pose(image, face, is_drawn, landmarks),
        **measure_face(image, face),
    }


def _pose(image: Image.Image, face: Face, is_drawn: bool, landmarks: np.ndarray) -> dict[str, float]:
    """Of a photograph by its mesh; nothing where that sees no face. Of a drawn portrait the roll."""
    if is_drawn:
        return {"roll": round(float(np.degrees(roll_of(landmarks))), 1)}
    from pixelsmile.faces.mesh.networks import load_mesh_networks

    mesh = load_mesh_networks().fit(image, face)
    if mesh is None:
        return {}
    pose = mesh.pose()
    return {"yaw": round(pose.yaw, 1), "pitch": round(pose.pitch, 1), "roll": round(pose.roll, 1)}


def _face_crop(image: Image.Image, face: Face) -> Image.Image:
    """The face in grey, at one size for all: what is small is enlarged, and then it is not sharp."""
    x0, y0, x1, y1 = map(round, face.box)
    box = (max(0, x0), max(0, y0), min(image.width, x1), min(image.height, y1))
    grey = image.crop(box).convert("L")
    return grey.resize((_FACE_PX, _FACE_PX), Image.Resampling.BILINEAR)


def _sharpness(grey_HW: np.ndarray) -> float:
    """The variance of the Laplacian (Pech-Pacheco et al. 2000), of a face with the contrast of most.

    Without that a sharp picture in half the light would have a quarter of its sharpness.
    """
    middle = grey_HW[1:-1, 1:-1]
    around = grey_HW[:-2, 1:-1] + grey_HW[2:, 1:-1] + grey_HW[1:-1, :-2] + grey_HW[1:-1, 2:]
    return float((around - 4 * middle).var() * (_CONTRAST_LEVELS / max(1.0, float(grey_HW.std()))) ** 2)


def _perceptual_hash(image: Image.Image) -> str | None:
    """64 bits of the lowest frequencies; None where the package is not there, and then nobody asks for it."""
    try:
        import imagehash
    except ImportError:
        return None
    return str(imagehash.phash(image))
