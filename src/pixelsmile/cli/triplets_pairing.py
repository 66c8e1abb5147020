"""What `pixelsmile triplets build` and `mead` share: the options of pairing, and what is written and said."""

import argparse
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pixelsmile.cli.parsing import CommandParser, whole_number
from pixelsmile.cli.triplets_numbers import share
from pixelsmile.errors import InputError, PixelSmileError
from pixelsmile.store.publication import staged

if TYPE_CHECKING:
    from pydantic import JsonValue

    from pixelsmile.store.manifests import FileRecord
    from pixelsmile.triplets.annotated import AnnotatedPicture
    from pixelsmile.triplets.pairing import Pairing, PairingSettings

_MAX_SEED = 2**63 - 1


def add_output_options(parser: CommandParser) -> None:
    """Where the lines go, and how much is said."""
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE",
        help="the JSON lines to write, such as triplets.jsonl",
    )
    parser.add_argument("--force", action="store_true", help="replace files that exist")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress and no remarks")


def add_pairing_options(parser: CommandParser) -> None:
    """What makes a picture a target or a source; the defaults are those of `PairingSettings`."""
    group = parser.add_argument_group("which pictures are paired")
    for option, what, default in (
        ("--min-score", "a target scores at least this for its own expression", 0.2),
        ("--min-margin", "and this much more than for any other", 0),
        ("--max-source-score", "a source scores at most this for every expression", 0.2),
        ("--min-overlap", "expressions that score this for each other on average are paired early", 0.1),
    ):
        group.add_argument(
            option, type=share(option[2:]), metavar="X", help=f"{what} (0..1, default {default})"
        )
    group.add_argument(
        "--uses-per-picture",
        type=whole_number("uses-per-picture", 1),
        metavar="N",
        help="in how many triplets one target may be (default 2)",
    )
    group.add_argument(
        "--seed",
        type=whole_number("seed", 0, _MAX_SEED),
        default=0,
        metavar="N",
        help="of what is left to chance (default 0)",
    )


def pair_pictures(options: argparse.Namespace, pictures: "Sequence[AnnotatedPicture]") -> "Pairing":
    """The triplets of these pictures. PixelSmileError, after the report, where there is none."""
    from pixelsmile.triplets.pairing import build_triplets

    pairing = build_triplets(pictures, _choices(options), seed=options.seed)
    if not pairing.triplets:
        if not options.json:
            print("\n".join(pairing.lines()))
        raise PixelSmileError(
            "no triplets came of these pictures, so nothing is written: a person needs a source that shows "
            "next to nothing, and clear pictures of two expressions"
        )
    return pairing


def write_pairing(
    options: argparse.Namespace,
    pairing: "Pairing",
    *,
    kind: str,
    settings: "Mapping[str, JsonValue]",
    inputs: "Sequence[FileRecord]" = (),
) -> None:
    """Write the lines and their manifest, both or none, and print the report."""
    from pixelsmile.store.manifests import make_manifest, record_bytes
    from pixelsmile.triplets.triplet import triplets_bytes

    path = Path(options.output)
    with staged(path.parent, output_names(path), force=options.force) as stage:
        lines = triplets_bytes(pairing.triplets, path.parent)
        manifest = make_manifest(
            kind,
            settings={
                **settings,
                "choices": asdict(_choices(options)),
                "seed": options.seed,
                "report": pairing.to_record(),
            },
            seeds=[options.seed],
            inputs=inputs,
            outputs=[record_bytes(path.name, lines)],
        )
        for name, data in zip(output_names(path), (lines, manifest.to_json()), strict=True):
            stage.write(name, data)
    if options.json:
        print(json.dumps({"triplets": str(path), **settings, **pairing.to_record()}))
        return
    print("\n".join(pairing.lines()))
    print(f"next: pixelsmile triplets check {shlex.quote(str(path))}")


def check_output(options: argparse.Namespace, *inputs: Path) -> None:
    """Refuse, before any work, a file that exists (unless --force) or that is one of the inputs."""
    path = Path(options.output)
    if any(path.resolve() == taken.resolve() for taken in inputs):
        raise InputError(f"-o {options.output!r} is the file that is read: choose another name")
    with staged(path.parent, output_names(path), force=options.force):
        pass  # nothing is written: entering it is the check


def output_names(path: Path) -> tuple[str, str]:
    """The lines, and the manifest beside them."""
    return path.name, f"{path.stem}.manifest.json"


def _choices(options: argparse.Namespace) -> "PairingSettings":
    from dataclasses import fields

    from pixelsmile.triplets.pairing import PairingSettings

    given = {field.name: getattr(options, field.name) for field in fields(PairingSettings)}
    return PairingSettings(**{name: value for name, value in given.items() if value is not None})
