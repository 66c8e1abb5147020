"""`pixelsmile certificate`: a certificate of nobody's trust, to try signing with."""

import argparse
from pathlib import Path

from pixelsmile.cli.display import print_json, remark
from pixelsmile.cli.options import add_force, add_json, add_quiet
from pixelsmile.cli.parsing import CommandParser, whole_number

MAX_DAYS = 3650  # as `provenance.certificates` has it
_EPILOG = """examples:
  pixelsmile certificate -o mine --name "Anna Example"
  pixelsmile edit face.png -e happy --sign mine/certificate.pem mine/key.pem
  pixelsmile verify face-happy/happy-1.00.png --trust mine/root.pem

Whoever looks at such a signature sees that it fits, and that nobody vouches for it: to be trusted by others,
buy a certificate from one of those whom the C2PA trust list names.
"""


def parser() -> CommandParser:
    """The options."""
    summary = "Make a certificate and a key to sign edits with. It is for trying: nobody trusts it."
    parser = CommandParser("certificate", summary, run, _EPILOG)
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="the folder for the three files")
    parser.add_argument("--name", default="somebody", help="who signs (default: somebody)")
    parser.add_argument(
        "--days",
        type=whole_number("days", 1, MAX_DAYS),
        default=365,
        metavar="N",
        help=f"how long it is valid, 1 to {MAX_DAYS} (default 365)",
    )
    add_force(parser)
    add_json(parser, "the paths")
    add_quiet(parser)
    return parser


def run(options: argparse.Namespace) -> int:
    """Write the certificate, its key and its root."""
    from pixelsmile.provenance.certificates import make_test_certificate

    folder = Path(options.output)
    paths = make_test_certificate(folder, options.name, options.days, force=options.force)
    if options.json:
        print_json(dict(zip(("certificate", "key", "root"), map(str, paths), strict=True)))
    else:
        print("\n".join(map(str, paths)))
    remark("a test certificate: signatures with it fit, and nobody trusts them", options.quiet)
    remark(f"whoever has {paths[1]} can sign in that name: keep it to yourself", options.quiet)
    return 0
