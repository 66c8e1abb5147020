"""`pixelsmile triplets build`: triplets from any annotated pictures in which people come more than once."""

from collections.abc import Sequence
from pathlib import Path

from pixelsmile.cli.parsing import CommandParser
from pixelsmile.cli.triplets_display import remark
from pixelsmile.cli.triplets_pairing import (
    add_output_options,
    add_pairing_options,
    check_output,
    pair_pictures,
    write_pairing,
)

_EPILOG = """examples:
  pixelsmile triplets build mine.jsonl -o triplets.jsonl
  pixelsmile triplets build mine.jsonl --root faces --min-score 0.4 --min-margin 0.1 -o clear.jsonl

A line of the input is one picture, with the scores of all twelve expressions (`pixelsmile expressions`):
  {"image": "p7/3.png", "identity": "p7", "category": "fear", "scores": {"fear": 0.8, ...}}
category may be neutral. "domain": "anime", "boxes": [x1, y1, x2, y2] and "landmarks" (five [x, y]: eyes,
nose, corners of the mouth) may be added; domain is human where left out.

Pairs that are often confused come first (fear and surprised, angry and disgust), then those whose scores
overlap.
"""


def run(arguments: Sequence[str]) -> int:
    """Pair the pictures, write the triplets and print what became of every picture."""
    options = _parser().parse_args(arguments)
    path = Path(options.annotated)
    check_output(options, path)
    from pixelsmile.store.manifests import record_file
    from pixelsmile.triplets.annotated import read_annotated

    pictures = read_annotated(path, root=None if options.root is None else Path(options.root))
    partial = [picture for picture in pictures if picture.unscored]
    if partial:
        names = ", ".join(partial[0].unscored)
        remark(
            options, f"{len(partial)} pictures have no score for what their judge does not judge ({names})"
        )
    pairing = pair_pictures(options, pictures)
    write_pairing(
        options, pairing, kind="paired triplets", settings={"root": options.root}, inputs=[record_file(path)]
    )
    return 0


def _parser() -> CommandParser:
    parser = CommandParser("triplets build", "Pair the annotated pictures of each person.", _EPILOG)
    parser.add_argument(
        "annotated", metavar="ANNOTATED", help="JSON lines: a picture and what it shows in each"
    )
    parser.add_argument(
        "--root", metavar="FOLDER", help="what the paths in it are relative to (default: its own folder)"
    )
    add_output_options(parser)
    add_pairing_options(parser)
    return parser
