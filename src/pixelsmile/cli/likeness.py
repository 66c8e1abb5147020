"""`pixelsmile likeness`: what edits left of the person and of the picture behind."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli.display import print_json, remark
from pixelsmile.cli.options import NONE, add_detector, add_json, add_one_face
from pixelsmile.cli.parsing import CommandParser
from pixelsmile.errors import FaceError, InputError

if TYPE_CHECKING:
    from PIL import Image

    from pixelsmile.editing.pictures import Source
    from pixelsmile.faces.face import Detector, Face
    from pixelsmile.faces.likeness import Comparison, LikenessMeter

_EPILOG = """examples:
  pixelsmile likeness face.png face-happy/happy-1.00.png
  pixelsmile likeness photo.jpg edits/*.png --encoders arcface adaface facenet
  pixelsmile likeness photo.jpg edit.jpg --face 80,60,150,170 --encoders none
"""


def parser() -> CommandParser:
    """The options."""
    summary = "How much of the person is left in edits, and what else has changed."
    parser = CommandParser("likeness", summary, run, _EPILOG)
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


def run(options: argparse.Namespace) -> int:
    """Compare each edit with the source, and print a table or one JSON object."""
    from pixelsmile.benchmarks.report.tables import table_lines
    from pixelsmile.editing.pictures import read_source
    from pixelsmile.faces.likeness import compare_edit
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
        remark(f"faces are aligned by their boxes alone: detector {detector.name} has no landmarks")
    found = [(path, compare_edit(source.image, image, known, meter)) for path, image in edits]
    for path, one in found:
        for sentence in _sentences(path, one, detector):
            remark(sentence)
    if options.json:
        records = [{"edit": path, **one.to_record()} for path, one in found]
        print_json({"source": options.source, "edits": records})
    else:
        encoders = [encoder.encoder.name for encoder in meter.encoders]
        header = ("edit", "identity", *encoders, "face RMSE", "background RMSE", "shift px", "zoom")
        print("\n".join(table_lines(header, [_row(path, one, encoders) for path, one in found])))
    return 0


def _face(options: argparse.Namespace, source: "Source") -> "tuple[Detector, Face]":
    """Who finds faces, and the face that is meant; a box by hand lies at the same place in the edits."""
    from pixelsmile.editing.requests import FaceRequest
    from pixelsmile.editing.session import FaceFinder
    from pixelsmile.faces.choice import ONLY, parse_choice

    wanted = FaceRequest(options.face or "", parse_choice(options.face) if options.face else ONLY)
    if wanted.choice.kind in ("all", "whole"):
        raise InputError(f"--face {options.face}: faces are compared one at a time, choose one")
    finder = FaceFinder(options.detector, remark)
    ((face, _),) = finder.choose(source, [wanted])
    return _BoxByHand(face) if wanted.choice.kind == "box" else finder.detector(source), face


@dataclass(frozen=True)
class _BoxByHand:
    """A detector that finds the face where a person says that it is."""

    face: "Face"
    name: str = "manual"

    def detect(self, image: "Image.Image") -> "list[Face]":
        return [self.face]


def _meter(options: argparse.Namespace, source: "Source", detector: "Detector") -> "LikenessMeter":
    from pixelsmile.faces.encoders.onnx_encoder import NAME, SAME_PERSON
    from pixelsmile.faces.likeness import EMBEDDED, LikenessMeter, encoders_at_hand, load_encoders

    names = options.encoders or ([EMBEDDED] if source.is_drawn else encoders_at_hand())
    if NONE in names and len(names) > 1:
        raise InputError("--encoders none stands alone: leave out the others")
    if EMBEDDED in names and not source.is_drawn:
        remark("encoders embedded: know portraits that pixelsmile draws only; here their numbers mean little")
    if names == [NAME] and not options.encoders:
        remark(f"identity by {NAME}, which ships: above {SAME_PERSON:g} it is the same person")
    encoders = [] if names == [NONE] else load_encoders(names)
    return LikenessMeter(detector, None, encoders, by_box=True)


def _sentences(path: str, found: "Comparison", detector: "Detector") -> Iterator[str]:
    """What to know about an edit beside its numbers."""
    from pixelsmile.faces.likeness import IMPERCEPTIBLE_RMSE

    if not found.has_face:
        yield f"{detector.name} finds no face in {path!r} where the source has it"
    if found.face_rmse == 0:
        yield f"{path!r} shows the face of the source, pixel for pixel: nothing was edited there"
    elif found.face_rmse < IMPERCEPTIBLE_RMSE:
        yield f"{path!r}: the face is all but as it was ({found.face_rmse:.2f} of 255): did the edit miss it?"


def _row(path: str, found: "Comparison", encoders: Sequence[str]) -> tuple[str, ...]:
    from pixelsmile.benchmarks.report.tables import UNKNOWN, format_number

    drift = found.background.drift
    return (
        path,
        format_number(found.identity),
        *(format_number(found.similarities.get(name)) for name in encoders),
        f"{found.face_rmse:.2f}",
        f"{found.background.rmse:.2f}",
        UNKNOWN if drift is None else f"{drift.shift_x_px:.2f},{drift.shift_y_px:.2f}",
        UNKNOWN if drift is None else f"{drift.zoom:.4f}",
    )
