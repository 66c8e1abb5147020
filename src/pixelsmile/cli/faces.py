"""`pixelsmile faces`: which faces a photo has, as `pixelsmile edit --face` counts them."""

import argparse
import io
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli.parsing import CommandParser
from pixelsmile.errors import FaceError, OutputError

if TYPE_CHECKING:
    from PIL import Image

    from pixelsmile.editing.edit_files import Source
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
    from pixelsmile.cli.faces_drawing import draw_faces
    from pixelsmile.editing.edit_files import read_source
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
        print(json.dumps(_record(options, image, detector, faces)))
    else:
        _print_table(faces, image.size)
        if drawing is not None:
            print(drawing)
    return 0


def parser() -> CommandParser:
    """The options."""
    parser = CommandParser("faces", "List the faces in a photo, numbered for `edit --face`.", run, _EPILOG)
    parser.add_argument("photo", metavar="PHOTO", help="the picture")
    parser.add_argument(
        "--detector",
        default="auto",
        metavar="NAME",
        help="auto (default), mesh, scrfd, yunet, cascade, embedded (drawn portraits), or an ONNX file",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write the photo with the faces drawn, a PNG")
    parser.add_argument("--force", action="store_true", help="replace a file that exists")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _detect(options: argparse.Namespace, source: "Source") -> tuple[str, "list[Face]"]:
    """The detector's name and the faces in the order of their numbers."""
    from pixelsmile.cli.edit_faces import see_faces
    from pixelsmile.faces.choice import numbered

    detector, found = see_faces(source, options.detector, _remark)
    faces = numbered(found)
    if not faces:
        raise FaceError(
            f"{detector.name} found no face in {options.photo!r}: try another --detector (pixelsmile models "
            "list shows what there is), or edit with a box by hand: --face x,y,width,height"
        )
    return detector.name, faces


def _print_table(faces: "Sequence[Face]", size: tuple[int, int]) -> None:
    rows = [("face", "x,y,width,height", "score", "eyes, nose, mouth (x,y)")]
    for number, face in enumerate(faces, 1):
        rows.append((str(number), _as_option(face, size), f"{face.score:.2f}", _points(face)))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print("  ".join([row[0].rjust(widths[0]), row[1].ljust(widths[1]), row[2].ljust(widths[2]), row[3]]))


def _as_option(face: "Face", size: tuple[int, int]) -> str:
    """A box, cut to the picture of `size`, as `--face` takes it."""
    x, y = round(max(face.box[0], 0)), round(max(face.box[1], 0))
    right, bottom = round(min(face.box[2], size[0])), round(min(face.box[3], size[1]))
    return f"{x},{y},{right - x},{bottom - y}"


def _points(face: "Face") -> str:
    if face.landmarks_5 is None:
        return "none"
    return " ".join(f"{x:.0f},{y:.0f}" for x, y in face.landmarks_5)


def _record(
    options: argparse.Namespace, image: "Image.Image", detector: str, faces: "Sequence[Face]"
) -> dict[str, object]:
    return {
        "photo": options.photo,
        "width": image.width,
        "height": image.height,
        "detector": detector,
        "faces": [
            {
                "number": number,
                "box": face.box,  # corners: x0, y0, x1, y1
                "face": _as_option(face, image.size),  # for --face: x,y,width,height
                "width": face.width,
                "height": face.height,
                "score": face.score,
                "landmarks_5": None if face.landmarks_5 is None else face.landmarks_5.tolist(),
            }
            for number, face in enumerate(faces, 1)
        ],
        "drawing": options.output,
    }


def _remark(text: str) -> None:
    print(f"pixelsmile: {text}", file=sys.stderr)


def _png(image: "Image.Image") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
