"""`pixelsmile likeness`: what edits left of the person and of the picture behind."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelsmile.cli.options import NONE, add_detector, add_json, add_one_face
from pixelsmile.cli.parsing import CommandParser
from pixelsmile.errors import FaceError, InputError

if TYPE_CHECKING:
    from PIL import Image

    from pixelsmile.editing.pictures import Source
    from pixelsmile.faces.drift import Background
    from pixelsmile.faces.face import Detector, Face
    from pixelsmile.faces.likeness import KnownFace, LikenessMeter

_AS_IT_WAS = 2.0  # of 255: root of the mean squared change of a face below which nobody sees one
_PUBLISHED = ("arcface", "adaface", "facenet")  # of the paper
_EPILOG = """examples:
  pixelsmile likeness face.png face-happy/happy-1.00.png
  pixelsmile likeness photo.jpg edits/*.png --encoders arcface adaface facenet
  pixelsmile likeness photo.jpg edit.jpg --face 80,60,150,170 --encoders none
"""


@dataclass(frozen=True)
class Compared:
    """One edit beside its source. similarities: by encoder, None where the edit shows no face.

    face_rmse: of the colours where the source has its face, 0..255.
    """

    path: str
    face_rmse: float
    similarities: "dict[str, float] | None"
    background: "Background"

    @property
    def identity(self) -> float | None:
        """The mean of the encoders (PixelSmile, section 3.2), -1..1."""
        found = self.similarities
        return sum(found.values()) / len(found) if found else None

    def as_json(self) -> dict[str, Any]:
        drift = self.background.drift
        return {
            "edit": self.path,
            "identity": self.identity,
            "similarities": self.similarities,
            "face_rmse": self.face_rmse,
            "background_rmse": self.background.rmse,
            "background_share": self.background.share,
            "shift_px": None if drift is None else [drift.shift_x_px, drift.shift_y_px],
            "zoom": None if drift is None else drift.zoom,
        }


def run(options: argparse.Namespace) -> int:
    """Compare each edit with the source, and print a table or one JSON object."""
    from pixelsmile.editing.pictures import read_source
    from pixelsmile.images import load_image

    source = read_source(Path(options.source))
    edits = [(path, load_image(path)) for path in options.edits]
    for path, image in edits:
        if image.size != source.image.size:
            raise InputError(
                f"{path!r} has {image.width} x {image.height} px, the source {source.image.width} x "
                f"{source.image.height}: an edit has the size of its source"
            )
    detector, face = _face(options, source)
    meter = _meter(options, source, detector)
    known = meter.know(source.image, face.box)
    if known is None:  # the detector has just found it
        raise FaceError(
            f"{detector.name} finds no face in {options.source!r} any more: try another --detector"
        )
    if known.face.landmarks_5 is None and meter.encoders:
        _remark(f"faces are aligned by their boxes alone: detector {detector.name} has no landmarks")
    found = [_compared(path, image, source.image, known, meter) for path, image in edits]
    if options.json:
        print(json.dumps({"source": options.source, "edits": [one.as_json() for one in found]}))
    else:
        _print_table(found, [encoder.encoder.name for encoder in meter.encoders])
    return 0


def parser() -> CommandParser:
    """The options."""
    parser = CommandParser(
        "likeness", "How much of the person is left in edits, and what else has changed.", run, _EPILOG
    )
    parser.add_argument("source", metavar="SOURCE", help="the picture before the edit")
    parser.add_argument("edits", metavar="EDIT", nargs="+", help="pictures after it, of the same size")
    add_one_face(parser)
    add_detector(parser)
    parser.add_argument(
        "--encoders",
        nargs="+",
        metavar="NAME",
        help="embedded (drawn portraits), dlib (photographs; ships), arcface, adaface, facenet, auraface, "
        "KIND=FILE, or none (default: embedded for drawn portraits, otherwise those of arcface, adaface and "
        "facenet that are there, or dlib)",
    )
    add_json(parser)
    return parser


def _face(options: argparse.Namespace, source: "Source") -> "tuple[Detector, Face]":
    """Who finds faces, and the face that is meant; a box by hand lies at the same place in the edits."""
    from pixelsmile.editing.requests import FaceRequest
    from pixelsmile.editing.session import FaceFinder
    from pixelsmile.faces.choice import ONLY, parse_choice

    wanted = FaceRequest(options.face or "", parse_choice(options.face) if options.face else ONLY)
    if wanted.choice.kind in ("all", "whole"):
        raise InputError(f"--face {options.face}: faces are compared one at a time, choose one")
    finder = FaceFinder(options.detector, _remark)
    ((face, _),) = finder.choose(source, [wanted])
    return _ByHand(face) if wanted.choice.kind == "box" else finder.detector(source), face


@dataclass(frozen=True)
class _ByHand:
    """Finds the face where a person says that it is."""

    face: "Face"
    name: str = "manual"

    def detect(self, image: "Image.Image") -> "list[Face]":
        return [self.face]


def _meter(options: argparse.Namespace, source: "Source", detector: "Detector") -> "LikenessMeter":
    from pixelsmile.faces.likeness import EMBEDDED, LikenessMeter, load_encoders

    names = options.encoders or ([EMBEDDED] if source.is_drawn else _published())
    if NONE in names and len(names) > 1:
        raise InputError("--encoders none stands alone: leave out the others")
    if EMBEDDED in names and not source.is_drawn:
        _remark(
            "encoders embedded: know portraits that pixelsmile draws only; here their numbers mean little"
        )
    encoders = [] if names == [NONE] else load_encoders(names)
    return LikenessMeter(detector, None, encoders, by_box=True)


def _published() -> list[str]:
    """The paper's encoders whose weights are here; where there are none, the one that ships."""
    from pixelsmile.faces.encoders.onnx_runtime import NAME, SAME_PERSON
    from pixelsmile.faces.weights import WEIGHTS

    found = [name for name in _PUBLISHED if WEIGHTS[name].is_there]
    if not found:
        _remark(f"identity by {NAME}, which ships: above {SAME_PERSON:g} it is the same person")
    return found or [NAME]


def _compared(
    path: str, edit: "Image.Image", source: "Image.Image", known: "KnownFace", meter: "LikenessMeter"
) -> Compared:
    from pixelsmile.faces.drift import compare_background

    face = meter.know(edit, known.face.box)
    if face is None:
        _remark(f"{meter.detector.name} finds no face in {path!r} where the source has it")
    similarities = meter.similarities(known, face) if face is not None and meter.encoders else None
    faces = [known.face] + ([] if face is None else [face.face])
    face_rmse = _face_rmse(source, edit, known.face)
    if face_rmse == 0:
        _remark(f"{path!r} shows the face of the source, pixel for pixel: nothing was edited there")
    elif face_rmse < _AS_IT_WAS:
        _remark(f"{path!r}: the face is all but as it was ({face_rmse:.2f} of 255): did the edit miss it?")
    return Compared(path, face_rmse, similarities, compare_background(source, edit, faces))


def _face_rmse(source: "Image.Image", edit: "Image.Image", face: "Face") -> float:
    import numpy as np

    from pixelsmile.faces.masks import face_mask

    inside_HW = face_mask(face, source.size) > 0
    before, after = (np.asarray(picture, np.float64)[inside_HW] for picture in (source, edit))
    return float(np.sqrt(np.mean((after - before) ** 2)))


def _print_table(found: Sequence[Compared], encoders: Sequence[str]) -> None:
    rows = [("edit", "identity", *encoders, "face RMSE", "background RMSE", "shift px", "zoom")]
    for one in found:
        drift = one.background.drift
        rows.append(
            (
                one.path,
                _number(one.identity),
                *(_number((one.similarities or {}).get(name)) for name in encoders),
                f"{one.face_rmse:.2f}",
                f"{one.background.rmse:.2f}",
                "-" if drift is None else f"{drift.shift_x_px:.2f},{drift.shift_y_px:.2f}",
                "-" if drift is None else f"{drift.zoom:.4f}",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  ".join(cells))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _remark(text: str) -> None:
    print(f"pixelsmile: {text}", file=sys.stderr)
