"""`pixelsmile verify`: what pictures say of their making, in words or as JSON."""

import argparse
from pathlib import Path

from pixelsmile.cli.display import print_json, remark
from pixelsmile.cli.parsing import CommandParser
from pixelsmile.errors import PixelSmileError

NOTHING_FOUND, BROKEN_SIGNATURE = 1, 3  # what cannot be read is 2, as wrong input is everywhere
_EPILOG = """examples:
  pixelsmile verify edits/happy-1.00.png
  pixelsmile verify *.jpg --json
  pixelsmile verify signed.png --trust root.pem

Settings are words that anybody may have written. The mark says that pixelsmile edited a picture, and survives
JPEG, scaling and cropping. A signature says who vouches for the file as it is. Where nothing is found,
nothing is proven.

exit codes:
  0  every picture says something, and no signature is broken
  1  a picture says nothing
  2  a picture cannot be read; the others are looked into all the same
  3  a signature is broken: the file was changed after it was signed
Of several the highest counts.
"""


def parser() -> CommandParser:
    """The options."""
    summary = "What pictures, animations and films say of their making: settings, signature, mark."
    parser = CommandParser("verify", summary, run, _EPILOG)
    parser.add_argument("pictures", nargs="+", metavar="PICTURE", help="PNG, JPEG, WebP, GIF, MP4 and others")
    parser.add_argument(
        "--trust",
        metavar="FILE",
        help="certificates (PEM) of those whom you trust to vouch for signers, beside the library's own",
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object a picture, a line each, instead of words"
    )
    return parser


def run(options: argparse.Namespace) -> int:
    """Look into every picture; the exit code tells the worst of what was found."""
    from pixelsmile.provenance.certificates import read_anchors
    from pixelsmile.provenance.findings import inspect

    anchors = None if options.trust is None else read_anchors(Path(options.trust))
    code = 0
    for name in options.pictures:
        try:
            found = inspect(Path(name), anchors)
        except PixelSmileError as error:  # a broken signature may come after it
            if len(options.pictures) == 1:
                raise
            _say_unread(name, error, as_json=options.json)
            code = max(code, error.exit_code)
            continue
        if options.json:
            print_json(found.to_record())
        else:
            print(name)
            for about, sentence in found.sentences():
                print(f"  {about:<10} {sentence}", flush=True)
        if found.is_broken:
            code = BROKEN_SIGNATURE
        elif not found.says_something:
            code = max(code, NOTHING_FOUND)
    return code


def _say_unread(name: str, error: PixelSmileError, *, as_json: bool) -> None:
    remark(str(error))
    if as_json:
        print_json({"picture": name, "error": {"kind": type(error).__name__, "message": str(error)}})
