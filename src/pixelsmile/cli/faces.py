"""`pixelsmile faces`: which faces a photo has, as `pixelsmile edit --face` counts them."""

import argparse
import io
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli.display import print_json, remark
from pixelsmile.cli.options import add_detector, add_force, add_json
from pixelsmile.cli.parsing import CommandParser
from pixelsmile.errors import FaceError, OutputError

if TYPE_CHECKING:
    from PIL import Image

    from pixelsmile.editing.pictures import Source
    from pixelsmile.faces.face import Face

_EPILOG = """examples:
  pixelsmile faces photo.jpg
  pixelsmile faces photo.jpg -o faces.png
  pixelsmile faces anime.png --detector anime-face.onnx --json
"""


def run(options: argparse.Namespace) -> int:
    """List the faces, and draw them if asked; exit code 2 where there is none."""
    drawing = None if options.output is None else Path(options.output)
    if drawing is not None and drawing.suffix.lower() != ".png":
        raise OutputError(f"cannot write {str(drawing)!r}: use a name that ends in .png")
    from pixelsmile.editing.pictures import read_source
    from pixelsmile.faces.outlines import draw_faces
    from pixelsmile.store.publication import staged

    source = read_source(Path(options.photo))
    image = source.image
    with ExitStack() as stack:
        stage = None
        if drawing is not None:
            stage = stack.enter_context(staged(drawing.parent, [drawing.name], force=options.force))
        detector, faces = _detect(options, source)
        if stage is not None and drawing is not None:
            stage.write(drawing.name, _png(draw_faces(image, faces)))
    if options.json:
        print_json(_record(options, image, detector, faces))
    else:
        _print_table(faces, image.size)
        if drawing is not None:
            print(drawing)
    return 0


def parser() -> CommandParser:
    """The options."""
    parser = CommandParser("faces", "List the faces in a photo, numbered for `edit --face`.", run, _EPILOG)
    parser.add_argument("photo", metavar="PHOTO", help="the picture")
    add_detector(parser)
    parser.add_argument("-o", "--output", metavar="FILE", help="write the photo with the faces drawn, a PNG")
    add_force(parser, "a file that exists")
    add_json(parser)
    return parser


def _detect(options: argparse.Namespace, source: "Source") -> tuple[str, "list[Face]"]:
    """The detector's name and the faces in the order of their numbers."""
    from pixelsmile.editing.session import FaceFinder
    from pixelsmile.faces.choice import numbered

    finder = FaceFinder(options.detector, remark)
    name, faces = finder.detector(source).name, numbered(finder.faces(source))
    if not faces:
        raise FaceError(
            f"{name} found no face in {options.photo!r}: try another --detector (pixelsmile models "
            "list shows what there is), or edit with a box by hand: --face x,y,width,height"
        )
    return name, faces


def _print_table(faces: "Sequence[Face]", size: tuple[int, int]) -> None:
    from pixelsmile.benchmarks.report.tables import table_lines
    from pixelsmile.faces.choice import box_text

    rows = [
        (str(number), box_text(face, size), f"{face.score:.2f}", _points(face))
        for number, face in enumerate(faces, 1)
    ]
    header = ("face", "x,y,width,height", "score", "eyes, nose, mouth (x,y)")
    print("\n".join(table_lines(header, rows)))


def _points(face: "Face") -> str:
    if face.landmarks_5 is None:
        return "none"
    return " ".join(f"{x:.0f},{y:.0f}" for x, y in face.landmarks_5)


def _record(
    options: argparse.Namespace, image: "Image.Image", detector: str, faces: "Sequence[Face]"
) -> dict[str, object]:
    from pixelsmile.faces.choice import face_records

    return {
        "photo": options.photo,
        "width": image.width,
        "height": image.height,
        "detector": detector,
        "faces": face_records(faces, image.size),
        "drawing": options.output,
    }


def _png(image: "Image.Image") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
