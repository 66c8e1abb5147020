"""Which detector and encoders measure likeness: by name, by file, or those that ship for drawn portraits."""

import os
from collections.abc import Sequence
from pathlib import Path

from pixelsmile import embedded
from pixelsmile.embedded import photo_path
from pixelsmile.errors import InputError, ModelError
from pixelsmile.faces.detectors.loading import AUTO, detector_sha256, load_detector
from pixelsmile.faces.encoders.loading import load_encoder
from pixelsmile.faces.encoders.photo import NAME, photo_encoder
from pixelsmile.faces.encoders.preprocessing import KINDS
from pixelsmile.faces.likeness import KnownEncoder, LikenessMeter
from pixelsmile.faces.weights import WEIGHTS
from pixelsmile.hashing import sha256_weights

EMBEDDED = "embedded"


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
